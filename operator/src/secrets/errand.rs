//! What the Job that gives a login its password is given.
//!
//! Owns [`Secrets::read_at`] and [`Secrets::ensure_verifier`]: the Secret beside the Job holds the
//! verifier and never the password, which lies in the document alone. The Job owns it, so that it goes
//! with it.

use erpgo_crds::ErpGo;
use erpgo_secret_set::{Document, Generation, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;

use super::{Ensured, Secrets, SecretsError, acl, generate, login, scram};
use crate::reconcile::names::{Component, Names};
use crate::rotation::{Errand, LoginKey};

/// The key in the Secret.
pub const VERIFIER_KEY: &str = "verifier";

impl Secrets {
    /// The document if it is still of `generation`: a Job that was decided on an older one is not run.
    ///
    /// # Errors
    /// When the backend cannot be asked.
    pub async fn read_at(
        &self,
        erpgo: &ErpGo,
        generation: Generation,
    ) -> Result<Option<Document>, SecretsError> {
        let held = self.read(erpgo).await?;
        let document = held.map(|held| held.document);
        Ok(document.filter(|document| document.generation == generation))
    }

    /// Makes the Secret with the verifier of the version that `errand` is for, if it waits in
    /// `document`. It is called as the Job that owns it.
    ///
    /// # Errors
    /// When the API fails.
    pub async fn ensure_verifier(
        &self,
        erpgo: &ErpGo,
        document: &Document,
        owner: OwnerReference,
        errand: &Errand,
    ) -> Result<Ensured, SecretsError> {
        let Some(password) = waiting(document, errand) else {
            return Ok(Ensured::Present);
        };
        let verifier = verifier(errand.key, &password)?;
        let name = owner.name.clone();
        let metadata = ObjectMeta {
            owner_references: Some(vec![owner]),
            ..Names::of(erpgo).metadata(name, Component::Credentials)
        };
        let store = self.store(erpgo);
        store.create(metadata, &[(VERIFIER_KEY, &verifier)]).await
    }
}

fn waiting(document: &Document, errand: &Errand) -> Option<Secret> {
    let version = document.prepared.get(&errand.key.key())?;
    let is_meant = version.kid == errand.kid;
    is_meant.then(|| login::password(&version.value)).flatten()
}

// What the server keeps of a password, each in its own form.
fn verifier(key: LoginKey, password: &Secret) -> Result<Secret, SecretsError> {
    Ok(match key {
        LoginKey::Database => scram::verifier(password, &generate::salt()?),
        LoginKey::Redis => acl::verifier(password),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use erpgo_secret_set::{DatabaseUrl, KeyName, NewValue, RedisUrl, prepare};
    use jiff::Timestamp;

    fn document() -> Document {
        let url = |text: &str| Secret::new(text.into());
        let database = DatabaseUrl(url("postgres://u:p@h/d"));
        let redis = Some(RedisUrl(url("redis://h")));
        let mut document = generate::document(Timestamp::UNIX_EPOCH, database, redis).unwrap();
        for (key, value) in [
            (KeyName::Database, "postgres://erp_b:canary@h/d"),
            (KeyName::Redis, "redis://erp_b:canary@h"),
        ] {
            let value = url(value);
            document = prepare(document, NewValue { key, value }, Timestamp::UNIX_EPOCH);
        }
        document
    }

    #[test]
    fn i04_each_server_gets_what_it_keeps_and_never_the_password() {
        let document = document();
        for (key, begin, len) in [
            (LoginKey::Database, "SCRAM-SHA-256$4096:", 133),
            (LoginKey::Redis, "", 64),
        ] {
            let errand = Errand {
                task: crate::rotation::Task::Set,
                key,
                login: "erp_b".into(),
                kid: document.prepared[&key.key()].kid.clone(),
            };
            let made = verifier(key, &waiting(&document, &errand).unwrap()).unwrap();
            let text = made.expose_secret();
            assert!(text.starts_with(begin) && text.len() == len, "{key}");
            assert!(!text.contains("canary"), "{key}");
            let other = document.keys.jwt.current.kid.clone();
            let stale = Errand {
                kid: other,
                ..errand
            };
            assert!(waiting(&document, &stale).is_none(), "{key}");
        }
    }
}
