//! The place where the document lies.
//!
//! Owns [`Place`], the choice between the backends, and the things that each can do: look, create,
//! swap, tidy, abandon and delete. A backend is one module with these functions and one line in each
//! `match` here; one that is reached over a network is asked by [`Turn`] alone. Of what a look shows only a
//! conflict is doubted, and only where reads lag behind writes.

use std::slice;
use std::time::Duration;

use erpgo_secret_set::Secret;

use super::aws;
use super::error::{Ensured, SecretsError};
use super::secret_set::SecretSet;
use super::turn::Turn;
use super::vault;
use super::write::{Revision, WriteId, Written};

/// What a look found.
pub(super) enum Look {
    /// Nothing was ever written, or it was deleted with its history.
    Nothing,
    /// Something that holds no text of a document.
    Unreadable(&'static str),
    /// A text.
    Found(Stored),
}

/// The pauses between looks.
pub(super) type Pauses = slice::Iter<'static, Duration>;

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
pub(super) struct Place<'a> {
    /// Where it lies.
    pub(super) backend: Backend<'a>,
    /// Whether that may be asked; none for the API server, which has its own ways to be left alone.
    pub(super) turn: Option<Turn<'a>>,
}

/// Where a document lies.
pub(super) enum Backend<'a> {
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
        self.asked(async {
            match &self.backend {
                Backend::Kubernetes(secret) => secret.look().await,
                Backend::Vault(vault) => vault.look().await,
                Backend::Aws(aws) => aws.look().await,
            }
        })
        .await
    }

    /// What `judge` makes of a look. Where a look may show what was there before, a conflict is believed
    /// only when it is still one after what is left of `pauses`: one write has those of [`Self::lag`].
    pub(super) async fn judged(
        &self,
        pauses: &mut Pauses,
        judge: impl Fn(&Look) -> Option<Written>,
    ) -> Result<Option<Written>, SecretsError> {
        loop {
            let judged = judge(&self.look().await?);
            if judged != Some(Written::Conflict) {
                return Ok(judged);
            }
            let Some(pause) = pauses.next() else {
                return Ok(judged);
            };
            tokio::time::sleep(*pause).await;
        }
    }

    /// How long its reads may lag behind its writes.
    pub(super) fn lag(&self) -> Pauses {
        match &self.backend {
            Backend::Kubernetes(_) | Backend::Vault(_) => Pauses::default(),
            Backend::Aws(_) => aws::LAG.iter(),
        }
    }

    /// Writes the text unless there is one.
    pub(super) async fn create(&self, text: &Secret) -> Result<Ensured, SecretsError> {
        self.asked(async {
            match &self.backend {
                Backend::Kubernetes(secret) => secret.create(text).await,
                Backend::Vault(vault) => vault.create(text).await,
                Backend::Aws(aws) => aws.create(text).await,
            }
        })
        .await
    }

    /// Writes the text if `from` is still the newest; `None` when it is not.
    pub(super) async fn swap(
        &self,
        from: &Revision,
        text: &Secret,
        write: &WriteId,
    ) -> Result<Option<Revision>, SecretsError> {
        self.asked(async {
            match &self.backend {
                Backend::Kubernetes(secret) => secret.swap(from, text, write).await,
                Backend::Vault(vault) => vault.swap(from, text, write).await,
                Backend::Aws(aws) => aws.swap(from, text, write).await,
            }
        })
        .await
    }

    /// Finishes what a write that crashed after its decisive step left to do.
    pub(super) async fn tidy(&self, write: &Revision) -> Result<(), SecretsError> {
        match &self.backend {
            Backend::Kubernetes(_) | Backend::Vault(_) => Ok(()),
            Backend::Aws(aws) => self.asked(aws.tidy(write)).await,
        }
    }

    /// Takes back what an earlier try of a write that comes too late left half done.
    pub(super) async fn abandon(
        &self,
        from: &Revision,
        write: &WriteId,
    ) -> Result<(), SecretsError> {
        match &self.backend {
            Backend::Kubernetes(_) | Backend::Vault(_) => Ok(()),
            Backend::Aws(aws) => self.asked(aws.abandon(from, write)).await,
        }
    }

    /// Deletes the document with its history.
    pub(super) async fn delete(&self) -> Result<(), SecretsError> {
        self.asked(async {
            match &self.backend {
                Backend::Kubernetes(secret) => secret.delete().await,
                Backend::Vault(vault) => vault.delete().await,
                Backend::Aws(aws) => aws.delete().await,
            }
        })
        .await
    }

    async fn asked<T>(
        &self,
        request: impl Future<Output = Result<T, SecretsError>>,
    ) -> Result<T, SecretsError> {
        match &self.turn {
            Some(turn) => turn.ask(request).await,
            None => request.await,
        }
    }
}
