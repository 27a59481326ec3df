//! The operator is killed after each single write of a rotation.

use std::collections::BTreeMap;
use std::time::Duration;

use erpgo_operator::rotation::{LoginKey, Outcome, Step};
use erpgo_secret_set::KeyName;

use crate::world::World;

struct Run {
    writes: usize,
    jobs: usize,
    backend_writes: usize,
    // Generation, and of each key the generation in its kid.
    document: (u64, BTreeMap<KeyName, String>),
}

/// One rotation of every key; the operator dies after its `crash`th write, and another takes over.
fn rotation(turning: &[LoginKey], crash: Option<usize>, clocks: [i64; 2]) -> Run {
    let mut world = World::with_turns(3, turning);
    world.clocks = clocks;
    world.look(0, 0);
    world.act(0, 9);
    world.rotate = Some("jwt,refresh,pepper,database,redis=test".into());
    let mut writes = 0;
    let mut budget = crash;
    let mut quiet = 0;
    for _ in 0..160 {
        world.all_well();
        // A grace ends while nothing else is to be done, whenever the crash was.
        world.pass_time(if quiet > 2 { 12 * 3600 } else { 1 });
        let operator = usize::from(crash.is_some() && budget.is_none());
        world.look(operator, 0);
        let made = world.act(operator, budget.unwrap_or(9));
        writes += made;
        quiet = if made == 0 { quiet + 1 } else { 0 };
        // One crash, and the next operator lives.
        budget = budget
            .and_then(|budget| budget.checked_sub(made))
            .filter(|left| *left > 0);
        world.check();
    }
    world.look(0, 0);
    assert_eq!(
        world.act(0, 9),
        0,
        "no rest: {:?} {:?}",
        world.record,
        world.view()
    );
    let last = world.record.last.clone().unwrap();
    assert_eq!(last.outcome, Outcome::Switched);
    assert_eq!(last.keys, KeyName::ALL);
    let view = world.view();
    let kid = |kid: &str| kid.rsplit_once('-').map_or(kid, |(kid, _)| kid).to_owned();
    let keys = view.keys.iter().map(|(key, view)| {
        assert!(view.is_stable());
        (*key, kid(view.current.kid.as_str()))
    });
    let jobs = world.servers.values().map(|server| server.jobs_made).sum();
    Run {
        writes,
        jobs,
        backend_writes: world.backend_writes,
        document: (view.generation.0, keys.collect()),
    }
}

#[test]
fn i10_a_crash_after_any_write_changes_neither_the_end_nor_the_count() {
    let both = LoginKey::ALL;
    for turning in [&[], &both[..1], &both[1..], &both] {
        let whole = rotation(turning, None, [0, 0]);
        assert!(whole.backend_writes >= 4 && whole.writes > 2 * whole.backend_writes);
        assert_eq!(whole.jobs, 2 * turning.len());
        for crash in 0..whole.writes {
            let crashed = rotation(turning, Some(crash), [0, 0]);
            assert_eq!(
                (crashed.backend_writes, crashed.jobs),
                (whole.backend_writes, whole.jobs),
                "after write {crash}"
            );
            assert_eq!(crashed.document, whole.document, "after write {crash}");
        }
    }
}

// Only which old versions go together depends on the time.
#[test]
fn i10_a_successor_whose_clock_is_minutes_away_comes_to_the_same_end() {
    let turning = &LoginKey::ALL;
    let whole = rotation(turning, None, [0, 0]);
    for clocks in [[-120, 120], [120, -120]] {
        for crash in 0..whole.writes {
            let crashed = rotation(turning, Some(crash), clocks);
            let what = format!("after write {crash} with {clocks:?}");
            assert_eq!(crashed.jobs, whole.jobs, "{what}");
            assert!(crashed.backend_writes <= whole.backend_writes, "{what}");
            assert_eq!(crashed.document.1, whole.document.1, "{what}");
        }
    }
}

#[test]
fn a_refusal_rolls_back_and_harms_nobody() {
    let mut world = World::new(3);
    let before = world.view().keys.clone();
    world.rotate = Some("database".into());
    world.pods[1].stubborn = true;
    world.rounds(40, 1);
    let last = world.record.last.clone().unwrap();
    assert_eq!(last.outcome, Outcome::Aborted);
    assert!(
        last.reason.contains("pod-2 refused it: no such login"),
        "{}",
        last.reason
    );
    assert_eq!(world.view().keys, before);
    assert_eq!(world.record.active, None);
}

#[test]
fn a_pod_that_never_answers_stops_it_at_the_deadline() {
    let mut world = World::new(3);
    world.rotate = Some("jwt".into());
    world.rounds_without(2, 400);
    let last = world.record.last.clone().unwrap();
    assert_eq!(last.outcome, Outcome::Aborted);
    assert!(
        last.reason.contains("2 of 3 pods: pod-3 does not answer"),
        "{}",
        last.reason
    );
    assert!(world.view().keys[&KeyName::Jwt].next.is_none());
}

#[test]
fn a_revocation_takes_seconds_and_is_proven() {
    let mut world = World::new(3);
    let kid = world.view().keys[&KeyName::Jwt].current.kid.clone();
    world.revoke = Some(format!("jwt/{kid}"));
    let begun = world.now;
    world.rounds(12, 0);
    assert_eq!(world.now, begun, "it waits for no time to pass");
    let gone = world.record.removed.first().unwrap();
    assert_eq!((gone.key, &gone.kid), (KeyName::Jwt, &kid));
    assert_eq!(gone.refused_at, Some(begun));
    assert!(world.view().keys[&KeyName::Jwt].is_stable());
    assert_eq!(world.backend_writes, 2);
}

#[test]
fn a_revocation_does_not_wait_for_a_pod_that_is_silent() {
    let mut world = World::new(3);
    world.revoke = Some(format!(
        "jwt/{}",
        world.view().keys[&KeyName::Jwt].current.kid
    ));
    world.rounds_without(0, 6);
    assert!(world.view().keys[&KeyName::Jwt].is_stable());
    assert_eq!(
        world.record.removed[0].refused_at, None,
        "nobody may claim it is refused everywhere"
    );
    assert_eq!(
        world.record.active.as_ref().map(|active| active.step),
        Some(Step::Promote)
    );
}

// To ask a pod that is silent takes seconds, and they are among the two that pods have.
#[test]
fn a_revocation_waits_from_the_moment_at_which_the_successor_was_staged() {
    let mut world = World::new(3);
    let jwt = |world: &World| world.view().keys[&KeyName::Jwt].clone();
    world.revoke = Some(format!("jwt/{}", jwt(&world).current.kid));
    world.rounds_without(0, 3);
    assert!(jwt(&world).next.is_some(), "pods have two seconds");
    world.rounds_without(0, 1);
    assert!(jwt(&world).is_stable(), "{:?}", world.record);
}

#[test]
fn the_proof_of_a_removal_is_asked_for_each_second_while_it_is_young() {
    let again = |world: &mut World| {
        world.look(0, 0);
        world.decide(world.sights[0].as_ref().unwrap()).again
    };
    let mut world = World::new(3);
    let kid = world.view().keys[&KeyName::Jwt].current.kid.clone();
    world.rotate = Some("jwt".into());
    world.rounds(12, 1);
    assert_eq!(world.record.active, None);
    world.revoke = Some(format!("jwt/{kid}"));
    world.rounds_without(0, 6);
    assert_eq!(world.record.removed[0].refused_at, None);
    assert_eq!(again(&mut world), Some(Duration::from_secs(1)));
    world.rounds_without(0, 30);
    assert_eq!(world.record.removed[0].refused_at, None);
    assert_eq!(again(&mut world), Some(Duration::from_secs(5)));
    world.rounds(2, 1);
    assert!(world.record.removed[0].refused_at.is_some());
    let rests = again(&mut world).is_none_or(|again| again > Duration::from_secs(5));
    assert!(rests, "it is proven");
}
