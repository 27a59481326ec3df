//! The shared services start once, are found again, are replaced when they died, and go with `down`.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Runs `test-services` with a state of its own and returns its lines.
fn services(state: &Path, verb: &str) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_test-services");
    let output = Command::new(program)
        .arg(verb)
        .env("ERPGO_TEST_STATE", state)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Kills the shared PostgreSQL as a crash of the machine would: without a word to its record.
fn kill_postgres(state: &Path) {
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(state.join("postgres.json")).unwrap()).unwrap();
    let pid = record["process"]["pid"].to_string();
    assert!(
        Command::new("kill")
            .args(["-QUIT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let stat = format!("/proc/{pid}/stat");
    let deadline = Instant::now() + std::time::Duration::from_secs(10);
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < deadline);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn up_status_death_up_and_down() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    assert!(
        services(&state, "status")
            .iter()
            .all(|line| line.ends_with("not running"))
    );
    let first = services(&state, "up");
    assert!(
        first.iter().all(|line| line.contains("127.0.0.1:")),
        "{first:?}"
    );
    assert_eq!(services(&state, "up"), first);
    kill_postgres(&state);
    let second = services(&state, "up");
    assert_ne!(second[0], first[0]);
    assert_eq!(second[1], first[1]);
    services(&state, "down");
    assert!(!state.exists());
    assert!(
        services(&state, "status")
            .iter()
            .all(|line| line.ends_with("not running"))
    );
    services(&state, "down");
}
