//! Codes for the day on which the authenticator app is lost.
//!
//! Owns their form: four groups of four letters and digits, whatever their case, some 80 bits each, so
//! that a plain hash keeps them.

use sha2::{Digest as _, Sha256};

use crate::random::letters;

/// Codes that are made at once.
pub(super) const COUNT: usize = 10;
const LENGTH: usize = 16;

/// New codes, to be shown once.
pub(super) fn draw() -> Result<Vec<String>, getrandom::Error> {
    (0..COUNT).map(|_| one()).collect()
}

fn one() -> Result<String, getrandom::Error> {
    let text = letters(LENGTH)?.to_lowercase();
    let groups: Vec<&str> = (0..LENGTH).step_by(4).map(|at| &text[at..at + 4]).collect();
    Ok(groups.join("-"))
}

/// What is stored of a code; nothing when the text has not its form.
pub(super) fn digest(text: &str) -> Option<[u8; 32]> {
    let plain: String = text
        .chars()
        .filter(|c| !matches!(c, '-' | ' '))
        .take(LENGTH + 1)
        .collect();
    let good = plain.len() == LENGTH && plain.bytes().all(|byte| byte.is_ascii_alphanumeric());
    good.then(|| Sha256::digest(plain.to_ascii_lowercase()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_again_however_it_is_written() {
        let codes = draw().unwrap();
        assert_eq!(codes.len(), COUNT);
        for code in &codes {
            assert_eq!(code.len(), 19, "{code}");
            let known = digest(code).unwrap();
            assert_eq!(digest(&code.to_uppercase()), Some(known));
            assert_eq!(digest(&code.replace('-', " ")), Some(known));
        }
        let all: std::collections::HashSet<_> = codes.iter().map(|code| digest(code)).collect();
        assert_eq!(all.len(), COUNT);
        for bad in [
            "",
            "abcd-efgh-ijkl",
            "abcd-efgh-ijkl-mnopq",
            "äbcd-efgh-ijkl-mno",
        ] {
            assert_eq!(digest(bad), None, "{bad}");
        }
    }
}
