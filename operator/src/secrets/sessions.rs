//! Logins in use, so that a reconcile at rest does not log in.
//!
//! Owns [`Sessions`]: one login for each `ErpGo`, which belongs to the settings that it was made under;
//! another address must never see it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::account::Account;

/// A login and how far it goes.
pub(super) struct Session<S, T> {
    pub(super) settings: S,
    pub(super) login: T,
    pub(super) until: Instant,
}

impl<S: PartialEq, T> Session<S, T> {
    /// Whether it was made under `settings` and has not ended.
    pub(super) fn is_good(&self, settings: &S) -> bool {
        self.settings == *settings && Instant::now() < self.until
    }
}

/// The logins of `MOST` resources: where there are more it starts again empty rather than growing.
pub(super) struct Sessions<S, T, const MOST: usize>(Mutex<HashMap<Account, Session<S, T>>>);

impl<S, T, const MOST: usize> Default for Sessions<S, T, MOST> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S: PartialEq, T, const MOST: usize> Sessions<S, T, MOST> {
    /// A copy of the login that `account` has under `settings`.
    pub(super) fn get(
        &self,
        account: &Account,
        settings: &S,
        copy: impl FnOnce(&T) -> T,
    ) -> Option<T> {
        let copied = self.with(account, |session| {
            session.is_good(settings).then(|| copy(&session.login))
        });
        copied.flatten()
    }

    /// What `work` makes of the session of `account`, if there is one.
    pub(super) fn with<R>(
        &self,
        account: &Account,
        work: impl FnOnce(&mut Session<S, T>) -> R,
    ) -> Option<R> {
        self.sessions().get_mut(account).map(work)
    }

    pub(super) fn keep(&self, account: Account, session: Session<S, T>) {
        self.renew(account, |_| session);
    }

    /// Puts another session in the place of the one that `account` has.
    pub(super) fn renew(
        &self,
        account: Account,
        next: impl FnOnce(Option<Session<S, T>>) -> Session<S, T>,
    ) {
        let mut sessions = self.sessions();
        let before = sessions.remove(&account);
        if sessions.len() >= MOST {
            sessions.clear();
        }
        sessions.insert(account, next(before));
    }

    /// Forgets a login that was refused.
    pub(super) fn forget(&self, account: &Account) {
        self.sessions().remove(account);
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Account, Session<S, T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
