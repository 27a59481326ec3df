//! What this pod knows of its set.
//!
//! Owns [`Status`] and its transitions: pure, so times are arguments. It holds numbers, kids and
//! classes, never a value (I-04). An ack counts only for the generation that is rendered (I-03).

use std::time::{Duration, Instant};

use erpgo_secret_set::{Ack, BackendState, ErrorClass, Generation, PodState, ToldClass, Verdict};
use jiff::Timestamp;

/// Held generation, the app's last answer and the state of the backend.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    rendered: Option<Generation>,
    // Until the app has accepted it.
    rendered_at: Option<Instant>,
    acked: Option<Ack>,
    healthy: bool,
    last_read: Option<Instant>,
    stale_since: Option<Timestamp>,
    error_class: Option<ErrorClass>,
}

/// An answer to another generation than the one that is rendered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("generation {answered} is not the rendered one: read the directory again and answer that")]
pub(crate) struct WrongGeneration {
    answered: Generation,
}

impl Status {
    /// What was found on the tmpfs at start, and when the backend was last read before that: the
    /// age of a set does not begin anew with a process.
    pub(crate) fn restored(held: Option<Generation>, ack: Option<Ack>, read: Timestamp) -> Self {
        let acked = ack.filter(|ack| Some(ack.generation) == held);
        Self {
            rendered: held,
            acked,
            stale_since: held.map(|_| read),
            ..Self::default()
        }
    }

    pub(crate) fn rendered(&self) -> Option<Generation> {
        self.rendered
    }

    pub(crate) fn acked(&self) -> Option<&Ack> {
        self.acked.as_ref()
    }

    pub(crate) fn acked_generation(&self) -> Option<Generation> {
        self.acked.as_ref().map(|ack| ack.generation)
    }

    /// What is on the tmpfs.
    pub(crate) fn holds(&mut self, held: Option<Generation>, now: Instant) {
        if self.rendered != held {
            self.rendered = held;
            self.rendered_at = held.map(|_| now);
        }
    }

    /// The backend was read and what it has is on the tmpfs.
    pub(crate) fn read_succeeded(&mut self, at: Instant) {
        self.healthy = true;
        self.last_read = Some(at);
        self.stale_since = None;
        self.error_class = None;
    }

    /// The backend was not read, or what it has was refused; the set stays.
    pub(crate) fn read_failed(&mut self, class: ErrorClass, at: Timestamp) {
        self.healthy = false;
        self.error_class = Some(class);
        if self.rendered.is_some() {
            self.stale_since.get_or_insert(at);
        }
    }

    /// The app answered. How long it took since the set was rendered, if this is the first time
    /// that the app accepts it.
    pub(crate) fn answered(
        &mut self,
        ack: Ack,
        now: Instant,
    ) -> Result<Option<Duration>, WrongGeneration> {
        if self.rendered != Some(ack.generation) {
            return Err(WrongGeneration {
                answered: ack.generation,
            });
        }
        let first = match ack.verdict {
            Verdict::Ack { .. } => self.rendered_at.take(),
            Verdict::Nack { .. } => None,
        };
        self.acked = Some(ack);
        Ok(first.map(|at| now.saturating_duration_since(at)))
    }

    /// Whether the app has answered `wanted` or a later generation, either way.
    pub(crate) fn is_settled(&self, wanted: Generation) -> bool {
        self.acked_generation() >= Some(wanted)
    }

    /// Whether a read could bring more than what is held.
    pub(crate) fn needs_read(&self, wanted: Generation) -> bool {
        self.rendered < Some(wanted)
    }

    /// What the operator is told.
    pub(crate) fn pod_state(&self, now: Instant) -> PodState {
        let age = |at: Instant| now.saturating_duration_since(at).as_secs();
        PodState {
            rendered_generation: self.rendered,
            acked: self.acked.clone(),
            backend: BackendState {
                healthy: self.healthy,
                last_read_age_seconds: self.last_read.map(age),
                stale_since: self.stale_since,
                error_class: self.error_class.map(ToldClass::Known),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nack(generation: u64) -> Ack {
        let reasons = vec!["jwt is missing".to_owned()];
        Ack {
            generation: Generation(generation),
            verdict: Verdict::Nack { reasons },
        }
    }

    #[test]
    fn an_outage_keeps_the_set_and_says_since_when() {
        let start = Instant::now();
        let mut status = Status::default();
        status.read_failed(ErrorClass::NotFound, Timestamp::UNIX_EPOCH);
        assert_eq!(
            status.pod_state(start).backend.stale_since,
            None,
            "there is no set to be stale"
        );

        status.holds(Some(Generation(3)), start);
        status.read_succeeded(start);
        let first = Timestamp::from_second(100).unwrap();
        status.read_failed(ErrorClass::Unreachable, first);
        status.read_failed(ErrorClass::Sealed, Timestamp::from_second(200).unwrap());
        let state = status.pod_state(start + Duration::from_secs(9));
        assert_eq!(state.rendered_generation, Some(Generation(3)));
        assert!(!state.backend.healthy);
        assert_eq!(state.backend.stale_since, Some(first));
        let sealed = ToldClass::Known(ErrorClass::Sealed);
        assert_eq!(state.backend.error_class, Some(sealed));
        assert_eq!(state.backend.last_read_age_seconds, Some(9));

        status.read_succeeded(start);
        let backend = status.pod_state(start).backend;
        assert!(backend.healthy && backend.stale_since.is_none() && backend.error_class.is_none());
    }

    #[test]
    fn only_an_answer_to_the_rendered_generation_counts() {
        let now = Instant::now();
        let mut status = Status::default();
        assert!(status.answered(nack(1), now).is_err());
        status.holds(Some(Generation(2)), now);
        for other in [1, 3] {
            let refused = WrongGeneration {
                answered: Generation(other),
            };
            assert_eq!(status.answered(nack(other), now), Err(refused));
        }
        assert_eq!(status.acked(), None);
        assert_eq!(status.answered(nack(2), now), Ok(None));
        assert!(status.is_settled(Generation(2)) && status.is_settled(Generation(1)));
        assert!(!status.is_settled(Generation(3)));
    }

    #[test]
    fn the_first_acceptance_of_a_generation_is_timed_from_when_it_was_rendered() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let ack = || Ack {
            generation: Generation(2),
            verdict: Verdict::Ack {
                accepted: vec![],
                in_use: vec![],
                draining: vec![],
                pepper_hashes: vec![],
            },
        };
        let mut status = Status::default();
        status.holds(Some(Generation(2)), start);
        status.holds(Some(Generation(2)), start + second);
        assert_eq!(status.answered(nack(2), start + second), Ok(None));
        let accepted = status.answered(ack(), start + 2 * second);
        assert_eq!(accepted, Ok(Some(2 * second)));
        assert_eq!(status.answered(ack(), start + 3 * second), Ok(None));
    }

    #[test]
    fn what_is_found_at_start_is_as_old_as_the_last_read() {
        let read = Timestamp::from_second(100).unwrap();
        let restored = |held| Status::restored(Some(Generation(held)), Some(nack(4)), read);
        assert!(restored(4).is_settled(Generation(4)));
        assert_eq!(restored(5).acked(), None, "an answer to another set");
        let mut status = restored(4);
        status.read_failed(
            ErrorClass::Unreachable,
            Timestamp::from_second(900).unwrap(),
        );
        let backend = status.pod_state(Instant::now()).backend;
        assert_eq!(backend.stale_since, Some(read));
        let nothing = Status::restored(None, None, read);
        assert_eq!(nothing.pod_state(Instant::now()).backend.stale_since, None);
    }
}
