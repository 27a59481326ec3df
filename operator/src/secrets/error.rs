//! Why a secret could not be read or written.
//!
//! Owns [`SecretsError`]. Each variant is a class that a person can act on, by the word of an [`ErrorClass`]
//! where a sidecar can fail alike; none carries a value, an answer's body or a token (I-04).

use std::time::Duration;

use erpgo_secret_set::ErrorClass;

/// A failure of a backend or of the Secrets that feed it.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// No answer, and that was known at once.
    #[error("the secret backend does not answer")]
    Unreachable(#[source] Option<reqwest::Error>),
    /// No answer in time, now or a moment ago.
    #[error("the secret backend does not answer")]
    Silent(#[source] Option<reqwest::Error>),
    /// A standby of Vault that reaches no active server.
    #[error(
        "a standby of Vault answers, and reaches no active server: wait until one is elected; if it only \
         redirects, give the address of the active one"
    )]
    Standby,
    /// The login or the request was refused.
    #[error("the secret backend refuses {doing}: check the role and its policy")]
    Denied {
        /// What was being done.
        doing: &'static str,
    },
    /// Too many requests.
    #[error("the secret backend asks for fewer requests")]
    Throttled {
        /// How long it wants to be left alone, zero when it does not say; none when that is over.
        wait: Option<Duration>,
    },
    /// Vault is sealed or not initialised.
    #[error("Vault is sealed: unseal it")]
    Sealed,
    /// The mount or the path does not exist as it should.
    #[error("the secret backend has no such mount: check mount and path")]
    NoMount,
    /// The answer is not of the expected form.
    #[error("the secret backend's answer is not understood ({what})")]
    Malformed {
        /// What is wrong with it, without any of it.
        what: &'static str,
    },
    /// The document was deleted and can still be restored.
    #[error(
        "the document was deleted: restore it (Vault: undelete its last version; AWS: restore-secret), \
         or delete it for good (Vault: its metadata; AWS: without recovery)"
    )]
    Deleted,
    /// The ServiceAccount that logs in is not there yet.
    #[error("the ServiceAccount that logs in does not exist yet")]
    NoServiceAccount,
    /// The address or the CA cannot be used.
    #[error("the settings of the secret backend cannot be used: {0}")]
    Settings(&'static str),
    /// A Secret or ConfigMap that is referred to is missing or lacks a key.
    #[error("{kind} {name} lacks the key {key}, or does not exist")]
    Reference {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
    /// The document, there or to be written, is none that a pod would accept.
    #[error("the secret document is not valid: {}", reasons.join("; "))]
    Invalid {
        /// Every fault, without any value.
        reasons: Vec<String>,
    },
    /// The system has no randomness.
    #[error("the system's random source failed")]
    Random(#[source] getrandom::Error),
    /// The Kubernetes API failed.
    #[error("{doing} failed")]
    Kubernetes {
        /// What was being done.
        doing: &'static str,
        /// The failure.
        #[source]
        source: kube::Error,
    },
}

impl SecretsError {
    /// The class, for metrics and conditions.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::Silent(_) | Self::Standby => {
                ErrorClass::Unreachable.as_str()
            }
            Self::Denied { .. } => ErrorClass::Denied.as_str(),
            Self::Throttled { .. } => ErrorClass::Throttled.as_str(),
            Self::Sealed => ErrorClass::Sealed.as_str(),
            Self::NoMount => ErrorClass::NotFound.as_str(),
            Self::Malformed { .. } => ErrorClass::Malformed.as_str(),
            Self::Deleted => "deleted",
            Self::NoServiceAccount => "service_account_missing",
            Self::Settings(_) => "settings",
            Self::Reference { .. } => "reference_missing",
            Self::Invalid { .. } => "invalid",
            Self::Random(_) => "random",
            Self::Kubernetes { source, .. } => kubernetes_class(source),
        }
    }

    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::Silent(_)
            | Self::Standby
            | Self::Throttled { .. }
            | Self::Sealed
            | Self::NoServiceAccount => true,
            Self::Kubernetes { source, .. } => match source {
                kube::Error::Api(status) => status.code == 429 || status.code >= 500,
                _ => true,
            },
            _ => false,
        }
    }

    pub(super) fn kubernetes(doing: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Kubernetes { doing, source }
    }
}

fn kubernetes_class(source: &kube::Error) -> &'static str {
    match source {
        kube::Error::Api(status) => match status.code {
            401 | 403 => ErrorClass::Denied.as_str(),
            429 => ErrorClass::Throttled.as_str(),
            500.. => ErrorClass::Unreachable.as_str(),
            _ => "kubernetes",
        },
        kube::Error::Service(_) | kube::Error::HyperError(_) => ErrorClass::Unreachable.as_str(),
        _ => "kubernetes",
    }
}

/// Whether a first write happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ensured {
    /// It was made now.
    Created,
    /// It was there and was left alone.
    Present,
}
