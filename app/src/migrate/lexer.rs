//! Just enough of PostgreSQL's lexical rules to find where a statement ends.
//!
//! Owns [`tokens`]: quotes, dollar quotes, nested comments. It knows no grammar beyond that.

/// A piece of SQL that matters to whoever splits or reads statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A string of any form.
    Text,
    /// The end of a statement.
    Semicolon,
    /// A single character of anything else.
    Other,
}

/// A quote or comment that is never closed, at this byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclosed(pub(super) usize);

/// The tokens of `sql`; blanks and comments are left out.
pub(super) fn tokens(sql: &str) -> Result<Vec<Token<'_>>, Unclosed> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < sql.len() {
        let rest = &sql[at..];
        if let Some(length) = skipped(rest).ok_or(Unclosed(at))? {
            at += length;
            continue;
        }
        let (kind, length) = token(rest).ok_or(Unclosed(at))?;
        tokens.push(Token {
            kind,
            text: &rest[..length],
            start: at,
        });
        at += length;
    }
    Ok(tokens)
}

/// Length of the blank or comment that `rest` begins with: `Some(None)` for neither, `None` when it
/// is never closed.
#[expect(
    clippy::option_option,
    reason = "outer: closed or not; inner: there or not"
)]
fn skipped(rest: &str) -> Option<Option<usize>> {
    let first = rest.chars().next()?;
    if first.is_whitespace() {
        return Some(Some(first.len_utf8()));
    }
    if rest.starts_with("--") {
        return Some(Some(rest.find('\n').unwrap_or(rest.len())));
    }
    if rest.starts_with("/*") {
        return comment(rest).map(Some);
    }
    Some(None)
}

fn comment(rest: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest[at..].chars().next()?.len_utf8();
        }
    }
    None
}

/// The token that `rest` begins with, and its length.
fn token(rest: &str) -> Option<(Kind, usize)> {
    let first = rest.chars().next()?;
    let escaped = rest.chars().nth(1) == Some('\'');
    match first {
        ';' => Some((Kind::Semicolon, 1)),
        '\'' => quoted(rest, 0, '\'', false).map(|end| (Kind::Text, end)),
        '"' => quoted(rest, 0, '"', false).map(|end| (Kind::Quoted, end)),
        'e' | 'E' if escaped => quoted(rest, 1, '\'', true).map(|end| (Kind::Text, end)),
        '$' => match dollar_tag(rest) {
            Some(tag) => {
                let close = rest[tag.len()..].find(tag)?;
                Some((Kind::Text, tag.len() * 2 + close))
            }
            None => Some((Kind::Other, 1)),
        },
        c if starts_word(c) => {
            let end = rest.find(|c| !continues_word(c)).unwrap_or(rest.len());
            Some((Kind::Word, end))
        }
        c => Some((Kind::Other, c.len_utf8())),
    }
}

/// Where the quote that opens at `open` ends; a doubled quote is part of the text.
fn quoted(rest: &str, open: usize, quote: char, backslash: bool) -> Option<usize> {
    let mut chars = rest.char_indices().skip_while(|(at, _)| *at <= open);
    while let Some((at, c)) = chars.next() {
        if backslash && c == '\\' {
            chars.next();
        } else if c == quote {
            let end = at + 1;
            if rest[end..].starts_with(quote) {
                chars.next();
            } else {
                return Some(end);
            }
        }
    }
    None
}

/// `$$` or `$name$`.
fn dollar_tag(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 2;
    let name = &rest[1..end - 1];
    let good = name.chars().next().is_none_or(starts_word) && name.chars().all(continues_word);
    (good && !name.contains('$')).then(|| &rest[..end])
}

fn starts_word(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

// A dollar continues a name: `a$b$c` is one word and no quote.
fn continues_word(c: char) -> bool {
    c == '_' || c == '$' || c.is_alphanumeric()
}
