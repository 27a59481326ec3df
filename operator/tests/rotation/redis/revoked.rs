//! A version is revoked while Redis is added or removed.

use erpgo_operator::rotation::{LoginKey, Outcome};
use erpgo_secret_set::KeyName::{Database, Jwt, Redis};

use super::{HOUR, in_mid_rotation, is_absent, is_used_as_it_is, last, without_redis};
use crate::world::World;

#[test]
fn one_that_made_room_for_a_revocation_joins_when_that_is_over_or_refused() {
    for is_offered in [true, false] {
        let mut world = without_redis();
        world.wants_redis = true;
        world.look(0, 0);
        world.act(0, 9);
        assert!(world.record.active.as_ref().unwrap().joins());
        if !is_offered {
            world.offered.remove(&Database);
        }
        let database = world.current(Database);
        world.revoke = Some(format!("database/{database}"));
        world.rounds(1, 1);
        assert!(is_absent(&world), "it goes on before the revocation");
        world.rounds(20, 1);
        assert_eq!(world.current(Database) != database, is_offered);
        assert!(!is_absent(&world) && is_used_as_it_is(&world));
        assert_eq!(last(&world).0, Outcome::Switched);
    }
}

#[test]
fn one_that_is_revoked_while_it_joins_does_not_come_again_at_once() {
    let mut world = without_redis();
    world.wants_redis = true;
    world.until(|world| world.step(9), |world| !is_absent(world));
    let kid = world.current(Redis);
    world.revoke = Some(format!("redis/{kid}"));
    world.rounds(12, 1);
    assert!(is_absent(&world) && is_used_as_it_is(&world));
    assert_eq!(last(&world).0, Outcome::Aborted);
    world.pass_time(HOUR);
    world.rounds(8, 1);
    assert!(!is_absent(&world));
}

#[test]
fn an_emergency_goes_before_one_that_pods_refuse() {
    let mut world = without_redis();
    world.wrong_url = true;
    world.wants_redis = true;
    world.until(|world| world.step(9), |world| !is_absent(world));
    let jwt = world.current(Jwt);
    world.revoke = Some(format!("jwt/{jwt}"));
    let begun = world.now.as_second();
    let is_proven = |world: &World| {
        let mut gone = world.record.removed.iter();
        gone.any(|gone| gone.kid.as_str() == jwt && gone.refused_at.is_some())
    };
    world.until(|world| world.rounds(1, 1), is_proven);
    assert!(world.now.as_second() - begun <= 10, "it takes too long");
    assert_ne!(world.current(Jwt), jwt);
}

#[test]
fn one_that_is_revoked_leaves_whole_though_rotations_are_paused() {
    for is_paused in [true, false] {
        let mut world = World::new(3);
        world.rounds(2, 1);
        let mut others = world.view().keys.clone();
        others.remove(&Redis);
        world.paused = is_paused;
        world.wants_redis = false;
        let revocation = format!("redis/{}", world.current(Redis));
        world.revoke = Some(revocation.clone());
        world.look(0, 0);
        let decided = world.decide(world.sights[0].as_ref().unwrap());
        assert_eq!(decided.notes, [], "it is refused");
        world.act(0, 9);
        assert!(is_absent(&world));
        world.rounds(6, 1);
        assert!(is_absent(&world) && is_used_as_it_is(&world));
        assert_eq!(world.view().keys, others);
        assert_eq!(world.backend_writes, 1);
        let gone = world.record.removed.first().unwrap();
        assert_eq!(format!("{}/{}", gone.key, gone.kid), revocation);
        assert!(gone.refused_at.is_some());
        assert_eq!(world.record.handled_revoke, Some(revocation));
        assert_eq!((&world.record.active, &world.record.last), (&None, &None));
        assert_eq!(world.rounds(3, 1), 0, "I-05: it writes at rest");
    }
}

#[test]
fn one_that_is_revoked_in_mid_rotation_leaves_though_rotations_are_paused() {
    for turning in [&[][..], &[LoginKey::Redis]] {
        for writes in 0..30 {
            let mut world = in_mid_rotation(turning, writes);
            world.paused = true;
            world.wants_redis = false;
            world.revoke = Some(format!("redis/{}", world.current(Redis)));
            world.rounds(20, 1);
            assert_eq!(world.record.active, None, "revoked after {writes} writes");
            assert!(is_absent(&world) && is_used_as_it_is(&world));
            assert_eq!(world.record.handled_revoke, world.revoke);
        }
    }
}
