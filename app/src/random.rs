//! Text that nobody can guess.
//!
//! Owns [`letters`], from the operating system's randomness alone, and [`ALPHABET`].

/// Digits and letters: nothing that a URL, a header or a double click breaks apart.
pub const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Letters that hold 256 bits.
pub const LETTERS_OF_256_BITS: usize = 43;

/// `length` letters, each as likely as any other.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn letters(length: usize) -> Result<String, getrandom::Error> {
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while text.len() < length {
        getrandom::fill(&mut bytes)?;
        // 248 = 4 × 62: bytes from there up are drawn again.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        let letters = fair.map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        text.extend(letters.take(length - text.len()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_comes_up_about_as_often_as_any_other() {
        let text = letters(62_000).unwrap();
        for letter in ALPHABET {
            let count = text.bytes().filter(|byte| byte == letter).count();
            assert!((800..=1_200).contains(&count), "{letter}: {count}");
        }
        assert_ne!(
            letters(LETTERS_OF_256_BITS).unwrap(),
            letters(LETTERS_OF_256_BITS).unwrap()
        );
    }
}
