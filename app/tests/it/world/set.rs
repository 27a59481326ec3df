//! Secret sets: made, and copied, which no secret allows by itself.

use erpgo_secret_set::{
    DatabaseUrl, Document, Keys, RedisUrl, RotatingKey, Secret, SecretSet, Version,
    first_generation,
};

/// A fresh set whose values no other test has.
pub fn document(database: &str, redis: Option<&str>) -> Document {
    let mut random = [0u8; 192];
    for chunk in random.chunks_mut(16) {
        chunk.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    let redis = redis.map(|url| RedisUrl(Secret::new(url.to_owned())));
    let database = DatabaseUrl(Secret::new(database.to_owned()));
    first_generation(&random, jiff::Timestamp::now(), database, redis)
}

pub fn set(document: Document) -> SecretSet {
    SecretSet::new(document.generation, document.keys).unwrap()
}

pub fn copy_keys(keys: &Keys) -> Keys {
    Keys {
        jwt: copy(&keys.jwt),
        refresh: copy(&keys.refresh),
        pepper: copy(&keys.pepper),
        database: copy(&keys.database),
        redis: keys.redis.as_ref().map(copy),
    }
}

fn copy(key: &RotatingKey) -> RotatingKey {
    RotatingKey {
        current: version(&key.current),
        next: key.next.as_ref().map(version),
        previous: key.previous.as_ref().map(version),
    }
}

pub fn version(version: &Version) -> Version {
    Version {
        kid: version.kid.clone(),
        created_at: version.created_at,
        not_after: version.not_after,
        value: version.value.duplicate(),
    }
}
