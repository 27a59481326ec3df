//! The Secrets that the user provides.
//!
//! Owns whether each is there and of the right form. What is read is kept for [`super::offers`] alone,
//! so that each Secret is asked for once; a reason never shows a value (I-04).

use erpgo_crds::{ErpGo, SecretKey};
use erpgo_secret_set::Secret;

use crate::reconcile::context::Context;
use crate::reconcile::error::ReconcileError;
use crate::reconcile::observed::SecretSource;
use crate::secrets::{Lookup, SecretsError, Store};

pub(super) struct Sources {
    pub database: SecretSource,
    pub redis: Option<SecretSource>,
    pub bootstrap: Option<SecretSource>,
    pub bootstrap_revision: Option<String>,
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
    let is_postgres = |value: &Secret| has_scheme(value, &["postgres", "postgresql"]);
    let (redis, offered_redis) = match &erpgo.spec.redis {
        None => (None, None),
        Some(redis) => {
            let is_redis = |value: &Secret| has_scheme(value, &["redis", "rediss"]);
            let (state, value) = url(&store, &redis.secret_ref, is_redis, REDIS_FORM).await?;
            (Some(state), value)
        }
    };
    let (bootstrap, bootstrap_revision) = match &erpgo.spec.bootstrap_admin {
        None => (None, None),
        Some(admin) => {
            let (state, revision) = credentials(&store, &admin.secret_ref.name).await?;
            (Some(state), revision)
        }
    };
    let (database, offered_database) = url(&store, database, is_postgres, DATABASE_FORM).await?;
    Ok(Sources {
        database,
        redis,
        bootstrap,
        bootstrap_revision,
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
    valid: impl Fn(&Secret) -> bool,
    form: &str,
) -> Result<(SecretSource, Option<Secret>), ReconcileError> {
    let invalid = || SecretSource::Invalid {
        reason: form.to_owned(),
    };
    let found = store.lookup(&key.name, &key.key).await.map_err(failed)?;
    let missing = || SecretSource::KeyMissing {
        key: key.key.clone(),
    };
    Ok(match found {
        Lookup::NoSecret => (SecretSource::Missing, None),
        Lookup::NoKey => (missing(), None),
        Lookup::NotText => (invalid(), None),
        Lookup::Found(value) if valid(&value) => (SecretSource::Present, Some(value)),
        Lookup::Found(value) => (invalid(), Some(value)),
    })
}

// Whether the values will do is for the API to say; whether they are others now, the revision tells.
async fn credentials(
    store: &Store,
    name: &str,
) -> Result<(SecretSource, Option<String>), ReconcileError> {
    let found = store.keys(name, &["email", "password"]).await;
    let Some(found) = found.map_err(failed)? else {
        return Ok((SecretSource::Missing, None));
    };
    let state = match found.missing {
        None => SecretSource::Present,
        Some(key) => SecretSource::KeyMissing {
            key: key.to_owned(),
        },
    };
    Ok((state, found.revision))
}

fn has_scheme(value: &Secret, schemes: &[&str]) -> bool {
    reqwest::Url::parse(value.expose_secret()).is_ok_and(|url| {
        schemes.contains(&url.scheme()) && url.host_str().is_some_and(|host| !host.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_judged_as_the_secret_set_judges_them() {
        let postgres =
            |text: &str| has_scheme(&Secret::new(text.into()), &["postgres", "postgresql"]);
        assert!(postgres("postgres://u:p@h:5432/d"));
        for bad in [
            "",
            "postgres",
            "mysql://u:p@h/d",
            "postgres:///d",
            "host=h user=u",
        ] {
            assert!(!postgres(bad), "{bad}");
        }
    }
}
