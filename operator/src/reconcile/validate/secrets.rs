//! Rules for the secret set: one backend, one way to log in, transport that keeps it secret.
//!
//! Owns the choice of [`SecretBackend`] and the checks of the sidecar.

use erpgo_crds::{ErpGoSpec, SecretKey, VaultAuth, VaultBackend};

use super::faults::Faults;
use super::{image, pod, syntax};
use crate::reconcile::valid::{SecretBackend, ValidSidecar, Vault, VaultLogin};

const BACKEND: &str = "spec.secrets.backend";
const VAULT: &str = "spec.secrets.backend.vault";

pub(super) fn secret_key(field: &str, key: &SecretKey, faults: &mut Faults) {
    syntax::object_name(&format!("{field}.name"), &key.name, faults);
    syntax::data_key(&format!("{field}.key"), &key.key, faults);
}

pub(super) fn sidecar(spec: &ErpGoSpec) -> ValidSidecar {
    let sidecar = &spec.secrets.sidecar;
    ValidSidecar {
        image: sidecar.image.clone(),
        poll_interval_seconds: sidecar.poll_interval_seconds,
        resources: sidecar.resources.clone(),
    }
}

pub(super) fn check(spec: &ErpGoSpec, faults: &mut Faults) {
    let sidecar = &spec.secrets.sidecar;
    if let Some(image) = &sidecar.image {
        image::check("spec.secrets.sidecar.image", image, faults);
    }
    let seconds = sidecar.poll_interval_seconds;
    faults.range("spec.secrets.sidecar.pollIntervalSeconds", seconds, 5, 3600);
    pod::resources("spec.secrets.sidecar.resources", &sidecar.resources, faults);
    rotation(spec, faults);
}

fn rotation(spec: &ErpGoSpec, faults: &mut Faults) {
    const FIELD: &str = "spec.secrets.rotation";
    let rotation = &spec.secrets.rotation;
    let (interval, grace) = (rotation.interval_days, &rotation.grace);
    faults.range(&format!("{FIELD}.intervalDays"), interval, 8, 3650);
    faults.range(&format!("{FIELD}.grace.jwtHours"), grace.jwt_hours, 1, 168);
    faults.range(
        &format!("{FIELD}.grace.refreshDays"),
        grace.refresh_days,
        7,
        90,
    );
    faults.unless(
        interval > grace.refresh_days,
        &format!("{FIELD}.intervalDays"),
        "must be greater than grace.refreshDays: raise it",
    );
}

pub(super) fn backend(spec: &ErpGoSpec, faults: &mut Faults) -> Option<SecretBackend> {
    let backend = &spec.secrets.backend;
    match (&backend.kubernetes, &backend.vault, &backend.aws) {
        (Some(_), None, None) => Some(SecretBackend::Kubernetes),
        (None, Some(vault), None) => valid_vault(vault, faults).map(SecretBackend::Vault),
        (None, None, Some(aws)) => super::aws::valid(aws, faults).map(SecretBackend::Aws),
        (None, None, None) => {
            faults.add(
                BACKEND,
                "has none of kubernetes, vault and aws: write kubernetes: {}, vault or aws",
            );
            None
        }
        _ => {
            faults.add(
                BACKEND,
                "has more than one of kubernetes, vault and aws: keep one of them",
            );
            None
        }
    }
}

fn valid_vault(vault: &VaultBackend, faults: &mut Faults) -> Option<Vault> {
    address(
        &format!("{VAULT}.address"),
        &vault.address,
        vault.allow_http,
        faults,
    );
    path(&format!("{VAULT}.mount"), &vault.mount, faults);
    path(&format!("{VAULT}.path"), &vault.path, faults);
    if let Some(namespace) = &vault.namespace {
        path(&format!("{VAULT}.namespace"), namespace, faults);
    }
    let ca = vault.ca_config_map_ref.as_ref();
    if let Some(ca) = ca {
        syntax::object_name(&format!("{VAULT}.caConfigMapRef.name"), &ca.name, faults);
        syntax::data_key(&format!("{VAULT}.caConfigMapRef.key"), &ca.key, faults);
    }
    let login = login(&vault.auth, faults)?;
    Some(Vault {
        address: vault.address.trim_end_matches('/').to_owned(),
        allow_http: vault.allow_http,
        namespace: vault.namespace.clone(),
        mount: vault.mount.clone(),
        path: vault.path.clone(),
        ca: ca.map(|ca| (ca.name.clone(), ca.key.clone())),
        login,
    })
}

/// Requires `https://HOST[:PORT]`, or `http` where it is allowed.
pub(super) fn address(field: &str, address: &str, allow_http: bool, faults: &mut Faults) {
    let parsed = url::Url::parse(address).ok();
    let bare = parsed.as_ref().is_some_and(|url| {
        url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    match parsed.as_ref().map(url::Url::scheme) {
        Some("https") if bare => {}
        Some("http") if bare => faults.unless(
            allow_http,
            field,
            "is plain http, over which secrets can be read by others: write https, or set \
             allowHttp: true for a development server",
        ),
        _ => faults.add(
            field,
            "must be https://HOST[:PORT] without a path or credentials",
        ),
    }
}

fn path(field: &str, path: &str, faults: &mut Faults) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed);
    faults.unless(
        path.split('/').all(part),
        field,
        "must be a relative path of letters, digits, '-', '_' and '.', for example erpgo/shop",
    );
}

fn login(auth: &VaultAuth, faults: &mut Faults) -> Option<VaultLogin> {
    let field = format!("{VAULT}.auth");
    match (&auth.kubernetes, &auth.jwt, &auth.app_role) {
        (Some(auth), None, None) => {
            let field = format!("{field}.kubernetes");
            by_token(&field, (&auth.mount, &auth.role, &auth.audience), faults);
            Some(VaultLogin::Kubernetes(auth.clone()))
        }
        (None, Some(auth), None) => {
            let field = format!("{field}.jwt");
            by_token(&field, (&auth.mount, &auth.role, &auth.audience), faults);
            Some(VaultLogin::Jwt(auth.clone()))
        }
        (None, None, Some(app_role)) => {
            path(&format!("{field}.appRole.mount"), &app_role.mount, faults);
            let name = &app_role.secret_ref.name;
            syntax::object_name(&format!("{field}.appRole.secretRef.name"), name, faults);
            Some(VaultLogin::AppRole(app_role.clone()))
        }
        _ => {
            faults.add(
                field,
                "takes exactly one of kubernetes, jwt and appRole: write one of them",
            );
            None
        }
    }
}

fn by_token(field: &str, (mount, role, name): (&str, &str, &str), faults: &mut Faults) {
    path(&format!("{field}.mount"), mount, faults);
    path(&format!("{field}.role"), role, faults);
    audience(&format!("{field}.audience"), name, "vault", faults);
}

/// Requires what a token can carry as its audience.
pub(super) fn audience(field: &str, audience: &str, example: &str, faults: &mut Faults) {
    let printable = !audience.is_empty() && audience.chars().all(|c| c.is_ascii_graphic());
    let problem = format!("must be printable characters without spaces, for example {example}");
    faults.unless(printable, field, &problem);
}
