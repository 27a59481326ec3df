//! The user's Secrets beside a secret set that is in use.
//!
//! Owns [`unusable`]: pods go on with the URLs that they have, and a Secret to whose value nothing could be
//! rotated is told. One that is gone is not: the set holds all that pods need. Pure.

use super::observed::{Observed, SecretSource};
use super::phase::{self, Waiting};
use super::valid::ValidErpGo;
use crate::rotation::LoginKey;

/// A Secret of the spec that is there and holds no URL.
#[must_use]
pub fn unusable(app: &ValidErpGo, seen: &Observed) -> Option<Waiting> {
    // Where logins take turns, the Secret was the first URL only.
    let counts = |key: LoginKey, found: &SecretSource| {
        let is_wrong = matches!(
            found,
            SecretSource::KeyMissing { .. } | SecretSource::Invalid { .. }
        );
        is_wrong && !app.turns.contains_key(&key)
    };
    let redis = seen.redis_secret.as_ref();
    let told = if counts(LoginKey::Database, &seen.database_secret) {
        phase::database_source(app, seen)
    } else if redis.is_some_and(|found| counts(LoginKey::Redis, found)) {
        phase::redis_source(app, seen)
    } else {
        None
    };
    told.map(|waiting| Waiting {
        way_out: format!("{}; pods keep the URL that they have", waiting.way_out),
        ..waiting
    })
}
