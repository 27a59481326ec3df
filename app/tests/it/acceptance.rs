//! Every number of the acceptance list is found by a search in the tests.
//!
//! A test shows a number that stands in its name, or in the comment above it where it shows several:
//! `r05_2`, `p08`. Whoever takes the last proof of a number away meets this list.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Requirements of five points each.
const REQUIREMENTS: [u32; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 18];
const PROPERTIES: std::ops::RangeInclusive<u32> = 1..=17;
/// Where tests are.
const FOLDERS: [&str; 7] = [
    "app",
    "crates",
    "crds",
    "e2e",
    "operator",
    "sidecar-secrets",
    "tests",
];

fn numbers() -> Vec<String> {
    let points = REQUIREMENTS
        .iter()
        .flat_map(|r| (1..=5).map(move |point| format!("r{r:02}_{point}")));
    points
        .chain(PROPERTIES.map(|p| format!("p{p:02}")))
        .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// Name and comment of each test in `text`.
fn tests(text: &str) -> Vec<String> {
    let (mut found, mut comment, mut is_test) = (Vec::new(), String::new(), false);
    for line in text.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("///") {
            comment += more;
        } else if line.starts_with("#[") {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
        } else {
            let name = line.trim_start_matches("async ").strip_prefix("fn ");
            if let (Some(name), true) = (name, is_test) {
                let name = name.split('(').next().unwrap_or_default();
                found.push(format!("{comment} {name}"));
            }
            (comment, is_test) = (String::new(), false);
        }
    }
    found
}

/// Whether `text` has `number` and not the beginning of a longer one.
fn shows(text: &str, number: &str) -> bool {
    text.match_indices(number).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + number.len()..].chars().next();
        !before.is_some_and(|c| c.is_ascii_alphanumeric())
            && !after.is_some_and(|c| c.is_ascii_alphanumeric())
    })
}

#[test]
fn every_number_of_the_acceptance_list_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in FOLDERS {
        sources(&root.join(folder), &mut files);
    }
    let mut all = Vec::new();
    for file in files {
        all.extend(tests(&std::fs::read_to_string(file).unwrap()));
    }
    let proofs: BTreeMap<_, _> = numbers()
        .into_iter()
        .map(|number| {
            let count = all.iter().filter(|test| shows(test, &number)).count();
            (number, count)
        })
        .collect();
    assert_eq!(proofs.len(), 16 * 5 + 17);
    let missing: Vec<_> = proofs.iter().filter(|(_, count)| **count == 0).collect();
    assert!(missing.is_empty(), "no test shows {missing:?}");
}

#[test]
fn a_number_counts_in_a_test_alone() {
    let text = "/// r01_1 and more\n#[test]\nfn p02_a_thing() {}\n\n/// p03\nfn no_test() {}\n\
                #[tokio::test(flavor = \"x\")]\nasync fn r04_51_x() {}\n// p05\n#[test]\nfn plain() {}\n";
    let found = tests(text);
    assert_eq!(found.len(), 3, "{found:?}");
    let any = |number: &str| found.iter().any(|test| shows(test, number));
    for (number, expected) in [
        ("r01_1", true),
        ("p02", true),
        ("p03", false),
        ("r04_5", false),
        ("p05", false),
    ] {
        assert_eq!(any(number), expected, "{number}");
    }
}
