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
pub(crate) mod export;
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
    /// Every kind that this version can send.
    const KINDS: [&'static str; 6] = [
        "password_reset",
        "password_changed",
        "email_verification",
        "email_changed",
        "lockout",
        "second_factor",
    ];

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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What a mail could tell, whatever its kind.
    fn message(kind: &str) -> serde_json::Result<Message> {
        let unlock_at = Timestamp::UNIX_EPOCH;
        let facts =
            json!({"kind": kind, "unlock_at": unlock_at, "address": "192.0.2.1", "enabled": true});
        serde_json::from_value(facts)
    }

    /// One that is left out would be written down, and sent by nobody.
    #[test]
    fn every_kind_that_can_be_read_can_be_sent() {
        let refused = message("of another version").unwrap_err().to_string();
        let (_, known) = refused.split_once("expected").unwrap();
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        assert_eq!(known, Message::KINDS);
        for kind in Message::KINDS {
            assert_eq!(message(kind).unwrap().kind(), kind);
        }
    }
}
