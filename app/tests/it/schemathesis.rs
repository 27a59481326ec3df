//! The served document and the served API, held against each other from outside (R13.2, R13.4, P3).

use std::time::Duration;

use crate::program::start;
use crate::tx::killed::{CONFIG, administrator, sign_in};

/// Inputs from every schema of the document, good and bad: no server error, no status, media type or
/// shape that the document does not name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r13_4_and_p03_no_generated_input_gets_what_the_document_does_not_say() {
    let database = crate::world::database().await;
    administrator(&database.url()).await;
    let config = CONFIG.replace("login_per_ip: 0", "login_per_ip: 0, lockout_failures: 1000");
    let program = start(&database.url(), &config);
    program.is_ready().await;
    let token = sign_in(&program).await;
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/../e2e/checks/schemathesis");
    let run = tokio::process::Command::new(check)
        .arg(format!("http://{}", program.api))
        .env("ERPGO_TOKEN", token)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(600), run)
        .await
        .expect("schemathesis does not end")
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    // A run that tested nothing would pass too.
    let passed = text
        .lines()
        .find(|line| line.contains("generated,"))
        .unwrap_or_default();
    let generated: u32 = passed
        .split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    assert!(generated >= 500, "{text}");
}
