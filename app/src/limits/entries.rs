//! What is remembered of those who are counted.
//!
//! Owns [`Entries`], which are bounded (I-12), and in which order they go: those that are over; where there are too
//! many others, those that bar nobody; and those that bar somebody last of all, or whoever tries many names would
//! open the locks of others. They are cast out once for so many new ones: never must each new one look at all.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Entries that are kept when some are cast out.
const CAPACITY: usize = 50_000;
/// New ones from one time to the next.
const STEP: usize = 5_000;

/// What an entry is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nothing any more: it is as if there were none.
    Over,
    /// It counts, and bars nobody yet.
    Counts,
    /// It bars somebody.
    Bars,
}

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
    pub(super) fn entry(&mut self, key: K, hold: impl Fn(&V) -> Hold, fresh: V) -> &mut V {
        if self.map.len() >= self.cast_out_at && !self.map.contains_key(&key) {
            self.cast_out(hold);
        }
        self.map.entry(key).or_insert(fresh)
    }

    fn cast_out(&mut self, hold: impl Fn(&V) -> Hold) {
        self.map.retain(|_, value| hold(value) != Hold::Over);
        self.shrink(|value| hold(value) != Hold::Bars);
        self.shrink(|_| true);
        self.cast_out_at = self.map.len() + STEP;
    }

    /// Casts out as many as there are too many, of those that may go. Which of them the hasher decides, and nobody
    /// outside can tell.
    fn shrink(&mut self, may_go: impl Fn(&V) -> bool) {
        let excess = self.map.len().saturating_sub(CAPACITY);
        let gone = self.map.extract_if(|_, value| may_go(value));
        gone.take(excess).for_each(drop);
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

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    /// Many, of which the newest `alive` are not over; the entries, and how often one was looked at.
    fn many(number: usize, alive: usize) -> (Entries<usize, usize>, usize) {
        let looks = Cell::new(0);
        let mut entries = Entries::default();
        for now in 0..number {
            let hold = |then: &usize| {
                looks.set(looks.get() + 1);
                match now - then < alive {
                    true => Hold::Counts,
                    false => Hold::Over,
                }
            };
            entries.entry(now, hold, now);
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
        assert_eq!(*entries.entry(0, |_| Hold::Over, 7), 0);
        assert_eq!(entries.map.len(), STEP);
        assert_eq!(*entries.entry(STEP, |_| Hold::Over, 7), 7);
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
    fn of_too_many_only_those_go_that_are_too_many() {
        let (entries, _) = many(CAPACITY + 1, usize::MAX);
        assert_eq!(entries.map.len(), CAPACITY + 1);
        let (entries, _) = many(CAPACITY + STEP + 1, usize::MAX);
        assert_eq!(entries.map.len(), CAPACITY + 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        /// Of each `of` entries that come one after the other the first `locks` bar somebody; all are over once
        /// `alive` more have come.
        #[test]
        fn p10_what_bars_somebody_stays_as_long_as_anything_else_can_go(
            number in 1..2 * (CAPACITY + STEP),
            of in 1usize..40,
            locks in 0usize..40,
            alive in CAPACITY / 2..2 * CAPACITY,
        ) {
            let bars = |n: usize| n % of < locks;
            let mut entries = Entries::default();
            for now in 0..number {
                let hold = |then: &usize| match (now - then < alive, bars(*then)) {
                    (false, _) => Hold::Over,
                    (true, false) => Hold::Counts,
                    (true, true) => Hold::Bars,
                };
                entries.entry(now, hold, now);
                prop_assert!(entries.map.len() <= CAPACITY + STEP);
                prop_assert!(entries.map.contains_key(&now));
            }
            let first = number.saturating_sub(alive);
            let there = |n: &usize| entries.map.contains_key(n);
            // While there were never more of these than may be, none of them has gone.
            if alive.div_ceil(of) * locks.min(of) <= CAPACITY {
                prop_assert!((first..number).filter(|n| bars(*n)).all(|n| there(&n)));
            }
            // However many are locked, as many are kept as may be.
            let kept = (first..number).filter(there).count();
            prop_assert!(kept >= number.min(alive).min(CAPACITY), "{}", kept);
        }
    }
}
