//! The secret set's backend as the operator sees it.
//!
//! Owns [`Secrets`]: read the document, write the first generation once and each later one in the place
//! of the one it was made from, make the control token and the first administrator's password, and
//! delete what `deletionPolicy: Delete` names. A write that is not the successor of what lies there
//! changes nothing. A value leaves this module in a [`Held`] document alone (I-04). The control token belongs to its `ErpGo` and goes with it; the secret set and
//! the administrator carry no owner, so that a deletion takes neither unless the policy says so (I-08).

mod account;
mod acl;
mod aws;
mod errand;
mod error;
mod follow;
mod generate;
mod kubernetes;
pub mod login;
mod place;
mod rest;
mod scram;
mod secret_set;
mod sessions;
mod turn;
mod vault;
mod write;

use account::Account;
use erpgo_crds::{ConfigMapKey, DeletionPolicy, ErpGo};
use erpgo_secret_set::{DatabaseUrl, Document, KeyName, RedisUrl, Secret};
pub use errand::VERIFIER_KEY;
pub use error::{Ensured, SecretsError};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use kube::{Api, Client, Resource as _, ResourceExt as _};
pub use kubernetes::{Lookup, Store};
use place::{Backend, Look, Place, Stored};
use rest::Rests;
use secret_set::SecretSet;
use turn::Turn;
use vault::Vault;
pub use write::{Held, Revision, WriteId, Written};

use crate::reconcile::names::{Component, FIELD_MANAGER, MANAGED_BY_LABEL, Names};

/// The key of the document in the Kubernetes backend's Secret.
pub const DOCUMENT_KEY: &str = "document.json";

/// Access to every backend, with its sessions.
pub struct Secrets {
    client: Client,
    vault_sessions: vault::Sessions,
    aws_sessions: aws::Sessions,
    silent: Rests,
    throttled: Rests,
}

impl Secrets {
    /// Access through `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            vault_sessions: vault::Sessions::default(),
            aws_sessions: aws::Sessions::default(),
            silent: Rests::default(),
            throttled: Rests::default(),
        }
    }

    /// The Secrets in the namespace of `erpgo`.
    #[must_use]
    pub fn store(&self, erpgo: &ErpGo) -> Store {
        Store::new(self.client.clone(), &namespace(erpgo))
    }

    /// Reads the document with its revision; `None` when nothing was ever written.
    ///
    /// # Errors
    /// [`SecretsError::Invalid`] when no pod would accept what lies there, others when the backend
    /// cannot be asked.
    pub async fn read(&self, erpgo: &ErpGo) -> Result<Option<Held>, SecretsError> {
        match self.place(erpgo).await?.look().await? {
            Look::Nothing => Ok(None),
            Look::Unreadable(reason) => Err(SecretsError::Invalid {
                reasons: vec![reason.to_owned()],
            }),
            Look::Found(stored) => judge(stored).map(Some),
        }
    }

    /// Writes `document` in the place of what was read under `revision`.
    ///
    /// The same `write` a second time changes nothing and is [`Written::Done`] again for as long as no
    /// other write came after it.
    ///
    /// # Errors
    /// When the document is not valid or the backend fails. After [`SecretsError::Unreachable`],
    /// [`SecretsError::Silent`] and [`SecretsError::Standby`] the write may have happened: try it again
    /// under the same id.
    pub async fn replace(
        &self,
        erpgo: &ErpGo,
        revision: &Revision,
        document: &Document,
        write: &WriteId,
    ) -> Result<Written, SecretsError> {
        let text = checked(document)?;
        let place = self.place(erpgo).await?;
        let mut pauses = place.lag();
        let early = |look: &Look| settled(look, revision, write);
        let mut written = place.judged(&mut pauses, early).await?;
        if written.is_none() {
            if let Some(done) = place.swap(revision, &text, write).await? {
                return Ok(Written::Done(done));
            }
            // What was read is not the newest, whatever a look may still show.
            let late = |look: &Look| settled(look, revision, write).or(Some(Written::Conflict));
            written = place.judged(&mut pauses, late).await?;
        }
        let written = written.unwrap_or(Written::Conflict);
        match &written {
            Written::Done(done) => place.tidy(done).await?,
            Written::Conflict => place.abandon(revision, write).await?,
        }
        Ok(written)
    }

    /// Writes generation 1 unless there is a document.
    ///
    /// # Errors
    /// When an input is missing or not valid, or the backend fails.
    pub async fn ensure_first_generation(&self, erpgo: &ErpGo) -> Result<Ensured, SecretsError> {
        let store = self.store(erpgo);
        let source = &erpgo.spec.database.secret_ref;
        let database = DatabaseUrl(store.require(&source.name, &source.key).await?);
        let redis = match &erpgo.spec.redis {
            None => None,
            Some(redis) => {
                let source = &redis.secret_ref;
                Some(RedisUrl(store.require(&source.name, &source.key).await?))
            }
        };
        let document = checked(&generate::document(Timestamp::now(), database, redis)?)?;
        self.place(erpgo).await?.create(&document).await
    }

    /// A new value for `key`: drawn, or from the Secret that the spec names.
    ///
    /// # Errors
    /// When the system has no randomness, or the Secret is not as it should be.
    pub async fn new_value(&self, erpgo: &ErpGo, key: KeyName) -> Result<Secret, SecretsError> {
        let spec = &erpgo.spec;
        let source = match (key, &spec.redis) {
            (KeyName::Jwt | KeyName::Refresh | KeyName::Pepper, _) => return generate::key(),
            (KeyName::Database, _) => &spec.database.secret_ref,
            (KeyName::Redis, Some(redis)) => &redis.secret_ref,
            (KeyName::Redis, None) => {
                return Err(SecretsError::Invalid {
                    reasons: vec!["there is no spec.redis to take redis from".into()],
                });
            }
        };
        self.store(erpgo).require(&source.name, &source.key).await
    }

    /// Makes the bearer token of the sidecar's control port.
    ///
    /// # Errors
    /// When it cannot be created.
    pub async fn ensure_control_token(&self, erpgo: &ErpGo) -> Result<Ensured, SecretsError> {
        let token = generate::token()?;
        let names = Names::of(erpgo);
        let metadata = ObjectMeta {
            owner_references: erpgo.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..names.metadata(names.control_token(), Component::Secrets)
        };
        self.store(erpgo)
            .create(metadata, &[("token", &token)])
            .await
    }

    /// Makes the first administrator's password.
    ///
    /// # Errors
    /// When it cannot be created.
    pub async fn ensure_admin(&self, erpgo: &ErpGo) -> Result<Ensured, SecretsError> {
        let password = generate::token()?;
        let email = Secret::new(format!("admin@{}.local", erpgo.name_any()));
        let names = Names::of(erpgo);
        let metadata = names.metadata(names.admin(), Component::Secrets);
        let values = [("email", &email), ("password", &password)];
        self.store(erpgo).create(metadata, &values).await
    }

    /// Deletes the secret set and the generated administrator if the policy says so.
    ///
    /// # Errors
    /// When the backend fails; what was deleted before stays deleted, and a second call goes on.
    pub async fn delete(&self, erpgo: &ErpGo) -> Result<(), SecretsError> {
        if erpgo.spec.deletion_policy == DeletionPolicy::Retain {
            return Ok(());
        }
        let store = self.store(erpgo);
        let names = Names::of(erpgo);
        // A Secret that a person made under the same name lacks the label and stays.
        let label = (MANAGED_BY_LABEL, FIELD_MANAGER);
        store.delete(&names.admin(), label).await?;
        self.place(erpgo).await?.delete().await
    }

    async fn place<'a>(&'a self, erpgo: &'a ErpGo) -> Result<Place<'a>, SecretsError> {
        let backend = &erpgo.spec.secrets.backend;
        if let Some(settings) = &backend.vault {
            let ca = self.ca(erpgo, settings.ca_config_map_ref.as_ref()).await?;
            let backend = Backend::Vault(Box::new(vault::Place {
                client: &self.client,
                sessions: &self.vault_sessions,
                vault: Vault::new(settings, ca.as_deref())?,
                account: account(erpgo),
            }));
            let turn = Some(self.turn(erpgo, vault::place_of(settings)));
            return Ok(Place { backend, turn });
        }
        if let Some(settings) = &backend.aws {
            let ca = self.ca(erpgo, settings.ca_config_map_ref.as_ref()).await?;
            let backend = Backend::Aws(Box::new(aws::Place {
                client: &self.client,
                sessions: &self.aws_sessions,
                settings,
                ca,
                account: account(erpgo),
            }));
            let turn = Some(self.turn(erpgo, aws::place_of(settings)));
            return Ok(Place { backend, turn });
        }
        let secret = SecretSet::new(self.client.clone(), &Names::of(erpgo));
        let backend = Backend::Kubernetes(Box::new(secret));
        Ok(Place {
            backend,
            turn: None,
        })
    }

    fn turn(&self, erpgo: &ErpGo, place: String) -> Turn<'_> {
        Turn {
            silent: &self.silent,
            place,
            throttled: &self.throttled,
            asker: format!("{}/{}", namespace(erpgo), erpgo.name_any()),
        }
    }

    async fn ca(
        &self,
        erpgo: &ErpGo,
        source: Option<&ConfigMapKey>,
    ) -> Result<Option<String>, SecretsError> {
        let Some(source) = source else {
            return Ok(None);
        };
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &namespace(erpgo));
        let found = api.get_opt(&source.name).await;
        let pem = found
            .map_err(SecretsError::kubernetes("reading the CA's ConfigMap"))?
            .and_then(|map| map.data?.remove(&source.key));
        pem.map(Some).ok_or_else(|| SecretsError::Reference {
            kind: "ConfigMap",
            name: source.name.clone(),
            key: source.key.clone(),
        })
    }
}

// Whether the write needs not be tried: it is done already, or comes too late.
fn settled(look: &Look, from: &Revision, write: &WriteId) -> Option<Written> {
    match look {
        Look::Found(stored) if stored.is_from(write) => {
            Some(Written::Done(stored.revision.clone()))
        }
        Look::Found(stored) if stored.revision == *from => None,
        Look::Nothing | Look::Unreadable(_) | Look::Found(_) => Some(Written::Conflict),
    }
}

fn judge(stored: Stored) -> Result<Held, SecretsError> {
    let parsed = Document::parse(stored.text.expose_secret().as_bytes());
    let document = parsed.map_err(|error| SecretsError::Invalid {
        reasons: vec![error.to_string()],
    })?;
    refuse_faults(&document)?;
    Ok(Held {
        document,
        revision: stored.revision,
    })
}

// Its text, if every pod would accept it.
fn checked(document: &Document) -> Result<Secret, SecretsError> {
    refuse_faults(document)?;
    let text = document.to_json();
    if text.len() > Document::MAX_BYTES {
        let reason = format!("it is larger than {} bytes", Document::MAX_BYTES);
        return Err(SecretsError::Invalid {
            reasons: vec![reason],
        });
    }
    Ok(text)
}

fn refuse_faults(document: &Document) -> Result<(), SecretsError> {
    let faults = erpgo_secret_set::validate(&document.keys);
    if faults.is_empty() {
        return Ok(());
    }
    let reasons = faults.iter().map(ToString::to_string).collect();
    Err(SecretsError::Invalid { reasons })
}

fn namespace(erpgo: &ErpGo) -> String {
    erpgo.namespace().unwrap_or_default()
}

fn account(erpgo: &ErpGo) -> Account {
    Account {
        namespace: namespace(erpgo),
        name: erpgo.name_any(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(database: &str) -> Document {
        let url = DatabaseUrl(Secret::new(database.into()));
        generate::document(Timestamp::UNIX_EPOCH, url, None).unwrap()
    }

    #[test]
    fn a_document_that_no_pod_would_accept_is_not_written_and_not_shown() {
        let Err(error) = checked(&first("mysql://u:hunter2@h/d")) else {
            panic!("accepted");
        };
        assert_eq!(error.class(), "invalid");
        assert!(error.to_string().contains("database"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(checked(&first("postgres://u:hunter2@h/d")).is_ok());
    }

    #[test]
    fn i10_a_write_is_done_once_and_only_on_what_it_was_made_from() {
        let mine = WriteId::derive("r1", "stage");
        let look = |revision: &str, by: Option<&WriteId>| {
            Look::Found(Stored {
                text: Secret::new(String::new()),
                revision: Revision(revision.into()),
                written_by: by.map(|id| id.as_str().to_owned()),
            })
        };
        let from = Revision("7".into());
        let other = WriteId::derive("r1", "promote");
        assert_eq!(settled(&look("7", Some(&other)), &from, &mine), None);
        assert_eq!(settled(&look("7", None), &from, &mine), None);
        let done = Some(Written::Done(Revision("8".into())));
        assert_eq!(settled(&look("8", Some(&mine)), &from, &mine), done);
        let late = Some(Written::Conflict);
        assert_eq!(settled(&look("8", Some(&other)), &from, &mine), late);
        assert_eq!(settled(&Look::Nothing, &from, &mine), late);
    }
}
