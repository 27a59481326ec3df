//! One JSON object a line on standard output.
//!
//! Owns the shape of a log line. It takes text that is already free of values: nothing here can
//! reach a [`Secret`](erpgo_secret_set::Secret), which has no `Display` (I-04).

use std::error::Error;
use std::fmt::Display;
use std::io::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value};

/// Named values of a line.
pub(crate) type Fields<'a> = &'a [(&'a str, &'a dyn Display)];

// A log line is cut rather than allowed to grow with what a peer sends.
const MAX_FIELD_CHARS: usize = 512;

/// Something that happens in good order.
pub(crate) fn info(message: &str, fields: Fields<'_>) {
    write("info", message, fields);
}

/// Something that someone should know of and that is being retried.
pub(crate) fn warn(message: &str, fields: Fields<'_>) {
    write("warn", message, fields);
}

/// Something that ends the process.
pub(crate) fn error(message: &str, fields: Fields<'_>) {
    write("error", message, fields);
}

/// An error and its causes on one line.
#[must_use]
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn write(level: &str, message: &str, fields: Fields<'_>) {
    let mut text = line(Timestamp::now(), level, message, fields);
    text.push('\n');
    // Nobody can be told of a log that cannot be written.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn line(at: Timestamp, level: &str, message: &str, fields: Fields<'_>) -> String {
    let mut object = Map::new();
    object.insert("ts".to_owned(), Value::String(at.to_string()));
    object.insert("level".to_owned(), Value::String(level.to_owned()));
    object.insert("msg".to_owned(), Value::String(message.to_owned()));
    for (name, value) in fields {
        let text: String = value.to_string().chars().take(MAX_FIELD_CHARS).collect();
        object.insert((*name).to_owned(), Value::String(text));
    }
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object_whatever_is_in_it() {
        let nasty = format!("a\"b\nc{}", "x".repeat(2000));
        let text = line(Timestamp::UNIX_EPOCH, "info", "read", &[("what", &nasty)]);
        assert!(!text.contains('\n'));
        let object: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["msg"], "read");
        assert_eq!(
            object["what"].as_str().unwrap().chars().count(),
            MAX_FIELD_CHARS
        );
    }
}
