//! What Events tell of a rotation, beside what is remembered of those that were told.

use std::time::Instant;

use erpgo_operator::reconcile::memory::Memory;
use erpgo_operator::reconcile::status::EventNote;
use erpgo_operator::rotation::LoginKey::Database;
use erpgo_operator::rotation::Note;
use erpgo_operator::runtime::progress::Key;

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
    let mut notes = Vec::new();
    for _ in 0..20 {
        world.all_well();
        world.pass_time(1);
        world.look(0, 0);
        let decided = world.decide(world.sights[0].as_ref().unwrap());
        notes.extend(decided.notes);
        world.act(0, 9);
    }
    notes
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
