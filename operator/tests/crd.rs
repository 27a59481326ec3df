//! What `erpgo-operator crd` prints is the committed definition, which `kubectl apply` takes.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use std::path::Path;
use std::process::Command;

#[test]
fn the_command_prints_the_committed_definition_and_nothing_else() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/erpgo.io_erpgos.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_erpgo-operator"))
        .arg("crd")
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let printed = String::from_utf8(output.stdout).unwrap();
    let committed = std::fs::read_to_string(path).unwrap();
    // Too long to be shown whole.
    let mut pairs = printed.lines().zip(committed.lines());
    let differs = pairs.find(|(printed, committed)| printed != committed);
    assert_eq!(differs, None, "run `make generate` and commit the result");
    assert!(printed == committed, "one of the two goes on");
}
