//! The loop: wait until something is due, do that one thing, note what came of it.
//!
//! Owns the order read → accept → write → status. Decides nothing itself: when is
//! [`Schedule`]'s, whether is [`accept`]'s. Between the flip and the status there is no await, so an
//! answer of the app to a new set never meets the old status. A failure changes nothing on the tmpfs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use erpgo_secret_set::{ErrorClass, Generation, Manifest};
use jiff::Timestamp;

use crate::accept::{Accepted, Refusal, accept};
use crate::backend::{Backend, BackendError, Reading, Revision};
use crate::schedule::Schedule;
use crate::shared::Shared;
use crate::sink::{SinkError, Tmpfs};
use crate::{log, random};

// Longer than any one step: four exchanges of 5 s each.
const STEP: Duration = Duration::from_secs(30);

/// Everything that the loop works with.
pub(crate) struct Engine {
    pub(crate) backend: Backend,
    pub(crate) schedule: Schedule,
    pub(crate) sink: Arc<Tmpfs>,
    pub(crate) held: Option<Manifest>,
    // Of the document that was accepted last; a refused one is looked at again each time.
    pub(crate) revision: Option<Revision>,
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Unwritable(#[from] SinkError),
}

impl Failure {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Backend(error) => error.class(),
            Self::Refused(_) => ErrorClass::Malformed,
            Self::Unwritable(_) => ErrorClass::Unwritable,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Backend(error) => error.retry_after(),
            Self::Refused(_) | Self::Unwritable(_) => None,
        }
    }
}

impl Engine {
    /// Serves until it is dropped.
    pub(crate) async fn run(&mut self) {
        let mut nudges = self.shared.nudges();
        loop {
            let due = self.due();
            self.shared.promise(due + STEP);
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => self.step().await,
                _ = nudges.changed() => {
                    let wanted = *nudges.borrow_and_update();
                    self.schedule.nudged(Instant::now(), wanted);
                }
            }
        }
    }

    /// Gives the login back.
    pub(crate) async fn farewell(&mut self) {
        self.backend.farewell().await;
    }

    fn due(&self) -> Instant {
        let read = self.schedule.due();
        self.backend
            .upkeep_due()
            .map_or(read, |upkeep| upkeep.min(read))
    }

    async fn step(&mut self) {
        let now = Instant::now();
        self.shared.promise(now + STEP);
        if self.schedule.due() <= now {
            self.read().await;
        } else {
            self.backend.upkeep().await;
        }
    }

    async fn read(&mut self) {
        match self.try_read().await {
            Ok(()) => self.note_success(),
            Err(failure) => self.note_failure(&failure),
        }
    }

    async fn try_read(&mut self) -> Result<(), Failure> {
        let (bytes, revision) = match self.backend.read(self.revision.as_ref()).await? {
            Reading::Document { bytes, revision } => (bytes, revision),
            Reading::Unchanged => {
                self.tidy()?;
                self.shared.counters.reads_unchanged.add_one();
                return Ok(());
            }
        };
        let counter = match accept(&bytes, self.held.as_ref())? {
            Accepted::Same => &self.shared.counters.reads_unchanged,
            Accepted::Newer(set) => {
                self.sink.write(&set, Timestamp::now())?;
                log::info(
                    "rendered the secret set",
                    &[("generation", &set.manifest.generation)],
                );
                self.held = Some(set.manifest);
                &self.shared.counters.reads_rendered
            }
        };
        counter.add_one();
        self.tidy()?;
        self.revision = Some(revision);
        Ok(())
    }

    fn tidy(&self) -> Result<(), SinkError> {
        self.held
            .as_ref()
            .map_or(Ok(()), |held| self.sink.tidy(held))
    }

    fn held_generation(&self) -> Option<Generation> {
        self.held.as_ref().map(|manifest| manifest.generation)
    }

    fn note_success(&mut self) {
        let (held, now) = (self.held_generation(), Instant::now());
        self.sink.note_read();
        self.schedule.succeeded(now, held, random::unit());
        self.shared.update(|status| {
            status.holds(held, now);
            status.read_succeeded(now);
        });
    }

    fn note_failure(&mut self, failure: &Failure) {
        let class = failure.class();
        self.schedule
            .failed(Instant::now(), failure.retry_after(), random::unit());
        self.shared.counters.read_failed(class);
        let held = self.held_generation();
        self.shared.update(|status| {
            // A set can be in use although the tidying after it failed.
            status.holds(held, Instant::now());
            status.read_failed(class, Timestamp::now());
        });
        log::warn(
            "the backend gave no set that can be used; what is rendered stays",
            &[("class", &class.as_str()), ("error", &log::chain(failure))],
        );
    }
}
