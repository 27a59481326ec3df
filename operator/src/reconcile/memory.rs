//! What is remembered between two reconciles of one `ErpGo`.
//!
//! Owns [`Memory`]: counts for the back-off, the last refusal of the API server, and which events
//! were told. All of it may be lost at any time with no harm but a repeated event (I-10), and all of
//! it is bounded (I-12).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use erpgo_crds::ErpGo;

use super::backoff::{self, Retry};
use super::observed::{Complaint, SecretSetState};
use super::status::EventNote;
use crate::runtime::progress::Key;

/// The same event is not told again within this time.
const SILENCE: Duration = Duration::from_secs(600);
const MAX_NOTES: usize = 32;

/// Per `ErpGo`.
#[derive(Default)]
pub struct Memory(Mutex<HashMap<Key, Entry>>);

#[derive(Default)]
struct Entry {
    failures: u32,
    refusal: Option<String>,
    told: Vec<(&'static str, String, Instant)>,
    heard: Option<Heard>,
}

/// What was learned of an `ErpGo` that serves from where no watch tells of a change.
#[derive(Clone, Debug)]
pub struct Heard {
    /// As it was then.
    pub erpgo: Arc<ErpGo>,
    /// Which pods were asked.
    pub pods: Vec<IpAddr>,
    /// What they said.
    pub complaints: Vec<Complaint>,
    /// What the backend held.
    pub secret_set: SecretSetState,
}

impl Memory {
    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a failure and tells when to try again.
    pub fn retry_after(&self, key: &Key, retry: Retry) -> Duration {
        let mut entries = self.entries();
        let entry = entries.entry(key.clone()).or_default();
        entry.failures = entry.failures.saturating_add(1);
        backoff::delay(retry, entry.failures, backoff::random())
    }

    /// Notes that a reconcile succeeded.
    pub fn succeeded(&self, key: &Key) {
        if let Some(entry) = self.entries().get_mut(key) {
            entry.failures = 0;
        }
    }

    /// What the API server said when it last refused a write.
    pub fn refusal(&self, key: &Key) -> Option<String> {
        self.entries().get(key)?.refusal.clone()
    }

    /// Notes a refusal, or that there is none any more.
    pub fn set_refusal(&self, key: &Key, refusal: Option<String>) {
        self.note(key, refusal, |entry| &mut entry.refusal);
    }

    /// Notes what was heard; nothing when no pod serves.
    pub fn set_heard(&self, key: &Key, heard: Option<Heard>) {
        self.note(key, heard, |entry| &mut entry.heard);
    }

    // Of whom nothing is to be remembered there is no entry.
    fn note<T>(
        &self,
        key: &Key,
        what: Option<T>,
        place: impl FnOnce(&mut Entry) -> &mut Option<T>,
    ) {
        let mut entries = self.entries();
        if what.is_some() || entries.contains_key(key) {
            *place(entries.entry(key.clone()).or_default()) = what;
        }
    }

    /// What was heard of each `ErpGo` that serves.
    pub fn all_heard(&self) -> Vec<(Key, Heard)> {
        let entries = self.entries();
        let heard = |(key, entry): (&Key, &Entry)| Some((key.clone(), entry.heard.clone()?));
        entries.iter().filter_map(heard).collect()
    }

    /// Whether `note` is news; it counts as told from now on.
    pub fn is_news(&self, key: &Key, note: &EventNote, now: Instant) -> bool {
        let mut entries = self.entries();
        let told = &mut entries.entry(key.clone()).or_default().told;
        told.retain(|(_, _, at)| now.saturating_duration_since(*at) < SILENCE);
        let known = told
            .iter()
            .any(|(reason, message, _)| *reason == note.reason && *message == note.message);
        if known {
            return false;
        }
        if told.len() >= MAX_NOTES {
            told.remove(0);
        }
        told.push((note.reason, note.message.clone(), now));
        true
    }

    /// Forgets one `ErpGo`.
    pub fn forget(&self, key: &Key) {
        self.entries().remove(key);
    }

    /// Forgets all that do not exist.
    pub fn retain(&self, exists: impl Fn(&Key) -> bool) {
        self.entries().retain(|key, _| exists(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            namespace: "n".into(),
            name: "a".into(),
        }
    }

    fn note(message: &str) -> EventNote {
        EventNote {
            warning: false,
            reason: "Reason",
            action: "Act",
            message: message.into(),
        }
    }

    #[test]
    fn an_event_is_told_once_until_its_message_changes_or_time_passes() {
        let (memory, key) = (Memory::default(), key());
        let now = Instant::now();
        assert!(memory.is_news(&key, &note("one"), now));
        assert!(!memory.is_news(&key, &note("one"), now));
        assert!(memory.is_news(&key, &note("two"), now));
        assert!(memory.is_news(&key, &note("one"), now + SILENCE));
    }

    #[test]
    fn delays_grow_until_a_success() {
        let (memory, key) = (Memory::default(), key());
        for _ in 0..6 {
            memory.retry_after(&key, Retry::Backoff);
        }
        assert!(memory.retry_after(&key, Retry::Backoff) > Duration::from_secs(60));
        memory.succeeded(&key);
        assert!(memory.retry_after(&key, Retry::Backoff) < Duration::from_secs(5));
    }
}
