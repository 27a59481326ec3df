//! How many refusals there were, and when they are told of.
//!
//! Owns [`Tally`]: pure, it is told the time. An address has one event a minute and kind at the most, which says
//! how many there were since the last; none is left out of the count, and what is remembered is bounded (I-12).

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::error::Code;
use crate::extract::Origin;
use crate::limits::network;

/// How long nothing is told of an address and kind once something was.
const QUIET: Duration = Duration::from_secs(60);
/// Addresses of a kind that are told apart; those beyond are told of together. Each kind has its own: whoever has
/// many addresses for one makes no other kind anonymous.
const CAPACITY: usize = 100;
/// Addresses of a kind that are told apart at the end, when there is little time.
const FEW: usize = 5;

/// What was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pass {
    AccessToken,
    RefreshToken,
    ApiKey,
}

impl Pass {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::RefreshToken => "refresh_token",
            Self::ApiKey => "api_key",
        }
    }
}

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Refused {
    /// A sign-in whose address has had its share.
    SignIn,
    /// The second half of one, likewise.
    SecondFactor,
    /// A mail for another password, likewise.
    ForgottenPassword,
    /// Another password by the code from one, likewise.
    PasswordReset,
    /// What never was one of ours.
    Invalid(Pass),
    /// What no longer is one.
    Revoked(Pass),
}

impl Refused {
    /// What a refusal of `pass` tells of. One whose time is over is everyday, and one that was used twice has an
    /// event of its own.
    pub(super) fn of(pass: Pass, code: Code) -> Option<Self> {
        match code {
            Code::TokenInvalid => Some(Self::Invalid(pass)),
            Code::TokenRevoked => Some(Self::Revoked(pass)),
            _ => None,
        }
    }
}

/// So many refusals of one kind, in one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) refused: Refused,
    pub(super) count: u64,
    /// When the first of them was.
    pub(super) since: Timestamp,
    /// Where the first of them came from; nowhere if they are those of many addresses.
    pub(super) origin: Option<Origin>,
}

/// Those of one kind, by address; without one, those of all addresses that are too many.
type Entries = HashMap<Option<IpAddr>, Entry>;

struct Entry {
    untold: Option<Told>,
    /// From when on it may be told of.
    from: Instant,
}

/// Refusals that are not told of yet, and addresses and kinds that were of late.
#[derive(Default)]
pub(super) struct Tally(HashMap<Refused, Entries>);

impl Tally {
    /// Counts a refusal of a request from `origin` at `now`, which the calendar calls `at`.
    pub(super) fn note(&mut self, refused: Refused, origin: &Origin, now: Instant, at: Timestamp) {
        let one = Told {
            refused,
            count: 1,
            since: at,
            origin: Some(origin.clone()),
        };
        self.add(one, now);
    }

    /// Counts those again that could not be told of: they are due at once.
    pub(super) fn put_back(&mut self, told: Told, now: Instant) {
        let entry = self.add(told, now);
        entry.from = now;
    }

    /// Takes those that may be told of at `now`, and forgets who has been quiet since.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Told> {
        self.0.retain(|_, entries| {
            entries.retain(|_, entry| entry.untold.is_some() || now < entry.from);
            !entries.is_empty()
        });
        let all = self.0.values_mut().flat_map(HashMap::values_mut);
        let due = all.filter(|entry| now >= entry.from);
        due.filter_map(|entry| {
            entry.from = now + QUIET;
            entry.untold.take()
        })
        .collect()
    }

    /// Takes all: nobody will be told later. Those of many addresses of a kind are one, and so there are few.
    pub(super) fn all(&mut self) -> Vec<Told> {
        let all = std::mem::take(&mut self.0);
        all.into_values().flat_map(few).collect()
    }

    fn add(&mut self, mut told: Told, now: Instant) -> &mut Entry {
        let entries = self.0.entry(told.refused).or_default();
        let key = key(entries, &told);
        if key.is_none() {
            told.origin = None;
        }
        let entry = entries.entry(key).or_insert(Entry {
            untold: None,
            from: now,
        });
        entry.untold = Some(match entry.untold.take() {
            None => told,
            Some(before) => together(before, told),
        });
        entry
    }
}

/// Its address, or none when there are too many others.
fn key(entries: &Entries, told: &Told) -> Option<IpAddr> {
    let own = told.origin.as_ref().map(|origin| network(origin.ip));
    own.filter(|own| entries.len() < CAPACITY || entries.contains_key(&Some(*own)))
}

/// What is not told of yet, as it is or put together.
fn few(entries: Entries) -> Vec<Told> {
    let told = entries.into_values().filter_map(|entry| entry.untold);
    let told: Vec<_> = told.collect();
    if told.len() <= FEW {
        return told;
    }
    let one = told.into_iter().reduce(together);
    let nowhere = one.map(|one| Told {
        origin: None,
        ..one
    });
    nowhere.into_iter().collect()
}

fn together(one: Told, other: Told) -> Told {
    let count = one.count.saturating_add(other.count);
    let first = if one.since <= other.since { one } else { other };
    Told { count, ..first }
}

#[cfg(test)]
mod tests;
