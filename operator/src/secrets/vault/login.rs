//! Logging in to Vault as an `ErpGo`.
//!
//! Owns [`Sessions`]: one cached token for each `ErpGo`, so that a reconcile at rest neither asks for
//! a ServiceAccount token nor logs in. A token is used for two thirds of its life. One that is refused is
//! dropped as often as [`Relogin`] allows it: what a policy forbids, no login heals.

use std::time::{Duration, Instant};

use erpgo_crds::{VaultAppRole, VaultAuth};
use erpgo_secret_set::{Relogin, Secret};
use kube::Client;

use super::Vault;
use crate::secrets::account::Account;
use crate::secrets::error::SecretsError;
use crate::secrets::kubernetes::Store;
use crate::secrets::sessions::{self, Session};

const MAX_SESSIONS: usize = 10_000;

/// A token, and how often another may take its place.
struct Kept {
    // None from a refusal to the login after it.
    token: Option<Secret>,
    // What was refused, for the login after it.
    refused: Option<Deed>,
    relogins: Relogins,
}

/// What a token is used for. A policy may allow the one and forbid the other.
#[derive(Clone, Copy, Debug)]
pub(in crate::secrets) enum Deed {
    /// A look.
    Read,
    /// Anything that changes the document.
    Write,
}

struct Relogins {
    read: Relogin,
    write: Relogin,
}

impl Relogins {
    // Two looks are never close, so no gap is needed between two logins.
    const fn new() -> Self {
        Self {
            read: Relogin::new(Duration::ZERO),
            write: Relogin::new(Duration::ZERO),
        }
    }

    fn of(&mut self, deed: Deed) -> &mut Relogin {
        match deed {
            Deed::Read => &mut self.read,
            Deed::Write => &mut self.write,
        }
    }

    fn logged_in(mut self, deeds: &[Deed], now: Instant) -> Self {
        for deed in deeds {
            self.of(*deed).logged_in(now);
        }
        self
    }
}

/// Tokens in use.
#[derive(Default)]
pub struct Sessions(sessions::Sessions<u64, Kept, MAX_SESSIONS>);

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
        self.keep(account, settings, &login, Instant::now());
        Ok(login.token)
    }

    /// Whether there is another token than the one that was `refused`, or a login may bring one.
    pub(in crate::secrets) fn may_replace(
        &self,
        account: &Account,
        deed: Deed,
        refused: &Secret,
        now: Instant,
    ) -> bool {
        let is_that = |token: &Secret| token.ct_eq(refused.expose_secret().as_bytes());
        let may = self.0.with(account, |session| {
            let kept = &mut session.login;
            if !kept.token.as_ref().is_some_and(is_that) {
                return true;
            }
            let may = kept.relogins.of(deed).is_allowed(now);
            if may {
                (kept.token, kept.refused) = (None, Some(deed));
            }
            may
        });
        may.unwrap_or(true)
    }

    /// The token was good for `deed`.
    pub(in crate::secrets) fn succeeded(&self, account: &Account, deed: Deed) {
        self.0.with(account, |session| {
            session.login.relogins.of(deed).succeeded();
        });
    }

    fn cached(&self, account: &Account, settings: u64) -> Option<Secret> {
        let cached = self.0.with(account, |session| {
            let good = session.is_good(&settings);
            let token = session.login.token.as_ref().filter(|_| good)?;
            Some(token.duplicate())
        });
        cached.flatten()
    }

    fn keep(&self, account: &Account, settings: u64, login: &super::wire::Login, now: Instant) {
        self.0.renew(account.clone(), |before| {
            // Under other settings a login is another one.
            let before = before.filter(|session| session.settings == settings);
            let relogins = match before.map(|session| session.login) {
                None => Relogins::new().logged_in(&[Deed::Read, Deed::Write], now),
                // A token at its end is replaced whatever was refused.
                Some(kept) => kept.relogins.logged_in(kept.refused.as_slice(), now),
            };
            Session {
                settings,
                login: Kept {
                    token: Some(login.token.duplicate()),
                    refused: None,
                    relogins,
                },
                until: now + usable(login.lasts),
            }
        });
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

#[cfg(test)]
mod tests {
    use super::super::wire::Login;
    use super::*;

    const SETTINGS: u64 = 1;

    fn account() -> Account {
        Account {
            namespace: "shop".into(),
            name: "shop".into(),
        }
    }

    fn login(token: &str) -> Login {
        Login {
            token: Secret::new(token.into()),
            lasts: Duration::ZERO,
        }
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn holds(sessions: &Sessions, token: &str) -> bool {
        let cached = sessions.cached(&account(), SETTINGS);
        cached.is_some_and(|cached| cached.ct_eq(token.as_bytes()))
    }

    #[test]
    fn a_token_that_is_refused_from_the_first_is_kept_for_a_growing_while() {
        let (sessions, mut now) = (Sessions::default(), Instant::now());
        for pause in [60, 120, 240, 480, 960, 1920, 1920] {
            let given = login("a");
            sessions.keep(&account(), SETTINGS, &given, now);
            let may = |now| sessions.may_replace(&account(), Deed::Read, &given.token, now);
            assert!(!may(now + seconds(pause - 1)));
            assert!(holds(&sessions, "a"));
            now += seconds(pause);
            assert!(may(now));
            assert!(!holds(&sessions, "a"));
        }
        // Other settings are a new beginning.
        sessions.keep(&account(), SETTINGS + 1, &login("b"), now);
        let refused = Secret::new("b".into());
        let later = now + seconds(60);
        assert!(sessions.may_replace(&account(), Deed::Read, &refused, later));
    }

    #[test]
    fn what_reads_have_earned_is_not_spent_on_writes_that_a_policy_forbids() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let given = login("a");
        sessions.keep(&account(), SETTINGS, &given, now);
        sessions.succeeded(&account(), Deed::Read);
        let may = |deed| sessions.may_replace(&account(), deed, &given.token, now);
        assert!(!may(Deed::Write));
        assert!(holds(&sessions, "a"));
        assert!(may(Deed::Read));
        assert!(!holds(&sessions, "a"));
    }

    #[test]
    fn tokens_that_came_to_their_end_cost_no_write_its_login() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        for token in ["a", "b", "c"] {
            sessions.keep(&account(), SETTINGS, &login(token), now);
            sessions.succeeded(&account(), Deed::Read);
        }
        let refused = Secret::new("c".into());
        let may = |after| {
            let later = now + seconds(after);
            sessions.may_replace(&account(), Deed::Write, &refused, later)
        };
        assert!(!may(59));
        assert!(may(60));
    }

    #[test]
    fn a_token_that_another_look_has_replaced_is_used_without_a_login() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        sessions.keep(&account(), SETTINGS, &login("new"), now);
        let old = Secret::new("old".into());
        assert!(sessions.may_replace(&account(), Deed::Read, &old, now));
        assert!(holds(&sessions, "new"));
    }
}
