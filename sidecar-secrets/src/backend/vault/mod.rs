//! The document in Vault or OpenBao, KV v2.
//!
//! Owns one login and its use: log in when there is none, read, and log in again after a 403 when
//! [`Relogin`] allows it. No attempt makes more than three requests, and when attempts are made is
//! for [`crate::schedule`] (read) and [`Lease`] (upkeep) to say: there is no loop in here.

mod login;
mod requests;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use erpgo_secret_set::{Relogin, Secret};

use self::requests::Requests;
use super::lease::{Care, Lease};
use super::{BackendError, ErrorClass, Reading, Revision};
use crate::config::{VaultAuth, VaultConfig};
use crate::counters::{Counters, Tried};
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

    pub(super) async fn read(&mut self, known: Option<&Revision>) -> Result<Reading, BackendError> {
        let fresh = self.ensure_session().await?;
        match self.fetch(known).await {
            Err(error) if !fresh && self.may_be_expired(&error) => {
                self.login().await?;
                self.fetch(known).await
            }
            outcome => outcome,
        }
    }

    pub(super) fn upkeep_due(&self) -> Option<Instant> {
        self.session
            .as_ref()
            .and_then(|session| session.lease.due())
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

    // Whether the session is new, so that a refusal is none that a login would heal.
    async fn ensure_session(&mut self) -> Result<bool, BackendError> {
        let now = Instant::now();
        let alive = self
            .session
            .as_ref()
            .is_some_and(|session| session.lease.is_alive(now));
        if alive {
            return Ok(false);
        }
        self.login().await.map(|()| true)
    }

    async fn login(&mut self) -> Result<(), BackendError> {
        let answer = login::login(&self.requests, &self.auth).await;
        count(&self.counters.logins, answer.is_ok());
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

    async fn renew(&mut self) -> Result<(), BackendError> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        let answer = self.requests.renew(&session.token).await;
        count(&self.counters.renewals, answer.is_ok());
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

    fn may_be_expired(&self, error: &BackendError) -> bool {
        error.class() == ErrorClass::Denied && self.relogin.is_allowed(Instant::now())
    }
}

fn count(tried: &Tried, ok: bool) {
    let counter = if ok { &tried.ok } else { &tried.failed };
    counter.add_one();
}
