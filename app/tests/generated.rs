//! The committed OpenAPI document is the one that the program prints.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use std::path::Path;
use std::process::Command;

const DOCUMENT: &str = "docs/openapi.json";

fn printed() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_erpgo"))
        .arg("openapi")
        .env_clear()
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    String::from_utf8(output.stdout).unwrap()
}

/// Where the two part ways, for a person who reads the failure.
fn difference(committed: &str, printed: &str) -> String {
    let lines = committed.lines().map(Some).chain(std::iter::repeat(None));
    let mut pairs = lines.zip(printed.lines().map(Some).chain([None])).zip(1..);
    let found = pairs.find(|((committed, printed), _)| committed != printed);
    found.map_or_else(
        || "they differ in their last line ends".to_owned(),
        |((committed, printed), number)| {
            let shown = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
            format!(
                "line {number}\n  committed: {}\n  printed:   {}",
                shown(committed),
                shown(printed)
            )
        },
    )
}

#[test]
fn the_committed_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(DOCUMENT);
    let printed = printed();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &printed).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == printed,
        "{DOCUMENT} is not what `erpgo openapi` prints: run `make generate` and commit the result\n{}",
        difference(&committed, &printed)
    );
}

#[test]
fn the_first_line_that_differs_is_shown() {
    assert!(difference("a\nb\n", "a\nc\n").contains("line 2\n  committed: b\n  printed:   c"));
    assert!(difference("a\n", "a\nb\n").contains("line 2\n  committed: (the end)"));
    assert!(difference("a\nb\n", "a\n").contains("printed:   (the end)"));
    assert!(difference("a\n", "a").contains("last line ends"));
}
