//! The document in a Secret beside the `ErpGo`.
//!
//! Owns the Secret `NAME-secret-set`. A swap carries the resource version that was read, so that the
//! API server itself refuses one that comes too late; labels and other keys stay as they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use erpgo_secret_set::Secret;
use k8s_openapi::api::core::v1::Secret as SecretObject;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};

use super::DOCUMENT_KEY;
use super::error::{Ensured, SecretsError};
use super::kubernetes::Store;
use super::place::{Look, Stored};
use super::write::{Revision, WriteId};
use crate::reconcile::names::{Component, FIELD_MANAGER, MANAGED_BY_LABEL, Names, WRITE_ID};

const READING: &str = "reading the secret set";
const WRITING: &str = "writing the secret set";

/// One Secret with a document.
pub(super) struct SecretSet {
    api: Api<SecretObject>,
    store: Store,
    metadata: ObjectMeta,
}

impl SecretSet {
    pub(super) fn new(client: Client, names: &Names) -> Self {
        Self {
            api: Api::namespaced(client.clone(), names.namespace()),
            store: Store::new(client, names.namespace()),
            metadata: names.metadata(names.secret_set(), Component::Secrets),
        }
    }

    pub(super) async fn look(&self) -> Result<Look, SecretsError> {
        let found = self.api.get_opt(&self.name()).await;
        let Some(secret) = found.map_err(SecretsError::kubernetes(READING))? else {
            return Ok(Look::Nothing);
        };
        Ok(read(secret))
    }

    pub(super) async fn create(&self, text: &Secret) -> Result<Ensured, SecretsError> {
        let metadata = self.metadata.clone();
        self.store.create(metadata, &[(DOCUMENT_KEY, text)]).await
    }

    pub(super) async fn swap(
        &self,
        from: &Revision,
        text: &Secret,
        write: &WriteId,
    ) -> Result<Option<Revision>, SecretsError> {
        let encoded = STANDARD.encode(text.expose_secret());
        let patch = serde_json::json!({
            "metadata": {"resourceVersion": from.0, "annotations": {WRITE_ID: write.as_str()}},
            "data": {DOCUMENT_KEY: encoded},
        });
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let (name, patch) = (self.name(), Patch::Merge(&patch));
        match self.api.patch(&name, &params, &patch).await {
            Ok(written) => Ok(Some(revision(&written))),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
                Ok(None)
            }
            Err(source) => Err(SecretsError::Kubernetes {
                doing: WRITING,
                source,
            }),
        }
    }

    pub(super) async fn delete(&self) -> Result<(), SecretsError> {
        // A Secret that a person made under the same name lacks the label and stays.
        let label = (MANAGED_BY_LABEL, FIELD_MANAGER);
        self.store.delete(&self.name(), label).await.map(drop)
    }

    fn name(&self) -> String {
        self.metadata.name.clone().unwrap_or_default()
    }
}

fn read(mut secret: SecretObject) -> Look {
    let revision = revision(&secret);
    let written_by = secret.annotations_mut().remove(WRITE_ID);
    let value = secret.data.and_then(|mut data| data.remove(DOCUMENT_KEY));
    match value.map(|bytes| String::from_utf8(bytes.0)) {
        None => Look::Unreadable("the Secret lacks the key document.json"),
        Some(Err(_)) => Look::Unreadable("document.json is not text"),
        Some(Ok(text)) => Look::Found(Stored {
            text: Secret::new(text),
            revision,
            written_by,
        }),
    }
}

fn revision(secret: &SecretObject) -> Revision {
    Revision(secret.resource_version().unwrap_or_default())
}
