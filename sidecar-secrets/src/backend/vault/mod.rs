//! The document in Vault or OpenBao, KV v2.
//!
//! Owns one login and its use; when it is used is for [`LogsIn`] (read) and [`Lease`] (upkeep) to say:
//! there is no loop in here.

mod login;
mod requests;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use erpgo_secret_set::{ErrorClass, Relogin, Secret};

use self::requests::Requests;
use super::lease::{Care, Lease};
use super::session::LogsIn;
use super::{BackendError, Reading, Revision};
use crate::config::{VaultAuth, VaultConfig};
use crate::counters::Counters;
use crate::schedule::MIN_GAP;
use crate::{log, random};

// What SIGTERM leaves for giving the token back; the process ends within a second.
const FAREWELL: Duration = Duration::from_millis(300);

/// A KV v2 key and the login that reads it.
pub(crate) struct Vault {
    requests: Requests,
    auth: VaultAuth,
    session: Option<Session>,
    relogin: Relogin,
    counters: Arc<Counters>,
}

struct Session {
    token: Secret,
    lease: Lease,
}

impl Vault {
    pub(super) fn new(config: VaultConfig, counters: Arc<Counters>) -> Self {
        let (requests, auth) = Requests::new(config);
        let relogin = Relogin::new(MIN_GAP);
        Self {
            requests,
            auth,
            session: None,
            relogin,
            counters,
        }
    }

    /// Renews the token, or replaces it when it cannot live on.
    pub(super) async fn upkeep(&mut self) {
        let Some(care) = self.session.as_ref().map(|session| session.lease.care()) else {
            return;
        };
        let outcome = match care {
            Care::Renew => self.renew().await,
            Care::Replace => self.login().await,
        };
        if let Err(error) = outcome {
            log::warn(
                "the Vault login could not be kept up",
                &[
                    ("class", &error.class().as_str()),
                    ("error", &log::chain(&error)),
                ],
            );
            self.upkeep_failed(&error);
        }
    }

    /// Gives the token back.
    pub(super) async fn farewell(&mut self) {
        if let Some(session) = self.session.take() {
            // Best effort: a token that is not given back ends by its own TTL.
            let _ = tokio::time::timeout(FAREWELL, self.requests.revoke(&session.token)).await;
        }
    }

    async fn renew(&mut self) -> Result<(), BackendError> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        let answer = self.requests.renew(&session.token).await;
        self.counters.renewals.count(answer.is_ok());
        session
            .lease
            .renewed(Instant::now(), answer?, random::unit());
        Ok(())
    }

    fn upkeep_failed(&mut self, error: &BackendError) {
        let denied = error.class() == ErrorClass::Denied;
        if let Some(session) = &mut self.session {
            session
                .lease
                .failed(Instant::now(), error.retry_after(), random::unit());
            if denied {
                session.lease.refused();
            }
        }
    }
}

impl LogsIn for Vault {
    fn lease(&self) -> Option<&Lease> {
        self.session.as_ref().map(|session| &session.lease)
    }

    fn relogin(&self) -> &Relogin {
        &self.relogin
    }

    async fn login(&mut self) -> Result<(), BackendError> {
        let answer = login::login(&self.requests, &self.auth).await;
        self.counters.logins.count(answer.is_ok());
        let granted = answer?;
        let now = Instant::now();
        self.relogin.logged_in(now);
        log::info(
            "logged in to Vault",
            &[("ttl_seconds", &granted.ttl.as_secs())],
        );
        let lease = Lease::granted(now, granted.ttl, granted.renewable, random::unit());
        self.session = Some(Session {
            token: granted.token,
            lease,
        });
        Ok(())
    }

    async fn fetch(&mut self, known: Option<&Revision>) -> Result<Reading, BackendError> {
        let Some(session) = &self.session else {
            return Err(BackendError::Denied {
                what: "reading the document",
                status: 403,
                remedy: "there is no login yet",
            });
        };
        let reading = self.requests.read(&session.token, known).await?;
        self.relogin.succeeded();
        Ok(reading)
    }
}
