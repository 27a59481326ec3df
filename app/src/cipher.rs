//! Sealing and opening under one key: AES-256-GCM with a random nonce.
//!
//! Owns [`Cipher`], which shows nothing of its key. The context is authenticated and not stored: bytes that
//! were moved to another record do not open there. A key seals far fewer than 2^32 texts, so random nonces do
//! not meet.

use ring::aead::{AES_256_GCM, Aad, Algorithm, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::Okm;
use ring::rand::{SecureRandom as _, SystemRandom};

/// Names the format, so that another one can be told from it.
const FORMAT: u8 = 1;

/// Bytes of a key.
pub(crate) const KEY_LEN: usize = 32;

/// One key.
pub struct Cipher(LessSafeKey);

/// The operating system gave no random bytes, or the key has the wrong length.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a value cannot be sealed")]
pub struct Unsealable;

impl Cipher {
    pub(crate) fn random_bytes() -> Result<[u8; KEY_LEN], Unsealable> {
        let mut bytes = [0; KEY_LEN];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| Unsealable)?;
        Ok(bytes)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Unsealable> {
        UnboundKey::new(&AES_256_GCM, bytes)
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(|_| Unsealable)
    }

    /// Under a key that is derived from another one.
    pub(crate) fn derived(key: Okm<'_, &'static Algorithm>) -> Self {
        Self(LessSafeKey::new(UnboundKey::from(key)))
    }

    /// Seals `plain` for the record that `context` names.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| Unsealable)?;
        let mut text = plain.to_vec();
        let aad = Aad::from(context);
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .map_err(|_| Unsealable)?;
        Ok([&[FORMAT], &nonce[..], &text].concat())
    }

    /// What was sealed for `context`; nothing when the bytes are other ones.
    #[must_use]
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (format, rest) = sealed.split_first()?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *format != FORMAT {
            return None;
        }
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.0.open_in_place(nonce, Aad::from(context), &mut text);
        plain.ok().map(|plain| plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> Cipher {
        Cipher::from_bytes(&Cipher::random_bytes().unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_with_its_key_and_context_alone(
            plain in proptest::collection::vec(any::<u8>(), 0..100),
            at in any::<proptest::sample::Index>(),
        ) {
            let key = key();
            let sealed = key.seal(b"here", &plain).unwrap();
            prop_assert_eq!(key.open(b"here", &sealed), Some(plain));
            prop_assert_eq!(key.open(b"there", &sealed), None);
            prop_assert_eq!(super::tests::key().open(b"here", &sealed), None);
            let mut changed = sealed.clone();
            changed[at.index(sealed.len())] ^= 1;
            prop_assert_eq!(key.open(b"here", &changed), None);
            prop_assert_eq!(key.open(b"here", &sealed[..at.index(sealed.len())]), None);
        }
    }

    #[test]
    fn a_key_has_32_bytes() {
        assert!(Cipher::from_bytes(&[0; 31]).is_err());
    }
}
