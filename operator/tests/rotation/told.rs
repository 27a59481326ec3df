//! What Events tell of a rotation, beside what is remembered of those that were told.

use std::time::Instant;

use erpgo_operator::reconcile::memory::Memory;
use erpgo_operator::reconcile::status::EventNote;
use erpgo_operator::rotation::LoginKey::{self, Database};
use erpgo_operator::rotation::log::{Entry, append};
use erpgo_operator::rotation::{Note, Outcome, Step};
use erpgo_operator::runtime::progress::Key;
use erpgo_secret_set::KeyName::{self, Jwt, Redis, Refresh};

use crate::world::World;

const STEPS: [&str; 4] = [
    "RotationBegun",
    "RotationStaged",
    "RotationPromoted",
    "RotationSwitched",
];

fn event(note: &Note) -> EventNote {
    EventNote {
        warning: note.warning,
        reason: note.reason,
        action: "Rotate",
        message: note.message.clone(),
    }
}

/// All goes well for long enough; what is noted on the way.
fn notes(world: &mut World) -> Vec<Note> {
    notes_without(world, None)
}

/// The same, but that nobody can reach the pod `silent`.
fn notes_without(world: &mut World, silent: Option<usize>) -> Vec<Note> {
    let rounds = (0..20).map(|_| notes_of_a_round(world, silent));
    rounds.flatten().collect()
}

fn notes_of_a_round(world: &mut World, silent: Option<usize>) -> Vec<Note> {
    world.all_well();
    if let Some(pod) = silent {
        world.silence(pod);
    }
    world.pass_time(1);
    world.look(0, 0);
    let decided = world.decide(world.sights[0].as_ref().unwrap());
    world.act(0, 9);
    world.check();
    decided.notes
}

/// The messages of those of `notes` that have this `reason`.
fn told<'a>(notes: &'a [Note], reason: &str) -> Vec<&'a str> {
    let of = notes.iter().filter(|note| note.reason == reason);
    of.map(|note| note.message.as_str()).collect()
}

fn is_there(world: &World) -> bool {
    world.view().keys.contains_key(&Redis)
}

#[test]
fn a_second_rotation_for_the_same_reason_is_told_as_the_first_was() {
    let mut world = World::with_turns(3, &[Database]);
    let (memory, now) = (Memory::default(), Instant::now());
    let shop = Key {
        namespace: "market".into(),
        name: "shop".into(),
    };
    for round in 1..=2 {
        world.rotate = Some("database=drill".into());
        let mut news = notes(&mut world);
        news.retain(|note| memory.is_news(&shop, &event(note), now));
        for step in STEPS {
            let told = news.iter().filter(|note| note.reason == step);
            assert_eq!(told.count(), 1, "{step} of round {round}: {news:#?}");
        }
        let again = |note: &Note| memory.is_news(&shop, &event(note), now);
        assert!(!news.iter().any(again), "{news:#?}");
        world.rotate = None;
        world.forget_jobs();
        notes(&mut world);
    }
}

/// A rotation of jwt that is at Promote.
fn promoted() -> World {
    let mut world = World::new(3);
    world.rotate = Some("jwt=drill".into());
    let is_promoted = |world: &World| {
        let active = world.record.active.as_ref();
        active.is_some_and(|active| active.step == Step::Promote)
    };
    world.until(|world| world.rounds(1, 1), is_promoted);
    world
}

#[test]
fn what_makes_room_for_a_revocation_is_told_as_far_as_pods_were_heard() {
    let in_use = |key: &str| format!("every pod uses the new versions of {key}: ");
    for silent in [Some(2), None] {
        let mut world = promoted();
        let drill = world.record.active.clone().unwrap();
        let kid = world.current(Refresh);
        world.revoke = Some(format!("refresh/{kid}"));
        let mut news = Vec::new();
        if silent.is_some() {
            news = notes_without(&mut world, silent);
            let said = told(&news, "RotationSwitched");
            assert_eq!(said.len(), 1, "{news:#?}");
            let early = format!(
                "the new versions of jwt are current, and not every pod was heard to use them: \
                 rotation {} ends early: refresh/{kid} is to be revoked",
                drill.id
            );
            assert_eq!(said, [early]);
            let calm = |note: &Note| !note.message.contains("every pod uses");
            assert!(news.iter().all(calm), "{news:#?}");
            let last = world.record.last.clone().unwrap();
            assert_eq!((&last.id, last.outcome), (&drill.id, Outcome::Switched));
            assert!(!last.ran_its_course(&drill.reason), "its time is measured");
        }
        news.extend(notes(&mut world));
        let said = told(&news, "RotationSwitched");
        assert_eq!(said.len(), 2, "{news:#?}");
        assert_eq!(said[0].starts_with(&in_use("jwt")), silent.is_none());
        assert!(said[1].starts_with(&in_use("refresh")), "{}", said[1]);
        let last = world.record.last.clone().unwrap();
        assert!(last.ran_its_course(&format!("refresh/{kid} is revoked")));
        assert_ne!(world.current(Refresh), kid);
    }
}

#[test]
fn what_is_promoted_and_not_yet_remembered_is_not_told_to_be_rolled_back_for_a_revocation() {
    let mut world = World::new(3);
    world.rotate = Some("jwt=drill".into());
    let is_promoted = |world: &World| world.view().keys[&Jwt].previous.is_some();
    world.until(|world| world.step(1), is_promoted);
    let active = world.record.active.clone().unwrap();
    assert_eq!(active.step, Step::Stage);
    let kid = world.current(Refresh);
    world.revoke = Some(format!("refresh/{kid}"));
    let news = notes(&mut world);
    assert_eq!(told(&news, "RotationAborted"), Vec::<&str>::new());
    let promoted = told(&news, "RotationPromoted");
    assert_eq!(promoted.len(), 2, "{news:#?}");
    let said = told(&news, "RotationSwitched");
    assert_eq!(said.len(), 2, "{news:#?}");
    assert!(said[0].starts_with("every pod uses the new versions of jwt: "));
    assert_ne!(world.current(Refresh), kid);
}

#[test]
fn that_redis_left_is_told_once_and_not_before() {
    let mut world = World::new(3);
    notes(&mut world);
    let kid = world.current(Redis);
    world.wants_redis = false;
    world.look(0, 0);
    let meant = world.decide(world.sights[0].as_ref().unwrap());
    assert!(meant.write.is_some());
    assert_eq!(meant.notes, []);
    // The write fails, and the spec has it again before the next one.
    assert_eq!(world.act(0, 0), 0);
    world.wants_redis = true;
    let news = notes(&mut world);
    assert!(is_there(&world));
    assert_eq!(told(&news, "SecretKeyLeft"), Vec::<&str>::new());

    world.wants_redis = false;
    let news = notes(&mut world);
    assert!(!is_there(&world));
    let expected = format!("redis left the secret set: redis/{kid} has no successor");
    assert_eq!(told(&news, "SecretKeyLeft"), [expected]);
    let news = notes(&mut world);
    assert_eq!(told(&news, "SecretKeyLeft"), Vec::<&str>::new());
}

#[test]
fn a_redis_that_joins_and_is_taken_back_is_not_told_to_have_left() {
    let mut world = World::new(3);
    world.wants_redis = false;
    notes(&mut world);
    world.wrong_url = true;
    world.wants_redis = true;
    let writes = world.backend_writes;
    let news = notes(&mut world);
    assert_eq!(world.backend_writes, writes + 2, "in and out");
    assert!(!is_there(&world));
    assert_eq!(told(&news, "RotationAborted").len(), 1, "{news:#?}");
    assert_eq!(told(&news, "SecretVersionRemoved").len(), 1, "{news:#?}");
    assert_eq!(told(&news, "SecretKeyLeft"), Vec::<&str>::new());
}

/// The log of an operator that dies in the round `dies` after at most `writes` writes, and of the one
/// that takes over; whether the first had written to the log by then. `each` looks at both.
fn log_of(
    world: &mut World,
    rounds: usize,
    (dies, writes, is_logged): (usize, usize, bool),
    each: impl Fn(&World, &[Entry]),
) -> Vec<Entry> {
    let mut log: Vec<Entry> = Vec::new();
    for round in 0..rounds {
        world.all_well();
        world.look(0, 0);
        let decided = world.decide(world.sights[0].as_ref().unwrap());
        let mut most = 9;
        if round == dies {
            // The log is written before the status, and before a document that is written for what is told.
            let before = usize::from(decided.write.is_some() && decided.notes.is_empty());
            most = writes.min(if is_logged { 9 } else { before });
        }
        if round != dies || is_logged {
            let longer = append(&log, &decided.notes, world.now);
            log = longer.unwrap_or(log);
        }
        each(world, &log);
        world.act(0, most);
    }
    log
}

/// Every death in the first `rounds`.
fn deaths(rounds: usize) -> impl Iterator<Item = (usize, usize, bool)> {
    let writes = |dies| (0..3).map(move |writes| (dies, writes));
    let all = (0..rounds).flat_map(writes);
    all.flat_map(|(dies, writes)| [true, false].map(|is_logged| (dies, writes, is_logged)))
}

fn count(log: &[Entry], reason: &str) -> usize {
    log.iter().filter(|entry| entry.reason == reason).count()
}

#[test]
fn i10_that_redis_left_is_in_the_log_once_wherever_the_operator_dies() {
    for death in deaths(4) {
        let mut world = World::new(3);
        notes(&mut world);
        world.wants_redis = false;
        let log = log_of(&mut world, 8, death, |world, log| {
            let has_left = count(log, "SecretKeyLeft") > 0;
            assert!(!has_left || !is_there(world), "it is told too early");
        });
        assert!(!is_there(&world));
        let what = format!("dies in round, after writes, logged: {death:?}");
        assert_eq!(count(&log, "SecretKeyLeft"), 1, "{what}: {log:#?}");
    }
}

#[test]
fn i10_each_password_that_was_given_or_taken_is_in_the_log_once_wherever_the_operator_dies() {
    for death in deaths(20) {
        let mut world = World::with_turns(3, &LoginKey::ALL);
        world.rotate = Some("database,redis=drill".into());
        let log = log_of(&mut world, 30, death, |_, _| {});
        let keys = &world.view().keys;
        assert!(keys[&KeyName::Database].is_stable() && keys[&Redis].is_stable());
        let what = format!("dies in round, after writes, logged: {death:?}");
        for key in ["Database", "Redis"] {
            for done in ["Set", "Cleared"] {
                let reason = format!("{key}Password{done}");
                assert_eq!(count(&log, &reason), 1, "{reason}, {what}: {log:#?}");
            }
        }
    }
}

#[test]
fn a_password_that_was_given_before_all_was_rolled_back_is_told_once() {
    let mut world = World::with_turns(3, &LoginKey::ALL);
    world.rotate = Some("database,redis=drill".into());
    let mut news = Vec::new();
    for _ in 0..12 {
        world.run_jobs_of(Database, true);
        world.run_jobs_of(LoginKey::Redis, false);
        news.extend(notes_of_a_round(&mut world, None));
    }
    assert_eq!(world.record.last.clone().unwrap().outcome, Outcome::Aborted);
    let given = ["database role erp_b has its next password"];
    assert_eq!(told(&news, "DatabasePasswordSet"), given);
    assert_eq!(told(&news, "RedisPasswordSet"), Vec::<&str>::new());
}
