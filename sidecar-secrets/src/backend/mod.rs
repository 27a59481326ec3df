//! Where the document comes from.
//!
//! Owns [`Backend`], the choice between them, and what a read gives. A backend is only ever
//! read; what it holds leaves here as bytes that are overwritten when dropped.

mod aws;
mod error;
mod kubernetes;
mod lease;
mod session;
mod stored;
mod vault;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use zeroize::Zeroizing;

use aws::Aws;
pub(crate) use error::BackendError;
use kubernetes::Kubernetes;
use session::LogsIn as _;
use vault::Vault;

use crate::config::BackendConfig;
use crate::counters::Counters;
use crate::http::{Answer, Exchange};

// Who we are, in the access and audit logs of a backend.
const AGENT: &str = concat!("sidecar-secrets/", env!("CARGO_PKG_VERSION"));

/// Which write of the document this is, in the backend's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revision(pub(crate) String);

/// What a read gave.
pub(crate) enum Reading {
    /// The revision that was accepted last is still the newest.
    Unchanged,
    /// A document to look at.
    Document {
        /// The text, not yet parsed.
        bytes: Zeroizing<Vec<u8>>,
        /// Its revision.
        revision: Revision,
    },
}

/// The one backend of this process.
pub(crate) enum Backend {
    /// A Secret.
    Kubernetes(Box<Kubernetes>),
    /// A KV v2 key.
    Vault(Box<Vault>),
    /// A secret in AWS Secrets Manager.
    Aws(Box<Aws>),
}

impl Backend {
    pub(crate) fn new(config: BackendConfig, counters: Arc<Counters>) -> Self {
        match config {
            BackendConfig::Kubernetes(config) => {
                Self::Kubernetes(Box::new(Kubernetes::new(config)))
            }
            BackendConfig::Vault(config) => Self::Vault(Box::new(Vault::new(config, counters))),
            BackendConfig::Aws(config) => Self::Aws(Box::new(Aws::new(config, counters))),
        }
    }

    /// Reads the document, unless it is still at `known`.
    ///
    /// # Errors
    /// [`BackendError`] with a class for the operator.
    pub(crate) async fn read(&mut self, known: Option<&Revision>) -> Result<Reading, BackendError> {
        match self {
            Self::Kubernetes(kubernetes) => kubernetes.read(known).await,
            Self::Vault(vault) => vault.read(known).await,
            Self::Aws(aws) => aws.read(known).await,
        }
    }

    /// When the login needs care, if there is one that does.
    #[must_use]
    pub(crate) fn upkeep_due(&self) -> Option<Instant> {
        match self {
            Self::Kubernetes(_) => None,
            Self::Vault(vault) => vault.upkeep_due(),
            Self::Aws(aws) => aws.upkeep_due(),
        }
    }

    /// Renews or replaces the login; a failure is retried by the backend's own schedule.
    pub(crate) async fn upkeep(&mut self) {
        match self {
            Self::Kubernetes(_) => {}
            Self::Vault(vault) => vault.upkeep().await,
            Self::Aws(aws) => aws.upkeep().await,
        }
    }

    /// Gives the login back, as well as that can be done in a moment.
    pub(crate) async fn farewell(&mut self) {
        if let Self::Vault(vault) = self {
            vault.farewell().await;
        }
    }
}

async fn send(exchange: &Exchange, request: Request<Full<Bytes>>) -> Result<Answer, BackendError> {
    let answer = exchange.send(request).await;
    answer.map_err(|source| BackendError::exchange(exchange.endpoint(), source))
}
