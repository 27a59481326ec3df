//! Which passwords are strong enough.
//!
//! Owns [`check`]: length, an estimate of the guesses that it takes (zxcvbn's, with its lists of what is frequent),
//! common words and words of the context. There are no composition rules and nothing is cut off; what a rule says
//! never quotes the password (I-04).

use crate::config::AuthSettings;

/// Longest password in bytes: enough for any sentence, bounded for the hash (I-12).
const MAX_BYTES: usize = 1_024;
/// Fewest guesses, as a power of ten: each of them costs a whole argon2 hash.
const MIN_GUESSES: f64 = 9.0;
/// Characters that are looked at for it at either end: what they take grows faster than the square of their number.
const ESTIMATED: usize = 24;

/// Words that attackers try first, in some languages and of this trade, alone and with digits around them. What
/// is common in English is known to the estimate, too, which counts how often and not whether.
const COMMON: &[&str] = &[
    "password",
    "passwort",
    "motdepasse",
    "contrasena",
    "qwerty",
    "qwertz",
    "azerty",
    "asdfgh",
    "zxcvbn",
    "letmein",
    "welcome",
    "admin",
    "administrator",
    "root",
    "login",
    "iloveyou",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "superman",
    "batman",
    "trustno",
    "shadow",
    "master",
    "michael",
    "charlie",
    "secret",
    "changeme",
    "default",
    "test",
    "guest",
    "hello",
    "freedom",
    "whatever",
    "starwars",
    "pokemon",
    "summer",
    "winter",
    "spring",
    "autumn",
    "computer",
    "internet",
    "access",
    "company",
    "erpgo",
];

/// The rules that can be set.
#[derive(Clone, Copy, Debug)]
pub struct PasswordRules {
    /// Fewest characters.
    pub min_length: usize,
}

impl PasswordRules {
    /// Those that the settings ask for.
    #[must_use]
    pub fn of(settings: &AuthSettings) -> Self {
        Self {
            min_length: settings.password_min_length,
        }
    }
}

/// Why a password was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// Fewer characters than the rule asks for.
    #[error("must have at least {0} characters")]
    Short(usize),
    /// More bytes than are hashed.
    #[error("must have at most 1024 bytes")]
    Long,
    /// A common word with little around it.
    #[error("is made of a common password; choose something longer and less usual")]
    Common,
    /// The user's own words with little around them.
    #[error("is made of your name or e-mail; choose something that others do not know of you")]
    Context,
    /// Made of what people choose: frequent passwords, words, names, dates, repetitions, keys beside each other.
    #[error(
        "is too easy to guess; avoid well-known passwords, repetitions and sequences, and add words"
    )]
    Guessable,
}

impl Weak {
    /// The rule's code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Short(_) => "too_short",
            Self::Long => "too_long",
            Self::Common | Self::Context | Self::Guessable => "weak_password",
        }
    }
}

/// Checks `password`; the worst takes as long as a hash or two.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(password: &str, context: &[&str], rules: PasswordRules) -> Result<(), Weak> {
    if password.len() > MAX_BYTES {
        return Err(Weak::Long);
    }
    if password.chars().count() < rules.min_length {
        return Err(Weak::Short(rules.min_length));
    }
    let folded = password.to_lowercase();
    if !survives(&folded, COMMON.iter().copied()) {
        return Err(Weak::Common);
    }
    let words: Vec<String> = context.iter().flat_map(|text| words(text)).collect();
    if !survives(&folded, words.iter().map(String::as_str)) {
        return Err(Weak::Context);
    }
    if is_guessable(password) {
        return Err(Weak::Guessable);
    }
    Ok(())
}

fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() >= 4)
        .map(str::to_owned)
        .collect()
}

// What is left without the words must carry a password of its own: a sentence that happens to hold
// one of them does, "password1234" does not.
fn survives<'a>(folded: &str, words: impl Iterator<Item = &'a str>) -> bool {
    words.filter(|word| folded.contains(word)).all(|word| {
        let rest = folded.replace(word, "");
        rest.chars().filter(|c| c.is_alphabetic()).count() >= 6
    })
}

/// Whether neither end of it is hard to guess: with the rest it can only be harder.
fn is_guessable(password: &str) -> bool {
    let beginning = password.char_indices().nth(ESTIMATED);
    let beginning = beginning.map_or(password, |(end, _)| &password[..end]);
    let ending = password.char_indices().nth_back(ESTIMATED - 1);
    let ending = ending.map_or(password, |(start, _)| &password[start..]);
    let is_easy = |part: &str| zxcvbn::zxcvbn(part, &[]).guesses_log10() < MIN_GUESSES;
    is_easy(beginning) && (beginning == password || is_easy(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: PasswordRules = PasswordRules { min_length: 12 };

    #[test]
    fn r10_5_weak_ones_are_refused_with_their_reason() {
        let table = [
            ("short", Weak::Short(12)),
            ("password1234", Weak::Common),
            ("Passwort!2026", Weak::Common),
            ("administrator", Weak::Common),
            ("ann.miller123", Weak::Context),
            ("aaaaaaaaaaaaaaaa", Weak::Guessable),
            ("abcdefghijklmnop", Weak::Guessable),
            ("121212121212", Weak::Guessable),
            // From public lists of those that were found most often.
            ("1qaz2wsx3edc", Weak::Guessable),
            ("1q2w3e4r5t6y", Weak::Guessable),
            ("qazwsxedcrfv", Weak::Guessable),
            ("123456789987654321", Weak::Guessable),
            ("manchesterunited", Weak::Guessable),
            ("alexandra2009", Weak::Guessable),
        ];
        for (password, expected) in table {
            let outcome = check(
                password,
                &["ann.miller@example.org", "Ann", "Miller"],
                RULES,
            );
            assert_eq!(outcome, Err(expected), "{password}");
        }
    }

    #[test]
    fn r10_5_strong_ones_need_no_composition() {
        for good in [
            "correct horse battery staple",
            "purple otters juggle kelp",
            "Tr0ub4dor&3-and-more",
            "my old password was a giraffe",
            // Hard at one end.
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa purple otters juggle",
            "purple otters juggle kelp aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert_eq!(check(good, &["ann@example.org"], RULES), Ok(()), "{good}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn r10_5_long_random_ones_are_accepted_whole(password in "[!-~]{64,128}") {
            prop_assert_eq!(check(&password, &[], RULES), Ok(()));
        }

        #[test]
        fn r10_5_short_ones_never_are(password in ".{0,11}") {
            prop_assert_eq!(check(&password, &[], RULES), Err(Weak::Short(12)));
        }

        #[test]
        fn r10_5_no_reason_quotes_the_password(password in "[a-z]{12,40}") {
            if let Err(weak) = check(&password, &[], RULES) {
                let said = format!("{weak} {weak:?}");
                prop_assert!(!said.contains(&password));
            }
        }
    }
}
