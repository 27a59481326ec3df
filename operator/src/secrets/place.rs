//! The place where the document lies.
//!
//! Owns [`Place`], the choice between the backends, and the things that each can do: look, create,
//! swap, tidy and delete. A backend is one module with these functions and one line in each `match`
//! here.

use erpgo_secret_set::Secret;

use super::aws;
use super::error::{Ensured, SecretsError};
use super::secret_set::SecretSet;
use super::vault;
use super::write::{Revision, WriteId};

/// What a look found.
pub(super) enum Look {
    /// Nothing was ever written, or it was deleted with its history.
    Nothing,
    /// Something that holds no text of a document.
    Unreadable(&'static str),
    /// A text.
    Found(Stored),
}

/// A text in the backend, not judged yet.
pub(super) struct Stored {
    /// The document's text.
    pub text: Secret,
    /// The write that it came from.
    pub revision: Revision,
    /// The [`WriteId`] of that write; none for the first and for one by hand.
    pub written_by: Option<String>,
}

impl Stored {
    pub(super) fn is_from(&self, write: &WriteId) -> bool {
        self.written_by.as_deref() == Some(write.as_str())
    }
}

/// The document of one `ErpGo`.
pub(super) enum Place<'a> {
    /// A Secret beside it.
    Kubernetes(Box<SecretSet>),
    /// A key in Vault.
    Vault(Box<vault::Place<'a>>),
    /// A secret in AWS Secrets Manager.
    Aws(Box<aws::Place<'a>>),
}

impl Place<'_> {
    /// Reads what is there.
    pub(super) async fn look(&self) -> Result<Look, SecretsError> {
        match self {
            Self::Kubernetes(secret) => secret.look().await,
            Self::Vault(vault) => vault.look().await,
            Self::Aws(aws) => aws.look().await,
        }
    }

    /// Writes the text unless there is one.
    pub(super) async fn create(&self, text: &Secret) -> Result<Ensured, SecretsError> {
        match self {
            Self::Kubernetes(secret) => secret.create(text).await,
            Self::Vault(vault) => vault.create(text).await,
            Self::Aws(aws) => aws.create(text).await,
        }
    }

    /// Writes the text if `from` is still the newest; `None` when it is not.
    pub(super) async fn swap(
        &self,
        from: &Revision,
        text: &Secret,
        write: &WriteId,
    ) -> Result<Option<Revision>, SecretsError> {
        match self {
            Self::Kubernetes(secret) => secret.swap(from, text, write).await,
            Self::Vault(vault) => vault.swap(from, text, write).await,
            Self::Aws(aws) => aws.swap(from, text, write).await,
        }
    }

    /// Finishes what a write that crashed after its decisive step left to do.
    pub(super) async fn tidy(&self, write: &Revision) -> Result<(), SecretsError> {
        match self {
            Self::Kubernetes(_) | Self::Vault(_) => Ok(()),
            Self::Aws(aws) => aws.tidy(write).await,
        }
    }

    /// Deletes the document with its history.
    pub(super) async fn delete(&self) -> Result<(), SecretsError> {
        match self {
            Self::Kubernetes(secret) => secret.delete().await,
            Self::Vault(vault) => vault.delete().await,
            Self::Aws(aws) => aws.delete().await,
        }
    }
}
