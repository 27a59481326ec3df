//! Password hashing, bounded.
//!
//! Owns [`Hasher`]: argon2id with the pepper as its secret. At most so many hashes run at once, so
//! many wait, and none waits longer than the deadline: a storm of sign-ins is shed with 503 and leaves
//! other requests alone. A password and a pepper never reach a log or an error (I-04).

use std::sync::Arc;
use std::time::Duration;

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use erpgo_secret_set::{Secret, SecretSet};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::hash_memory::{Argon2id, HashMemory};
use super::workers::Workers;
use crate::config::AuthSettings;
use crate::error::{Code, Error, Result};
use crate::metrics::METRICS;

/// A hash as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHash {
    /// PHC string.
    pub phc: String,
    /// Which pepper is keyed into it.
    pub pepper_kid: String,
}

impl StoredHash {
    /// Takes as long to compare with, and is the hash of nothing; none where this is no hash.
    pub(super) fn decoy(&self) -> Option<Self> {
        let cost = Cost::of(&self.phc)?;
        Some(Self {
            phc: cost.decoy(),
            pepper_kid: self.pepper_kid.clone(),
        })
    }
}

/// What a check found.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The password is another one.
    Wrong,
    /// The password is right and the hash is up to date.
    Right,
    /// The password is right; store this hash in place of the old one.
    RightAndStale(StoredHash),
}

/// Hashes and checks passwords, a few at a time.
pub struct Hasher {
    workers: Workers,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    deadline: Duration,
    method: Method,
}

/// How new hashes are made, and in what.
#[derive(Clone)]
struct Method {
    cost: Cost,
    memory: Arc<HashMemory>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    iterations: u32,
}

impl Cost {
    /// What `phc` was made at; none where it is no hash of ours.
    fn of(phc: &str) -> Option<Self> {
        let mut params = phc.split('$').nth(3)?.split(',');
        let mut number = |name| params.next()?.strip_prefix(name)?.parse().ok();
        Some(Self {
            memory_kib: number("m=")?,
            iterations: number("t=")?,
        })
    }

    fn params(self) -> Result<Params, argon2::Error> {
        Params::new(self.memory_kib, self.iterations, 1, None)
    }

    /// Takes as long to check as a real hash and is the hash of nothing.
    fn decoy(self) -> String {
        format!(
            "$argon2id$v=19$m={},t={},p=1${}${}",
            self.memory_kib,
            self.iterations,
            "A".repeat(22),
            "A".repeat(43)
        )
    }
}

impl Hasher {
    /// A hasher of these bounds.
    #[must_use]
    pub fn new(settings: &AuthSettings) -> Self {
        Self {
            workers: Workers::new(settings.hash_concurrency),
            running: Arc::new(Semaphore::new(settings.hash_concurrency)),
            admitted: Arc::new(Semaphore::new(
                settings.hash_concurrency + settings.hash_queue,
            )),
            deadline: settings.hash_deadline,
            method: Method {
                cost: Cost {
                    memory_kib: settings.hash_memory_kib,
                    iterations: settings.hash_iterations,
                },
                memory: Arc::default(),
            },
        }
    }

    /// Asked before anything else is done for a sign-in, so that one that would be shed costs next to nothing.
    ///
    /// # Errors
    /// OVERLOADED when as many wait as may.
    pub fn has_room(&self) -> Result<()> {
        if self.admitted.available_permits() == 0 {
            return Err(self.shed());
        }
        Ok(())
    }

    /// Hashes `password` with the current pepper.
    ///
    /// # Errors
    /// OVERLOADED when it would wait too long.
    pub async fn hash(&self, set: Arc<SecretSet>, password: Secret) -> Result<StoredHash> {
        let method = self.method.clone();
        self.run(move || hash(&method, &set, &password)).await
    }

    /// Checks `password` against `stored`; without one it takes as long as with a new one, and finds it wrong.
    ///
    /// # Errors
    /// OVERLOADED when it would wait too long.
    pub async fn verify(
        &self,
        set: Arc<SecretSet>,
        password: Secret,
        stored: Option<StoredHash>,
    ) -> Result<Verdict> {
        let method = self.method.clone();
        self.run(move || verify(&method, &set, &password, stored.as_ref()))
            .await
    }

    /// Does `work`, which computes as long as a hash does at the worst, in its place.
    ///
    /// # Errors
    /// OVERLOADED when it would wait too long.
    pub async fn instead<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        self.run(move || Ok(work())).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, argon2::password_hash::Error> + Send + 'static,
    ) -> Result<T> {
        let permits = self.permits().await?;
        // The permits go with the work: a caller that gives up does not make room for another hash
        // while this one still runs.
        let done = self.workers.run(move || {
            let _permits = permits;
            work()
        });
        let done = done.await;
        done.ok_or_else(|| Error::internal("hash a password", "no thread did it".to_owned()))?
            .map_err(|error| Error::internal("hash a password", error.to_string()))
    }

    async fn permits(&self) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let admitted = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_| self.shed())?;
        let turn = Arc::clone(&self.running).acquire_owned();
        let running = tokio::time::timeout(self.deadline, turn)
            .await
            .map_err(|_| self.shed())?
            .map_err(|error| Error::internal("wait for a password hash", error))?;
        Ok((admitted, running))
    }

    fn shed(&self) -> Error {
        METRICS.hash_queue_shed.inc();
        Error::refused(
            Code::Overloaded,
            "too many sign-ins at once; try again shortly",
        )
        .retry_after(self.deadline)
    }
}

fn argon<'a>(
    pepper: &'a Secret,
    method: &'a Method,
) -> Result<Argon2id<'a>, argon2::password_hash::Error> {
    Ok(Argon2id {
        secret: pepper.expose_secret().as_bytes(),
        params: method.cost.params()?,
        memory: &method.memory,
    })
}

fn hash(
    method: &Method,
    set: &SecretSet,
    password: &Secret,
) -> Result<StoredHash, argon2::password_hash::Error> {
    let pepper = &set.keys.pepper.current;
    let phc = argon(&pepper.value, method)?
        .hash_password(password.expose_secret().as_bytes())?
        .to_string();
    Ok(StoredHash {
        phc,
        pepper_kid: pepper.kid.to_string(),
    })
}

fn verify(
    method: &Method,
    set: &SecretSet,
    password: &Secret,
    stored: Option<&StoredHash>,
) -> Result<Verdict, argon2::password_hash::Error> {
    let pepper = stored.and_then(|stored| {
        set.keys
            .pepper
            .versions()
            .map(|(_, version)| version)
            .find(|version| version.kid.as_str() == stored.pepper_kid)
    });
    let (Some(stored), Some(pepper)) = (stored, pepper) else {
        if let Some(stored) = stored {
            tracing::error!(
                kid = stored.pepper_kid,
                "a password hash needs a pepper that the secret set no longer has"
            );
        }
        let cost = stored.and_then(|stored| Cost::of(&stored.phc));
        let decoy = cost.unwrap_or(method.cost).decoy();
        compare(&set.keys.pepper.current.value, method, password, &decoy)?;
        return Ok(Verdict::Wrong);
    };
    if !compare(&pepper.value, method, password, &stored.phc)? {
        return Ok(Verdict::Wrong);
    }
    let current =
        pepper.kid == set.keys.pepper.current.kid && Cost::of(&stored.phc) == Some(method.cost);
    if current {
        return Ok(Verdict::Right);
    }
    hash(method, set, password).map(Verdict::RightAndStale)
}

fn compare(
    pepper: &Secret,
    method: &Method,
    password: &Secret,
    phc: &str,
) -> Result<bool, argon2::password_hash::Error> {
    let parsed =
        PasswordHash::new(phc).map_err(|_| argon2::password_hash::Error::EncodingInvalid)?;
    let outcome =
        argon(pepper, method)?.verify_password(password.expose_secret().as_bytes(), &parsed);
    match outcome {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(error),
    }
}
