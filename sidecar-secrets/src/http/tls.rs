//! Whom to trust on the way to a backend.
//!
//! Owns [`Trust`]: the CA file, read again at each connection, so that a rotated CA needs no
//! restart. There is no built-in root and no way to switch verification off.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::config::files::{FileError, read_bounded};

const MAX_CA_BYTES: usize = 1024 * 1024;

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("the CA file cannot be read")]
    File(#[source] FileError),
    #[error("{} holds no PEM certificate that can be used: mount the CA bundle of the backend", .0.display())]
    NoCertificate(PathBuf),
    #[error("the TLS library refuses its own defaults")]
    Library(#[source] rustls::Error),
}

/// A CA bundle on disk and the configuration made of it.
pub(crate) struct Trust {
    ca_file: PathBuf,
    made: Mutex<Option<Made>>,
}

struct Made {
    pem: Vec<u8>,
    config: Arc<ClientConfig>,
}

impl Trust {
    pub(crate) fn new(ca_file: PathBuf) -> Self {
        Self {
            ca_file,
            made: Mutex::new(None),
        }
    }

    /// The configuration for the next connection.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, TrustError> {
        let pem = read_bounded(&self.ca_file, MAX_CA_BYTES).map_err(TrustError::File)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.as_ref().filter(|made| made.pem == *pem) {
            return Ok(Arc::clone(&made.config));
        }
        let config = Arc::new(client_config(&pem, &self.ca_file)?);
        *made = Some(Made {
            pem: pem.to_vec(),
            config: Arc::clone(&config),
        });
        Ok(config)
    }
}

fn client_config(pem: &[u8], path: &Path) -> Result<ClientConfig, TrustError> {
    let mut roots = RootCertStore::empty();
    // As in every CA bundle in use: what cannot be parsed is skipped, nothing left is an error.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok));
    if roots.is_empty() {
        return Err(TrustError::NoCertificate(path.to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Library)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // One handshake a minute gains nothing from tickets, which would only stay in memory.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.crt");
        assert!(matches!(
            Trust::new(file.clone()).config(),
            Err(TrustError::File(_))
        ));
        std::fs::write(&file, "not a certificate").unwrap();
        let Err(error) = Trust::new(file.clone()).config() else {
            panic!("trusted nothing");
        };
        assert!(error.to_string().contains("ca.crt"), "{error}");
    }
}
