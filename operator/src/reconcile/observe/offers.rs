//! Which keys could be rotated to what the user provides.
//!
//! Owns the comparison of the URLs in the user's Secrets with those in the document. The values are
//! compared here and do not leave (I-04).

use std::collections::{BTreeMap, BTreeSet};

use erpgo_crds::{ErpGo, SecretKey};
use erpgo_secret_set::{Document, KeyName, Kid, RotatingKey};

use crate::reconcile::context::Context;
use crate::reconcile::error::ReconcileError;
use crate::secrets::{Lookup, Store, database_url};

pub(super) async fn changed(
    context: &Context,
    erpgo: &ErpGo,
    document: &Document,
) -> Result<BTreeSet<KeyName>, ReconcileError> {
    let store = context.secrets.store(erpgo);
    let redis = erpgo.spec.redis.as_ref().map(|redis| &redis.secret_ref);
    let sources = [
        (KeyName::Database, Some(&erpgo.spec.database.secret_ref)),
        (KeyName::Redis, redis),
    ];
    let mut changed = BTreeSet::new();
    for (name, source) in sources {
        if let (Some(source), Some(key)) = (source, document.keys.get(name))
            && is_new(&store, source, key).await?
        {
            changed.insert(name);
        }
    }
    Ok(changed)
}

/// Which versions of the database's URL log in as one of the roles that take turns. Names of other
/// users stay where they are.
pub(super) fn logins(erpgo: &ErpGo, document: &Document) -> BTreeMap<Kid, String> {
    let Some(rotation) = &erpgo.spec.database.rotation else {
        return BTreeMap::new();
    };
    let versions = document
        .keys
        .database
        .versions()
        .map(|(_, version)| version);
    let all = versions.chain(document.prepared.get(&KeyName::Database));
    all.filter_map(|version| {
        let user = database_url::user(&version.value)?;
        let role = rotation.roles.iter().find(|role| **role == *user)?;
        Some((version.kid.clone(), role.clone()))
    })
    .collect()
}

async fn is_new(
    store: &Store,
    source: &SecretKey,
    key: &RotatingKey,
) -> Result<bool, ReconcileError> {
    let found = store.lookup(&source.name, &source.key).await;
    let found = found.map_err(|source| ReconcileError::ObserveSecret {
        what: "the Secrets that the spec names",
        source,
    })?;
    let Lookup::Found(value) = found else {
        return Ok(false);
    };
    let offered = value.expose_secret().as_bytes();
    let mut versions = key.versions();
    Ok(versions.all(|(_, version)| !version.value.ct_eq(offered)))
}
