//! The first generation of an ErpGo's secrets.
//!
//! Owns [`first_generation`] and [`first_kid`]: pure, so the random bytes and the time are arguments. Values are 64
//! bytes of randomness in base64url, twice what a signing key needs.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use crate::{Document, Generation, KeyName, Keys, Kid, RotatingKey, Secret, Version};

/// A PostgreSQL URL that the platform team supplied.
pub struct DatabaseUrl(pub Secret);

/// A Redis URL that the platform team supplied.
pub struct RedisUrl(pub Secret);

/// Makes generation 1 from 192 random bytes.
#[must_use]
pub fn first_generation(
    random: &[u8; 192],
    now: Timestamp,
    database: DatabaseUrl,
    redis: Option<RedisUrl>,
) -> Document {
    let (jwt, rest) = random.split_at(64);
    let (refresh, pepper) = rest.split_at(64);
    let made = |key, value| RotatingKey {
        current: version(key, now, value),
        next: None,
        previous: None,
    };
    Document {
        generation: Generation::FIRST,
        keys: Keys {
            jwt: made(KeyName::Jwt, encode(jwt)),
            refresh: made(KeyName::Refresh, encode(refresh)),
            pepper: made(KeyName::Pepper, encode(pepper)),
            database: made(KeyName::Database, database.0),
            redis: redis.map(|url| made(KeyName::Redis, url.0)),
        },
        prepared: BTreeMap::new(),
    }
}

fn encode(bytes: &[u8]) -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

fn version(key: KeyName, now: Timestamp, value: Secret) -> Version {
    Version {
        kid: first_kid(key),
        created_at: now,
        not_after: None,
        value,
    }
}

/// The kid of `key` in generation 1.
#[must_use]
pub fn first_kid(key: KeyName) -> Kid {
    let text = match key {
        KeyName::Jwt => "jwt-1",
        KeyName::Refresh => "refresh-1",
        KeyName::Pepper => "pepper-1",
        KeyName::Database => "database-1",
        KeyName::Redis => "redis-1",
    };
    Kid::literal(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn p01_whatever_is_generated_passes_validation(random in prop::collection::vec(any::<u8>(), 192)) {
            let random: [u8; 192] = random.try_into().unwrap();
            // Repetition inside one draw is what a broken generator gives; it must not be generated from.
            prop_assume!(random.chunks(64).all(|part| {
                part.iter().collect::<std::collections::HashSet<_>>().len() > 32
            }));
            let document = first_generation(
                &random,
                Timestamp::UNIX_EPOCH,
                DatabaseUrl(Secret::new("postgres://u:p@h/d".into())),
                Some(RedisUrl(Secret::new("redis://h".into()))),
            );
            prop_assert_eq!(validate(&document.keys), vec![]);
        }
    }
}
