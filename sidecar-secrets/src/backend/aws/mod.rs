//! The document in AWS Secrets Manager.
//!
//! Owns one set of credentials and its use: get it, read by it, replace it at two thirds of its life.
//! One request a poll: the answer tells the version, and asking for that alone would cost the same.
//! See ADR 0011.

mod credentials;
mod fault;
mod signed;
mod wire;

use std::sync::Arc;
use std::time::Instant;

use erpgo_secret_set::Relogin;

use self::credentials::{Credentials, Source};
use self::signed::Signed;
use super::lease::Lease;
use super::session::LogsIn;
use super::{BackendError, Reading, Revision};
use crate::config::AwsConfig;
use crate::counters::Counters;
use crate::schedule::MIN_GAP;
use crate::{log, random};

/// A secret and the credentials that read it.
pub(crate) struct Aws {
    requests: Signed,
    source: Source,
    session: Option<Session>,
    relogin: Relogin,
    counters: Arc<Counters>,
}

struct Session {
    credentials: Credentials,
    lease: Lease,
}

impl Aws {
    pub(super) fn new(config: AwsConfig, counters: Arc<Counters>) -> Self {
        Self {
            source: Source::new(config.auth, config.ca_file.clone()),
            requests: Signed::new(
                config.endpoint,
                config.ca_file,
                config.region,
                config.secret_id,
            ),
            session: None,
            relogin: Relogin::new(MIN_GAP),
            counters,
        }
    }

    /// Replaces the credentials; the old ones serve on until they expire.
    pub(super) async fn upkeep(&mut self) {
        let Err(error) = self.login().await else {
            return;
        };
        log::warn(
            "the AWS credentials could not be replaced",
            &[
                ("class", &error.class().as_str()),
                ("error", &log::chain(&error)),
            ],
        );
        if let Some(session) = &mut self.session {
            let (now, unit) = (Instant::now(), random::unit());
            session.lease.failed(now, error.retry_after(), unit);
        }
    }
}

impl LogsIn for Aws {
    fn lease(&self) -> Option<&Lease> {
        self.session.as_ref().map(|session| &session.lease)
    }

    fn relogin(&self) -> &Relogin {
        &self.relogin
    }

    // Files cost nothing to read, and may have been replaced since.
    fn is_logged_in(&self) -> bool {
        let now = Instant::now();
        !self.source.is_free() && self.lease().is_some_and(|lease| lease.is_alive(now))
    }

    async fn login(&mut self) -> Result<(), BackendError> {
        let answer = self.source.get().await;
        self.counters.logins.count(answer.is_ok());
        let granted = answer?;
        let now = Instant::now();
        self.relogin.logged_in(now);
        if !self.source.is_free() {
            log::info(
                "got AWS credentials",
                &[("ttl_seconds", &granted.ttl.as_secs())],
            );
        }
        self.session = Some(Session {
            credentials: granted.credentials,
            lease: Lease::granted(now, granted.ttl, false, random::unit()),
        });
        Ok(())
    }

    async fn fetch(&mut self, known: Option<&Revision>) -> Result<Reading, BackendError> {
        let Some(session) = &self.session else {
            return Err(fault::denied("reading the document", 403));
        };
        let reading = self.requests.read(&session.credentials, known).await?;
        self.relogin.succeeded();
        Ok(reading)
    }
}
