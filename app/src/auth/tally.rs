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
/// Addresses and kinds that are told apart; those beyond are told of together.
const CAPACITY: usize = 1_000;

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    refused: Refused,
    network: Option<IpAddr>,
}

struct Entry {
    untold: Option<Told>,
    /// From when on it may be told of.
    from: Instant,
}

/// Refusals that are not told of yet, and addresses and kinds that were of late.
#[derive(Default)]
pub(super) struct Tally(HashMap<Key, Entry>);

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
        self.0
            .retain(|_, entry| entry.untold.is_some() || now < entry.from);
        let due = self.0.values_mut().filter(|entry| now >= entry.from);
        due.filter_map(|entry| {
            entry.from = now + QUIET;
            entry.untold.take()
        })
        .collect()
    }

    /// Takes all: nobody will be told later.
    pub(super) fn all(&mut self) -> Vec<Told> {
        let all = std::mem::take(&mut self.0);
        all.into_values().filter_map(|entry| entry.untold).collect()
    }

    fn add(&mut self, mut told: Told, now: Instant) -> &mut Entry {
        let key = self.key(&told);
        if key.network.is_none() {
            told.origin = None;
        }
        let entry = self.0.entry(key).or_insert(Entry {
            untold: None,
            from: now,
        });
        entry.untold = Some(match entry.untold.take() {
            None => told,
            Some(before) => together(before, told),
        });
        entry
    }

    /// That of its address, or of all the others when there are too many.
    fn key(&self, told: &Told) -> Key {
        let of = |network| Key {
            refused: told.refused,
            network,
        };
        let own = of(told.origin.as_ref().map(|origin| network(origin.ip)));
        if self.0.len() < CAPACITY || self.0.contains_key(&own) {
            own
        } else {
            of(None)
        }
    }
}

fn together(one: Told, other: Told) -> Told {
    let count = one.count.saturating_add(other.count);
    let first = if one.since <= other.since { one } else { other };
    Told { count, ..first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origin(n: u32) -> Origin {
        Origin {
            ip: IpAddr::from(std::net::Ipv4Addr::from_bits(n)),
            agent: Some(format!("agent {n}")),
            request_id: None,
        }
    }

    /// A tally, and a clock that is moved by hand.
    struct Clocked {
        tally: Tally,
        begun: Instant,
        seconds: u64,
    }

    impl Clocked {
        fn new() -> Self {
            Self {
                tally: Tally::default(),
                begun: Instant::now(),
                seconds: 0,
            }
        }

        fn now(&self) -> Instant {
            self.begun + Duration::from_secs(self.seconds)
        }

        fn note(&mut self, refused: Refused, from: u32) {
            let at = Timestamp::from_second(i64::try_from(self.seconds).unwrap()).unwrap();
            self.tally.note(refused, &origin(from), self.now(), at);
        }

        fn due(&mut self) -> Vec<Told> {
            let now = self.now();
            self.tally.due(now)
        }
    }

    #[test]
    fn r18_1_the_first_is_told_of_at_once_and_those_that_follow_after_a_minute() {
        let mut clocked = Clocked::new();
        clocked.note(Refused::SignIn, 1);
        let first = clocked.due();
        assert_eq!(first.len(), 1);
        assert_eq!((first[0].count, first[0].since.as_second()), (1, 0));
        assert_eq!(first[0].origin, Some(origin(1)));
        for second in 1..60 {
            clocked.seconds = second;
            clocked.note(Refused::SignIn, 1);
            assert!(clocked.due().is_empty());
        }
        clocked.seconds = 60;
        let then = clocked.due();
        assert_eq!(then.len(), 1);
        assert_eq!((then[0].count, then[0].since.as_second()), (59, 1));
        // Nobody came, nobody is told, and nothing is remembered.
        clocked.seconds = 120;
        assert!(clocked.due().is_empty());
        assert!(clocked.tally.0.is_empty());
        clocked.note(Refused::SignIn, 1);
        assert_eq!(clocked.due().len(), 1);
    }

    #[test]
    fn each_address_and_kind_is_told_of_by_itself_and_a_subscriber_is_one_address() {
        let mut clocked = Clocked::new();
        let kinds = [
            Refused::SignIn,
            Refused::SecondFactor,
            Refused::Invalid(Pass::ApiKey),
            Refused::Invalid(Pass::AccessToken),
            Refused::Revoked(Pass::ApiKey),
            Refused::Revoked(Pass::RefreshToken),
        ];
        for kind in kinds {
            for address in 1..=2 {
                clocked.note(kind, address);
            }
        }
        assert_eq!(clocked.due().len(), 2 * kinds.len());
        let now = clocked.now();
        for ip in ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"] {
            let from = Origin {
                ip: ip.parse().unwrap(),
                ..origin(0)
            };
            let tally = &mut clocked.tally;
            tally.note(Refused::SignIn, &from, now, Timestamp::UNIX_EPOCH);
        }
        let mut counts: Vec<_> = clocked.due().iter().map(|told| told.count).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 2]);
    }

    #[test]
    fn i12_too_many_addresses_are_told_of_together_and_without_any() {
        let mut clocked = Clocked::new();
        let many = u32::try_from(CAPACITY).unwrap() + 500;
        for address in 0..many {
            clocked.note(Refused::SignIn, address);
            clocked.note(Refused::Invalid(Pass::ApiKey), address);
            assert!(clocked.tally.0.len() <= CAPACITY + 2);
        }
        let told = clocked.due();
        let count: u64 = told.iter().map(|told| told.count).sum();
        assert_eq!(count, u64::from(2 * many));
        let (others, own): (Vec<_>, Vec<_>) = told.iter().partition(|told| told.origin.is_none());
        assert_eq!((own.len(), others.len()), (CAPACITY, 2));
        assert!(own.iter().all(|told| told.count == 1));
        // There is room again once they are quiet.
        clocked.seconds = 60;
        assert!(clocked.due().is_empty());
        clocked.note(Refused::SignIn, many);
        assert_eq!(clocked.due()[0].origin, Some(origin(many)));
    }

    #[test]
    fn what_could_not_be_told_is_due_at_once_with_what_came_since() {
        let mut clocked = Clocked::new();
        clocked.note(Refused::SignIn, 1);
        let [told] = &clocked.due()[..] else {
            panic!("not one")
        };
        clocked.seconds = 5;
        clocked.note(Refused::SignIn, 1);
        let now = clocked.now();
        clocked.tally.put_back(told.clone(), now);
        let again = clocked.due();
        assert_eq!(again.len(), 1);
        assert_eq!((again[0].count, again[0].since.as_second()), (2, 0));
    }

    #[test]
    fn only_what_is_none_or_none_any_more_is_told_of() {
        for code in Code::ALL {
            let told = Refused::of(Pass::ApiKey, *code);
            let expected = match code {
                Code::TokenInvalid => Some(Refused::Invalid(Pass::ApiKey)),
                Code::TokenRevoked => Some(Refused::Revoked(Pass::ApiKey)),
                _ => None,
            };
            assert_eq!(told, expected, "{code:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        /// r18_1: none is left out, and no address has two events of a kind within a minute.
        #[test]
        fn r18_1_every_refusal_is_counted_once_and_told_of_once_a_minute_at_most(
            steps in proptest::collection::vec((0u64..20, 1u32..4, any::<bool>()), 1..200),
        ) {
            let mut clocked = Clocked::new();
            let mut last: HashMap<(Refused, u32), u64> = HashMap::new();
            let (mut noted, mut counted) = (0, 0);
            for (pause, address, signs_in) in steps {
                clocked.seconds += pause;
                let refused = if signs_in {
                    Refused::SignIn
                } else {
                    Refused::Revoked(Pass::AccessToken)
                };
                clocked.note(refused, address);
                noted += 1;
                for told in clocked.due() {
                    counted += told.count;
                    let from = told.origin.unwrap().ip;
                    let from = (1..4).find(|n| origin(*n).ip == from).unwrap();
                    let before = last.insert((told.refused, from), clocked.seconds);
                    prop_assert!(before.is_none_or(|before| clocked.seconds - before >= 60));
                }
            }
            counted += clocked.tally.all().iter().map(|told| told.count).sum::<u64>();
            prop_assert_eq!(counted, noted);
            prop_assert!(clocked.tally.all().is_empty());
        }
    }
}
