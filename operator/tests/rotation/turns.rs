//! Two database roles and two Redis users take turns.

use erpgo_operator::rotation::LoginKey::{self, Database, Redis};
use erpgo_operator::rotation::Outcome;
use erpgo_secret_set::KeyName;

use crate::world::World;

/// All goes well for `count` turns; `each` is called after each of them.
fn turns(world: &mut World, count: usize, mut each: impl FnMut(&World)) {
    for _ in 0..count {
        world.rounds(1, 1);
        each(world);
    }
}

fn jobs(world: &World) -> Vec<String> {
    let jobs = world.servers.values().flat_map(|server| server.jobs.keys());
    jobs.map(|errand| {
        let (task, key) = (errand.task.as_str(), errand.key);
        format!("{task} {key} {}", errand.login)
    })
    .collect()
}

fn stable(world: &World, key: LoginKey) -> bool {
    world.view().keys[&key.key()].is_stable()
}

#[test]
fn a_login_that_gets_no_password_rolls_it_back_before_any_pod_hears_of_it() {
    for (key, noun) in [(Database, "database role"), (Redis, "Redis user")] {
        let mut world = World::with_turns(3, &[key]);
        let before = world.view().keys.clone();
        world.rotate = Some(key.to_string());
        for _ in 0..12 {
            world.run_jobs(false);
            turns(&mut world, 1, |world| {
                assert!(world.view().keys[&key.key()].next.is_none());
            });
        }
        let last = world.record.last.clone().unwrap();
        assert_eq!(last.outcome, Outcome::Aborted);
        let reason = format!("{noun} erp_b got no password: the {key} is away");
        assert_eq!(last.reason, reason);
        assert_eq!(world.view().keys, before);
        assert_eq!(jobs(&world), [format!("set {key} erp_b")]);
    }
}

#[test]
fn i03_the_logins_take_turns_and_each_loses_its_password_after_its_turn() {
    for key in LoginKey::ALL {
        let mut world = World::with_turns(3, &[key]);
        for (round, [new, old]) in [["erp_b", "erp_a"], ["erp_a", "erp_b"], ["erp_b", "erp_a"]]
            .into_iter()
            .enumerate()
        {
            world.rotate = Some(format!("{key}=round {round}"));
            turns(&mut world, 20, |_| {});
            let expected = [format!("set {key} {new}"), format!("clear {key} {old}")];
            assert_eq!(jobs(&world), expected);
            assert!(stable(&world, key));
            world.forget_jobs();
        }
        assert_eq!(
            world.backend_writes,
            3 * 4,
            "prepare, stage, promote, retire"
        );
    }
}

#[test]
fn both_turn_in_one_rotation_and_their_jobs_run_beside_each_other() {
    let mut world = World::with_turns(3, &LoginKey::ALL);
    world.rotate = Some("database,redis=both".into());
    let mut beside = 0;
    for _ in 0..20 {
        world.look(0, 0);
        let decided = world.decide(world.sights[0].as_ref().unwrap());
        if decided.errands.len() == 2 {
            beside += 1;
            let said = decided.wait.unwrap().message;
            assert!(
                said.contains("database role erp_") && said.contains("; a Job"),
                "{said}"
            );
            assert!(said.contains("Redis user erp_"), "{said}");
        }
        turns(&mut world, 1, |_| {});
    }
    assert!(beside >= 2, "to give and to take: {beside}");
    let all = [
        "set database erp_b",
        "clear database erp_a",
        "set redis erp_b",
        "clear redis erp_a",
    ];
    assert_eq!(jobs(&world), all);
    assert_eq!(
        world.backend_writes, 5,
        "prepare twice, stage, promote, retire"
    );
}

#[test]
fn a_user_that_gets_no_password_rolls_the_role_back_as_well() {
    let mut world = World::with_turns(3, &LoginKey::ALL);
    let before = world.view().keys.clone();
    world.rotate = Some("database,redis=both".into());
    for _ in 0..12 {
        world.run_jobs_of(Database, true);
        world.run_jobs_of(Redis, false);
        turns(&mut world, 1, |_| {});
    }
    let last = world.record.last.clone().unwrap();
    assert_eq!(
        last.reason,
        "Redis user erp_b got no password: the redis is away"
    );
    assert_eq!(world.view().keys, before);
    // What the role was given is replaced at the next turn.
    world.forget_jobs();
    world.rotate = Some("database,redis=again".into());
    turns(&mut world, 20, |_| {});
    assert!(stable(&world, Database) && stable(&world, Redis));
    assert_eq!(world.record.last.unwrap().outcome, Outcome::Switched);
}

#[test]
fn an_old_password_that_cannot_be_taken_away_keeps_its_version_and_is_told() {
    let mut world = World::with_turns(3, &LoginKey::ALL);
    world.rotate = Some("database,redis=both".into());
    world.until(|world| world.rounds(1, 1), |world| jobs(world).len() == 4);
    // One fails and the other does not: neither the fault nor the other's turn is lost.
    world.run_jobs_of(Database, false);
    turns(&mut world, 5, |_| {});
    assert!(stable(&world, Redis) && !stable(&world, Database));
    assert!(
        world.view().keys[&KeyName::Database].previous.is_some(),
        "it stays"
    );
    world.look(0, 0);
    let wait = world
        .decide(world.sights[0].as_ref().unwrap())
        .wait
        .unwrap();
    assert!(wait.fault);
    assert_eq!(
        wait.message,
        "database role erp_a keeps its old password for now: the database is away"
    );
    // Its Job is gone by itself after a while, and made anew.
    world.forget_jobs();
    turns(&mut world, 5, |_| {});
    assert!(stable(&world, Database));
    assert_eq!(jobs(&world), ["clear database erp_a"]);
}

#[test]
fn a_revoked_password_is_taken_away_as_soon_as_pods_have_the_next() {
    for key in LoginKey::ALL {
        let mut world = World::with_turns(3, &LoginKey::ALL);
        let kid = world.view().keys[&key.key()].current.kid.clone();
        world.revoke = Some(format!("{key}/{kid}"));
        turns(&mut world, 20, |_| {});
        let gone = world.record.removed.first().unwrap();
        assert_eq!((gone.key, &gone.kid), (key.key(), &kid));
        assert!(gone.refused_at.is_some());
        assert_eq!(world.backend_writes, 4, "prepare, stage, promote, revoke");
        let expected = [format!("set {key} erp_b"), format!("clear {key} erp_a")];
        assert_eq!(jobs(&world), expected);
    }
}

#[test]
fn a_login_that_is_none_of_the_two_keeps_its_password() {
    for key in LoginKey::ALL {
        let mut world = World::with_turns(3, &[key]);
        world.first_login(key, "erp");
        world.rotate = Some(key.to_string());
        turns(&mut world, 20, |_| {});
        assert!(stable(&world, key));
        assert_eq!(
            world.record.last.clone().unwrap().outcome,
            Outcome::Switched
        );
        assert_eq!(jobs(&world), [format!("set {key} erp_a")]);
    }
}

/// Jobs of `key` fail for `count` turns.
fn refused(world: &mut World, key: LoginKey, count: usize) {
    for _ in 0..count {
        world.run_jobs_of(key, false);
        turns(world, 1, |_| {});
    }
}

fn wait(world: &mut World) -> Option<(String, bool)> {
    world.look(0, 0);
    let wait = world.decide(world.sights[0].as_ref().unwrap()).wait;
    wait.map(|wait| (wait.message, wait.fault))
}

#[test]
fn a_revocation_that_was_rolled_back_is_told_and_tried_again_until_the_version_is_gone() {
    for key in LoginKey::ALL {
        let mut world = World::with_turns(3, &[key]);
        let kid = world.view().keys[&key.key()].current.kid.clone();
        world.revoke = Some(format!("{key}/{kid}"));
        for tries in 1..=2 {
            refused(&mut world, key, 10);
            assert_eq!(world.servers[&key].jobs_made, tries, "one in the pause");
            let last = world.record.last.clone().unwrap();
            assert!(last.gave_up(&[key.key()]), "{last:?}");
            let (told, fault) = wait(&mut world).unwrap();
            assert!(fault, "{told}");
            for words in [kid.as_str(), "is not revoked yet", "got no password"] {
                assert!(told.contains(words), "{words}: {told}");
            }
            world.pass_time(60);
        }
        turns(&mut world, 20, |_| {});
        let gone = world.record.removed.iter();
        let mut gone = gone.filter(|gone| gone.kid == kid);
        assert!(gone.next().unwrap().refused_at.is_some());
        assert!(stable(&world, key));
        assert_eq!(wait(&mut world), None);
    }
}

#[test]
fn a_revocation_without_another_value_waits_for_one_and_holds_up_nothing() {
    let mut world = World::new(3);
    let current = |world: &World| world.view().keys[&KeyName::Database].current.kid.clone();
    let kid = current(&world);
    world.offered.remove(&KeyName::Database);
    world.revoke = Some(format!("database/{kid}"));
    world.rotate = Some("jwt=drill".into());
    turns(&mut world, 10, |_| {});
    let last = world.record.last.clone().unwrap();
    assert_eq!(
        (last.keys.as_slice(), last.outcome),
        (&[KeyName::Jwt][..], Outcome::Switched)
    );
    assert_eq!(current(&world), kid);
    let (told, fault) = wait(&mut world).unwrap();
    assert!(fault && told.contains("write new credentials"), "{told}");
    world.offered.insert(KeyName::Database);
    turns(&mut world, 8, |_| {});
    assert_ne!(current(&world), kid);
    assert!(stable(&world, Database));
    assert!(wait(&mut world).is_none_or(|(_, fault)| !fault));
}
