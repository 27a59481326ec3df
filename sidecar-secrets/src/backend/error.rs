//! Why a backend gave no document.
//!
//! Owns [`BackendError`] and of which [`ErrorClass`] each is. A message says what to do and carries no text
//! that came from the backend, since an error answer may quote what was sent or stored (I-04).

use std::time::Duration;

use erpgo_secret_set::ErrorClass;

use crate::config::files::FileError;
use crate::http::ExchangeError;

/// Why a backend gave no document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendError {
    /// There was no whole answer.
    #[error("no answer from {backend}: check address, network policy and CA")]
    Exchange {
        /// Address of the backend.
        backend: String,
        /// What went wrong on the way.
        #[source]
        source: ExchangeError,
    },
    /// A status that says the server is broken or not in charge.
    #[error("{backend} answered {status}: check the health of the server")]
    Server {
        /// Address of the backend.
        backend: String,
        /// HTTP status.
        status: u16,
        /// What it asked for.
        retry_after: Option<Duration>,
    },
    /// Login or read refused.
    #[error("{what} was refused with {status}: {remedy}")]
    Denied {
        /// What was tried.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// The way out.
        remedy: &'static str,
    },
    /// The file with the credential is of no use.
    #[error("the credential for {what} is of no use")]
    Credential {
        /// What it is for.
        what: &'static str,
        /// Why.
        #[source]
        source: FileError,
    },
    /// Nothing there.
    #[error("{place} is not there: wait for the operator to write it, or check the name")]
    NotFound {
        /// Where it was looked for.
        place: String,
    },
    /// Too many requests.
    #[error("the backend asks for fewer requests")]
    Throttled {
        /// What it asked for.
        retry_after: Option<Duration>,
    },
    /// Sealed or in maintenance.
    #[error("Vault is sealed or in maintenance: unseal it")]
    Sealed {
        /// What it asked for.
        retry_after: Option<Duration>,
    },
    /// An answer without a document in it.
    #[error("the answer for {what} is not as expected: {problem}")]
    Malformed {
        /// What was asked for.
        what: &'static str,
        /// What is wrong, without any of the text.
        problem: &'static str,
    },
}

impl BackendError {
    /// An answer or a request for `what` that is of no use.
    pub(crate) fn malformed(what: &'static str, problem: &'static str) -> Self {
        Self::Malformed { what, problem }
    }

    pub(crate) fn exchange(backend: &impl ToString, source: ExchangeError) -> Self {
        if matches!(source, ExchangeError::TooLarge) {
            return Self::malformed("the document", "larger than 256 KiB");
        }
        Self::Exchange {
            backend: backend.to_string(),
            source,
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::Exchange { .. } | Self::Server { .. } => ErrorClass::Unreachable,
            Self::Denied { .. } | Self::Credential { .. } => ErrorClass::Denied,
            Self::NotFound { .. } => ErrorClass::NotFound,
            Self::Throttled { .. } => ErrorClass::Throttled,
            Self::Sealed { .. } => ErrorClass::Sealed,
            Self::Malformed { .. } => ErrorClass::Malformed,
        }
    }

    /// How long the backend asks to be left alone.
    #[must_use]
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after }
            | Self::Sealed { retry_after }
            | Self::Server { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
