//! Mails to users: written down with what they tell of, sent beside the requests.
//!
//! ```text
//! a noun's transaction ─▶ enqueue ─▶ outbox ─▶ deliver: claim (lease) ─▶ compose ─▶ smtp ─▶ gone
//!                                                └▶ breaker: a server that is away is left alone
//! ```
//!
//! A mail is a row in the transaction of its cause: both are there, or neither. Several processes share
//! the outbox; one that dies between sending and saying so may cause a second copy, under the same
//! Message-ID. No token is in the outbox, and neither token nor credentials are in a log (I-04).

mod compose;
mod deliver;
mod outbox;
mod smtp;
mod text;
mod token;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::users::UserId;

pub use deliver::run;
pub(crate) use outbox::enqueue;
pub(crate) use token::{Purpose, find as find_token, redeem, spend};

/// What a mail tells, with what its text names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Message {
    /// Somebody asked to set a new password.
    PasswordReset,
    /// The password is another one now.
    PasswordChanged,
    /// Does this address belong to its user?
    EmailVerification,
    /// The user has another address now; this goes to the one before.
    EmailChanged,
    /// Sign-in is paused (R5.5).
    Lockout {
        /// When it opens.
        unlock_at: Timestamp,
        /// Where the last try came from.
        address: String,
    },
    /// The second factor was switched on or off.
    SecondFactor {
        /// On, or off.
        enabled: bool,
    },
}

impl Message {
    /// The kind, as stored and as a metric's label.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::PasswordChanged => "password_changed",
            Self::EmailVerification => "email_verification",
            Self::EmailChanged => "email_changed",
            Self::Lockout { .. } => "lockout",
            Self::SecondFactor { .. } => "second_factor",
        }
    }

    /// For how long it is worth sending.
    const fn life(&self) -> SignedDuration {
        match self {
            Self::PasswordReset => SignedDuration::from_mins(30),
            Self::Lockout { .. } => SignedDuration::from_hours(24),
            Self::PasswordChanged
            | Self::EmailVerification
            | Self::EmailChanged
            | Self::SecondFactor { .. } => SignedDuration::from_hours(7 * 24),
        }
    }
}

/// Whom a mail is for.
#[derive(Clone, Copy, Debug)]
pub enum To<'a> {
    /// A user, at the address that they have now.
    User(UserId, &'a str),
    /// Whoever has this address, if anybody: the sender of the request must not learn it.
    Whoever(&'a str),
}
