//! `erpgo-operator verify-log` on the ConfigMap as kubectl prints it.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use erpgo_operator::rotation::Note;
use erpgo_operator::rotation::log::{Entry, MAX_ENTRIES, append};
use jiff::Timestamp;

fn log(entries: usize) -> Vec<Entry> {
    let note = |number: usize| Note {
        warning: false,
        reason: "RotationBegun",
        subject: format!("r{number}-1800000000"),
        message: format!("rotation r{number}-1800000000 begins: jwt is rotated: \"quarterly\""),
    };
    let notes: Vec<Note> = (0..entries).map(note).collect();
    append(&[], &notes, Timestamp::UNIX_EPOCH).unwrap()
}

/// The lines of the log in the ConfigMap, in the form that `kubectl get -o yaml` gives to them.
fn config_map(log: &[Entry]) -> String {
    let lines = log
        .iter()
        .map(|entry| format!("    {}\n", serde_json::to_string(entry).unwrap()));
    format!(
        "apiVersion: v1\ndata:\n  log.jsonl: |\n{}kind: ConfigMap\nmetadata:\n  \
         creationTimestamp: \"2026-11-26T12:00:00Z\"\n  name: shop-rotation-log\n  namespace: shop\n  \
         resourceVersion: \"1234\"\n  uid: 5e10a0f2-0000-4000-8000-000000000000\n",
        lines.collect::<String>()
    )
}

/// Whether it succeeds, and what it prints.
fn verify(text: &str) -> (bool, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_erpgo-operator"))
        .args(["verify-log", "-f", "-"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn a_whole_log_is_told_with_its_first_and_last_entry() {
    let (is_whole, said) = verify(&config_map(&log(3)));
    assert!(is_whole, "{said}");
    assert_eq!(said, "3 entries, 1 to 3: the chain is whole\n");
    // The longest that there is; its oldest entries are gone.
    let (is_whole, said) = verify(&config_map(&log(MAX_ENTRIES + 2)));
    assert!(is_whole, "{said}");
    let expected = format!("{MAX_ENTRIES} entries, 3 to {}", MAX_ENTRIES + 2);
    assert!(said.starts_with(&expected), "{said}");
}

#[test]
fn each_way_to_tamper_with_it_fails() {
    let whole = config_map(&log(5));
    let line = |number: usize| -> String {
        let lines: Vec<&str> = whole.lines().collect();
        format!("{}\n", lines[2 + number])
    };
    let changed = whole.replacen(" is rotated: ", " was rotated: ", 1);
    let removed = whole.replace(&line(3), "");
    let garbled = whole.replace(&line(3), "    not an entry\n");
    let swapped = whole.replace(&(line(2) + &line(3)), &(line(3) + &line(2)));
    for (what, text, fault) in [
        ("a word is another", &changed, "entry 1 was changed"),
        ("a line is gone", &removed, "entry 4 does not follow"),
        ("a line is no entry", &garbled, "does not follow"),
        ("two change places", &swapped, "does not follow"),
    ] {
        assert_ne!(*text, whole, "{what}");
        let (is_whole, said) = verify(text);
        assert!(!is_whole && said.contains(fault), "{what}: {said}");
    }
}

#[test]
fn what_is_no_rotation_log_is_refused_with_a_way_out() {
    let (is_whole, said) = verify("apiVersion: v1\nkind: ConfigMap\ndata: {other: text}\n");
    assert!(!is_whole);
    assert!(
        said.contains("pass the ConfigMap NAME-rotation-log"),
        "{said}"
    );
}
