//! Two operators whose clocks are wrong by ten minutes each, one either way.

use erpgo_operator::rotation::Outcome;
use erpgo_secret_set::KeyName::{self, Jwt, Pepper, Refresh};

use crate::world::{DAY, World};

const APART: [[i64; 2]; 2] = [[-600, 600], [600, -600]];
const MINUTE: u64 = 60;

/// One operator turns `key`, until every pod uses its new version and that is noted.
fn switched(clocks: [i64; 2], key: KeyName) -> World {
    let mut world = World::new(3);
    world.clocks = clocks;
    world.rotate = Some(key.to_string());
    world.until(|world| turn(world, 0), |world| noted(world, key));
    world
}

/// Returns how many writes it took.
fn turn(world: &mut World, operator: usize) -> usize {
    world.all_well();
    world.look(operator, 0);
    let writes = world.act(operator, 9);
    world.check();
    writes
}

fn noted(world: &World, key: KeyName) -> bool {
    let record = world.record.key(key);
    record.is_some_and(|record| record.switched_at.is_some())
}

fn is_accepted(world: &World, key: KeyName) -> bool {
    world.view().keys[&key].previous.is_some()
}

#[test]
fn no_grace_is_shorter_for_an_operator_that_is_ahead_of_the_one_before() {
    for clocks in APART {
        for (key, days) in [(Jwt, 1), (Refresh, 7)] {
            let mut world = switched(clocks, key);
            world.pass_time(days * DAY - 1);
            turn(&mut world, 1);
            assert!(is_accepted(&world, key), "{key} with {clocks:?}");
            // Twenty minutes for either clock.
            world.pass_time(41 * MINUTE);
            turn(&mut world, 1);
            turn(&mut world, 1);
            assert!(!is_accepted(&world, key), "{key} with {clocks:?}");
        }
    }
}

#[test]
fn hashes_that_were_counted_before_the_last_pod_turned_are_counted_again() {
    for clocks in APART {
        let mut world = World::new(3);
        world.clocks = clocks;
        world.rotate = Some("pepper".into());
        world.until(|world| turn(world, 0), |world| is_accepted(world, Pepper));
        let old = world.view().keys[&Pepper].previous.clone().unwrap().kid;
        world.all_well();
        assert_eq!(world.hashes_of(&old), 0);
        a_pod_is_late(&mut world);
        assert_eq!(world.hashes_of(&old), 1);
        for _ in 0..6 {
            world.look(0, 0);
            world.act(0, 9);
        }
        assert!(noted(&world, Pepper));
        // A count is five minutes old at the most.
        for _ in 0..5 {
            world.pass_time(MINUTE - 1);
            world.look(1, 0);
            world.act(1, 9);
            assert!(is_accepted(&world, Pepper), "with {clocks:?}");
        }
        for pod in 0..world.pods.len() {
            world.tell(pod);
        }
        world.pass_time(DAY);
        world.look(1, 0);
        world.act(1, 9);
        assert!(is_accepted(&world, Pepper), "a hash needs it");
        turn(&mut world, 1);
        turn(&mut world, 1);
        assert!(!is_accepted(&world, Pepper), "no hash needs it");
    }
}

/// A pod that holds the set of before takes a sign-in when the others have counted, and is gone.
fn a_pod_is_late(world: &mut World) {
    let last = world.pods.len() - 1;
    world.pods[last].holds = world.views.iter().nth_back(1).cloned();
    world.tell(last);
    world.login(last);
    world.gone(last);
}

#[test]
fn an_operator_far_ahead_rolls_back_at_most_what_no_pod_uses_yet() {
    for clocks in APART {
        let mut world = World::new(3);
        world.clocks = clocks;
        let before = world.view().keys.clone();
        world.rotate = Some("jwt".into());
        let unheard = |world: &mut World| {
            let writes = turn(world, 0);
            world.silence(2);
            writes
        };
        let is_staged = |world: &World| world.view().keys[&Jwt].next.is_some();
        world.until(unheard, is_staged);
        world.look(0, 0);
        world.act(0, 9);
        for _ in 0..4 {
            world.silence(2);
            world.look(1, 0);
            world.act(1, 9);
        }
        let is_ahead = clocks[1] > clocks[0];
        let last = world.record.last.clone();
        assert_eq!(
            last.map(|last| last.outcome),
            is_ahead.then_some(Outcome::Aborted)
        );
        if is_ahead {
            assert_eq!(world.view().keys, before);
        } else {
            assert!(is_staged(&world), "it waits on");
        }
        // Asked again, or waited for, it turns.
        world.rotate = Some("jwt=again".into());
        for _ in 0..20 {
            turn(&mut world, 1);
        }
        assert_eq!(
            world.record.last.clone().unwrap().outcome,
            Outcome::Switched
        );
    }
}
