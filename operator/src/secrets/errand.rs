//! What the Job that gives a role its password is given.
//!
//! Owns [`Secrets::is_at`] and [`Secrets::ensure_verifier`]: the Secret beside the Job holds the
//! verifier and never the password, which lies in the document alone. The Job owns it, so that it goes
//! with it.

use erpgo_crds::ErpGo;
use erpgo_secret_set::{Generation, KeyName, Kid};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;

use super::{Ensured, Secrets, SecretsError, database_url, generate, scram};
use crate::reconcile::names::{Component, Names};

/// The key in the Secret.
pub const VERIFIER_KEY: &str = "verifier";

impl Secrets {
    /// Whether the document is still of `generation`: a Job that was decided on an older one is not run.
    ///
    /// # Errors
    /// When the backend cannot be asked.
    pub async fn is_at(&self, erpgo: &ErpGo, generation: Generation) -> Result<bool, SecretsError> {
        let held = self.read(erpgo).await?;
        Ok(held.is_some_and(|held| held.document.generation == generation))
    }

    /// Makes the Secret `name` with the verifier of the prepared version `kid`, if that still waits.
    ///
    /// # Errors
    /// When the backend or the API fails.
    pub async fn ensure_verifier(
        &self,
        erpgo: &ErpGo,
        name: &str,
        owner: OwnerReference,
        kid: &Kid,
    ) -> Result<Ensured, SecretsError> {
        let Some(held) = self.read(erpgo).await? else {
            return Ok(Ensured::Present);
        };
        let waiting = held.document.prepared.get(&KeyName::Database);
        let password = waiting
            .filter(|version| version.kid == *kid)
            .and_then(|version| database_url::password(&version.value));
        let Some(password) = password else {
            return Ok(Ensured::Present);
        };
        let verifier = scram::verifier(&password, &generate::salt()?);
        let metadata = ObjectMeta {
            owner_references: Some(vec![owner]),
            ..Names::of(erpgo).metadata(name, Component::Credentials)
        };
        let store = self.store(erpgo);
        store.create(metadata, &[(VERIFIER_KEY, &verifier)]).await
    }
}
