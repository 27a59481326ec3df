//! How many units of a large quota a process takes at once.
//!
//! Owns one rule, without clock or I/O: what is taken follows what is spent, so that what lapses is never
//! more than what was used.

/// How many units to take after `size`, of which `unspent` are left: as many as were spent, or twice as many
/// when that took no second.
pub(super) fn next(size: u32, unspent: u32, in_time: bool) -> u32 {
    let spent = size.saturating_sub(unspent).max(1);
    if unspent == 0 && in_time {
        spent.saturating_mul(2)
    } else {
        spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn r05_what_lapses_unspent_is_less_than_what_was_spent_before(
            seconds in proptest::collection::vec(0u32..1_000, 1..100),
        ) {
            let mut size = 1;
            for spends in seconds {
                let spent = spends.min(size);
                let asked = next(size, size - spent, spends >= size);
                prop_assert!(asked <= 2 * spent.max(1), "{asked} after {spent}");
                prop_assert!(asked >= spent, "{asked} after {spent}");
                size = asked;
            }
        }
    }

    #[test]
    fn a_busy_user_soon_takes_much_at_once_and_a_quiet_one_little() {
        let sizes = std::iter::successors(Some(1), |size| Some(next(*size, 0, true)));
        assert_eq!(sizes.take(10).last(), Some(512));
        assert_eq!(next(512, 509, false), 3);
        assert_eq!(next(3, 3, false), 1);
        assert_eq!(next(1, 0, false), 1);
    }
}
