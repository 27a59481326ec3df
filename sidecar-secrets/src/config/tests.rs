use std::collections::BTreeMap;

use super::*;

struct World {
    dir: tempfile::TempDir,
    set: BTreeMap<String, String>,
}

impl World {
    fn new(backend: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for file in ["control", "jwt", "role-id", "secret-id", "ca"] {
            std::fs::write(dir.path().join(file), "content").unwrap();
        }
        let set = BTreeMap::new();
        let world = Self { dir, set };
        world
            .with("SIDECAR_BACKEND", backend)
            .with_file("SIDECAR_SECRETS_DIR", "")
            .with_file("SIDECAR_CONTROL_TOKEN_FILE", "control")
    }

    fn kubernetes() -> Self {
        Self::new("kubernetes")
            .with("SIDECAR_KUBERNETES_URL", "https://10.96.0.1")
            .with("SIDECAR_KUBERNETES_NAMESPACE", "shop")
            .with("SIDECAR_KUBERNETES_SECRET", "shop-secret-set")
            .with_file("SIDECAR_KUBERNETES_CA_FILE", "ca")
            .with_file("SIDECAR_KUBERNETES_TOKEN_FILE", "jwt")
    }

    fn vault() -> Self {
        Self::new("vault")
            .with("SIDECAR_VAULT_ADDRESS", "https://vault:8200")
            .with("SIDECAR_VAULT_PATH", "erpgo/shop")
            .with("SIDECAR_VAULT_ROLE", "shop")
            .with_file("SIDECAR_VAULT_CA_FILE", "ca")
            .with_file("SIDECAR_VAULT_JWT_FILE", "jwt")
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.set.insert(name.to_owned(), value.to_owned());
        self
    }

    fn with_file(self, name: &str, file: &str) -> Self {
        let path = self.dir.path().join(file);
        let path = path.to_str().unwrap().to_owned();
        self.with(name, &path)
    }

    fn load(&self) -> Result<Config, Invalid> {
        Config::load(|name| self.set.get(name).cloned())
    }

    fn faults(&self) -> Vec<String> {
        let invalid = self.load().map(|_| ()).unwrap_err();
        invalid.faults.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn a_complete_environment_of_either_backend_is_accepted() {
    let config = World::kubernetes().load().unwrap();
    assert!(matches!(config.backend, BackendConfig::Kubernetes(_)));
    assert_eq!(config.ack_listen.to_string(), "127.0.0.1:8791");
    assert_eq!(config.control_listen.to_string(), "0.0.0.0:8790");
    assert_eq!(config.poll_interval, Duration::from_secs(60));

    let BackendConfig::Vault(vault) = World::vault().load().unwrap().backend else {
        panic!("not vault");
    };
    assert_eq!(
        (vault.mount.as_str(), vault.auth_mount.as_str()),
        ("secret", "kubernetes")
    );
    assert!(matches!(vault.auth, VaultAuth::Token { .. }));
}

#[test]
fn approle_needs_its_two_files_and_no_role() {
    let world = World::vault()
        .with("SIDECAR_VAULT_AUTH", "approle")
        .with("SIDECAR_VAULT_ROLE", "");
    assert_eq!(
        world.faults(),
        [
            "SIDECAR_VAULT_ROLE_ID_FILE is not set: set it",
            "SIDECAR_VAULT_SECRET_ID_FILE is not set: set it"
        ]
    );
    let world = world
        .with_file("SIDECAR_VAULT_ROLE_ID_FILE", "role-id")
        .with_file("SIDECAR_VAULT_SECRET_ID_FILE", "secret-id");
    assert!(world.load().is_ok());
}

#[test]
fn all_faults_are_listed_at_once() {
    let world = World::vault()
        .with("SIDECAR_SECRETS_DIR", "/nonexistent")
        .with("SIDECAR_CONTROL_LISTEN", "nowhere")
        .with("SIDECAR_ACK_LISTEN", "0.0.0.0:8791")
        .with("SIDECAR_POLL_INTERVAL", "0")
        .with("SIDECAR_VAULT_ADDRESS", "http://vault:8200")
        .with("SIDECAR_VAULT_PATH", "../sys/raw")
        .with("SIDECAR_VAULT_ROLE", "");
    assert_eq!(
        world.faults(),
        [
            "SIDECAR_SECRETS_DIR: /nonexistent is not a directory: mount the volume there",
            "SIDECAR_CONTROL_LISTEN must be an address and port",
            "SIDECAR_ACK_LISTEN must be a loopback address and port",
            "SIDECAR_POLL_INTERVAL must be a number of seconds from 5 to 3600",
            "SIDECAR_VAULT_ADDRESS must be https, since plain http is for loopback only",
            "SIDECAR_VAULT_PATH must be a path of letters, digits, '-', '_', '.' and '/'",
            "SIDECAR_VAULT_ROLE is not set: set it",
        ]
    );
}

#[test]
fn plain_http_to_vault_needs_the_explicit_word() {
    let world = World::vault().with("SIDECAR_VAULT_ADDRESS", "http://vault:8200");
    assert!(world.load().is_err());
    assert!(
        world
            .with("SIDECAR_VAULT_ALLOW_HTTP", "true")
            .load()
            .is_ok()
    );
}

#[test]
fn a_secret_put_where_a_setting_belongs_is_not_quoted() {
    let mut world = World::kubernetes();
    let names: Vec<_> = world.set.keys().cloned().collect();
    for name in names
        .iter()
        .filter(|name| !name.ends_with("_FILE") && !name.ends_with("_DIR"))
    {
        world = world.with(name, "hvs.Canary=value!");
    }
    let shown = world.faults().join("\n");
    assert!(!shown.contains("Canary"), "{shown}");
}
