//! As much of OTLP as tells a span's name and attributes.
//!
//! Owns [`spans`]: protobuf of `opentelemetry/proto/trace/v1`, read by field numbers, which never change.

use std::collections::BTreeMap;

/// A span, with its attributes as text.
#[derive(Debug)]
pub struct Span {
    /// Its name.
    pub name: String,
    attributes: BTreeMap<String, String>,
}

impl Span {
    /// The attribute `key`.
    pub fn told(&self, key: &str) -> Option<&str> {
        self.attributes.get(key).map(String::as_str)
    }
}

/// The spans of one request to a collector.
pub fn spans(export: &[u8]) -> Vec<Span> {
    let resources = messages(export, 1).into_iter();
    let scopes = resources.flat_map(|resource| messages(resource, 2));
    let spans = scopes.flat_map(|scope| messages(scope, 2));
    spans.map(span).collect()
}

fn span(message: &[u8]) -> Span {
    let attributes = messages(message, 9).into_iter().map(|attribute| {
        let value = messages(attribute, 2).into_iter().map(value);
        (text(attribute, 1), value.collect::<String>())
    });
    Span {
        name: text(message, 5),
        attributes: attributes.collect(),
    }
}

// Strings and numbers; no other kind is asked for here.
fn value(message: &[u8]) -> String {
    let told = fields(message).into_iter().map(|field| match field {
        (3, Field::Number(number)) => number.to_string(),
        (1, Field::Bytes(text)) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    });
    told.collect()
}

fn text(message: &[u8], number: u64) -> String {
    String::from_utf8_lossy(&messages(message, number).concat()).into_owned()
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn messages(message: &[u8], wanted: u64) -> Vec<&[u8]> {
    let all = fields(message).into_iter();
    all.filter_map(|field| match field {
        (number, Field::Bytes(bytes)) if number == wanted => Some(bytes),
        _ => None,
    })
    .collect()
}

fn fields(mut message: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut message)),
            1 => Field::Bytes(take(&mut message, 8)),
            2 => {
                let length = varint(&mut message);
                Field::Bytes(take(&mut message, length))
            }
            5 => Field::Bytes(take(&mut message, 4)),
            other => panic!("no wire type of protobuf: {other}"),
        };
        found.push((tag >> 3, field));
    }
    found
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = take(message, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn take<'a>(message: &mut &'a [u8], length: u64) -> &'a [u8] {
    let length = usize::try_from(length).unwrap();
    let (taken, rest) = message.split_at(length);
    *message = rest;
    taken
}
