//! Reading by a login that may have ended.
//!
//! Owns [`LogsIn`]: log in where there is no login, read, and log in once more after a refusal when
//! [`Relogin`] allows it. No read makes more than three requests, and when there is one is for
//! [`crate::schedule`] to say: there is no loop in here.

use std::time::Instant;

use erpgo_secret_set::{ErrorClass, Relogin};

use super::lease::Lease;
use super::{BackendError, Reading, Revision};

/// A backend that knows its readers by a login.
pub(super) trait LogsIn {
    /// The life of the login, if there is one.
    fn lease(&self) -> Option<&Lease>;

    /// Whether a refusal may be answered by a login.
    fn relogin(&self) -> &Relogin;

    /// Logs in.
    async fn login(&mut self) -> Result<(), BackendError>;

    /// Reads by the login that there is.
    async fn fetch(&mut self, known: Option<&Revision>) -> Result<Reading, BackendError>;

    /// Whether the login that there is will do.
    fn is_logged_in(&self) -> bool {
        let now = Instant::now();
        self.lease().is_some_and(|lease| lease.is_alive(now))
    }

    /// When the login needs care.
    fn upkeep_due(&self) -> Option<Instant> {
        self.lease().and_then(Lease::due)
    }

    /// Reads the document, unless it is still at `known`.
    async fn read(&mut self, known: Option<&Revision>) -> Result<Reading, BackendError> {
        // A refusal of a new login is none that another would heal.
        let is_new = !self.is_logged_in();
        if is_new {
            self.login().await?;
        }
        match self.fetch(known).await {
            Err(error) if !is_new && self.may_have_ended(&error) => {
                self.login().await?;
                self.fetch(known).await
            }
            outcome => outcome,
        }
    }

    /// Whether such a refusal may be the login's fault.
    fn may_have_ended(&self, error: &BackendError) -> bool {
        error.class() == ErrorClass::Denied && self.relogin().is_allowed(Instant::now())
    }
}
