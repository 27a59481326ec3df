//! What of a kept answer only a process that has the secret set can read.
//!
//! Owns [`Seal`]: keys that are derived from the refresh key and are in no database. There is one for each of
//! its versions in the set, the current one first, so that an answer opens on whichever pod its repeat comes
//! to while the key rotates: an old version stays in the set for as long as a refresh token lives, days
//! longer than an answer is kept. What was asked for is told from something else by a hash under such a key,
//! too: where a password is among it, whoever has the database could try passwords against a plain one,
//! millions a second. Nothing of either key is shown (I-04).

use std::io;

use erpgo_secret_set::{SecretSet, Version};
use ring::aead::AES_256_GCM;
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac::{Context, HMAC_SHA256, Key};
use serde::Serialize;

use crate::cipher::Cipher;
use crate::error::{Error, Result};

/// Tells these keys from whatever else comes of the refresh key.
const SALT: &[u8] = b"erpgo kept answers 1";
const SEALS: &[&[u8]] = &[b"seal".as_slice()];
const COMPARES: &[&[u8]] = &[b"fingerprint".as_slice()];

/// One version of the key, put to use for one request.
pub(super) struct Seal {
    /// Which version.
    pub(super) kid: String,
    /// What the request is told from another one by.
    pub(super) fingerprint: Vec<u8>,
    cipher: Cipher,
}

impl Seal {
    /// For `request`, under each version that `set` has; the first one is current.
    ///
    /// # Errors
    /// When `request` cannot be written as JSON.
    pub(super) fn each(set: &SecretSet, request: &impl Serialize) -> Result<Vec<Self>> {
        let versions = set.keys.refresh.versions();
        versions
            .map(|(_, version)| Self::under(version, request))
            .collect()
    }

    fn under(version: &Version, request: &impl Serialize) -> Result<Self> {
        let (cipher, key) = derived(version)
            .map_err(|_| Error::internal("derive a key", "it would be too long"))?;
        Ok(Self {
            kid: version.kid.to_string(),
            fingerprint: fingerprint(&key, request)?,
            cipher,
        })
    }

    /// Seals `body` for the answer that `context` names.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub(super) fn seal(&self, context: &[u8], body: &str) -> Result<Vec<u8>> {
        self.cipher
            .seal(context, body.as_bytes())
            .map_err(|error| Error::internal("seal an answer", error))
    }

    /// The body that was sealed for `context`; none when it was taken out since, or sealed under a key that
    /// another set had by this name.
    pub(super) fn open(&self, context: &[u8], sealed: &[u8]) -> Option<String> {
        let plain = self.cipher.open(context, sealed)?;
        String::from_utf8(plain).ok()
    }
}

fn derived(version: &Version) -> Result<(Cipher, Key), Unspecified> {
    let root = Salt::new(HKDF_SHA256, SALT).extract(version.value.expose_secret().as_bytes());
    let cipher = root.expand(SEALS, &AES_256_GCM).map(Cipher::derived)?;
    let key = root.expand(COMPARES, HMAC_SHA256).map(Key::from)?;
    Ok((cipher, key))
}

/// What is written is hashed at once: no copy of a password stays behind.
struct Hashed(Context);

impl io::Write for Hashed {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.0.update(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn fingerprint(key: &Key, request: &impl Serialize) -> Result<Vec<u8>> {
    let mut hashed = Hashed(Context::with_key(key));
    serde_json::to_writer(&mut hashed, request)
        .map_err(|error| Error::internal("write a request as JSON", error))?;
    Ok(hashed.0.sign().as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use erpgo_secret_set::{DatabaseUrl, Secret, first_generation};
    use jiff::Timestamp;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn version(byte: u8) -> Version {
        let database = DatabaseUrl(Secret::new("postgres://u:p@h/d".into()));
        let document = first_generation(&[byte; 192], Timestamp::UNIX_EPOCH, database, None);
        document.keys.refresh.current
    }

    fn seal(byte: u8, request: &str) -> Seal {
        Seal::under(&version(byte), &request).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_under_its_version_and_context_alone() {
        let sealed = seal(1, "a").seal(b"here", "the answer").unwrap();
        let opened = |byte, context: &[u8]| seal(byte, "b").open(context, &sealed);
        assert_eq!(opened(1, b"here").as_deref(), Some("the answer"));
        assert_eq!(opened(1, b"there"), None);
        assert_eq!(opened(2, b"here"), None);
        assert_eq!(seal(1, "a").open(b"here", b""), None);
        let shown = String::from_utf8_lossy(&sealed).into_owned();
        assert!(!shown.contains("answer"));
    }

    #[test]
    fn a_request_is_told_from_another_by_a_hash_that_takes_the_key() {
        let of = |byte, request: &str| seal(byte, request).fingerprint;
        assert_eq!(of(1, "a"), of(1, "a"));
        assert_ne!(of(1, "a"), of(1, "b"));
        assert_ne!(of(1, "a"), of(2, "a"));
        assert_eq!(of(1, "a").len(), 32);
        assert_ne!(of(1, "a"), Sha256::digest("\"a\"").to_vec());
    }
}
