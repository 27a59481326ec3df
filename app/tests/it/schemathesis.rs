//! The served document and the served API, held against each other from outside (R13.2, R13.4, P3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::Method;

use crate::program::{ask, get, served};
use crate::tx::killed::CONFIG;

/// What may end a session or an account: its requests come from users of their own, and some succeed.
const ENDING: [(&str, &str); 7] = [
    ("POST", "/api/v1/auth/logout"),
    ("POST", "/api/v1/auth/change-password"),
    ("DELETE", "/api/v1/sessions"),
    ("DELETE", "/api/v1/sessions/{id}"),
    ("DELETE", "/api/v1/users/{id}/sessions"),
    ("POST", "/api/v1/profile/erase"),
    ("POST", "/api/v1/users/{id}/erase"),
];

/// Method and path of an operation, and the statuses that it has answered.
type Answered = BTreeMap<(String, String), BTreeSet<u16>>;

/// By the program's own count.
fn answered(metrics: &str) -> Answered {
    let mut answered = Answered::new();
    let counts = metrics.lines();
    for line in counts.filter(|line| line.starts_with("http_requests_total{")) {
        let mut values = line.split('"').skip(1).step_by(2);
        let mut next = || values.next().unwrap().to_owned();
        let (method, path, status) = (next(), next(), next());
        let statuses = answered.entry((method, path)).or_default();
        statuses.insert(status.parse().unwrap());
    }
    answered
}

/// Operations that were not answered at all, and those of [`ENDING`] that never succeeded or never refused.
fn left_out(answered: &Answered) -> Vec<String> {
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    let mut left_out = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let methods = item.as_object().unwrap().iter();
        for (method, _) in methods.filter(|(_, operation)| operation["responses"].is_object()) {
            let method = method.to_uppercase();
            let ends = ENDING.contains(&(&*method, &**path));
            let statuses = answered.get(&(method.clone(), path.clone()));
            let is_asked = statuses.is_some_and(|statuses| {
                let refused = statuses.range(400..500).next().is_some();
                !ends || statuses.contains(&204) && refused
            });
            if !is_asked {
                left_out.push(format!("{method} {path}: {statuses:?}"));
            }
        }
    }
    left_out
}

/// How many inputs each run has tried, as it says at its end.
fn generated(text: &str) -> Vec<u32> {
    let lines = text.lines().filter(|line| line.contains("generated,"));
    lines
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect()
}

/// Inputs from every schema of the document, good and bad: no server error, no status, media type or
/// shape that the document does not name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r13_4_and_p03_no_generated_input_gets_what_the_document_does_not_say() {
    let database = crate::world::database().await;
    // One token is good for the whole run.
    let config = CONFIG
        .replace("login_per_ip: 0", "login_per_ip: 0, lockout_failures: 1000")
        .replace("auth: {", "auth: { access_ttl: 1h,");
    let program = served(&database, &config).await;
    let token = program.signed_in().await;
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/../e2e/checks/schemathesis");
    let run = tokio::process::Command::new(check)
        .arg(format!("http://{}", program.api))
        .env("ERPGO_TOKEN", &token)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(1_500), run)
        .await
        .expect("schemathesis does not end")
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");

    // A run that tested nothing would pass too, and so would one whose session had ended on the way.
    let [all, ending] = generated(&text)[..] else {
        panic!("two runs are expected: {text}")
    };
    assert!(all >= 500 && ending >= 50, "{text}");
    let (_, metrics) = get(program.metrics, "/metrics").await.unwrap();
    let left_out = left_out(&answered(&metrics));
    assert!(left_out.is_empty(), "{left_out:#?}\n{text}");
    let bearer = format!("authorization: Bearer {token}\r\n");
    let profile = ask(program.api, (Method::GET, "/api/v1/profile"), &bearer, "").await;
    profile.unwrap().expect(200);
}

#[test]
fn what_was_not_asked_or_never_succeeded_is_found() {
    let line = |method: &str, path: &str, status: u16| {
        let labels = format!("method=\"{method}\",path=\"{path}\",status=\"{status}\"");
        format!("http_requests_total{{{labels}}} 1\n")
    };
    let metrics = [
        line("GET", "/health/live", 200),
        line("POST", "/api/v1/auth/logout", 401),
        line("DELETE", "/api/v1/sessions", 401),
        line("DELETE", "/api/v1/sessions", 204),
    ];
    let left_out = left_out(&answered(&metrics.concat())).join("\n");
    for missed in [
        "GET /api/v1/profile: None",
        "POST /api/v1/auth/logout: Some({401})",
    ] {
        assert!(left_out.contains(missed), "{left_out}");
    }
    for asked in ["GET /health/live:", "DELETE /api/v1/sessions:"] {
        assert!(!left_out.contains(asked), "{left_out}");
    }
}
