//! Files of the repository and the tools that judge them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A path from the root of the repository.
pub(super) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(relative)
}

/// A file as text.
pub(super) fn read(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// Runs a pinned tool in the root of the repository: its output, or what it complained of.
pub(super) fn run(tool: &str, arguments: &[&str]) -> Result<String, String> {
    let program = erpgo_test_kit::tools::tool(tool).unwrap();
    let output = Command::new(program)
        .args(arguments)
        .current_dir(path("."))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stdout) + &text(&output.stderr))
    }
}

/// The documents of a YAML stream; empty ones are left out.
pub(super) fn documents(yaml: &str) -> Vec<Value> {
    format!("\n{yaml}")
        .split("\n---\n")
        .map(|text| {
            serde_saphyr::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
        })
        .filter(|document| !document.is_null())
        .collect()
}

/// Fails unless the committed file is what is generated; `UPDATE_GENERATED=1` writes it.
pub(super) fn committed(relative: &str, generated: &str) {
    let mut committed = std::fs::read_to_string(path(relative)).unwrap_or_default();
    if std::env::var_os("UPDATE_GENERATED").is_some() && committed != generated {
        std::fs::write(path(relative), generated).unwrap();
        generated.clone_into(&mut committed);
    }
    assert!(
        committed == generated,
        "{relative} is not current: run `make generate` and commit the result\n{}",
        similar_asserts::SimpleDiff::from_str(&committed, generated, "committed", "generated")
    );
}
