//! Two database roles take turns.

use erpgo_operator::rotation::Outcome;
use erpgo_secret_set::KeyName;

use crate::world::World;

/// All goes well for `count` turns; `each` is called after each of them.
fn turns(world: &mut World, count: usize, mut each: impl FnMut(&World)) {
    for _ in 0..count {
        world.all_well();
        world.pass_time(1);
        world.look(0, 0);
        world.act(0, 9);
        world.check();
        each(world);
    }
}

fn jobs(world: &World) -> Vec<String> {
    let jobs = world
        .database
        .iter()
        .flat_map(|database| database.jobs.keys());
    jobs.map(|errand| format!("{} {}", errand.task.as_str(), errand.role))
        .collect()
}

#[test]
fn a_role_that_gets_no_password_rolls_it_back_before_any_pod_hears_of_it() {
    let mut world = World::with_roles(3);
    let before = world.view().keys.clone();
    world.rotate = Some("database".into());
    for _ in 0..12 {
        world.run_jobs(false);
        turns(&mut world, 1, |world| {
            assert!(world.view().keys[&KeyName::Database].next.is_none());
        });
    }
    let last = world.record.last.clone().unwrap();
    assert_eq!(last.outcome, Outcome::Aborted);
    assert_eq!(last.reason, "erp_b got no password: the database is away");
    assert_eq!(world.view().keys, before);
    assert_eq!(jobs(&world), ["set erp_b"]);
}

#[test]
fn i03_the_roles_take_turns_and_each_loses_its_password_after_its_turn() {
    let mut world = World::with_roles(3);
    for (round, [new, old]) in [["erp_b", "erp_a"], ["erp_a", "erp_b"], ["erp_b", "erp_a"]]
        .into_iter()
        .enumerate()
    {
        world.rotate = Some(format!("database=round {round}"));
        turns(&mut world, 20, |_| {});
        assert_eq!(jobs(&world), [format!("set {new}"), format!("clear {old}")]);
        assert!(world.view().keys[&KeyName::Database].is_stable());
        world.forget_jobs();
    }
    assert_eq!(
        world.backend_writes,
        3 * 4,
        "prepare, stage, promote, retire"
    );
}

#[test]
fn an_old_password_that_cannot_be_taken_away_keeps_its_version_and_is_told() {
    let mut world = World::with_roles(3);
    world.rotate = Some("database".into());
    for _ in 0..20 {
        turns(&mut world, 1, |_| {});
        if jobs(&world).len() == 2 {
            break;
        }
    }
    world.run_jobs(false);
    turns(&mut world, 5, |_| {});
    assert!(world.view().keys[&KeyName::Database].previous.is_some());
    world.look(0, 0);
    let wait = world
        .decide(world.sights[0].as_ref().unwrap())
        .wait
        .unwrap();
    assert!(wait.fault);
    assert_eq!(
        wait.message,
        "erp_a keeps its old password for now: the database is away"
    );
    // Its Job is gone by itself after a while, and made anew.
    world.forget_jobs();
    turns(&mut world, 5, |_| {});
    assert!(world.view().keys[&KeyName::Database].is_stable());
    assert_eq!(jobs(&world), ["clear erp_a"]);
}

#[test]
fn a_revoked_password_is_taken_away_as_soon_as_pods_have_the_next() {
    let mut world = World::with_roles(3);
    let kid = world.view().keys[&KeyName::Database].current.kid.clone();
    world.revoke = Some(format!("database/{kid}"));
    turns(&mut world, 20, |_| {});
    let gone = world.record.removed.first().unwrap();
    assert_eq!((gone.key, &gone.kid), (KeyName::Database, &kid));
    assert!(gone.refused_at.is_some());
    assert_eq!(world.backend_writes, 4, "prepare, stage, promote, revoke");
    assert_eq!(jobs(&world), ["set erp_b", "clear erp_a"]);
}

#[test]
fn a_role_that_is_none_of_the_two_keeps_its_password() {
    let mut world = World::with_roles(3);
    world.first_role("erp");
    world.rotate = Some("database".into());
    turns(&mut world, 20, |_| {});
    assert!(world.view().keys[&KeyName::Database].is_stable());
    assert_eq!(
        world.record.last.clone().unwrap().outcome,
        Outcome::Switched
    );
    assert_eq!(jobs(&world), ["set erp_a"]);
}
