//! How hard a key is to guess, estimated from its text alone.
//!
//! Owns [`estimated_bits`]. It is a floor against careless values, not a proof of randomness: a
//! text can look random and be known. It must not reject what a good generator makes.

use std::collections::HashSet;

const WINDOW: usize = 4;

/// Estimated entropy of `value` in bits: symbols that carry news, times the bits one symbol holds.
///
/// The bits per symbol come from the character classes in use, bounded by how many different
/// symbols occur; runs, sequences (`abcd`, `4321`) and repeated stretches carry no news.
#[must_use]
pub fn estimated_bits(value: &str) -> f64 {
    let symbols: Vec<char> = value.chars().collect();
    let Ok(news) = u32::try_from(news(&symbols)) else {
        return f64::INFINITY;
    };
    f64::from(news) * bits_per_symbol(&symbols)
}

fn bits_per_symbol(symbols: &[char]) -> f64 {
    let distinct = symbols.iter().collect::<HashSet<_>>().len();
    let by_use = u32::try_from(distinct).map_or(21.0, |n| f64::from(n.max(1)).log2() + 1.5);
    f64::from(alphabet(symbols)).log2().min(by_use)
}

fn alphabet(symbols: &[char]) -> u32 {
    if symbols.iter().all(|c| c.is_ascii_digit()) {
        return 10;
    }
    let lower_hex = |c: &char| matches!(c, '0'..='9' | 'a'..='f');
    let upper_hex = |c: &char| matches!(c, '0'..='9' | 'A'..='F');
    if symbols.iter().all(lower_hex) || symbols.iter().all(upper_hex) {
        return 16;
    }
    let any = |holds: fn(&char) -> bool| symbols.iter().any(holds);
    let class = |size: u32, holds: fn(&char) -> bool| if any(holds) { size } else { 0 };
    // Both cases together mean base64 or wider; that a short one lacks digits is chance.
    let letters = match (any(char::is_ascii_lowercase), any(char::is_ascii_uppercase)) {
        (true, true) => 64,
        (false, false) => class(10, char::is_ascii_digit),
        _ => 26 + class(10, char::is_ascii_digit),
    };
    let punctuation =
        |c: &char| c.is_ascii_punctuation() && !matches!(c, '-' | '_' | '+' | '/' | '=');
    let size = letters + class(31, punctuation) + class(128, |c| !c.is_ascii_graphic());
    size.max(2)
}

fn news(symbols: &[char]) -> usize {
    symbols
        .len()
        .min(without_steps(symbols))
        .min(without_repeats(symbols))
}

// A random text has about 3 steps in 16 symbols (hexadecimal, the densest); half is no accident.
fn without_steps(symbols: &[char]) -> usize {
    let step = |pair: &&[char]| u32::from(pair[0]).abs_diff(u32::from(pair[1])) <= 1;
    let steps = symbols.windows(2).filter(step).count();
    if steps * 2 > symbols.len() {
        symbols.len() - steps
    } else {
        symbols.len()
    }
}

// One chance repeat of four symbols happens in a few per cent of random texts; a tenth does not.
fn without_repeats(symbols: &[char]) -> usize {
    let Some(total) = symbols.len().checked_sub(WINDOW - 1).filter(|n| *n > 0) else {
        return symbols.len();
    };
    let distinct = symbols.windows(WINDOW).collect::<HashSet<_>>().len();
    if distinct * 10 >= total * 9 {
        symbols.len()
    } else {
        distinct + WINDOW - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MIN_KEY_BITS;
    use proptest::prelude::*;

    const HEX: &[u8; 16] = b"0123456789abcdef";
    const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    fn spell(bytes: &[u8], alphabet: &[u8]) -> String {
        bytes
            .iter()
            .map(|b| char::from(alphabet[usize::from(*b) % alphabet.len()]))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn p02_what_a_generator_makes_of_32_bytes_is_accepted(
            hex in prop::array::uniform32(any::<[u8; 2]>()),
            base64 in prop::collection::vec(any::<u8>(), 43),
        ) {
            prop_assert!(estimated_bits(&spell(&hex.concat(), HEX)) >= MIN_KEY_BITS);
            prop_assert!(estimated_bits(&spell(&base64, BASE64)) >= MIN_KEY_BITS);
        }

        #[test]
        fn p02_short_keys_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..32)) {
            prop_assert!(estimated_bits(&spell(&bytes, BASE64)) < MIN_KEY_BITS);
        }

        #[test]
        fn p02_repeating_a_short_key_does_not_make_it_strong(
            unit in "[a-zA-Z0-9]{1,16}", times in 2usize..40,
        ) {
            prop_assert!(estimated_bits(&unit.repeat(times)) < MIN_KEY_BITS);
        }
    }

    #[test]
    fn p02_sequences_and_runs_are_refused() {
        for weak in [
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "00000000000000000000000000000000000000000000000000000000000000000000",
            "your-secret-key-change-in-production",
        ] {
            assert!(
                estimated_bits(weak) < MIN_KEY_BITS,
                "{weak} was taken for strong"
            );
        }
    }
}
