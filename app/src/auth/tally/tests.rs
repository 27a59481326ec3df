//! A tally whose clock is moved by hand.

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
        let kinds = &clocked.tally.0;
        assert!(kinds.values().all(|entries| entries.len() <= CAPACITY + 1));
        assert!(kinds.len() <= 2);
    }
    let told = clocked.due();
    let count: u64 = told.iter().map(|told| told.count).sum();
    assert_eq!(count, u64::from(2 * many));
    let (others, own): (Vec<_>, Vec<_>) = told.iter().partition(|told| told.origin.is_none());
    assert_eq!((own.len(), others.len()), (2 * CAPACITY, 2));
    assert!(own.iter().all(|told| told.count == 1));
    // There is room again once they are quiet.
    clocked.seconds = 60;
    assert!(clocked.due().is_empty());
    clocked.note(Refused::SignIn, many);
    assert_eq!(clocked.due()[0].origin, Some(origin(many)));
}

#[test]
fn i12_many_addresses_of_one_kind_make_no_other_anonymous() {
    let mut clocked = Clocked::new();
    let many = u32::try_from(CAPACITY).unwrap() * 10;
    for address in 0..many {
        clocked.note(Refused::Invalid(Pass::AccessToken), address);
    }
    clocked.note(Refused::SignIn, many);
    clocked.note(Refused::Invalid(Pass::AccessToken), many);
    let told = clocked.due();
    let nameless = told.iter().filter(|told| told.origin.is_none());
    let nameless: Vec<_> = nameless.map(|told| told.refused).collect();
    assert_eq!(nameless, [Refused::Invalid(Pass::AccessToken)]);
    let sign_in = told.iter().find(|told| told.refused == Refused::SignIn);
    assert_eq!(sign_in.unwrap().origin, Some(origin(many)));
}

#[test]
fn r09_5_at_the_end_many_addresses_of_a_kind_are_one_event_and_few_are_their_own() {
    let mut clocked = Clocked::new();
    let few = u32::try_from(FEW).unwrap();
    for address in 0..=few {
        clocked.seconds += 1;
        clocked.note(Refused::SignIn, address);
    }
    for address in 0..few {
        clocked.note(Refused::Revoked(Pass::ApiKey), address);
    }
    let all = clocked.tally.all();
    let (one, own): (Vec<_>, Vec<_>) = all.iter().partition(|told| told.refused == Refused::SignIn);
    assert_eq!(one.len(), 1);
    assert_eq!(one[0].origin, None);
    let (count, since) = (one[0].count, one[0].since.as_second());
    assert_eq!((count, since), (u64::from(few) + 1, 1));
    assert_eq!(own.len(), FEW);
    assert!(own.iter().all(|told| told.count == 1));
    assert!(own.iter().all(|told| told.origin.is_some()));
    assert!(clocked.tally.all().is_empty());
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
