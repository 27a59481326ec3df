//! Logging in to Vault as an `ErpGo`.
//!
//! Owns [`Sessions`]: one cached token for each `ErpGo`, so that a reconcile at rest neither asks for
//! a ServiceAccount token nor logs in. A token is used for two thirds of its life and dropped at the
//! first refusal.

use std::time::{Duration, Instant};

use erpgo_crds::{VaultAppRole, VaultAuth};
use erpgo_secret_set::Secret;
use kube::Client;

use super::Vault;
use crate::secrets::account::Account;
use crate::secrets::error::SecretsError;
use crate::secrets::kubernetes::Store;
use crate::secrets::sessions::{self, Session};

const MAX_SESSIONS: usize = 10_000;

/// Tokens in use.
#[derive(Default)]
pub struct Sessions(sessions::Sessions<u64, Secret, MAX_SESSIONS>);

impl Sessions {
    /// The cached token, or a new one from a login.
    pub(in crate::secrets) async fn token(
        &self,
        client: &Client,
        vault: &Vault<'_>,
        account: &Account,
    ) -> Result<Secret, SecretsError> {
        let settings = fingerprint(vault);
        if let Some(token) = self.0.get(account, &settings, Secret::duplicate) {
            return Ok(token);
        }
        let login = log_in(client, vault, account).await?;
        let session = Session {
            settings,
            login: login.token.duplicate(),
            until: Instant::now() + usable(login.lasts),
        };
        self.0.keep(account.clone(), session);
        Ok(login.token)
    }

    /// Forgets a token that was refused.
    pub(in crate::secrets) fn forget(&self, account: &Account) {
        self.0.forget(account);
    }
}

// A token without an end (lease 0) is asked for anew each hour all the same.
fn usable(lasts: Duration) -> Duration {
    let hour = Duration::from_secs(3600);
    if lasts.is_zero() {
        hour
    } else {
        (lasts * 2 / 3).min(hour)
    }
}

fn fingerprint(vault: &Vault<'_>) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    let settings = serde_json::to_string(vault.settings).unwrap_or_default();
    settings.hash(&mut hasher);
    hasher.finish()
}

async fn log_in(
    client: &Client,
    vault: &Vault<'_>,
    account: &Account,
) -> Result<super::wire::Login, SecretsError> {
    match &vault.settings.auth {
        VaultAuth {
            kubernetes: Some(auth),
            ..
        } => {
            by_token(
                client,
                vault,
                account,
                (&auth.mount, &auth.role, &auth.audience),
            )
            .await
        }
        VaultAuth {
            jwt: Some(auth), ..
        } => {
            by_token(
                client,
                vault,
                account,
                (&auth.mount, &auth.role, &auth.audience),
            )
            .await
        }
        VaultAuth {
            app_role: Some(auth),
            ..
        } => app_role(client, vault, account, auth).await,
        VaultAuth {
            kubernetes: None,
            jwt: None,
            app_role: None,
        } => Err(SecretsError::Settings(
            "no way to log in: set auth.kubernetes, auth.jwt or auth.appRole",
        )),
    }
}

// Kubernetes auth and JWT auth take the same body; they differ in whom Vault asks about the token.
async fn by_token(
    client: &Client,
    vault: &Vault<'_>,
    account: &Account,
    (mount, role, audience): (&str, &str, &str),
) -> Result<super::wire::Login, SecretsError> {
    let token = account.token(client, audience).await?;
    let body = serde_json::json!({"role": role, "jwt": token.expose_secret()});
    vault.login(mount, &Secret::new(body.to_string())).await
}

async fn app_role(
    client: &Client,
    vault: &Vault<'_>,
    account: &Account,
    auth: &VaultAppRole,
) -> Result<super::wire::Login, SecretsError> {
    let store = Store::new(client.clone(), &account.namespace);
    let name = &auth.secret_ref.name;
    let role_id = store.require(name, "role-id").await?;
    let secret_id = store.require(name, "secret-id").await?;
    let body = serde_json::json!({
        "role_id": role_id.expose_secret().trim(),
        "secret_id": secret_id.expose_secret().trim(),
    });
    vault
        .login(&auth.mount, &Secret::new(body.to_string()))
        .await
}
