//! Secret sets for tests.

use erpgo_secret_set::{DatabaseUrl, Generation, Secret, SecretSet, first_generation};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// A set of its own for each number.
pub(crate) fn set(number: u8) -> SecretSet {
    let parts = (0..6).map(|part| Sha256::digest([number, part]));
    let random: Vec<u8> = parts.flatten().collect();
    let random: [u8; 192] = random.try_into().unwrap();
    let database = DatabaseUrl(Secret::new("postgres://u:p@h/d".into()));
    let document = first_generation(&random, Timestamp::UNIX_EPOCH, database, None);
    SecretSet::new(Generation::FIRST, document.keys).unwrap()
}
