//! Volumes and where they are mounted.
//!
//! Owns which container sees what: the secret set is on a tmpfs that the sidecar writes and the main
//! container reads; credentials of the backend and the control token are the sidecar's alone.

use erpgo_crds::SecretKey;
use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, DownwardAPIProjection, DownwardAPIVolumeFile,
    EmptyDirVolumeSource, KeyToPath, ObjectFieldSelector, ProjectedVolumeSource,
    SecretVolumeSource, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::reconcile::valid::{Aws, AwsLogin, SecretBackend, ValidErpGo, Vault, VaultLogin};
use crate::rotation::LoginKey;
use crate::secrets::VERIFIER_KEY;

/// Where the secret set is rendered.
pub const SECRETS_DIR: &str = "/var/run/erpgo/secrets";
/// The control port's bearer token.
pub const CONTROL_TOKEN_FILE: &str = "/var/run/erpgo/control/token";
/// The first administrator.
pub const BOOTSTRAP_DIR: &str = "/var/run/erpgo/bootstrap";
/// The token for Vault.
pub const VAULT_TOKEN_FILE: &str = "/var/run/erpgo/vault-token/token";
/// Vault's CA.
pub const VAULT_CA_FILE: &str = "/etc/erpgo-vault-ca/ca.crt";
/// AppRole: role id.
pub const ROLE_ID_FILE: &str = "/var/run/erpgo/vault-approle/role-id";
/// AppRole: secret id.
pub const SECRET_ID_FILE: &str = "/var/run/erpgo/vault-approle/secret-id";

/// The token for AWS STS.
pub const AWS_TOKEN_FILE: &str = "/var/run/erpgo/aws-token/token";
/// The CA of AWS endpoints of one's own.
pub const AWS_CA_FILE: &str = "/etc/erpgo-aws-ca/ca.crt";
/// AWS access key: its id.
pub const ACCESS_KEY_ID_FILE: &str = "/var/run/erpgo/aws-credentials/access-key-id";
/// AWS access key: the key.
pub const SECRET_ACCESS_KEY_FILE: &str = "/var/run/erpgo/aws-credentials/secret-access-key";

/// The mail server's user name and password.
pub const MAIL_DIR: &str = "/etc/erpgo-mail";
/// Where `erpgo db-credentials` finds the administrator's URL.
const DATABASE_ADMIN_DIR: &str = "/etc/erpgo/db-admin";
/// And the verifier of a new password.
const DATABASE_VERIFIER_DIR: &str = "/etc/erpgo/db-rotation";
/// Where `erpgo redis-credentials` finds the administrator's URL.
const REDIS_ADMIN_DIR: &str = "/etc/erpgo/redis-admin";
/// And the verifier of a new password.
const REDIS_VERIFIER_DIR: &str = "/etc/erpgo/redis-rotation";

const SECRETS: &str = "secrets";
const CONFIG: &str = "config";
const CONTROL_TOKEN: &str = "control-token";
const API_ACCESS: &str = "api-access";
const VAULT_TOKEN: &str = "vault-token";
const VAULT_CA: &str = "vault-ca";
const VAULT_APPROLE: &str = "vault-approle";
const AWS_TOKEN: &str = "aws-token";
const AWS_CA: &str = "aws-ca";
const AWS_CREDENTIALS: &str = "aws-credentials";
const LOGIN_ADMIN: &str = "login-admin";
const VERIFIER: &str = "verifier";
const MAIL: &str = "mail";
const BOOTSTRAP: &str = "bootstrap";

/// Read by the owner and the pod's group.
const MODE: i32 = 0o440;
/// The shortest life that a projected token may have; the kubelet renews it.
const VAULT_TOKEN_SECONDS: i64 = 600;
/// As for IRSA's own volume, within what STS takes.
const AWS_TOKEN_SECONDS: i64 = 3600;
/// As the API server's own default; it marks tokens that are bound to a pod.
const API_TOKEN_SECONDS: i64 = 3607;

pub(super) fn of_every_pod(app: &ValidErpGo) -> Vec<Volume> {
    let mut list = vec![
        Volume {
            name: SECRETS.into(),
            empty_dir: Some(EmptyDirVolumeSource {
                medium: Some("Memory".into()),
                size_limit: Some(Quantity("4Mi".into())),
            }),
            ..Volume::default()
        },
        Volume {
            name: CONFIG.into(),
            config_map: Some(ConfigMapVolumeSource {
                name: app.names.config_map(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        secret(CONTROL_TOKEN, &app.names.control_token(), &["token"]),
    ];
    match &app.backend {
        SecretBackend::Kubernetes => list.push(api_access_volume()),
        SecretBackend::Vault(vault) => list.extend(of_vault(vault)),
        SecretBackend::Aws(aws) => list.extend(of_aws(aws)),
    }
    list
}

fn of_vault(vault: &Vault) -> Vec<Volume> {
    let mut list = vec![match &vault.login {
        VaultLogin::Kubernetes(auth) => vault_token_volume(&auth.audience),
        VaultLogin::Jwt(auth) => vault_token_volume(&auth.audience),
        VaultLogin::AppRole(auth) => secret(
            VAULT_APPROLE,
            &auth.secret_ref.name,
            &["role-id", "secret-id"],
        ),
    }];
    list.extend(vault.ca.as_ref().map(|ca| authority(VAULT_CA, ca)));
    list
}

fn vault_token_volume(audience: &str) -> Volume {
    let token = service_account_token(Some(audience), VAULT_TOKEN_SECONDS);
    projected(VAULT_TOKEN, vec![token])
}

fn of_aws(aws: &Aws) -> Vec<Volume> {
    let login = match &aws.login {
        AwsLogin::WebIdentity(identity) => {
            let token = service_account_token(Some(&identity.audience), AWS_TOKEN_SECONDS);
            Some(projected(AWS_TOKEN, vec![token]))
        }
        // EKS adds the volume and its variables to the pod by itself.
        AwsLogin::PodIdentity => None,
        AwsLogin::Static(name) => {
            let keys = ["access-key-id", "secret-access-key"];
            Some(secret(AWS_CREDENTIALS, name, &keys))
        }
    };
    let ca = aws.ca.as_ref().map(|ca| authority(AWS_CA, ca));
    login.into_iter().chain(ca).collect()
}

fn authority(volume: &str, (name, key): &(String, String)) -> Volume {
    Volume {
        name: volume.into(),
        config_map: Some(ConfigMapVolumeSource {
            name: name.clone(),
            items: Some(vec![path(key, "ca.crt")]),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// The first administrator's e-mail and password, for the migration alone.
pub(in crate::reconcile::build) fn bootstrap(name: &str) -> Volume {
    secret(BOOTSTRAP, name, &["email", "password"])
}

/// The mail server's user name and password, for the API alone.
pub(in crate::reconcile::build) fn mail(app: &ValidErpGo) -> Option<Volume> {
    let credentials = app.mail.as_ref()?.credentials_secret_ref.as_ref()?;
    Some(secret(MAIL, &credentials.name, &["username", "password"]))
}

/// The URL of who changes passwords, for that Job alone.
pub(in crate::reconcile::build) fn login_admin(source: &SecretKey) -> Volume {
    secret_files(LOGIN_ADMIN, &source.name, vec![path(&source.key, "url")])
}

/// The verifier of a new password, for that Job alone.
pub(in crate::reconcile::build) fn verifier(name: &str) -> Volume {
    secret(VERIFIER, name, &[VERIFIER_KEY])
}

// What the kubelet would mount by default, for the sidecar alone.
fn api_access_volume() -> Volume {
    let ca = VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: "kube-root-ca.crt".into(),
            items: Some(vec![path("ca.crt", "ca.crt")]),
            optional: None,
        }),
        ..VolumeProjection::default()
    };
    let namespace = VolumeProjection {
        downward_api: Some(DownwardAPIProjection {
            items: Some(vec![DownwardAPIVolumeFile {
                path: "namespace".into(),
                field_ref: Some(ObjectFieldSelector {
                    api_version: Some("v1".into()),
                    field_path: "metadata.namespace".into(),
                }),
                ..DownwardAPIVolumeFile::default()
            }]),
        }),
        ..VolumeProjection::default()
    };
    let token = service_account_token(None, API_TOKEN_SECONDS);
    projected(API_ACCESS, vec![token, ca, namespace])
}

fn service_account_token(audience: Option<&str>, seconds: i64) -> VolumeProjection {
    VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            audience: audience.map(Into::into),
            expiration_seconds: Some(seconds),
            path: "token".into(),
        }),
        ..VolumeProjection::default()
    }
}

fn projected(name: &str, sources: Vec<VolumeProjection>) -> Volume {
    Volume {
        name: name.into(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(MODE),
            sources: Some(sources),
        }),
        ..Volume::default()
    }
}

fn secret(volume: &str, name: &str, keys: &[&str]) -> Volume {
    let files = keys.iter().map(|key| path(key, key)).collect();
    secret_files(volume, name, files)
}

fn secret_files(volume: &str, name: &str, files: Vec<KeyToPath>) -> Volume {
    Volume {
        name: volume.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name.into()),
            default_mode: Some(MODE),
            items: Some(files),
            optional: None,
        }),
        ..Volume::default()
    }
}

fn path(key: &str, path: &str) -> KeyToPath {
    KeyToPath {
        key: key.into(),
        path: path.into(),
        mode: None,
    }
}

pub(super) fn secrets_to_read() -> VolumeMount {
    read_only(SECRETS, SECRETS_DIR)
}

pub(super) fn secrets_to_write() -> VolumeMount {
    VolumeMount {
        read_only: None,
        ..read_only(SECRETS, SECRETS_DIR)
    }
}

// The directory and not the file: a file that is mounted by subPath is never updated.
pub(super) fn config() -> VolumeMount {
    read_only(CONFIG, "/etc/erpgo")
}

pub(super) fn control_token() -> VolumeMount {
    read_only(CONTROL_TOKEN, "/var/run/erpgo/control")
}

pub(super) fn api_access() -> VolumeMount {
    read_only(API_ACCESS, "/var/run/secrets/kubernetes.io/serviceaccount")
}

pub(super) fn vault_token() -> VolumeMount {
    read_only(VAULT_TOKEN, "/var/run/erpgo/vault-token")
}

pub(super) fn vault_ca() -> VolumeMount {
    read_only(VAULT_CA, "/etc/erpgo-vault-ca")
}

pub(super) fn vault_approle() -> VolumeMount {
    read_only(VAULT_APPROLE, "/var/run/erpgo/vault-approle")
}

pub(super) fn aws_token() -> VolumeMount {
    read_only(AWS_TOKEN, "/var/run/erpgo/aws-token")
}

pub(super) fn aws_ca() -> VolumeMount {
    read_only(AWS_CA, "/etc/erpgo-aws-ca")
}

pub(super) fn aws_credentials() -> VolumeMount {
    read_only(AWS_CREDENTIALS, "/var/run/erpgo/aws-credentials")
}

pub(super) fn mail_mount() -> VolumeMount {
    read_only(MAIL, MAIL_DIR)
}

pub(super) fn login_admin_mount(key: LoginKey) -> VolumeMount {
    let dir = match key {
        LoginKey::Database => DATABASE_ADMIN_DIR,
        LoginKey::Redis => REDIS_ADMIN_DIR,
    };
    read_only(LOGIN_ADMIN, dir)
}

pub(super) fn verifier_mount(key: LoginKey) -> VolumeMount {
    let dir = match key {
        LoginKey::Database => DATABASE_VERIFIER_DIR,
        LoginKey::Redis => REDIS_VERIFIER_DIR,
    };
    read_only(VERIFIER, dir)
}

pub(super) fn bootstrap_mount() -> VolumeMount {
    read_only(BOOTSTRAP, BOOTSTRAP_DIR)
}

fn read_only(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.into(),
        mount_path: path.into(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}
