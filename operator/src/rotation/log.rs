//! The log of rotations: what happened to which kid and when, chained by hashes.
//!
//! Owns [`Entry`], [`append`] and [`verify`]. An entry holds kids, dates and reasons, never a value
//! (I-04). Whoever changes, removes or puts in an entry breaks the chain after it; the oldest entries
//! are dropped at the front, and the chain of the rest still holds (I-12).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::decide::Note;

/// Most entries that are kept.
pub const MAX_ENTRIES: usize = 500;
/// An entry that is tried again after a crash is looked for among so many.
const RECENT: usize = 16;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Counts from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub reason: String,
    /// The rotation or version concerned.
    pub subject: String,
    /// What happened.
    pub message: String,
    /// Hash of the entry before; empty for the first.
    pub previous: String,
    /// SHA-256 over all of the above.
    pub hash: String,
}

/// Where a log was tampered with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// Its hash is another one.
    #[error("entry {0} was changed: its hash does not match")]
    Changed(u64),
    /// It does not follow the one before it.
    #[error("entry {0} does not follow the one before it: entries were removed or put in")]
    Broken(u64),
}

impl Entry {
    fn sealed(mut self) -> Self {
        self.hash = self.digest();
        self
    }

    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let (number, at) = (self.number.to_string(), self.at.to_string());
        let parts = [
            &number,
            &at,
            &self.reason,
            &self.subject,
            &self.message,
            &self.previous,
        ];
        for part in parts {
            // Each with its length, so that none runs into the next.
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        hex::encode(hash.finalize())
    }
}

/// The log with `notes`; nothing when all of them are in it already, as after a crash.
#[must_use]
pub fn append(log: &[Entry], notes: &[Note], now: Timestamp) -> Option<Vec<Entry>> {
    let mut all = log.to_vec();
    for note in notes {
        let known = |entry: &Entry| entry.reason == note.reason && entry.subject == note.subject;
        if all.iter().rev().take(RECENT).any(known) {
            continue;
        }
        let last = all.last();
        let entry = Entry {
            number: last.map_or(1, |last| last.number.saturating_add(1)),
            at: Timestamp::from_second(now.as_second()).unwrap_or(now),
            reason: note.reason.to_owned(),
            subject: note.subject.clone(),
            message: note.message.clone(),
            previous: last.map_or(String::new(), |last| last.hash.clone()),
            hash: String::new(),
        };
        all.push(entry.sealed());
    }
    if all.len() == log.len() {
        return None;
    }
    let excess = all.len().saturating_sub(MAX_ENTRIES);
    all.drain(..excess);
    Some(all)
}

/// Checks the chain; how many entries it has.
///
/// # Errors
/// The first entry that does not fit.
pub fn verify(log: &[Entry]) -> Result<usize, LogFault> {
    for entry in log {
        if entry.hash != entry.digest() {
            return Err(LogFault::Changed(entry.number));
        }
    }
    for pair in log.windows(2) {
        let [before, after] = pair else { continue };
        if after.previous != before.hash || after.number != before.number.saturating_add(1) {
            return Err(LogFault::Broken(after.number));
        }
    }
    match log.first() {
        Some(first) if first.number == 1 && !first.previous.is_empty() => {
            Err(LogFault::Broken(first.number))
        }
        _ => Ok(log.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn note(subject: &str) -> Note {
        Note {
            warning: false,
            reason: "RotationStaged",
            subject: subject.into(),
            message: "the new versions of jwt are accepted as next from generation 2".into(),
        }
    }

    fn log(entries: usize) -> Vec<Entry> {
        let mut log = Vec::new();
        for number in 0..entries {
            log = append(&log, &[note(&number.to_string())], Timestamp::UNIX_EPOCH).unwrap();
        }
        log
    }

    #[test]
    fn a_note_that_is_tried_again_is_logged_once() {
        let log = log(3);
        assert_eq!(append(&log, &[note("2")], Timestamp::UNIX_EPOCH), None);
        assert_eq!(verify(&log), Ok(3));
    }

    #[test]
    fn the_log_is_bounded_and_its_rest_still_verifies() {
        let log = log(MAX_ENTRIES + 7);
        assert_eq!(verify(&log), Ok(MAX_ENTRIES));
        assert_eq!(log[0].number, 8);
    }

    proptest! {
        #[test]
        fn every_tampering_is_found(at in 1usize..9, how in 0..4) {
            let mut log = log(10);
            match how {
                0 => log[at].message.push('x'),
                1 => drop(log.remove(at)),
                2 => log.swap(at, at - 1),
                _ => {
                    // With a hash that fits, the one after it gives it away.
                    log[at].message.push('x');
                    let changed = log[at].clone();
                    log[at] = changed.sealed();
                }
            }
            prop_assert!(verify(&log).is_err());
        }
    }
}
