//! Captured programs: lines are found, the end is noticed, and the program dies with its handle.

use erpgo_test_kit::{Signal, capture};
use std::time::Duration;
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(10);

fn shell(script: &str) -> capture::Captured {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    capture::spawn(command).unwrap()
}

#[tokio::test]
async fn lines_of_both_streams_are_found_and_kept() {
    let mut program = shell("echo first; echo second >&2; exec sleep 60");
    assert_eq!(program.wait_for_line("fir", LIMIT).await.unwrap(), "first");
    assert_eq!(
        program.wait_for_line("second", LIMIT).await.unwrap(),
        "second"
    );
    assert_eq!(
        (program.stdout(), program.stderr()),
        (vec!["first".into()], vec!["second".into()])
    );
    program.signal(Signal::TERM).unwrap();
    assert!(!program.wait(LIMIT).await.unwrap().success());
}

#[tokio::test]
async fn a_missing_line_ends_with_an_error_that_shows_what_was_printed() {
    let mut ended = shell("echo only this; exit 3");
    let error = ended
        .wait_for_line("other", LIMIT)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("ended without") && error.contains("only this"),
        "{error}"
    );
    assert_eq!(ended.wait(LIMIT).await.unwrap().code(), Some(3));
    let mut silent = shell("exec sleep 60");
    let error = silent
        .wait_for_line("other", Duration::from_millis(100))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("within 100ms"), "{error}");
}

#[tokio::test]
async fn output_without_end_is_kept_within_bounds() {
    let mut program = shell("head -c 12000000 /dev/zero | tr '\\0' 'a'; echo; echo last");
    program.wait(LIMIT).await.unwrap();
    let kept: usize = program.stdout().iter().map(String::len).sum();
    assert!(kept <= 4 * 1024 * 1024, "{kept}");
    assert_eq!(program.stdout().last().map(String::as_str), Some("last"));
}

#[tokio::test]
async fn the_program_dies_with_its_handle() {
    let program = shell("exec sleep 60");
    let stat = format!("/proc/{}/stat", program.id().unwrap());
    assert!(std::fs::exists(&stat).unwrap());
    drop(program);
    let deadline = std::time::Instant::now() + LIMIT;
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
