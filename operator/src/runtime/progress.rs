//! Whether the queue moves.
//!
//! Owns [`Progress`]: which objects are due and which are at work, with the time as an argument. The
//! liveness probe reads it: a process that begins nothing of what is due, or whose oldest reconcile is
//! older than the bound, is stuck, and only a restart helps. One that works off a long queue is not,
//! however long objects wait in it: a restart would make it longer. Nothing here touches the cluster.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Namespace and name of an `ErpGo`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What is due and what is at work. Bounded by the number of `ErpGo` objects there are.
#[derive(Default)]
pub struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    due: HashMap<Key, Duration>,
    at_work: HashMap<Key, Duration>,
    // When one was last begun.
    moved: Duration,
}

/// Why the process counts as stuck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// For longer than the bound an object has been due and none was taken up.
    Queue(Duration),
    /// A reconcile has been at work for longer than the bound.
    Reconcile(Duration),
}

impl Progress {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic between two statements here leaves maps that are still usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that `key` should be reconciled at `due`; the earliest such time counts.
    pub fn expect(&self, key: Key, due: Duration) {
        let mut state = self.state();
        let entry = state.due.entry(key).or_insert(due);
        *entry = (*entry).min(due);
    }

    /// Notes that the reconcile of `key` begins.
    pub fn begin(&self, key: &Key, now: Duration) {
        let mut state = self.state();
        state.due.remove(key);
        state.at_work.insert(key.clone(), now);
        state.moved = state.moved.max(now);
    }

    /// Notes that it ended.
    pub fn end(&self, key: &Key) {
        self.state().at_work.remove(key);
    }

    /// Forgets what is not in `exists`: an object that is gone is never reconciled.
    pub fn retain(&self, exists: impl Fn(&Key) -> bool) {
        self.state().due.retain(|key, _| exists(key));
    }

    /// Objects that are due and wait for their turn.
    #[must_use]
    pub fn depth(&self, now: Duration) -> usize {
        self.state().due.values().filter(|due| **due <= now).count()
    }

    /// Whether something has stood still for longer than `bound`.
    #[must_use]
    pub fn stuck(&self, now: Duration, bound: Duration) -> Option<Stuck> {
        let state = self.state();
        let oldest = |times: &HashMap<Key, Duration>| times.values().min().copied();
        let too_long = |at: Duration| Some(now.saturating_sub(at)).filter(|age| *age > bound);
        let at_work = oldest(&state.at_work).and_then(too_long);
        let due = oldest(&state.due).map(|due| due.max(state.moved));
        at_work
            .map(Stuck::Reconcile)
            .or_else(|| due.and_then(too_long).map(Stuck::Queue))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn key(name: &str) -> Key {
        Key {
            namespace: "team".into(),
            name: name.into(),
        }
    }

    #[test]
    fn an_object_that_nothing_takes_up_is_noticed_and_one_that_is_not_yet_due_is_not() {
        let progress = Progress::default();
        progress.expect(key("a"), s(10));
        progress.expect(key("a"), s(5000));
        progress.expect(key("later"), s(5000));
        assert_eq!(progress.depth(s(9)), 0);
        assert_eq!(progress.depth(s(10)), 1);
        assert_eq!(progress.stuck(s(310), s(300)), None);
        assert_eq!(progress.stuck(s(311), s(300)), Some(Stuck::Queue(s(301))));
        progress.begin(&key("a"), s(311));
        assert_eq!(progress.stuck(s(311), s(300)), None);
    }

    /// Of 500 that are due at once ten are taken up each ten seconds, as with a backend that says nothing.
    #[test]
    fn a_long_queue_that_moves_is_not_stuck_and_is_once_it_stands_still() {
        const ROUNDS: u64 = 50;
        let progress = Progress::default();
        let keys = |round: u64| (0..10).map(move |n| key(&format!("{round}-{n}")));
        for key in (0..ROUNDS).flat_map(keys) {
            progress.expect(key, s(0));
        }
        for round in 0..ROUNDS - 1 {
            let (begun, ended) = (s(round * 10), s(round * 10 + 10));
            keys(round).for_each(|key| progress.begin(&key, begun));
            assert_eq!(progress.stuck(ended, s(300)), None, "{ended:?}");
            keys(round).for_each(|key| progress.end(&key));
        }
        let last = (ROUNDS - 2) * 10;
        assert_eq!(progress.depth(s(last)), 10);
        assert_eq!(progress.stuck(s(last + 300), s(300)), None);
        assert_eq!(
            progress.stuck(s(last + 301), s(300)),
            Some(Stuck::Queue(s(301)))
        );
    }

    #[test]
    fn a_reconcile_that_hangs_is_noticed() {
        let progress = Progress::default();
        progress.expect(key("a"), s(0));
        progress.begin(&key("a"), s(1));
        assert_eq!(
            progress.stuck(s(302), s(300)),
            Some(Stuck::Reconcile(s(301)))
        );
        progress.end(&key("a"));
        assert_eq!(progress.stuck(s(900), s(300)), None);
    }

    #[test]
    fn a_deleted_object_holds_nothing_up() {
        let progress = Progress::default();
        progress.expect(key("gone"), s(0));
        progress.expect(key("here"), s(0));
        progress.retain(|key| key.name == "here");
        assert_eq!(progress.depth(s(1)), 1);
    }
}
