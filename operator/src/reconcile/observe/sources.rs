//! The Secrets that the user provides.
//!
//! Owns whether each is there and of the right form. What is read is kept for [`super::offers`] alone,
//! so that each Secret is asked for once, and only if it could be used; a reason never shows a value (I-04).

use erpgo_crds::{ErpGo, SecretKey};
use erpgo_secret_set::{KeyName, Secret, is_valid};

use crate::reconcile::context::Context;
use crate::reconcile::error::ReconcileError;
use crate::reconcile::observed::SecretSource;
use crate::secrets::{Lookup, SecretsError, Store};

pub(super) struct Sources {
    pub database: SecretSource,
    pub redis: Option<SecretSource>,
    pub bootstrap: Option<SecretSource>,
    pub offered: Offered,
}

/// The URLs that the user's Secrets hold now.
pub(super) struct Offered {
    pub database: Option<Secret>,
    pub redis: Option<Secret>,
}

const DATABASE_FORM: &str =
    "the value is not a URL of the form postgres://user:password@host:5432/database";
const REDIS_FORM: &str = "the value is not a URL of the form redis://:password@host:6379/0";

pub(super) async fn read(context: &Context, erpgo: &ErpGo) -> Result<Sources, ReconcileError> {
    let store = context.secrets.store(erpgo);
    let database = &erpgo.spec.database.secret_ref;
    let (redis, offered_redis) = match &erpgo.spec.redis {
        None => (None, None),
        Some(redis) => {
            let (state, value) = url(&store, &redis.secret_ref, KeyName::Redis).await?;
            (Some(state), value)
        }
    };
    let bootstrap = match &erpgo.spec.bootstrap_admin {
        None => None,
        Some(admin) => Some(credentials(&store, &admin.secret_ref.name).await?),
    };
    let (database, offered_database) = url(&store, database, KeyName::Database).await?;
    Ok(Sources {
        database,
        redis,
        bootstrap,
        offered: Offered {
            database: offered_database,
            redis: offered_redis,
        },
    })
}

fn failed(source: SecretsError) -> ReconcileError {
    ReconcileError::ObserveSecret {
        what: "the Secrets that the spec names",
        source,
    }
}

async fn url(
    store: &Store,
    key: &SecretKey,
    name: KeyName,
) -> Result<(SecretSource, Option<Secret>), ReconcileError> {
    let found = store.lookup(&key.name, &key.key).await.map_err(failed)?;
    Ok(judged(found, key, name))
}

// What no pod would accept is not offered: a rotation to it could never be written.
fn judged(found: Lookup, key: &SecretKey, name: KeyName) -> (SecretSource, Option<Secret>) {
    let form = match name {
        KeyName::Redis => REDIS_FORM,
        _ => DATABASE_FORM,
    };
    let invalid = || SecretSource::Invalid {
        reason: form.to_owned(),
    };
    let missing = || SecretSource::KeyMissing {
        key: key.key.clone(),
    };
    match found {
        Lookup::NoSecret => (SecretSource::Missing, None),
        Lookup::NoKey => (missing(), None),
        Lookup::Found(value) if is_valid(name, &value) => (SecretSource::Present, Some(value)),
        Lookup::NotText | Lookup::Found(_) => (invalid(), None),
    }
}

async fn credentials(store: &Store, name: &str) -> Result<SecretSource, ReconcileError> {
    let missing = store.missing_key(name, &["email", "password"]).await;
    Ok(match missing.map_err(failed)? {
        None => SecretSource::Missing,
        Some(Some(key)) => SecretSource::KeyMissing {
            key: key.to_owned(),
        },
        Some(None) => SecretSource::Present,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_url_that_pods_would_accept_is_offered() {
        let key = SecretKey {
            name: "shop-database".into(),
            key: "url".into(),
        };
        let read = |text: &str| {
            let found = Lookup::Found(Secret::new(text.into()));
            judged(found, &key, KeyName::Database)
        };
        let (state, offered) = read("postgres://u:p@h:5432/d");
        assert_eq!(state, SecretSource::Present);
        assert!(offered.is_some());
        for bad in [
            "",
            "postgres",
            "mysql://u:p@h/d",
            "postgres:///d",
            "host=h user=u",
        ] {
            let (state, offered) = read(bad);
            assert!(matches!(state, SecretSource::Invalid { .. }), "{bad}");
            assert!(offered.is_none(), "{bad} would be rotated to");
        }
    }
}
