//! The guides are what they say: every command of the walk is run, in its order.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::program::{administrator, start};
use crate::world::{ADMIN, PASSWORD};

const GUIDE: &str = include_str!("../../../docs/guides/walkthrough.md");
const LIMIT: Duration = Duration::from_secs(60);

/// The guide's blocks of shell, in one script.
fn script() -> String {
    let mut script = String::from("set -euo pipefail\n");
    let blocks: Vec<&str> = GUIDE
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() >= 9, "{}", blocks.len());
    script.extend(blocks);
    script
}

#[tokio::test]
async fn the_walk_goes_from_the_first_sign_in_to_the_export_and_the_end() {
    let database = crate::world::database().await;
    administrator(&database.url(), ADMIN, PASSWORD).await;
    let program = start(
        &database.url(),
        "auth: { hash_memory_kib: 8, hash_iterations: 1 }\n",
    );
    program.is_ready().await;
    let walk = Command::new("bash")
        .arg("-c")
        .arg(script())
        .env("API", format!("http://{}", program.api))
        .env("ADMIN_EMAIL", ADMIN)
        .env("ADMIN_PASSWORD", PASSWORD)
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, walk).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}\n{complaint}");
    assert!(told.ends_with("walked to the end\n"), "{told}");
    for expected in [
        "\"FORBIDDEN\"",
        "\"price\": \"39.90\"",
        "\"action\": \"auth.signed_in\"",
        "\"first_name\": \"Erased\"",
    ] {
        assert!(told.contains(expected), "{expected} is not in\n{told}");
    }
}

/// The table of codes in the guide knows every code that there is.
#[test]
fn r13_4_the_guide_names_every_code() {
    let guide = include_str!("../../../docs/guides/api.md");
    for code in erpgo::error::Code::ALL {
        let text = code.as_str();
        let family = text.starts_with("DUPLICATE_") && guide.contains("`DUPLICATE_…`");
        assert!(family || guide.contains(&format!("`{text}`")), "{text}");
    }
}
