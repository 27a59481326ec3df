//! What a key looks like.
//!
//! Owns the form `erp_<handle><secret><checksum>` in the alphabet 0-9, A-Z, a-z. Scanners of
//! repositories know it by its prefix and prove it by its checksum; a mistyped key costs no query. The
//! handle finds the key and may be shown; the secret has 256 bits, so that a plain hash of it is as good
//! as a slow one.

use erpgo_secret_set::Secret;
use sha2::{Digest as _, Sha256};

use crate::random::{ALPHABET, LETTERS_OF_256_BITS, letters};

/// How every key begins.
pub const PREFIX: &str = "erp_";

const HANDLE: usize = 12;
const SECRET: usize = LETTERS_OF_256_BITS;
const CHECKSUM: usize = 6;
const LENGTH: usize = PREFIX.len() + HANDLE + SECRET + CHECKSUM;

/// The text is not a key of this program, whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is not an API key")]
pub struct NotAKey;

/// A key that somebody presents: of the right form, perhaps not one that was ever issued.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented {
    handle: String,
    digest: [u8; 32],
}

impl Presented {
    /// Reads a key; costs no query, and says nothing about whether it is known.
    ///
    /// # Errors
    /// [`NotAKey`] when prefix, alphabet, length or checksum are wrong.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let body = text.strip_prefix(PREFIX).ok_or(NotAKey)?;
        if text.len() != LENGTH || !body.bytes().all(|byte| ALPHABET.contains(&byte)) {
            return Err(NotAKey);
        }
        let (signed, sum) = text.split_at(LENGTH - CHECKSUM);
        if checksum(signed) != sum {
            return Err(NotAKey);
        }
        Ok(Self {
            handle: body[..HANDLE].to_owned(),
            digest: digest(text),
        })
    }

    /// What finds the key.
    #[must_use]
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// What proves it.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// A key that was just made; its text is to be shown once and then forgotten.
pub(super) struct Fresh {
    pub(super) handle: String,
    pub(super) digest: [u8; 32],
    pub(super) text: Secret,
}

impl Fresh {
    /// Draws a key from the operating system's randomness.
    pub(super) fn draw() -> Result<Self, getrandom::Error> {
        let handle = letters(HANDLE)?;
        let signed = format!("{PREFIX}{handle}{}", letters(SECRET)?);
        let text = format!("{signed}{}", checksum(&signed));
        Ok(Self {
            handle,
            digest: digest(&text),
            text: Secret::new(text),
        })
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// CRC-32 in base 62: six letters hold 32 bits.
fn checksum(signed: &str) -> String {
    let mut rest = crc32fast::hash(signed.as_bytes()) as usize;
    let mut letters = [b'0'; CHECKSUM];
    for letter in letters.iter_mut().rev() {
        *letter = ALPHABET[rest % ALPHABET.len()];
        rest /= ALPHABET.len();
    }
    letters.iter().map(|letter| char::from(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fresh() -> Fresh {
        Fresh::draw().unwrap()
    }

    #[test]
    fn a_fresh_key_is_read_back_and_no_two_are_alike() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            let fresh = fresh();
            let text = fresh.text.expose_secret();
            assert_eq!(text.len(), LENGTH);
            let read = Presented::parse(text).unwrap();
            assert_eq!(
                (read.handle(), read.digest()),
                (&*fresh.handle, &fresh.digest)
            );
            assert!(!text[4 + HANDLE..].contains(&fresh.handle));
            assert!(seen.insert(text.to_owned()) && seen.insert(fresh.handle.clone()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn a_key_with_any_letter_changed_is_none(place in 0..LENGTH, letter in "[0-9A-Za-z_]") {
            let key = fresh().text.expose_secret().to_owned();
            let mut forged = key.clone();
            forged.replace_range(place..=place, &letter);
            prop_assert_eq!(Presented::parse(&forged).is_ok(), forged == key);
        }

        #[test]
        fn no_text_panics(text in ".{0,80}", tail in "[0-9A-Za-z]{55,65}") {
            prop_assert!(Presented::parse(&text).is_err());
            let _ = Presented::parse(&format!("{PREFIX}{tail}"));
        }
    }
}
