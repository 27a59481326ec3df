//! `spec.redis` is added and removed while pods serve.

mod revoked;

use erpgo_operator::rotation::{LoginKey, Outcome};
use erpgo_secret_set::KeyName::{Jwt, Redis};

use crate::world::{DAY, World};

const HOUR: u64 = 3600;

/// A world whose spec never had Redis.
fn without_redis() -> World {
    let mut world = World::new(3);
    world.wants_redis = false;
    world.rounds(6, 1);
    assert!(is_absent(&world));
    world
}

/// A world in which a rotation of redis and jwt is so many writes old.
fn in_mid_rotation(turning: &[LoginKey], writes: usize) -> World {
    let mut world = World::with_turns(3, turning);
    world.rounds(2, 1);
    world.rotate = Some("redis,jwt".into());
    world.write_by_write(writes);
    world
}

fn is_absent(world: &World) -> bool {
    !world.view().keys.contains_key(&Redis)
}

/// Whether each pod uses what the document has, and nothing else.
fn is_used_as_it_is(world: &World) -> bool {
    let kid = world.view().keys.get(&Redis).map(|key| &key.current.kid);
    world.pods.iter().all(|pod| pod.signs(Redis) == kid)
}

fn last(world: &World) -> (Outcome, String) {
    let last = world.record.last.clone().unwrap();
    assert_eq!(last.keys, [Redis]);
    (last.outcome, last.reason)
}

#[test]
fn it_is_used_by_every_pod_when_it_was_added_and_by_none_when_it_was_removed() {
    let mut world = World::new(3);
    let others = |world: &World| {
        let mut keys = world.view().keys.clone();
        keys.remove(&Redis);
        keys
    };
    let before = others(&world);
    world.wants_redis = false;
    world.rounds(6, 1);
    assert!(is_absent(&world) && is_used_as_it_is(&world));
    assert_eq!(world.backend_writes, 1);
    let gone = world.record.removed.first().unwrap();
    assert_eq!((gone.key, gone.kid.as_str()), (Redis, "redis-1"));
    assert!(gone.refused_at.is_some());

    world.wants_redis = true;
    world.rounds(6, 1);
    assert!(!is_absent(&world) && is_used_as_it_is(&world));
    assert_eq!(world.backend_writes, 2);
    assert_eq!(
        last(&world),
        (Outcome::Switched, "spec.redis was added".into())
    );
    assert!(world.current(Redis).starts_with("redis-3-"));
    assert_eq!(others(&world), before);
    assert_eq!(world.rounds(3, 1), 0, "I-05: it writes at rest");
}

#[test]
fn i10_a_crash_after_any_write_changes_neither_the_end_nor_the_count() {
    let run = |crash: Option<usize>| {
        let mut world = World::with_turns(3, &LoginKey::ALL);
        let (mut writes, mut left) = (0, crash);
        for round in 0..30 {
            world.wants_redis = round >= 15;
            world.all_well();
            world.pass_time(1);
            let operator = usize::from(crash.is_some() && left.is_none());
            world.look(operator, 0);
            let made = world.act(operator, left.unwrap_or(9));
            writes += made;
            // One crash, and the next operator lives.
            left = left
                .and_then(|left| left.checked_sub(made))
                .filter(|left| *left > 0);
            world.check();
        }
        world.look(0, 0);
        assert_eq!(world.act(0, 9), 0, "no rest: {:?}", world.record);
        assert_eq!(last(&world).0, Outcome::Switched);
        let generation = world.view().generation;
        (writes, world.backend_writes, generation)
    };
    let whole = run(None);
    assert_eq!(whole.1, 2);
    for crash in 0..whole.0 {
        let crashed = run(Some(crash));
        assert_eq!(
            (crashed.1, crashed.2),
            (whole.1, whole.2),
            "after write {crash}"
        );
    }
}

#[test]
fn one_that_a_pod_cannot_use_is_taken_out_again_and_holds_up_no_other_key() {
    let mut world = without_redis();
    world.wrong_url = true;
    world.wants_redis = true;
    world.rounds(12, 1);
    let (outcome, reason) = last(&world);
    assert_eq!(outcome, Outcome::Aborted);
    assert_eq!(reason, "pod-1 refused it: no such login");
    assert!(is_absent(&world) && is_used_as_it_is(&world));
    let writes = world.backend_writes;
    world.rounds(5, 60);
    assert_eq!(world.backend_writes, writes, "it is tried again too early");

    // What is due by age comes first, and Redis is tried again after it.
    let jwt = world.current(Jwt);
    world.pass_time(91 * DAY);
    world.rounds(20, 1);
    assert_ne!(world.current(Jwt), jwt);
    assert_eq!(last(&world).0, Outcome::Aborted);

    world.wrong_url = false;
    world.rounds(12, 1);
    assert!(is_absent(&world), "the hour is not over");
    world.pass_time(HOUR);
    world.rounds(12, 1);
    assert_eq!(last(&world).0, Outcome::Switched);
    assert!(!is_absent(&world) && is_used_as_it_is(&world));
}

#[test]
fn it_is_tried_again_at_once_when_somebody_asks_for_it() {
    let mut world = without_redis();
    world.wrong_url = true;
    world.wants_redis = true;
    world.rounds(12, 1);
    world.wrong_url = false;
    world.rotate = Some("redis=mended".into());
    world.rounds(6, 1);
    assert_eq!(last(&world), (Outcome::Switched, "mended".into()));
    assert!(!is_absent(&world) && is_used_as_it_is(&world));
}

#[test]
fn a_pod_that_never_answers_has_it_taken_out_at_the_deadline() {
    let mut world = without_redis();
    world.wants_redis = true;
    world.rounds_without(2, 330);
    let (outcome, reason) = last(&world);
    assert_eq!(outcome, Outcome::Aborted);
    assert!(
        reason.contains("2 of 3 pods: pod-3 does not answer"),
        "{reason}"
    );
    assert!(is_absent(&world));
}

#[test]
fn it_leaves_whenever_it_is_removed_in_mid_rotation() {
    for turning in [&[][..], &[LoginKey::Redis]] {
        for writes in 0..30 {
            let mut world = in_mid_rotation(turning, writes);
            world.wants_redis = false;
            world.rounds(20, 1);
            assert_eq!(world.record.active, None, "removed after {writes} writes");
            assert!(is_absent(&world) && is_used_as_it_is(&world));
            let gone = &world.record.removed;
            assert!(gone.iter().all(|gone| gone.refused_at.is_some()));

            // What was rolled back with another key says nothing of the URL: it waits for no hour.
            world.wants_redis = true;
            world.rounds(6, 1);
            assert!(!is_absent(&world), "absent, removed after {writes} writes");
            assert!(is_used_as_it_is(&world));
        }
    }
}

#[test]
fn a_rotation_of_it_that_was_rolled_back_says_nothing_of_the_one_that_is_added_later() {
    let mut world = World::new(3);
    world.rotate = Some("redis".into());
    world.rounds_without(2, 330);
    assert_eq!(last(&world).0, Outcome::Aborted);
    assert!(!is_absent(&world));
    world.wants_redis = false;
    world.rounds(6, 1);
    assert!(is_absent(&world));
    world.wants_redis = true;
    world.rounds(8, 1);
    assert_eq!(last(&world).0, Outcome::Switched);
    assert!(!is_absent(&world) && is_used_as_it_is(&world));
}

#[test]
fn one_that_was_refused_is_tried_at_once_when_it_was_removed_and_added_again() {
    let mut world = without_redis();
    world.wrong_url = true;
    world.wants_redis = true;
    world.rounds(12, 1);
    assert_eq!(last(&world).0, Outcome::Aborted);
    world.wrong_url = false;
    world.rounds(6, 1);
    assert!(is_absent(&world), "it waits for its hour");
    world.wants_redis = false;
    world.rounds(1, 1);
    world.wants_redis = true;
    world.rounds(8, 1);
    assert!(!is_absent(&world) && is_used_as_it_is(&world));
}

#[test]
fn one_that_was_gone_for_a_moment_joins_without_waiting_for_an_hour() {
    for writes in 0..8 {
        let mut world = without_redis();
        world.wants_redis = true;
        world.write_by_write(writes);
        world.wants_redis = false;
        world.look(0, 0);
        world.act(0, 9);
        world.wants_redis = true;
        world.rounds(10, 1);
        assert!(!is_absent(&world), "absent, gone after {writes} writes");
        assert!(is_used_as_it_is(&world));
        assert_eq!(last(&world).0, Outcome::Switched);
    }
}

#[test]
fn what_is_promoted_and_never_used_does_not_keep_it_from_leaving() {
    let mut world = World::new(3);
    world.rotate = Some("redis".into());
    let is_promoted = |world: &World| world.view().keys[&Redis].previous.is_some();
    world.until(|world| world.step(9), is_promoted);
    // As a pod does whose Redis is gone: it refuses the new version until that leaves.
    for pod in &mut world.pods {
        pod.stubborn = true;
    }
    world.rounds(5, 60);
    assert!(world.record.active.is_some());
    world.wants_redis = false;
    world.rounds(2, 1);
    assert!(is_absent(&world));
    for pod in &mut world.pods {
        pod.stubborn = false;
    }
    world.rounds(4, 1);
    assert_eq!(world.record.active, None);
    assert!(is_used_as_it_is(&world));
}

#[test]
fn it_neither_joins_nor_leaves_while_rotations_are_paused() {
    for wanted in [true, false] {
        let mut world = if wanted {
            without_redis()
        } else {
            World::new(3)
        };
        world.rounds(3, 1);
        let before = world.view().clone();
        world.paused = true;
        world.wants_redis = wanted;
        assert_eq!(world.rounds(6, DAY), 0, "it writes while paused");
        assert_eq!(*world.view(), before);
        world.paused = false;
        world.rounds(6, 1);
        assert_eq!(is_absent(&world), !wanted);
    }
}
