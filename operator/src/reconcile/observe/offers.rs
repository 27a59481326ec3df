//! Which keys could be rotated to what the user provides.
//!
//! Owns the comparison of the URLs in the user's Secrets with those in the document. The values are
//! compared here and do not leave (I-04).

use std::collections::{BTreeMap, BTreeSet};

use erpgo_crds::ErpGo;
use erpgo_secret_set::{Document, KeyName, Kid, Secret};

use super::sources::Offered;
use crate::secrets::database_url;

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
