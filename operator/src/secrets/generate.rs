//! New random values.
//!
//! Owns the only calls of the system's random source in this crate. Each secret has 256 bits or more.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use erpgo_secret_set::{DatabaseUrl, Document, RedisUrl, Secret, first_generation};
use jiff::Timestamp;

use super::error::SecretsError;

/// A token of 256 random bits in base64url.
///
/// # Errors
/// When the system has no randomness.
pub fn token() -> Result<Secret, SecretsError> {
    let bytes: [u8; 32] = drawn()?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// A key or pepper of 512 random bits in base64url, as those of generation 1.
///
/// # Errors
/// When the system has no randomness.
pub fn key() -> Result<Secret, SecretsError> {
    let bytes: [u8; 64] = drawn()?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// A salt of 128 random bits.
///
/// # Errors
/// When the system has no randomness.
pub fn salt() -> Result<[u8; 16], SecretsError> {
    drawn()
}

/// Generation 1 around the URLs that the platform team supplied.
///
/// # Errors
/// When the system has no randomness.
pub fn document(
    now: Timestamp,
    database: DatabaseUrl,
    redis: Option<RedisUrl>,
) -> Result<Document, SecretsError> {
    let bytes: [u8; 192] = drawn()?;
    Ok(first_generation(&bytes, now, database, redis))
}

fn drawn<const N: usize>() -> Result<[u8; N], SecretsError> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(SecretsError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_256_bits_and_never_repeat() {
        let tokens: std::collections::HashSet<String> = (0..100)
            .map(|_| token().unwrap().expose_secret().to_owned())
            .collect();
        assert_eq!(tokens.len(), 100);
        for token in tokens {
            assert_eq!(URL_SAFE_NO_PAD.decode(token).unwrap().len(), 32);
        }
    }
}
