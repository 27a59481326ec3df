//! `spec.secrets.rotation.paused`: nothing begins, and what is under way goes on.

use erpgo_operator::rotation::Outcome;
use erpgo_secret_set::KeyName;

use crate::world::{DAY, World};

fn current(world: &World) -> Vec<String> {
    let keys = world.view().keys.values();
    keys.map(|key| key.current.kid.to_string()).collect()
}

#[test]
fn what_is_due_or_asked_for_begins_only_when_the_pause_is_over() {
    let mut world = World::new(3);
    world.rounds(2, 1);
    let before = current(&world);
    world.paused = true;
    world.pass_time(91 * DAY);
    world.rotate = Some("jwt=asked for".into());
    assert_eq!(world.rounds(10, DAY), 0, "it writes while paused");
    assert_eq!(world.record.active, None);
    assert_eq!(world.record.handled_rotate, None, "it would be forgotten");

    world.paused = false;
    world.rounds(8, 1);
    let first = world.record.last.clone().unwrap();
    assert_eq!(first.outcome, Outcome::Switched);
    world.rounds(20, 1);
    let after = current(&world);
    // jwt, refresh and pepper are scheduled; the two logins are not.
    let turned = before.iter().zip(&after).map(|(old, new)| old != new);
    assert_eq!(turned.collect::<Vec<_>>(), [true, true, true, false, false]);
    assert_eq!(
        world.record.handled_rotate.as_deref(),
        Some("jwt=asked for")
    );
    assert_eq!(first.keys, [KeyName::Jwt], "what is asked for comes first");
}

#[test]
fn a_rotation_under_way_goes_to_its_end_whenever_the_pause_begins() {
    let mut begun = 0;
    let mut waits = 0;
    for writes in 0..30 {
        let mut world = World::new(3);
        world.rounds(2, 1);
        let before = current(&world);
        world.rotate = Some("jwt".into());
        world.write_by_write(writes);
        let is_begun = world.record.active.is_some() || world.record.last.is_some();
        world.paused = true;
        world.rounds(20, 1);
        world.rounds(4, DAY);
        assert_eq!(world.record.active, None, "paused after {writes} writes");
        assert!(world.view().keys[&KeyName::Jwt].is_stable());
        assert_eq!(current(&world) != before, is_begun);
        if is_begun {
            begun += 1;
            let last = world.record.last.clone().unwrap();
            assert_eq!(last.outcome, Outcome::Switched);
        } else {
            waits += 1;
        }
    }
    assert!(waits >= 1 && begun >= 8, "{waits} and {begun}");
}

#[test]
fn a_revocation_goes_while_paused_and_turns_no_other_key() {
    let mut world = World::new(3);
    let before = current(&world);
    let kid = world.view().keys[&KeyName::Jwt].current.kid.clone();
    world.paused = true;
    world.rotate = Some("refresh".into());
    world.revoke = Some(format!("jwt/{kid}"));
    world.rounds(12, 1);
    let gone = world.record.removed.first().unwrap();
    assert_eq!((gone.key, &gone.kid), (KeyName::Jwt, &kid));
    assert!(gone.refused_at.is_some());
    let after = current(&world);
    let turned = before.iter().zip(&after).map(|(old, new)| old != new);
    assert_eq!(turned.filter(|turned| *turned).count(), 1);
    assert_eq!(world.backend_writes, 2, "stage and revoke");
}
