//! Texts of others in messages of ours.
//!
//! Owns their bound (I-12): what a pod, a migration or an API server says may be long and end in the
//! middle of a character.

/// `text`, cut to `most` bytes between characters.
#[must_use]
pub fn bounded_to(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::bounded_to;

    #[test]
    fn a_text_is_cut_between_characters_and_never_longer_than_allowed() {
        assert_eq!(bounded_to("abc", 3), "abc");
        assert_eq!(bounded_to("aäb", 2), "a");
        for most in 0..20 {
            assert!(bounded_to("ä€𝄞 ä€𝄞", most).len() <= most);
        }
    }
}
