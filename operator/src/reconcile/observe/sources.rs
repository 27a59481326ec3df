//! The Secrets that the user provides.
//!
//! Owns whether each is there and of the right form. What is read is kept for [`super::offers`] alone,
//! so that each Secret is asked for once, and only if it could be used; a reason never shows a value (I-04).

use std::collections::{BTreeMap, BTreeSet};

use erpgo_crds::{ConditionState, ConditionType, ErpGo, SecretKey};
use erpgo_secret_set::{KeyName, Secret, is_valid};

use crate::reconcile::context::Context;
use crate::reconcile::error::ReconcileError;
use crate::reconcile::observed::SecretSource;
use crate::rotation::{ErrandState, ErrandView, LoginKey};
use crate::secrets::{Lookup, SecretsError, Store};

pub(super) struct Sources {
    pub database: SecretSource,
    pub redis: Option<SecretSource>,
    pub bootstrap: Option<SecretSource>,
    pub bootstrap_revision: Option<String>,
    pub mail: Option<SecretSource>,
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
    let (bootstrap, bootstrap_revision) = match &erpgo.spec.bootstrap_admin {
        None => (None, None),
        Some(admin) => {
            let name = &admin.secret_ref.name;
            let (state, revision) = credentials(&store, name, &["email", "password"]).await?;
            (Some(state), revision)
        }
    };
    let mail = match mail_secret(erpgo) {
        None => None,
        Some(name) => Some(
            credentials(&store, name, &["username", "password"])
                .await?
                .0,
        ),
    };
    let (database, offered_database) = url(&store, database, KeyName::Database).await?;
    Ok(Sources {
        database,
        redis,
        bootstrap,
        bootstrap_revision,
        mail,
        offered: Offered {
            database: offered_database,
            redis: offered_redis,
        },
    })
}

/// The URLs with which Jobs that have not succeeded change passwords: without its Secret such a Job
/// has no pod that runs, and says nothing.
pub(super) async fn login_admins(
    context: &Context,
    erpgo: &ErpGo,
    errands: &[ErrandView],
) -> Result<BTreeMap<LoginKey, SecretSource>, ReconcileError> {
    let store = context.secrets.store(erpgo);
    let mut found = BTreeMap::new();
    for (key, admin) in wanted_admins(erpgo, errands) {
        let (state, _) = url(&store, admin, key.key()).await?;
        found.insert(key, state);
    }
    Ok(found)
}

fn wanted_admins<'a>(
    erpgo: &'a ErpGo,
    errands: &[ErrandView],
) -> impl Iterator<Item = (LoginKey, &'a SecretKey)> {
    let unfinished = errands
        .iter()
        .filter(|view| view.state != ErrandState::Succeeded);
    let keys: BTreeSet<LoginKey> = unfinished.map(|view| view.errand.key).collect();
    let spec = &erpgo.spec;
    let database = spec.database.rotation.as_ref();
    let redis = spec
        .redis
        .as_ref()
        .and_then(|redis| redis.rotation.as_ref());
    keys.into_iter().filter_map(move |key| {
        let admin = match key {
            LoginKey::Database => &database?.admin_secret_ref,
            LoginKey::Redis => &redis?.admin_secret_ref,
        };
        Some((key, admin))
    })
}

// Only pods that start need it: it is not asked for while all run.
fn mail_secret(erpgo: &ErpGo) -> Option<&str> {
    let mail = erpgo.spec.mail.as_ref()?;
    let secret = mail.credentials_secret_ref.as_ref()?;
    (!is_ready(erpgo)).then_some(secret.name.as_str())
}

fn is_ready(erpgo: &ErpGo) -> bool {
    let status = erpgo.status.iter();
    let mut conditions = status.flat_map(|status| &status.conditions);
    conditions.any(|told| {
        told.type_ == ConditionType::Ready.as_str()
            && told.status == ConditionState::True.as_str()
            && told.observed_generation == erpgo.metadata.generation
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

// Whether the values will do is for those who use them to say; whether they are others now, the revision
// tells.
async fn credentials(
    store: &Store,
    name: &str,
    keys: &[&'static str],
) -> Result<(SecretSource, Option<String>), ReconcileError> {
    let found = store.keys(name, keys).await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn erpgo(spec: &Value, ready: &Value) -> ErpGo {
        serde_json::from_value(json!({
            "apiVersion": "erpgo.io/v1alpha1", "kind": "ErpGo",
            "metadata": {"name": "shop", "generation": 2}, "spec": spec, "status": {"conditions": [ready]},
        }))
        .unwrap()
    }

    fn ready(status: &str, generation: i64) -> Value {
        json!({"type": "Ready", "status": status, "reason": "r", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": generation})
    }

    #[test]
    fn the_secret_for_mail_is_asked_for_only_while_a_pod_may_wait_for_it() {
        let database = json!({"secretRef": {"name": "d"}});
        let mail = json!({"smtpUrl": "smtps://mx", "from": "erp@example.com",
            "credentialsSecretRef": {"name": "mail"}});
        let with = json!({"image": "i", "database": database, "mail": mail});
        for (told, asks) in [
            (ready("True", 2), false),
            (ready("True", 1), true),
            (ready("False", 2), true),
        ] {
            let erpgo = erpgo(&with, &told);
            assert_eq!(mail_secret(&erpgo), asks.then_some("mail"), "{told}");
        }
        let without = json!({"image": "i", "database": database});
        assert_eq!(mail_secret(&erpgo(&without, &ready("False", 2))), None);
    }

    #[test]
    fn the_urls_that_change_passwords_are_asked_for_only_while_a_job_is_unfinished() {
        let pair = json!(["erp_a", "erp_b"]);
        let turning =
            |admin: &str| json!({"adminSecretRef": {"name": admin}, "roles": pair, "users": pair});
        let spec = json!({"image": "i",
            "database": {"secretRef": {"name": "d"}, "rotation": turning("d-admin")},
            "redis": {"secretRef": {"name": "r"}, "rotation": turning("r-admin")}});
        let view = |errand: &str, state| ErrandView {
            errand: errand.parse().unwrap(),
            state,
        };
        let failed = ErrandState::Failed {
            reason: String::new(),
        };
        let errands = [
            view("set database erp_b database-2", ErrandState::Succeeded),
            view("set redis erp_b redis-2", ErrandState::Running),
            view("clear redis erp_a redis-1", failed),
        ];
        let erpgo = erpgo(&spec, &ready("True", 2));
        let asked = |errands: &[ErrandView]| {
            let wanted = wanted_admins(&erpgo, errands);
            let named = wanted.map(|(key, admin)| format!("{key} {}", admin.name));
            named.collect::<Vec<_>>()
        };
        assert_eq!(asked(&errands), ["redis r-admin"]);
        assert_eq!(asked(&errands[..1]), Vec::<String>::new());
    }

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
