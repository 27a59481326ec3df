//! Logging in to Vault as an `ErpGo`.
//!
//! Owns [`Sessions`]: one cached token for each `ErpGo`, so that a reconcile at rest neither asks for
//! a ServiceAccount token nor logs in. A token is used for two thirds of its life and dropped at the
//! first refusal.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use erpgo_crds::{VaultAppRole, VaultAuth};
use erpgo_secret_set::Secret;
use kube::Client;

use super::Vault;
use crate::secrets::account::Account;
use crate::secrets::error::SecretsError;
use crate::secrets::kubernetes::Store;

// A cache that met more resources than this starts again empty rather than growing.
const MAX_SESSIONS: usize = 10_000;

struct Session {
    settings: u64,
    token: Secret,
    until: Instant,
}

/// Tokens in use.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<Account, Session>>);

impl Sessions {
    /// The cached token, or a new one from a login.
    pub(in crate::secrets) async fn token(
        &self,
        client: &Client,
        vault: &Vault<'_>,
        account: &Account,
    ) -> Result<Secret, SecretsError> {
        let settings = fingerprint(vault);
        if let Some(token) = self.cached(account, settings) {
            return Ok(token);
        }
        let login = log_in(client, vault, account).await?;
        let session = Session {
            settings,
            token: login.token.duplicate(),
            until: Instant::now() + usable(login.lasts),
        };
        self.keep(account.clone(), session);
        Ok(login.token)
    }

    /// Forgets a token that was refused.
    pub(in crate::secrets) fn forget(&self, account: &Account) {
        self.sessions().remove(account);
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<Account, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cached(&self, account: &Account, settings: u64) -> Option<Secret> {
        let sessions = self.sessions();
        let session = sessions.get(account)?;
        let good = session.settings == settings && Instant::now() < session.until;
        good.then(|| session.token.duplicate())
    }

    fn keep(&self, account: Account, session: Session) {
        let mut sessions = self.sessions();
        if sessions.len() >= MAX_SESSIONS {
            sessions.clear();
        }
        sessions.insert(account, session);
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

// A token belongs to the settings that it was issued under; another address must never see it.
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
