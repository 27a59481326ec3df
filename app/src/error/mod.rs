//! What can go wrong in the API, told apart by whose fault it is.
//!
//! Owns [`Error`], [`Code`] and the classification of database failures. A refusal is the client's
//! affair and says what to do next; a failure is ours, is logged once here with its whole chain, and
//! reaches the client as an empty 500 or 503. No error text carries a secret value (I-04).
//!
//! There is no blanket conversion from foreign errors: every `?` names the operation that failed.

mod code;
mod database;
mod problem;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use erpgo_telemetry::chain;

pub use code::Code;
pub use database::{DatabaseFailure, classify, constraint};
pub use problem::{FieldError, Problem, ProblemSeed};

/// A foreign error kept as the source of ours. What failed for several requests at once has one source.
pub type Source = Arc<dyn std::error::Error + Send + Sync>;

/// Why a request was not fulfilled.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The client asked for what cannot be done.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Something here broke; the client learns nothing of it but a request id.
    #[error("{operation} failed")]
    Internal {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: Source,
    },
    /// Something that this process depends on is away; the client may try again.
    #[error("{operation} is not possible at the moment")]
    Unavailable {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: Source,
    },
}

/// Shorthand of handlers and stores.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One refusal, as the client is told of it.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The documented code.
    pub code: Code,
    /// What to do about it, for people.
    pub detail: Cow<'static, str>,
    /// Which fields are at fault.
    pub fields: Vec<FieldError>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// When a paused sign-in opens again.
    pub unlock_at: Option<jiff::Timestamp>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl Error {
    /// A refusal with `code` that says `detail`.
    #[must_use]
    pub fn refused(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(Box::new(Refusal {
            code,
            detail: detail.into(),
            fields: Vec::new(),
            retry_after: None,
            unlock_at: None,
        }))
    }

    /// Input that breaks a rule, field by field.
    #[must_use]
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        Self::Refused(Box::new(Refusal {
            code: Code::ValidationError,
            detail: Cow::Borrowed("the request breaks the rules listed in errors"),
            fields,
            retry_after: None,
            unlock_at: None,
        }))
    }

    /// No such thing, or none that the caller may see.
    #[must_use]
    pub fn not_found(what: &'static str) -> Self {
        Self::refused(Code::NotFound, format!("there is no such {what}"))
    }

    /// The same refusal with a time after which to try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.retry_after = Some(after);
        }
        self
    }

    /// The same refusal with the time at which a paused sign-in opens.
    #[must_use]
    pub fn unlock_at(mut self, at: jiff::Timestamp) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.unlock_at = Some(at);
        }
        self
    }

    /// A failure of ours while doing `operation`.
    pub fn internal(
        operation: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal {
            operation,
            source: Arc::from(source.into()),
        }
    }

    /// The code that the client is shown.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::Internal { .. } => Code::InternalError,
            Self::Unavailable { .. } => Code::ServiceUnavailable,
        }
    }

    fn log(&self) {
        match self {
            Self::Refused(refusal) => {
                tracing::info!(code = refusal.code.as_str(), detail = %refusal.detail, "request refused");
            }
            Self::Internal { .. } | Self::Unavailable { .. } => {
                tracing::error!(code = self.code().as_str(), error = %chain(self), "request failed");
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.log();
        let seed = match self {
            Self::Refused(refusal) => ProblemSeed::from(*refusal),
            Self::Internal { .. } => ProblemSeed::plain(
                Code::InternalError,
                "something went wrong on our side; quote request_id when you report it",
            ),
            Self::Unavailable { .. } => ProblemSeed {
                retry_after: Some(Duration::from_secs(1)),
                ..ProblemSeed::plain(
                    Code::ServiceUnavailable,
                    "a part of the service is away; try again shortly",
                )
            },
        };
        seed.into_response()
    }
}
