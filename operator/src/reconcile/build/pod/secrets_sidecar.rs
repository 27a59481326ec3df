//! The container `secrets`.
//!
//! Owns the native sidecar: it starts before the main container, which waits until the secret set has
//! been rendered once, and ends after it. It alone holds the credentials of the backend and the token
//! of its control port.

use k8s_openapi::api::core::v1::{Container, EnvVar, VolumeMount};

use super::{CONTROL, SIDECAR, aws, env, probes, pull_policy, requirements, security, volumes};
use crate::reconcile::valid::{SecretBackend, ValidErpGo, Vault, VaultLogin};

/// Seconds until a sidecar that has rendered nothing is restarted.
const START_PATIENCE: i32 = 300;
/// Certificates in the sidecar's image.
pub(super) const PUBLIC_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

pub(super) fn container(app: &ValidErpGo, image: &str) -> Container {
    let (environment, mounts) = backend(app);
    Container {
        name: SIDECAR.into(),
        image: Some(image.into()),
        image_pull_policy: Some(pull_policy(app.pull_policy).into()),
        args: Some(vec!["run".into()]),
        restart_policy: Some("Always".into()),
        env: Some([common(app), environment].concat()),
        ports: Some(vec![CONTROL.of_container()]),
        startup_probe: Some(probes::startup("/health/started", CONTROL, START_PATIENCE)),
        liveness_probe: Some(probes::liveness("/health/live", CONTROL)),
        resources: Some(requirements(&app.sidecar.resources)),
        security_context: Some(security::of_a_container()),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        volume_mounts: Some([own_mounts(), mounts].concat()),
        ..Container::default()
    }
}

fn common(app: &ValidErpGo) -> Vec<EnvVar> {
    vec![
        env("SIDECAR_SECRETS_DIR", volumes::SECRETS_DIR),
        env("SIDECAR_CONTROL_TOKEN_FILE", volumes::CONTROL_TOKEN_FILE),
        env(
            "SIDECAR_POLL_INTERVAL",
            app.sidecar.poll_interval_seconds.to_string(),
        ),
    ]
}

fn own_mounts() -> Vec<VolumeMount> {
    vec![volumes::secrets_to_write(), volumes::control_token()]
}

fn backend(app: &ValidErpGo) -> (Vec<EnvVar>, Vec<VolumeMount>) {
    match &app.backend {
        SecretBackend::Kubernetes => (kubernetes(app), vec![volumes::api_access()]),
        SecretBackend::Vault(vault) => {
            let (login, mut mounts) = login(&vault.login);
            mounts.extend(vault.ca.is_some().then(volumes::vault_ca));
            ([vault_environment(vault), login].concat(), mounts)
        }
        SecretBackend::Aws(aws) => aws::backend(aws),
    }
}

fn kubernetes(app: &ValidErpGo) -> Vec<EnvVar> {
    vec![
        env("SIDECAR_BACKEND", "kubernetes"),
        env("SIDECAR_KUBERNETES_NAMESPACE", app.names.namespace()),
        env("SIDECAR_KUBERNETES_SECRET", app.names.secret_set()),
    ]
}

fn vault_environment(vault: &Vault) -> Vec<EnvVar> {
    let mut list = vec![
        env("SIDECAR_BACKEND", "vault"),
        env("SIDECAR_VAULT_ADDRESS", &vault.address),
        env("SIDECAR_VAULT_MOUNT", &vault.mount),
        env("SIDECAR_VAULT_PATH", &vault.path),
    ];
    if let Some(namespace) = &vault.namespace {
        list.push(env("SIDECAR_VAULT_NAMESPACE", namespace));
    }
    if vault.allow_http {
        list.push(env("SIDECAR_VAULT_ALLOW_HTTP", "true"));
    }
    if vault.ca.is_some() {
        list.push(env("SIDECAR_VAULT_CA_FILE", volumes::VAULT_CA_FILE));
    } else if vault.address.starts_with("https:") {
        list.push(env("SIDECAR_VAULT_CA_FILE", PUBLIC_ROOTS));
    }
    list
}

fn login(login: &VaultLogin) -> (Vec<EnvVar>, Vec<VolumeMount>) {
    match login {
        VaultLogin::Kubernetes(auth) => by_token("kubernetes", &auth.mount, &auth.role),
        VaultLogin::Jwt(auth) => by_token("jwt", &auth.mount, &auth.role),
        VaultLogin::AppRole(auth) => (
            vec![
                env("SIDECAR_VAULT_AUTH", "approle"),
                env("SIDECAR_VAULT_AUTH_MOUNT", &auth.mount),
                env("SIDECAR_VAULT_ROLE_ID_FILE", volumes::ROLE_ID_FILE),
                env("SIDECAR_VAULT_SECRET_ID_FILE", volumes::SECRET_ID_FILE),
            ],
            vec![volumes::vault_approle()],
        ),
    }
}

fn by_token(method: &str, mount: &str, role: &str) -> (Vec<EnvVar>, Vec<VolumeMount>) {
    let variables = vec![
        env("SIDECAR_VAULT_AUTH", method),
        env("SIDECAR_VAULT_AUTH_MOUNT", mount),
        env("SIDECAR_VAULT_ROLE", role),
        env("SIDECAR_VAULT_JWT_FILE", volumes::VAULT_TOKEN_FILE),
    ];
    (variables, vec![volumes::vault_token()])
}
