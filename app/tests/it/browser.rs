//! The page of the API in a real browser.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use crate::program::start;

/// A slow machine under other tests; alone it takes a few seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// Loads `url` until its scripts are at rest; the answer is the page as it then is, and what it said.
async fn loaded(url: &str) -> Output {
    let profile = tempfile::tempdir().unwrap();
    let browser = Command::new("chromium")
        .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
        // Nothing but this machine: a script or a font from elsewhere would be an error of the page.
        .args(["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"])
        .args(["--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--enable-logging=stderr", "--virtual-time-budget=20000"])
        .args(["--dump-dom", url])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, browser).await;
    let output = output.expect("the browser does not end");
    output.expect("chromium is missing: e2e/cluster/bin/doctor --install")
}

/// What the page's console was told.
fn console(output: &Output) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
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
    let said = console(&output);
    assert!(said.is_empty(), "the console says {said:#?}");
    let operations = crate::errors::operations();
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
    let said = console(&output).join("\n");
    assert!(said.contains("Content Security Policy"), "{said}");
}
