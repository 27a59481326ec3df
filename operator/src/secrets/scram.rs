//! What PostgreSQL keeps of a password (RFC 5803, RFC 7677).
//!
//! Owns [`verifier`]. A verifier lets the server check a password and cannot be logged in with; from
//! one of 256 random bits nobody finds the password again.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use erpgo_secret_set::Secret;
use ring::{digest, hmac, pbkdf2};

/// PostgreSQL's own count.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("it is not zero");

/// `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>` of a password of ASCII characters.
pub(super) fn verifier(password: &Secret, salt: &[u8; 16]) -> Secret {
    let mut salted = [0_u8; digest::SHA256_OUTPUT_LEN];
    let password = password.expose_secret().as_bytes();
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ITERATIONS,
        salt,
        password,
        &mut salted,
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client = hmac::sign(&key, b"Client Key");
    let stored = digest::digest(&digest::SHA256, client.as_ref());
    let server = hmac::sign(&key, b"Server Key");
    salted.fill(0);
    let encode = |bytes: &[u8]| STANDARD.encode(bytes);
    let (salt, stored, server) = (
        encode(salt),
        encode(stored.as_ref()),
        encode(server.as_ref()),
    );
    Secret::new(format!(
        "SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_postgresql_makes_of_the_same_password_and_salt() {
        // The password and salt of RFC 7677's example.
        let salt: [u8; 16] = STANDARD
            .decode("W22ZaJ0SNY7soEsUEjb6gQ==")
            .unwrap()
            .try_into()
            .unwrap();
        assert_eq!(
            verifier(&Secret::new("pencil".into()), &salt).expose_secret(),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }
}
