//! The document of one `ErpGo` in one Vault.
//!
//! Owns [`Place`]: each request with the cached token, and once more with a new one when it is
//! refused and [`Sessions`] has one, since a token may have been revoked after it was cached.

use std::time::Instant;

use erpgo_secret_set::Secret;
use kube::Client;

use super::login::Deed;
use super::{Sessions, Vault};
use crate::secrets::account::Account;
use crate::secrets::error::{Ensured, SecretsError};
use crate::secrets::place::Look;
use crate::secrets::write::{Revision, WriteId};

/// A Vault, and who logs in to it.
pub(in crate::secrets) struct Place<'a> {
    pub(in crate::secrets) client: &'a Client,
    pub(in crate::secrets) sessions: &'a Sessions,
    pub(in crate::secrets) vault: Vault<'a>,
    pub(in crate::secrets) account: Account,
}

impl Place<'_> {
    pub(in crate::secrets) async fn look(&self) -> Result<Look, SecretsError> {
        self.logged_in(
            Deed::Read,
            |token| async move { self.vault.read(&token).await },
        )
        .await
    }

    pub(in crate::secrets) async fn create(&self, text: &Secret) -> Result<Ensured, SecretsError> {
        self.logged_in(Deed::Write, |token| async move {
            match self.vault.keep_versions(&token).await {
                // Without the right to set it, the mount's own number holds; that is no reason to stop.
                Ok(()) | Err(SecretsError::Denied { .. }) => self.vault.create(&token, text).await,
                Err(error) => Err(error),
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
        self.logged_in(Deed::Write, |token| async move {
            self.vault.swap(&token, from, text, write).await
        })
        .await
    }

    pub(in crate::secrets) async fn delete(&self) -> Result<(), SecretsError> {
        self.logged_in(Deed::Write, |token| async move {
            self.vault.delete(&token).await
        })
        .await
    }

    async fn logged_in<T, F>(
        &self,
        deed: Deed,
        request: impl Fn(Secret) -> F,
    ) -> Result<T, SecretsError>
    where
        F: Future<Output = Result<T, SecretsError>>,
    {
        let token = self.token().await?;
        let mut answer = request(token.duplicate()).await;
        if matches!(answer, Err(SecretsError::Denied { .. })) && self.may_replace(&token, deed) {
            answer = request(self.token().await?).await;
        }
        if answer.is_ok() {
            self.sessions.succeeded(&self.account, deed);
        }
        answer
    }

    fn may_replace(&self, token: &Secret, deed: Deed) -> bool {
        let (account, now) = (&self.account, Instant::now());
        self.sessions.may_replace(account, deed, token, now)
    }

    async fn token(&self) -> Result<Secret, SecretsError> {
        let account = &self.account;
        self.sessions.token(self.client, &self.vault, account).await
    }
}
