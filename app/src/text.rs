//! Text that names something.
//!
//! Owns [`name`], which the names of several nouns are. Pure.

/// `text` without blanks at its ends, if that has 1 to `most` characters and none is a control character.
#[must_use]
pub fn name(text: &str, most: usize) -> Option<&str> {
    let text = text.trim();
    let good = (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    good.then_some(text)
}
