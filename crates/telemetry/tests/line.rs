//! A line says what `tracing-subscriber`'s own JSON format says of the same span and event (R12).
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use std::io;

use erpgo_telemetry::{Format, Options, build};
use erpgo_test_kit::log::Log;
use proptest::prelude::*;
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing_subscriber::layer::SubscriberExt as _;

fn ours(speak: impl FnOnce()) -> Vec<String> {
    let log = Log::default();
    let options = Options {
        service: "the-service",
        version: "1",
        format: Format::Json,
        filter: "info".into(),
        otlp: None,
    };
    let (subscriber, _telemetry) = build(&options, log.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, speak);
    log.lines()
}

fn theirs(speak: impl FnOnce()) -> Vec<String> {
    let log = Log::default();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(log.clone())
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false);
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, speak);
    log.lines()
}

/// What a line says, but for its time.
fn said(line: &str) -> Value {
    let mut line: Value = serde_json::from_str(line).unwrap_or_else(|error| {
        panic!("not JSON: {error}: {line}");
    });
    let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
    let time = time.as_str().unwrap();
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    line
}

#[derive(Clone, Debug)]
struct Values {
    text: String,
    signed: i64,
    unsigned: u64,
    share: f64,
    flag: bool,
}

fn values() -> impl Strategy<Value = Values> {
    let special = prop::sample::select(vec!['"', '\\', '\n', '\r', '\t', '\u{1b}', '\0', ':', ',']);
    let letter = prop_oneof![any::<char>(), special];
    let text = prop::collection::vec(letter, 0..40);
    // Eighths have few digits, which every reader of JSON reads exactly.
    let share = prop_oneof![
        8 => any::<i32>().prop_map(|eighths| f64::from(eighths) / 8.0),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e21, -1e-7]),
    ];
    (text, any::<i64>(), any::<u64>(), share, any::<bool>()).prop_map(
        |(text, signed, unsigned, share, flag)| Values {
            text: text.into_iter().collect(),
            signed,
            unsigned,
            share,
            flag,
        },
    )
}

fn speak(values: &Values) {
    let text = values.text.as_str();
    let error = io::Error::other(text);
    let span = tracing::info_span!(
        "the \"span\"",
        text,
        shown = %text,
        debugged = ?text,
        a.dotted.name = values.signed,
        later = Empty,
        never = Empty,
        twice = text,
    );
    span.record("later", values.share);
    span.record("twice", values.unsigned);
    span.in_scope(|| {
        tracing::warn!(
            text,
            debugged = ?Some(text),
            signed = values.signed,
            unsigned = values.unsigned,
            large = u128::from(values.unsigned) << 8,
            share = values.share,
            flag = values.flag,
            error = &error as &(dyn std::error::Error + 'static),
            "{text} and more"
        );
        let bare = tracing::info_span!("bare");
        bare.in_scope(|| tracing::info!("in a span without fields"));
        tracing::info!(parent: &bare, "in a span that is named");
        tracing::info!("in the outer one");
    });
    tracing::error!(target: "a \"target\"", flag = values.flag);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_line_says_what_the_common_format_says(values in values()) {
        let (ours, theirs) = (ours(|| speak(&values)), theirs(|| speak(&values)));
        prop_assert_eq!(ours.len(), 5);
        prop_assert_eq!(theirs.len(), 5);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            prop_assert_eq!(said(ours), said(theirs), "{}", ours);
        }
    }
}

#[test]
fn a_field_that_is_recorded_twice_has_one_entry_with_the_last_value() {
    let lines = ours(|| {
        let span = tracing::info_span!("span", other = "\"twice\":0,", twice = 1, twice_more = 2);
        span.record("twice", 3);
        span.record("twice", "four, \"twice\":5");
        span.in_scope(|| tracing::info!("said"));
    });
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(line.matches(r#","twice":"#).count(), 1, "{line}");
    let span = json!({
        "name": "span",
        "other": "\"twice\":0,",
        "twice": "four, \"twice\":5",
        "twice_more": 2,
    });
    assert_eq!(said(line)["span"], span);
}

#[test]
fn the_keys_of_a_line_come_in_one_order() {
    let lines = ours(|| {
        let span = tracing::info_span!("span", first = 1, second = Empty);
        span.record("second", 2);
        span.in_scope(|| tracing::info!(answer = 42, "said"));
    });
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    let behind = line.strip_prefix(r#"{"timestamp":""#).unwrap();
    let (_, behind) = behind.split_once('"').unwrap();
    let expected = r#","level":"INFO","message":"said","answer":42,"target":"line","span":{"first":1,"second":2,"name":"span"}}"#;
    assert_eq!(behind, expected);
}
