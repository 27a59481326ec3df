//! The steps of a rotation as edits of the document.
//!
//! Owns the eight edits. Each is pure and total: it returns the document of the next generation, and a
//! key that is not where the step begins stays as it is. Never are there two current versions, and no
//! edit but [`revoke`] and [`leave`] takes away what is current.

use jiff::Timestamp;

use crate::{Document, Generation, KeyName, Keys, Kid, RedisUrl, RotatingKey, Secret, Version};

/// A new value for one key.
pub struct NewValue {
    /// Which key.
    pub key: KeyName,
    /// Its next value.
    pub value: Secret,
}

impl Generation {
    /// The generation of the next write.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Keys {
    fn get_mut(&mut self, name: KeyName) -> Option<&mut RotatingKey> {
        match name {
            KeyName::Jwt => Some(&mut self.jwt),
            KeyName::Refresh => Some(&mut self.refresh),
            KeyName::Pepper => Some(&mut self.pepper),
            KeyName::Database => Some(&mut self.database),
            KeyName::Redis => self.redis.as_mut(),
        }
    }
}

/// Lays `new` by: no pod is given it. A key for which something lies there keeps that.
#[must_use]
pub fn prepare(document: Document, new: NewValue, now: Timestamp) -> Document {
    let mut prepared = following(document);
    let generation = prepared.generation;
    prepared
        .prepared
        .entry(new.key)
        .or_insert_with(|| version(new, generation, now));
    prepared
}

/// Adds what was prepared for `ready`, and `values`, as `next`: accepted, not yet used. A key that has
/// a `next` keeps it.
#[must_use]
pub fn stage(
    document: Document,
    ready: &[KeyName],
    values: Vec<NewValue>,
    now: Timestamp,
) -> Document {
    let mut staged = following(document);
    let generation = staged.generation;
    for name in ready {
        if let Some(version) = staged.prepared.remove(name)
            && let Some(key) = staged.keys.get_mut(*name)
        {
            key.next.get_or_insert(version);
        }
    }
    for new in values {
        let Some(key) = staged.keys.get_mut(new.key) else {
            continue;
        };
        key.next
            .get_or_insert_with(|| version(new, generation, now));
    }
    staged
}

/// Makes `next` current and current `previous`. A key without `next`, or with a `previous` that is
/// still accepted, stays as it is: nothing that is accepted goes here.
#[must_use]
pub fn promote(document: Document, names: &[KeyName]) -> Document {
    edit(document, names, |key| {
        if key.previous.is_none()
            && let Some(next) = key.next.take()
        {
            key.previous = Some(std::mem::replace(&mut key.current, next));
        }
    })
}

/// Removes `previous`.
#[must_use]
pub fn retire(document: Document, names: &[KeyName]) -> Document {
    edit(document, names, |key| key.previous = None)
}

/// Rolls `next` back, and what was prepared.
#[must_use]
pub fn abort(document: Document, names: &[KeyName]) -> Document {
    let mut aborted = edit(document, names, |key| key.next = None);
    aborted.prepared.retain(|name, _| !names.contains(name));
    aborted
}

/// Removes the version `kid` without grace. What is current goes only if a `next` can take its place.
#[must_use]
pub fn revoke(document: Document, name: KeyName, kid: &Kid) -> Document {
    let is = |version: &Option<Version>| version.as_ref().is_some_and(|v| v.kid == *kid);
    edit(document, &[name], |key| {
        if is(&key.previous) {
            key.previous = None;
        } else if is(&key.next) {
            key.next = None;
        } else if key.current.kid == *kid
            && let Some(next) = key.next.take()
        {
            key.current = next;
        }
    })
}

/// Adds Redis, the one key that a document may lack: current at once, since no pod has a version of it
/// that another could refuse. One that is there stays.
#[must_use]
pub fn join(document: Document, url: RedisUrl, now: Timestamp) -> Document {
    let mut joined = following(document);
    let generation = joined.generation;
    let new = NewValue {
        key: KeyName::Redis,
        value: url.0,
    };
    joined.keys.redis.get_or_insert_with(|| RotatingKey {
        current: version(new, generation, now),
        next: None,
        previous: None,
    });
    joined
}

/// Takes Redis out with all its versions.
#[must_use]
pub fn leave(document: Document) -> Document {
    let mut left = following(document);
    left.keys.redis = None;
    left.prepared.remove(&KeyName::Redis);
    left
}

fn following(document: Document) -> Document {
    Document {
        generation: document.generation.next(),
        keys: document.keys,
        prepared: document.prepared,
    }
}

fn edit(document: Document, names: &[KeyName], change: impl Fn(&mut RotatingKey)) -> Document {
    let mut edited = following(document);
    for name in names {
        if let Some(key) = edited.keys.get_mut(*name) {
            change(key);
        }
    }
    edited
}

fn version(new: NewValue, generation: Generation, now: Timestamp) -> Version {
    Version {
        kid: kid(new.key, generation, now),
        created_at: now,
        not_after: None,
        value: new.value,
    }
}

// Generations may repeat after a backend was restored from a backup; with the time no kid does.
fn kid(key: KeyName, generation: Generation, now: Timestamp) -> Kid {
    Kid::spelled(format!("{key}-{generation}-{:x}", now.as_second().max(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tests::EXAMPLE;
    use crate::{Slot, validate};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn example() -> Document {
        Document::parse(EXAMPLE.as_bytes()).unwrap()
    }

    fn kids(document: &Document) -> BTreeSet<String> {
        document
            .keys
            .versions()
            .map(|(_, _, version)| version.kid.to_string())
            .collect()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_whole_rotation_replaces_the_value_and_keeps_the_rest() {
        let pepper = [KeyName::Pepper];
        let values = vec![NewValue {
            key: KeyName::Pepper,
            value: Secret::new("another pepper of some length".into()),
        }];
        let staged = stage(example(), &[], values, at(1_700_000_000));
        let next = staged.keys.pepper.next.as_ref().unwrap().kid.clone();
        assert_eq!(next.as_str(), "pepper-8-6553f100");
        assert_eq!(staged.keys.pepper.current.kid.as_str(), "pepper-a");
        assert_eq!(validate(&staged.keys), []);
        let promoted = promote(staged, &pepper);
        assert_eq!(promoted.keys.pepper.current.kid, next);
        let previous = promoted.keys.pepper.previous.as_ref().unwrap();
        assert_eq!(previous.kid.as_str(), "pepper-a");
        let retired = retire(promoted, &pepper);
        assert_eq!(retired.keys.pepper.versions().count(), 1);
        assert_eq!(retired.generation, Generation(10));
        assert_eq!(retired.keys.jwt.versions().count(), 2);
    }

    #[test]
    fn what_is_current_is_revoked_only_when_another_takes_its_place() {
        let jwt_b = Kid::spelled("jwt-b".into());
        let alone = revoke(example(), KeyName::Jwt, &jwt_b);
        assert_eq!(alone.keys.jwt.current.kid, jwt_b);
        let values = vec![NewValue {
            key: KeyName::Jwt,
            value: Secret::new("x".into()),
        }];
        let revoked = revoke(stage(example(), &[], values, at(1)), KeyName::Jwt, &jwt_b);
        assert_eq!(revoked.keys.jwt.current.kid.as_str(), "jwt-8-1");
        assert_eq!(
            revoked.keys.jwt.previous.as_ref().unwrap().kid.as_str(),
            "jwt-a"
        );
    }

    #[test]
    fn what_is_prepared_waits_and_is_then_staged_as_it_was_drawn() {
        let database = [KeyName::Database];
        let new = |text: &str| NewValue {
            key: KeyName::Database,
            value: Secret::new(text.into()),
        };
        let prepared = prepare(example(), new("postgres://b:1@h/d"), at(1));
        let kid = prepared.prepared[&KeyName::Database].kid.clone();
        assert_eq!(kid.as_str(), "database-8-1");
        assert_eq!(kids(&prepared), kids(&example()));
        assert!(prepared.to_json().expose_secret().contains("\"prepared\""));
        let again = prepare(prepared, new("postgres://b:2@h/d"), at(2));
        assert_eq!(again.prepared[&KeyName::Database].kid, kid);
        let read = Document::parse(again.to_json().expose_secret().as_bytes()).unwrap();
        let staged = stage(read, &database, Vec::new(), at(3));
        let next = staged.keys.database.next.as_ref().unwrap();
        assert_eq!(
            (&next.kid, next.value.expose_secret()),
            (&kid, "postgres://b:1@h/d")
        );
        assert!(staged.prepared.is_empty());
        assert!(!staged.to_json().expose_secret().contains("prepared"));
        let dropped = abort(prepare(example(), new("x"), at(1)), &database);
        assert!(dropped.prepared.is_empty());
    }

    #[test]
    fn redis_comes_and_goes_and_every_other_key_stays() {
        let url = |text: &str| RedisUrl(Secret::new(text.into()));
        let others = |document: &Document| {
            let mut kids = kids(document);
            kids.retain(|kid| !kid.starts_with("redis"));
            kids
        };
        let new = NewValue {
            key: KeyName::Redis,
            value: Secret::new("redis://b:1@h".into()),
        };
        let left = leave(prepare(example(), new, at(1)));
        assert!(left.keys.redis.is_none() && left.prepared.is_empty());
        assert_eq!(others(&left), others(&example()));
        let joined = join(left, url("redis://c:1@h"), at(2));
        let redis = joined.keys.redis.as_ref().unwrap();
        assert_eq!(redis.current.kid.as_str(), "redis-10-2");
        assert_eq!(redis.current.value.expose_secret(), "redis://c:1@h");
        assert_eq!(redis.versions().count(), 1);
        assert_eq!(validate(&joined.keys), []);
        let again = join(joined, url("redis://d:1@h"), at(3));
        let redis = again.keys.redis.as_ref().unwrap();
        assert_eq!(redis.current.kid.as_str(), "redis-10-2", "what is there");
        assert_eq!(again.generation, Generation(11));
    }

    fn key() -> impl Strategy<Value = KeyName> {
        prop::sample::select(KeyName::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn i03_only_retire_abort_revoke_and_leave_take_a_kid_away(
            steps in prop::collection::vec((0..8usize, key(), key()), 1..40),
        ) {
            let mut document = example();
            let mut ever = kids(&document);
            for (second, (step, first, second_key)) in steps.into_iter().enumerate() {
                let before = kids(&document);
                let generation = document.generation;
                let names = [first, second_key];
                let current = document.keys.get(first).map(|key| key.current.kid.clone());
                let now = at(i64::try_from(second).unwrap());
                document = match step {
                    0 => {
                        let new = |key| NewValue { key, value: Secret::new(format!("{key}{second}")) };
                        stage(document, &names, names.map(new).into(), now)
                    }
                    1 => promote(document, &names),
                    2 => retire(document, &names),
                    3 => abort(document, &names),
                    4 => {
                        let value = Secret::new(format!("prepared {first}{second}"));
                        prepare(document, NewValue { key: first, value }, now)
                    }
                    5 => join(document, RedisUrl(Secret::new(format!("joined {second}"))), now),
                    6 => leave(document),
                    _ => match current {
                        Some(kid) => revoke(document, first, &kid),
                        None => leave(document),
                    },
                };
                prop_assert_eq!(document.generation, generation.next());
                let after = kids(&document);
                if matches!(step, 0 | 1 | 4 | 5) {
                    prop_assert!(before.is_subset(&after));
                    prop_assert!(step != 4 || after == before, "what is prepared is in use");
                }
                for new in after.difference(&before) {
                    prop_assert!(ever.insert(new.clone()), "{} came twice", new);
                }
                for (name, slot, _) in document.keys.versions() {
                    prop_assert!(slot != Slot::Current || document.keys.get(name).is_some());
                }
            }
        }
    }
}
