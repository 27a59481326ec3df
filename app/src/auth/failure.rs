//! An attempt at a password or a code that came to nothing.
//!
//! Owns [`Failure`] and all that follows from one, wherever it was made: the metrics, the log line, the event
//! and, when it locks, the mail (R5.4, R5.5, R18.1). What is done for a name that nobody has is the same.

use super::tried::Tried;
use super::unattended;
use crate::audit::{self, Action, Event};
use crate::error::{Code, Error, Result};
use crate::extract::Origin;
use crate::limits::Attempt;
use crate::mail::{self, Message, To};
use crate::metrics::METRICS;
use crate::state::AppState;
use crate::users::UserId;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The password of a sign-in.
    Password,
    /// The code of a sign-in whose password was right.
    SecondFactor,
    /// The password of somebody who is signed in, once more.
    Confirmation,
}

impl Step {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SecondFactor => "second_factor",
            Self::Confirmation => "confirmation",
        }
    }
}

/// A failed attempt.
pub(crate) struct Failure<'a> {
    pub(crate) step: Step,
    /// The e-mail that the attempt was counted under.
    pub(crate) typed: &'a str,
    /// Whose it is, if anybody's: for the audit log, never for the answer.
    pub(crate) owner: Option<UserId>,
    pub(crate) attempt: Attempt,
    pub(crate) origin: &'a Origin,
}

impl Failure<'_> {
    /// Tells of it. First what is counted and logged, which needs nobody else. A database that is too slow for the
    /// event may be fast enough for the mail.
    pub(crate) async fn tell(&self, state: &AppState) -> Result<()> {
        self.count();
        self.log();
        let event = self.event();
        let limit = state.settings.http.request_timeout;
        let noted = audit::record_alone(&state.database, &event);
        let noted = unattended::in_time(limit, noted).await;
        if self.attempt.last {
            self.write_to_the_owner(state).await;
        }
        noted
    }

    /// The answer: `detail`, and when sign-in opens if it is locked by now.
    pub(crate) fn refusal(&self, detail: &'static str) -> Error {
        Error::refused(Code::InvalidCredentials, detail).unlock_at(self.attempt.unlock_at)
    }

    fn is_locked(&self) -> bool {
        self.attempt.last || !self.attempt.allowed
    }

    fn count(&self) {
        if self.step != Step::Confirmation {
            let tried = if self.attempt.allowed {
                Tried::Failure
            } else {
                Tried::Locked
            };
            tried.count();
        }
        if self.attempt.last {
            METRICS.lockouts.inc();
        }
    }

    fn log(&self) {
        let (ip, identifier, step) = (self.origin.ip, self.typed, self.step.as_str());
        if self.is_locked() {
            let unlock_at = self.attempt.unlock_at;
            tracing::warn!(%ip, identifier, step, limit = "lockout", %unlock_at, "sign-in is locked");
        } else if self.step == Step::SecondFactor {
            // Whoever it was has the password.
            tracing::warn!(%ip, identifier, step, "sign-in failed");
        } else {
            tracing::info!(%ip, identifier, step, "sign-in failed");
        }
    }

    fn event(&self) -> Event {
        let action = if self.attempt.last {
            Action::Locked
        } else {
            Action::SignInFailed
        };
        let mut detail = serde_json::json!({"locked": self.is_locked()});
        if self.step != Step::Password {
            detail[self.step.as_str()] = true.into();
        }
        Event::of(action, self.origin)
            .claimed(self.typed, self.owner)
            .with(detail)
            .refused()
    }

    /// Whether there is an owner is found out when the mail is sent.
    async fn write_to_the_owner(&self, state: &AppState) {
        let message = Message::Lockout {
            unlock_at: self.attempt.unlock_at,
            address: self.origin.ip.to_canonical().to_string(),
        };
        let written = async {
            let mut connection = state.database.acquire_in_turn().await?;
            mail::enqueue(&mut connection, To::Whoever(self.typed.trim()), &message).await
        };
        let limit = state.settings.http.request_timeout;
        if let Err(error) = unattended::in_time(limit, written).await {
            tracing::warn!(error = %erpgo_telemetry::chain(&error), "the notice of a lock could not be written");
        }
    }
}
