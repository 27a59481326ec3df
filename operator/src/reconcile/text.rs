//! Texts of others in messages of ours.
//!
//! Owns their bounds (I-12): what a pod, a migration or an API server says may be long, and a bound may
//! fall into the middle of a character.

/// Most names in one message.
const MAX_NAMED: usize = 5;

/// Some of `names`, in whatever order they were read, and how many there are beside them.
#[must_use]
pub fn listed(mut names: Vec<String>) -> String {
    names.sort_unstable();
    let others = names.len().saturating_sub(MAX_NAMED);
    names.truncate(MAX_NAMED);
    if others > 0 {
        names.push(format!("{others} more"));
    }
    names.join(", ")
}

/// `text`, cut to `most` bytes between characters.
#[must_use]
pub fn bounded_to(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

/// The last `most` bytes of `text` at most, from between two characters on. Of a log the end says why.
#[must_use]
pub fn end_of(text: &str, most: usize) -> String {
    let mut begin = text.len().saturating_sub(most);
    while !text.is_char_boundary(begin) {
        begin += 1;
    }
    text.get(begin..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{bounded_to, end_of};

    #[test]
    fn a_text_is_cut_between_characters_and_never_longer_than_allowed() {
        assert_eq!(bounded_to("abc", 3), "abc");
        assert_eq!(bounded_to("aäb", 2), "a");
        for most in 0..20 {
            assert!(bounded_to("ä€𝄞 ä€𝄞", most).len() <= most);
        }
    }

    #[test]
    fn the_end_of_a_text_begins_between_characters_and_is_never_longer_than_allowed() {
        assert_eq!(end_of("abc", 3), "abc");
        assert_eq!(end_of("abc", 2), "bc");
        assert_eq!(end_of("aäb", 2), "b");
        let text = "ä€𝄞 ä€𝄞";
        for most in 0..20 {
            let end = end_of(text, most);
            assert!(end.len() <= most && text.ends_with(&end), "{most}: {end}");
        }
        assert_eq!(end_of(text, 20), text);
    }
}
