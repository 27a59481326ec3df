//! Which keys could be rotated to what the user provides.
//!
//! Owns the comparison of the URLs in the user's Secrets with those in the document. The values are
//! compared here and do not leave (I-04).

use std::collections::{BTreeMap, BTreeSet};

use erpgo_crds::ErpGo;
use erpgo_secret_set::{Document, KeyName, Kid, RotatingKey, Secret};

use super::sources::Offered;
use crate::rotation::LoginKey;
use crate::secrets::login;

pub(super) fn changed(offered: &Offered, document: &Document) -> BTreeSet<KeyName> {
    let sources = [
        (KeyName::Database, &offered.database),
        (KeyName::Redis, &offered.redis),
    ];
    let is_new = |(name, value): (KeyName, &Option<Secret>)| {
        let (value, key) = (value.as_ref()?, document.keys.get(name)?);
        let value = value.expose_secret().as_bytes();
        let mut versions = key.versions();
        versions
            .all(|(_, version)| !version.value.ct_eq(value))
            .then_some(name)
    };
    sources.into_iter().filter_map(is_new).collect()
}

/// Which versions of each URL log in as one of the two that take turns with it. Names of others stay
/// where they are.
pub(super) fn logins(
    erpgo: &ErpGo,
    document: &Document,
) -> BTreeMap<LoginKey, BTreeMap<Kid, String>> {
    let database = erpgo.spec.database.rotation.as_ref();
    let redis = erpgo.spec.redis.as_ref();
    let redis = redis.and_then(|redis| redis.rotation.as_ref());
    [
        (LoginKey::Database, database.map(|rotation| &rotation.roles)),
        (LoginKey::Redis, redis.map(|rotation| &rotation.users)),
    ]
    .into_iter()
    .filter_map(|(key, pair)| Some((key, of_pair(document, key.key(), pair?))))
    .collect()
}

fn of_pair(document: &Document, key: KeyName, pair: &[String]) -> BTreeMap<Kid, String> {
    let versions = document.keys.get(key).into_iter();
    let versions = versions.flat_map(RotatingKey::versions);
    let versions = versions.map(|(_, version)| version);
    let all = versions.chain(document.prepared.get(&key));
    all.filter_map(|version| {
        let user = login::user(&version.value)?;
        let known = pair.iter().find(|known| **known == user)?;
        Some((version.kid.clone(), known.clone()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use erpgo_secret_set::{DatabaseUrl, NewValue, RedisUrl, first_generation, prepare};
    use jiff::Timestamp;
    use serde_json::json;

    fn secret(text: &str) -> Secret {
        Secret::new(text.into())
    }

    #[test]
    fn the_logins_of_each_key_are_known_and_no_stranger_is_named() {
        let pair = json!(["erp_a", "erp_b"]);
        let admin = json!({"name": "admin"});
        let erpgo: ErpGo = serde_json::from_value(json!({
            "apiVersion": "erpgo.io/v1alpha1", "kind": "ErpGo", "metadata": {"name": "shop"},
            "spec": {"image": "i",
                "database": {"secretRef": {"name": "d"}, "rotation": {"roles": pair, "adminSecretRef": admin}},
                "redis": {"secretRef": {"name": "r"}, "rotation": {"users": pair, "adminSecretRef": admin}}},
        }))
        .unwrap();
        let random: [u8; 192] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let now = Timestamp::UNIX_EPOCH;
        let database = DatabaseUrl(secret("postgres://stranger:p@h/d"));
        let redis = RedisUrl(secret("redis://erp_a:p@h"));
        let document = first_generation(&random, now, database, Some(redis));
        let next = NewValue {
            key: KeyName::Redis,
            value: secret("redis://erp_b:p@h"),
        };
        let found = logins(&erpgo, &prepare(document, next, now));
        assert!(found[&LoginKey::Database].is_empty());
        let redis: Vec<_> = found[&LoginKey::Redis].values().collect();
        assert_eq!(redis, ["erp_a", "erp_b"]);
        let mut without = erpgo;
        without.spec.redis = None;
        without.spec.database.rotation = None;
        let random: [u8; 192] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let database = DatabaseUrl(secret("postgres://erp_a:p@h/d"));
        let document = first_generation(&random, now, database, None);
        assert!(logins(&without, &document).is_empty());
    }
}
