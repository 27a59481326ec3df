//! The document of one `ErpGo` in Secrets Manager.
//!
//! Owns [`Place`] and the order of the requests of a write. The id of a version is the id of its write
//! followed by a hash of the version that it was made from, so that a second try finds the first.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use erpgo_crds::AwsBackend;
use erpgo_secret_set::Secret;
use sha2::{Digest as _, Sha256};

use super::fault::{self, Fault};
use super::login::{Login, Sessions};
use crate::secrets::account::Account;
use crate::secrets::error::{Ensured, SecretsError};
use crate::secrets::place::{Look, Stored};
use crate::secrets::write::{Revision, WriteId};

/// How long a read may show what a write before it replaced: the pauses between looks.
pub(in crate::secrets) const LAG: [Duration; 2] =
    [Duration::from_millis(200), Duration::from_millis(800)];
const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";
const READING: &str = "reading the document";
const WRITING: &str = "writing the document";
const MOVING: &str = "moving the label of the document";
const DELETING: &str = "deleting the document";

/// A secret, and who logs in to reach it.
pub(in crate::secrets) struct Place<'a> {
    pub(in crate::secrets) client: &'a kube::Client,
    pub(in crate::secrets) sessions: &'a Sessions,
    pub(in crate::secrets) settings: &'a AwsBackend,
    pub(in crate::secrets) ca: Option<String>,
    pub(in crate::secrets) account: Account,
}

impl Place<'_> {
    pub(in crate::secrets) async fn look(&self) -> Result<Look, SecretsError> {
        self.logged_in(|client| async move { self.get(&client).await })
            .await
    }

    pub(in crate::secrets) async fn create(&self, text: &Secret) -> Result<Ensured, SecretsError> {
        self.logged_in(|client| async move {
            let request = client.create_secret().name(self.id());
            let request = request.secret_string(text.expose_secret());
            match request.send().await.map_err(|e| fault::of(WRITING, &e)) {
                Ok(_) => Ok(Ensured::Created),
                Err(Fault::Exists) => self.fill(&client, text).await,
                Err(fault) => Err(fault.into()),
            }
        })
        .await
    }

    pub(in crate::secrets) async fn swap(
        &self,
        from: &Revision,
        text: &Secret,
        write: &WriteId,
    ) -> Result<Option<Revision>, SecretsError> {
        let version = Revision(version_id(write, from));
        let version = &version;
        self.logged_in(|client| async move {
            match self.stage(&client, &version.0, text).await {
                // A try that drew other values was here before: what it staged is as good as ours.
                Ok(()) | Err(Fault::Exists) => {}
                Err(Fault::Absent) => return Ok(None),
                Err(fault) => return Err(fault.into()),
            }
            let moved = self.promote(&client, &version.0, Some(&from.0)).await;
            self.unstage(&client, &version.0).await?;
            Ok(moved?.then(|| version.clone()))
        })
        .await
    }

    pub(in crate::secrets) async fn tidy(&self, write: &Revision) -> Result<(), SecretsError> {
        self.logged_in(|client| async move { self.unstage(&client, &write.0).await })
            .await
    }

    pub(in crate::secrets) async fn abandon(
        &self,
        from: &Revision,
        write: &WriteId,
    ) -> Result<(), SecretsError> {
        self.tidy(&Revision(version_id(write, from))).await
    }

    pub(in crate::secrets) async fn delete(&self) -> Result<(), SecretsError> {
        self.logged_in(|client| async move {
            let request = client.delete_secret().secret_id(self.id());
            let answer = request.force_delete_without_recovery(true).send().await;
            match answer.map_err(|error| fault::of(DELETING, &error)) {
                Ok(_) | Err(Fault::Absent) => Ok(()),
                Err(fault) => Err(fault.into()),
            }
        })
        .await
    }

    fn id(&self) -> &str {
        &self.settings.secret_id
    }

    async fn logged_in<T, F>(&self, request: impl Fn(Client) -> F) -> Result<T, SecretsError>
    where
        F: Future<Output = Result<T, SecretsError>>,
    {
        let login = Login {
            kube: self.client,
            account: &self.account,
            settings: self.settings,
            ca: self.ca.as_deref(),
        };
        match request(self.sessions.client(&login).await?).await {
            // The credentials may have been replaced since they were cached.
            Err(SecretsError::Denied { .. }) => {
                self.sessions.forget(&self.account);
                request(self.sessions.client(&login).await?).await
            }
            other => other,
        }
    }

    async fn get(&self, client: &Client) -> Result<Look, SecretsError> {
        let request = client.get_secret_value().secret_id(self.id());
        let answer = request.version_stage(CURRENT).send().await;
        match answer.map_err(|error| fault::of(READING, &error)) {
            Ok(answer) => read(answer),
            Err(Fault::Absent) => Ok(Look::Nothing),
            Err(fault) => Err(fault.into()),
        }
    }

    // A secret that was made beforehand and has no value yet. Of two that fill it one moves the label.
    async fn fill(&self, client: &Client, text: &Secret) -> Result<Ensured, SecretsError> {
        if !matches!(self.get(client).await?, Look::Nothing) {
            return Ok(Ensured::Present);
        }
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(SecretsError::Random)?;
        let version = hex::encode(random);
        self.stage(client, &version, text).await?;
        // AWS labels the first version of all by itself; then this finds the label where it should be.
        let moved = self.promote(client, &version, None).await;
        self.unstage(client, &version).await?;
        let ours = match self.get(client).await? {
            Look::Found(stored) => stored.revision.0 == version,
            Look::Nothing | Look::Unreadable(_) => false,
        };
        Ok(if moved? || ours {
            Ensured::Created
        } else {
            Ensured::Present
        })
    }

    async fn stage(&self, client: &Client, version: &str, text: &Secret) -> Result<(), Fault> {
        let request = client.put_secret_value().secret_id(self.id());
        let request = request
            .client_request_token(version)
            .secret_string(text.expose_secret())
            .version_stages(PENDING);
        let answer = request.send().await;
        answer.map(drop).map_err(|e| fault::of(WRITING, &e))
    }

    // Whether the label came to be on `version`.
    async fn promote(
        &self,
        client: &Client,
        version: &str,
        from: Option<&str>,
    ) -> Result<bool, SecretsError> {
        let request = client.update_secret_version_stage().secret_id(self.id());
        let request = request
            .version_stage(CURRENT)
            .move_to_version_id(version)
            .set_remove_from_version_id(from.map(Into::into));
        match request.send().await.map_err(|e| fault::of(MOVING, &e)) {
            Ok(_) => Ok(true),
            Err(Fault::Absent | Fault::Moved) => Ok(false),
            Err(fault) => Err(fault.into()),
        }
    }

    async fn unstage(&self, client: &Client, version: &str) -> Result<(), SecretsError> {
        let request = client.update_secret_version_stage().secret_id(self.id());
        let request = request
            .version_stage(PENDING)
            .remove_from_version_id(version);
        match request.send().await.map_err(|e| fault::of(MOVING, &e)) {
            // It is not there: an earlier try took it away, or another write has it.
            Ok(_) | Err(Fault::Absent | Fault::Moved) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }
}

fn read(answer: GetSecretValueOutput) -> Result<Look, SecretsError> {
    let version = answer
        .version_id
        .ok_or(SecretsError::Malformed { what: "version" })?;
    let Some(text) = answer.secret_string else {
        return Ok(Look::Unreadable("the secret in AWS has no text value"));
    };
    Ok(Look::Found(Stored {
        text: Secret::new(text),
        written_by: version.get(..32).map(Into::into),
        revision: Revision(version),
    }))
}

fn version_id(write: &WriteId, from: &Revision) -> String {
    let hash = hex::encode(Sha256::digest(&from.0));
    format!("{}{}", write.as_str(), &hash[..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_names_its_write_and_what_it_was_made_from() {
        let write = WriteId::derive("r1", "stage");
        let one = version_id(&write, &Revision("a".into()));
        let other = version_id(&write, &Revision("b".into()));
        // What AWS takes as a ClientRequestToken.
        assert_eq!(one.len(), 64);
        assert!(one.starts_with(write.as_str()) && other.starts_with(write.as_str()));
        assert_ne!(one, other);
    }
}
