//! Secrets in the namespace of the `ErpGo`.
//!
//! Owns every read of a Secret by name and every creation of one. A Secret is created or left alone,
//! never overwritten; none is listed or watched. A delete carries uid and resource version (I-11).

use std::collections::BTreeMap;

use erpgo_secret_set::Secret as SecretValue;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ObjectMeta, PostParams, Preconditions};
use kube::{Api, Client};

use super::error::{Ensured, SecretsError};
use crate::reconcile::names::FIELD_MANAGER;

/// What a look at one key found.
pub enum Lookup {
    /// The Secret does not exist.
    NoSecret,
    /// It exists and lacks the key.
    NoKey,
    /// The value is not text.
    NotText,
    /// The value.
    Found(SecretValue),
}

/// A Secret that exists and was looked through.
pub struct Keys {
    /// A key that was asked for and that it lacks.
    pub missing: Option<&'static str>,
    /// Its resource version: another one after each write.
    pub revision: Option<String>,
}

/// The Secrets of one namespace.
pub struct Store {
    api: Api<Secret>,
}

impl Store {
    /// The Secrets of `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
        }
    }

    /// Reads one key.
    ///
    /// # Errors
    /// When the API fails; that a Secret or key is missing is no error.
    pub async fn lookup(&self, name: &str, key: &str) -> Result<Lookup, SecretsError> {
        let found = self.api.get_opt(name).await;
        let Some(mut secret) = found.map_err(SecretsError::kubernetes("reading a Secret"))? else {
            return Ok(Lookup::NoSecret);
        };
        let value = secret.data.as_mut().and_then(|data| data.remove(key));
        Ok(match value.map(|bytes| String::from_utf8(bytes.0)) {
            None => Lookup::NoKey,
            Some(Err(_)) => Lookup::NotText,
            Some(Ok(text)) => Lookup::Found(SecretValue::new(text)),
        })
    }

    /// Reads one key that must be there.
    ///
    /// # Errors
    /// When the API fails, or the Secret, the key or its text is missing.
    pub async fn require(&self, name: &str, key: &str) -> Result<SecretValue, SecretsError> {
        match self.lookup(name, key).await? {
            Lookup::Found(value) => Ok(value),
            Lookup::NoSecret | Lookup::NoKey | Lookup::NotText => Err(SecretsError::Reference {
                kind: "Secret",
                name: name.to_owned(),
                key: key.to_owned(),
            }),
        }
    }

    /// Whether the Secret has `keys`; `None` when there is no such Secret.
    ///
    /// # Errors
    /// When the API fails.
    pub async fn keys(
        &self,
        name: &str,
        keys: &[&'static str],
    ) -> Result<Option<Keys>, SecretsError> {
        let found = self.api.get_opt(name).await;
        let found = found.map_err(SecretsError::kubernetes("reading a Secret"))?;
        Ok(found.map(|secret| {
            let data = secret.data.unwrap_or_default();
            let lacks = |key: &&&'static str| !data.contains_key(**key);
            Keys {
                missing: keys.iter().find(lacks).copied(),
                revision: secret.metadata.resource_version,
            }
        }))
    }

    /// Whether a Secret exists; its values are not read.
    ///
    /// # Errors
    /// When the API fails.
    pub async fn exists(&self, name: &str) -> Result<bool, SecretsError> {
        let found = self.api.get_metadata_opt(name).await;
        found
            .map(|secret| secret.is_some())
            .map_err(SecretsError::kubernetes("reading a Secret"))
    }

    /// Creates a Secret, or leaves the one that is there alone.
    ///
    /// # Errors
    /// When the API fails.
    pub async fn create(
        &self,
        metadata: ObjectMeta,
        values: &[(&str, &SecretValue)],
    ) -> Result<Ensured, SecretsError> {
        let data: BTreeMap<String, ByteString> = values
            .iter()
            .map(|(key, value)| {
                let bytes = value.expose_secret().as_bytes().to_vec();
                ((*key).to_owned(), ByteString(bytes))
            })
            .collect();
        let secret = Secret {
            metadata,
            data: Some(data),
            type_: Some("Opaque".into()),
            ..Secret::default()
        };
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PostParams::default()
        };
        match self.api.create(&params, &secret).await {
            Ok(_) => Ok(Ensured::Created),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(Ensured::Present),
            Err(source) => Err(SecretsError::Kubernetes {
                doing: "creating a Secret",
                source,
            }),
        }
    }

    /// Deletes a Secret if it is there and bears `label`.
    ///
    /// # Errors
    /// When the API fails.
    pub async fn delete(&self, name: &str, label: (&str, &str)) -> Result<bool, SecretsError> {
        let found = self.api.get_metadata_opt(name).await;
        let found = found.map_err(SecretsError::kubernetes("reading a Secret"))?;
        let Some(metadata) = found.map(|secret| secret.metadata) else {
            return Ok(false);
        };
        let ours = metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(label.0));
        if ours.map(String::as_str) != Some(label.1) {
            return Ok(false);
        }
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: metadata.uid,
            resource_version: metadata.resource_version,
        });
        match self.api.delete(name, &params).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
            Err(source) => Err(SecretsError::Kubernetes {
                doing: "deleting a Secret",
                source,
            }),
        }
    }
}
