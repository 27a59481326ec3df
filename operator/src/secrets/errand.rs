//! What the Job that gives a role its password is given.
//!
//! Owns [`Secrets::read_at`] and [`Secrets::ensure_verifier`]: the Secret beside the Job holds the
//! verifier and never the password, which lies in the document alone. The Job owns it, so that it goes
//! with it.

use erpgo_crds::ErpGo;
use erpgo_secret_set::{Document, Generation, KeyName, Kid};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;

use super::{Ensured, Secrets, SecretsError, database_url, generate, scram};
use crate::reconcile::names::{Component, Names};

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

    /// Makes the Secret with the verifier of the version `kid` that waits in `document`, if one does. It
    /// is called as the Job that owns it.
    ///
    /// # Errors
    /// When the API fails.
    pub async fn ensure_verifier(
        &self,
        erpgo: &ErpGo,
        document: &Document,
        owner: OwnerReference,
        kid: &Kid,
    ) -> Result<Ensured, SecretsError> {
        let waiting = document.prepared.get(&KeyName::Database);
        let password = waiting
            .filter(|version| version.kid == *kid)
            .and_then(|version| database_url::password(&version.value));
        let Some(password) = password else {
            return Ok(Ensured::Present);
        };
        let verifier = scram::verifier(&password, &generate::salt()?);
        let name = owner.name.clone();
        let metadata = ObjectMeta {
            owner_references: Some(vec![owner]),
            ..Names::of(erpgo).metadata(name, Component::Credentials)
        };
        let store = self.store(erpgo);
        store.create(metadata, &[(VERIFIER_KEY, &verifier)]).await
    }
}
