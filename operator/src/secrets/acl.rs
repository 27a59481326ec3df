//! What Redis keeps of a password.
//!
//! Owns [`verifier`]. `ACL SETUSER` takes the SHA-256 of a password in its place; from that of one of 256
//! random bits nobody finds the password again, which a salt would not make harder.

use erpgo_secret_set::Secret;
use ring::digest;

/// The SHA-256 of `password` in hexadecimal digits.
pub(super) fn verifier(password: &Secret) -> Secret {
    let password = password.expose_secret().as_bytes();
    Secret::new(hex::encode(digest::digest(&digest::SHA256, password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_redis_makes_of_the_same_password() {
        // The example of FIPS 180-4.
        assert_eq!(
            verifier(&Secret::new("abc".into())).expose_secret(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
