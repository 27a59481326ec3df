//! Generated interleavings.

use erpgo_operator::rotation::LoginKey;
use erpgo_secret_set::KeyName;
use proptest::prelude::*;

use crate::world::{DAY, World};

#[derive(Clone, Debug)]
enum Event {
    Birth,
    Start(usize),
    Terminate(usize),
    Gone(usize),
    Render(usize),
    Tell(usize),
    Silence(usize),
    Stubborn(usize, bool),
    Drain(usize),
    Login(usize),
    Look { operator: usize, behind: usize },
    Act { operator: usize, writes: usize },
    Turn,
    Well,
    Wait(u64),
    Pause(bool),
    Rotate(&'static str),
    Revoke(usize),
    NoRequest,
    Offered(bool),
    SpecRedis(bool),
    WrongUrl(bool),
    Jobs(&'static [LoginKey], bool),
    JobsGone,
}

fn event() -> impl Strategy<Value = Event> {
    let pod = || 0..6usize;
    prop_oneof![
        2 => Just(Event::Birth),
        2 => pod().prop_map(Event::Start),
        1 => pod().prop_map(Event::Terminate),
        1 => pod().prop_map(Event::Gone),
        6 => pod().prop_map(Event::Render),
        6 => pod().prop_map(Event::Tell),
        1 => pod().prop_map(Event::Silence),
        1 => (pod(), any::<bool>()).prop_map(|(pod, on)| Event::Stubborn(pod, on)),
        2 => pod().prop_map(Event::Drain),
        2 => pod().prop_map(Event::Login),
        6 => (0..2usize, prop::sample::select(vec![0, 0, 0, 1, 2]))
            .prop_map(|(operator, behind)| Event::Look { operator, behind }),
        6 => (0..2usize, 0..3usize).prop_map(|(operator, writes)| Event::Act { operator, writes }),
        12 => Just(Event::Turn),
        8 => Just(Event::Well),
        3 => prop::sample::select(vec![1, 3, 400, DAY, 8 * DAY, 91 * DAY]).prop_map(Event::Wait),
        2 => prop::sample::select(vec!["jwt", "jwt,refresh=x", "database,redis", "redis", "pepper", "jwt,refresh,pepper,database,redis"])
            .prop_map(Event::Rotate),
        1 => prop::sample::select(vec![true, false, false]).prop_map(Event::Pause),
        1 => (0..12usize).prop_map(Event::Revoke),
        1 => Just(Event::NoRequest),
        1 => any::<bool>().prop_map(Event::Offered),
        2 => any::<bool>().prop_map(Event::SpecRedis),
        1 => any::<bool>().prop_map(Event::WrongUrl),
        4 => (keys(), prop::sample::select(vec![true, true, true, false]))
            .prop_map(|(keys, well)| Event::Jobs(keys, well)),
        1 => Just(Event::JobsGone),
    ]
}

fn keys() -> impl Strategy<Value = &'static [LoginKey]> {
    const BOTH: &[LoginKey] = &LoginKey::ALL;
    let (database, redis) = BOTH.split_at(1);
    prop::sample::select(vec![&[], database, redis, BOTH, BOTH])
}

// Two operators whose clocks are wrong by up to ten minutes each.
fn clocks() -> impl Strategy<Value = [i64; 2]> {
    let clock = || prop_oneof![Just(0), -600..=600_i64];
    [clock(), clock()]
}

fn happen(world: &mut World, event: &Event) {
    match event {
        Event::Birth if world.pods.len() < 6 => world.birth(),
        Event::Birth => {}
        Event::Start(pod) => {
            if world.pods.get(*pod).is_some_and(|pod| !pod.ready) {
                world.start(*pod);
            }
        }
        Event::Terminate(pod) => world.terminate(*pod),
        Event::Gone(pod) => world.gone(*pod),
        Event::Render(pod) => world.render(*pod),
        Event::Tell(pod) => world.tell(*pod),
        Event::Silence(pod) => world.silence(*pod),
        Event::Stubborn(pod, on) => {
            if let Some(pod) = world.pods.get_mut(*pod) {
                pod.stubborn = *on;
            }
        }
        Event::Drain(pod) => world.drain(*pod),
        Event::Login(pod) => world.login(*pod),
        Event::Look { operator, behind } => world.look(*operator, *behind),
        Event::Act { operator, writes } => drop(world.act(*operator, *writes)),
        Event::Turn => {
            world.look(0, 0);
            world.act(0, 9);
        }
        Event::Well => world.all_well(),
        Event::Wait(seconds) => world.pass_time(*seconds),
        Event::Pause(paused) => world.paused = *paused,
        Event::Rotate(keys) => world.rotate = Some((*keys).to_owned()),
        Event::Revoke(index) => {
            let view = world.view();
            let all: Vec<String> = view
                .keys
                .iter()
                .flat_map(|(key, view)| view.versions().map(move |v| format!("{key}/{}", v.kid)))
                .collect();
            world.revoke = all.get(index % all.len()).cloned();
        }
        Event::Jobs(keys, well) => {
            for key in *keys {
                world.run_jobs_of(*key, *well);
            }
        }
        Event::JobsGone => world.forget_jobs(),
        Event::SpecRedis(wanted) => world.wants_redis = *wanted,
        Event::WrongUrl(wrong) => world.wrong_url = *wrong,
        Event::NoRequest => (world.rotate, world.revoke) = (None, None),
        Event::Offered(all) => {
            use erpgo_secret_set::KeyName::{Database, Redis};
            for key in [Database, Redis] {
                if *all {
                    world.offered.insert(key);
                } else {
                    world.offered.remove(&key);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn i03_i04_i10_no_interleaving_breaks_a_rotation(
        turning in keys(), clocks in clocks(), comes_and_goes in any::<bool>(),
        events in prop::collection::vec(event(), 1..250),
    ) {
        let mut world = World::with_turns(3, turning);
        world.clocks = clocks;
        for event in &events {
            if comes_and_goes || !matches!(event, Event::SpecRedis(_)) {
                happen(&mut world, event);
            }
            world.check();
        }
        prop_assert!(world.settle(), "no rest: {:?}", world.record);
        let before = world.backend_writes;
        prop_assert!(world.record.active.is_none());
        let there = world.view().keys.contains_key(&KeyName::Redis);
        prop_assert_eq!(there, world.wants_redis, "the document is not as the spec says");
        world.all_well();
        world.look(1, 0);
        prop_assert_eq!(world.act(1, 9), 0, "I-05: it writes at rest");
        prop_assert_eq!(world.backend_writes, before);
        for (key, view) in &world.view().keys {
            prop_assert!(view.is_stable(), "{} is left {:?}", key, view);
        }
        prop_assert!(world.record.removed.iter().all(|gone| gone.refused_at.is_some()));
    }
}

#[test]
fn i04_no_value_is_missing_from_what_is_searched_for() {
    let mut world = World::with_turns(3, &LoginKey::ALL);
    assert!(world.knows_every_value());
    world.rotate = Some("jwt,refresh,pepper,database,redis".into());
    let before = world.backend_writes;
    for _ in 0..20 {
        world.all_well();
        world.look(0, 0);
        world.act(0, 9);
        assert!(world.knows_every_value());
    }
    assert!(world.backend_writes > before);
}
