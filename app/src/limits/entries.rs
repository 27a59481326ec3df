//! What is remembered of those who are counted.
//!
//! Owns [`Entries`], which are bounded (I-12): when there are too many that are not over, they begin anew rather
//! than grow. Those that are over are cast out once for so many new ones: never must each new one look at all.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Entries that are kept when those that are over are cast out.
const CAPACITY: usize = 50_000;
/// New ones from one time to the next.
const STEP: usize = 5_000;

/// Entries by key, at most [`CAPACITY`] and a [`STEP`].
pub(super) struct Entries<K, V> {
    map: HashMap<K, V>,
    cast_out_at: usize,
}

impl<K, V> Default for Entries<K, V> {
    fn default() -> Self {
        Self {
            map: HashMap::new(),
            cast_out_at: STEP,
        }
    }
}

impl<K: Eq + Hash, V> Entries<K, V> {
    /// The entry of `key`, which is `fresh` if there was none.
    pub(super) fn entry(&mut self, key: K, is_alive: impl Fn(&V) -> bool, fresh: V) -> &mut V {
        if self.map.len() >= self.cast_out_at && !self.map.contains_key(&key) {
            self.cast_out(is_alive);
        }
        self.map.entry(key).or_insert(fresh)
    }

    fn cast_out(&mut self, is_alive: impl Fn(&V) -> bool) {
        self.map.retain(|_, value| is_alive(value));
        if self.map.len() > CAPACITY {
            self.map.clear();
        }
        self.cast_out_at = self.map.len() + STEP;
    }

    /// The entry of `key`, if there is one.
    pub(super) fn known(&mut self, key: &str) -> Option<&mut V>
    where
        K: Borrow<str>,
    {
        self.map.get_mut(key)
    }

    /// Forgets the entry of `key`.
    pub(super) fn remove(&mut self, key: &str)
    where
        K: Borrow<str>,
    {
        self.map.remove(key);
    }
}

#[cfg(test)]
impl<K, V> Entries<K, V> {
    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Many, of which the newest `alive` are not over; the entries, and how often one was looked at.
    fn many(number: usize, alive: usize) -> (Entries<usize, usize>, usize) {
        let looks = Cell::new(0);
        let mut entries = Entries::default();
        for now in 0..number {
            let is_alive = |then: &usize| {
                looks.set(looks.get() + 1);
                now - then < alive
            };
            entries.entry(now, is_alive, now);
            assert!(entries.map.len() <= CAPACITY + STEP);
            assert!(entries.map.contains_key(&now));
        }
        (entries, looks.get())
    }

    #[test]
    fn those_that_are_over_are_cast_out_and_no_others() {
        let (entries, _) = many(3 * STEP, 10);
        assert!(entries.map.len() <= STEP + 10);
        let (entries, _) = many(3 * CAPACITY, CAPACITY - 1);
        let mut newest = 2 * CAPACITY + 1..3 * CAPACITY;
        assert!(newest.all(|n| entries.map.contains_key(&n)));
        // Those that are there already cast nobody out, and stay as they are.
        let (mut entries, _) = many(STEP, 10);
        assert_eq!(*entries.entry(0, |_| false, 7), 0);
        assert_eq!(entries.map.len(), STEP);
        assert_eq!(*entries.entry(STEP, |_| false, 7), 7);
        assert_eq!(entries.map.len(), 1);
    }

    #[test]
    fn a_new_one_looks_at_few_on_average() {
        // Nearly as many as may be: each time some are over, and few.
        for alive in [10, CAPACITY - 1, CAPACITY, usize::MAX] {
            let number = 3 * CAPACITY;
            let (_, looks) = many(number, alive);
            assert!(looks > 0, "{alive}");
            assert!(
                looks <= number * (CAPACITY + STEP) / STEP,
                "{looks} of {alive}"
            );
        }
    }

    #[test]
    fn too_many_begin_anew() {
        let (entries, _) = many(CAPACITY + 1, usize::MAX);
        assert_eq!(entries.map.len(), CAPACITY + 1);
        let (entries, _) = many(CAPACITY + STEP + 1, usize::MAX);
        assert!(entries.map.len() <= STEP, "{}", entries.map.len());
    }
}
