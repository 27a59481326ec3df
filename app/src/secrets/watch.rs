//! Notices another generation on the tmpfs.
//!
//! Owns [`watch`]. It looks at one link ten times a second instead of asking the kernel for events: a
//! `readlink` on a tmpfs costs a microsecond, works on every mount, cannot overflow a queue, and
//! finds a flip that happened while a generation was being adopted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use erpgo_secret_set::{Ack, SecretSet, Verdict};
use tokio_util::sync::CancellationToken;

use super::adopt::{Adopted, adopt};
use super::{Acks, Keyring, Source, SourceError};
use crate::cache::Redis;
use crate::config::DatabaseSettings;
use crate::db::Database;

const EVERY: Duration = Duration::from_millis(100);
/// Before the same generation is tried again: each try may cost a connection.
const AGAIN: Duration = Duration::from_secs(1);

/// What the watcher works on.
pub struct Watched {
    /// Where sets come from.
    pub source: Source,
    /// The set in use.
    pub keyring: Keyring,
    /// The pool that follows it.
    pub database: Database,
    /// The connection that follows it.
    pub redis: Redis,
    /// How pools are made.
    pub settings: DatabaseSettings,
    /// The way to the sidecar.
    pub acks: Acks,
}

/// What is known of the generation that was looked at last.
#[derive(Default)]
struct Seen {
    mark: Option<PathBuf>,
    // The same generation is worth another try from here on.
    again: Option<Instant>,
    // Whoever is here has shown that its credentials do.
    proved: Option<Arc<SecretSet>>,
}

impl Seen {
    fn is_due(&self, mark: &PathBuf) -> bool {
        self.mark.as_ref() != Some(mark) || self.again.is_some_and(|at| at <= Instant::now())
    }
}

/// Adopts each generation until `stop`, beginning with the one that is there: the set that a process
/// starts with is acknowledged only when what is staged in it was proved as well.
pub async fn watch(watched: Watched, stop: CancellationToken) {
    let mut seen = Seen::default();
    loop {
        if let Some(mark) = watched.source.mark()
            && seen.is_due(&mark)
        {
            let settled = watched.step(&mut seen).await;
            seen.mark = Some(mark);
            seen.again = (!settled).then(|| Instant::now() + AGAIN);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

impl Watched {
    /// Reads and adopts what is there; false when it is worth another try.
    async fn step(&self, seen: &mut Seen) -> bool {
        let source = self.source.clone();
        let read = tokio::task::spawn_blocking(move || source.read()).await;
        match read {
            Ok(Ok(set)) => match adopt(set, self, seen.proved.as_deref()).await {
                Adopted::InUse(ack) => {
                    seen.proved = Some(self.keyring.current());
                    self.acks.say(ack);
                    true
                }
                Adopted::NotYet(ack, details) => {
                    self.refuse(ack, &details);
                    false
                }
            },
            Ok(Err(SourceError::Invalid {
                generation: Some(generation),
                faults,
            })) => {
                let verdict = Verdict::Nack {
                    reasons: faults.clone(),
                };
                self.refuse(
                    Ack {
                        generation,
                        verdict,
                    },
                    &faults,
                );
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "the secret set cannot be read");
                false
            }
            Err(_) => false,
        }
    }

    /// Says so, and logs it once: the same set is tried again each second.
    fn refuse(&self, ack: Ack, details: &[String]) {
        let generation = ack.generation.0;
        if self.acks.say(ack) {
            tracing::warn!(generation, ?details, "the secret set is refused");
        }
    }
}
