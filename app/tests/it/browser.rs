//! The page of the API in a real browser.

mod devtools;

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use self::devtools::Page;
use crate::program::{QUICK, served, start};
use crate::world::ADMIN;

/// A slow machine under other tests; alone it takes a few seconds.
const LIMIT: Duration = Duration::from_secs(120);
const FLAGS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    // Nothing but this machine: a script or a font from elsewhere would be an error of the page.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--enable-logging=stderr",
];

/// Loads `url` until its scripts are at rest; the answer is the page as it then is, and what it said.
async fn loaded(url: &str) -> Output {
    let profile = tempfile::tempdir().unwrap();
    let browser = Command::new("chromium")
        .args(FLAGS)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("--virtual-time-budget=20000")
        .args(["--dump-dom", url])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, browser).await;
    let output = output.expect("the browser does not end");
    output.expect("chromium is missing: e2e/cluster/bin/doctor --install")
}

/// What the page's console was told, of all that the browser has said.
fn console(said: &[u8]) -> Vec<String> {
    let said = String::from_utf8_lossy(said);
    let lines = said.lines().filter(|line| line.contains("CONSOLE"));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn r13_5_the_page_shows_every_operation_in_a_browser_and_breaks_no_policy() {
    let database = crate::world::database().await;
    let program = start(&database.url(), "");
    program.is_ready().await;
    let output = loaded(&format!("http://{}/api/docs/", program.api)).await;
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = console(&output.stderr);
    assert!(said.is_empty(), "the console says {said:#?}");
    let operations = crate::openapi::operations();
    let shown = page.matches("class=\"opblock-summary-path\"").count();
    assert_eq!(
        shown,
        operations.len(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for (_, _, operation) in &operations {
        let id = operation["operationId"].as_str().unwrap();
        assert!(page.contains(id), "{id} is not on the page");
    }
}

/// A page that does break a policy is told from one that does not.
#[tokio::test]
async fn a_script_that_the_policy_forbids_is_heard_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    let text = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'\">
                <script>document.title = 'x'</script><p>still a page</p>";
    std::fs::write(&file, text).unwrap();
    let output = loaded(&format!("file://{}", file.display())).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("still a page"));
    let said = console(&output.stderr).join("\n");
    assert!(said.contains("Content Security Policy"), "{said}");
}

/// An operation is tried out as a person would do it, first without a token and then with one.
#[tokio::test]
async fn r13_5_an_operation_tried_out_on_the_page_is_answered_there() {
    let database = crate::world::database().await;
    let program = served(&database, QUICK).await;
    let token = program.signed_in().await;

    let mut page = Page::open(&format!("http://{}/api/docs/", program.api)).await;
    let profile = |part: &str| format!("#operations-auth-read_profile {part}");
    let status = profile(".live-responses-table tbody .response-col_status");
    let body = profile(".live-responses-table tbody .response-col_description");
    page.press(&profile(".opblock-summary-control")).await;
    page.press(&profile(".try-out__btn")).await;
    page.press(&profile(".execute")).await;
    page.shows(&status, "401").await;
    page.shows(&body, "UNAUTHORIZED").await;

    page.press(".auth-wrapper > .authorize").await;
    page.fill("#auth-bearer-value", &token).await;
    page.press(".auth-btn-wrapper [type=submit]").await;
    page.shows(".auth-container h6", "Authorized").await;
    page.press(".auth-btn-wrapper .btn-done").await;
    page.press(&profile(".execute")).await;
    page.shows(&status, "200").await;
    page.shows(&body, ADMIN).await;

    // Browsers note a refusal there; nothing else is to be said.
    let said = page.console();
    assert!(said.iter().all(|line| line.contains("401")), "{said:#?}");
}
