//! The metrics and the dashboards over them, judged by Prometheus itself (R11.1).

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use erpgo_test_kit::{port, redis};
use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::program::{Program, administrator, ask, get, post, start_with};
use crate::world::{ADMIN, Answer, PASSWORD, access};

const LIMIT: Duration = Duration::from_secs(180);
const QUICK: &str =
    "auth: { hash_memory_kib: 8, hash_iterations: 1 }\nlimits: { login_per_ip: 6 }\n";

/// Queries that have nothing to show while nothing is wrong, by the panel's title.
const MAY_BE_EMPTY: [&str; 1] = ["Alerts now"];

/// An installation that has seen sign-ins of every kind, reads, writes and refusals, and so many reads that the
/// share of hits is known.
async fn served(redis: &str) -> Program {
    let database = crate::world::database().await;
    administrator(&database.url(), ADMIN, PASSWORD).await;
    let program = start_with(&database.url(), QUICK, &[("REDIS_URL", redis)]);
    program.is_ready().await;
    let headers = bearer(&program.signed_in().await);
    for _ in 0..100 {
        let read = ask(program.api, (Method::GET, "/api/v1/profile"), &headers, "");
        read.await.unwrap();
    }
    // The database lives as long as the program.
    std::mem::forget(database);
    program
}

async fn traffic(api: SocketAddr) {
    let sign_in = async |password: &str| {
        let body = json!({"email": ADMIN, "password": password});
        sent(api, "/auth/login", "", &body).await
    };
    let read = async |path: &str, token: &str| {
        let path = format!("/api/v1{path}");
        ask(api, (Method::GET, &path), &bearer(token), "")
            .await
            .unwrap()
    };
    let answer = sign_in(PASSWORD).await;
    if answer.status == 200 {
        let token = access(&answer.json());
        for path in ["/profile", "/users", "/products", "/audit", "/nowhere"] {
            read(path, &token).await;
        }
        let sku = format!("S-{}", uuid::Uuid::new_v4().simple());
        let product = json!({"sku": sku, "name": "Chair", "price": "1.00", "currency": "EUR"});
        for _ in 0..2 {
            sent(api, "/products", &token, &product).await;
        }
        sent(api, "/auth/logout", &token, &json!({})).await;
    }
    sign_in("wrong").await;
    read("/users", "").await;
    read("/users", "nonsense").await;
}

async fn sent(api: SocketAddr, path: &str, token: &str, body: &Value) -> Answer {
    let path = format!("/api/v1{path}");
    post(api, &path, &bearer(token), body).await.unwrap()
}

fn bearer(token: &str) -> String {
    match token {
        "" => String::new(),
        token => format!("authorization: Bearer {token}\r\n"),
    }
}

fn prometheus(directory: &Path, target: SocketAddr) -> (Child, String) {
    let config = directory.join("prometheus.yml");
    let text = format!(
        "global: {{ scrape_interval: 500ms, scrape_timeout: 500ms }}
scrape_configs:
  - job_name: erpgo
    static_configs:
      - targets: ['{target}']
        labels: {{ namespace: shop, erpgo: shop, pod: shop-1 }}
"
    );
    std::fs::write(&config, text).unwrap();
    let address = port::address();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            directory.join("data").display()
        ))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("prometheus is needed: apt-get install --yes --no-install-recommends prometheus");
    (child, format!("http://{address}/api/v1/query"))
}

async fn query(client: &reqwest::Client, url: &str, expression: &str) -> Option<Value> {
    let mut url = url::Url::parse(url).unwrap();
    url.query_pairs_mut().append_pair("query", expression);
    client.get(url).send().await.ok()?.json().await.ok()
}

fn results(answer: &Value) -> usize {
    answer["data"]["result"].as_array().map_or(0, Vec::len)
}

/// What Prometheus is asked when all of an installation is chosen.
fn chosen(query: &str) -> String {
    let query = query
        .replace("$namespace", "shop")
        .replace("$erpgo", ".*")
        .replace("$__rate_interval", "1m");
    assert!(!query.contains('$'), "{query}");
    query
}

/// The series among whose labels a variable finds what may be chosen: `label_values(series, label)`.
fn choices(variable: &Value) -> String {
    let query = variable["query"].as_str().unwrap();
    let inner = query.strip_prefix("label_values(").unwrap();
    let inner = inner.strip_suffix(')').unwrap();
    let (series, label) = inner.rsplit_once(", ").unwrap();
    match series.strip_suffix('}') {
        Some(open) => format!("{open}, {label}!=\"\"}}"),
        None => format!("{series}{{{label}!=\"\"}}"),
    }
}

/// Every query of every dashboard: file, panel or variable, query.
fn queries() -> Vec<(String, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/erpgo-operator/dashboards");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            for target in panel["targets"].as_array().unwrap() {
                let query = chosen(target["expr"].as_str().unwrap());
                found.push((name.clone(), title.to_owned(), query));
            }
        }
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let asked = variables
            .iter()
            .filter(|variable| variable["type"] == "query");
        let before = found.len();
        for variable in asked {
            let title = format!("${}", variable["name"].as_str().unwrap());
            found.push((name.clone(), title, chosen(&choices(variable))));
        }
        assert!(found.len() > before, "{name} lets nothing be chosen");
    }
    found
}

#[tokio::test]
async fn r11_1_every_query_of_every_dashboard_shows_what_a_served_app_reports() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let redis = redis::server().await;
    let program = served(&redis.url()).await;
    let directory = tempfile::tempdir().unwrap();
    let (_prometheus, url) = prometheus(directory.path(), program.metrics);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut missing = queries();
    assert!(missing.len() > 40, "{}", missing.len());
    missing.retain(|(_, title, _)| !MAY_BE_EMPTY.contains(&&**title));
    let begun = std::time::Instant::now();
    // A rate needs two scrapes with something between them.
    while !missing.is_empty() {
        traffic(program.api).await;
        let mut left = Vec::new();
        for (name, title, expression) in missing {
            let answer = query(&client, &url, &expression).await;
            if let Some(answer) = &answer {
                assert_eq!(
                    answer["status"], "success",
                    "{name}: {expression}: {answer}"
                );
            }
            if answer.as_ref().map_or(0, results) == 0 {
                left.push((name, title, expression));
            }
        }
        missing = left;
        assert!(begun.elapsed() < LIMIT, "no data for {missing:#?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // Those that may be empty must be understood all the same.
    for (name, _, expression) in queries() {
        let answer = query(&client, &url, &expression).await.unwrap();
        assert_eq!(
            answer["status"], "success",
            "{name}: {expression}: {answer}"
        );
    }
}

#[tokio::test]
async fn r11_1_promtool_has_nothing_to_say_of_the_metrics() {
    let redis = redis::server().await;
    let program = served(&redis.url()).await;
    traffic(program.api).await;
    let (_, text) = get(program.metrics, "/metrics").await.unwrap();
    for name in [
        "users_active_total",
        "erpgo_redis_call_duration_seconds_bucket",
        "erpgo_db_transactions_total{result=\"committed\"}",
    ] {
        assert!(text.contains(name), "{name} is missing in:\n{text}");
    }
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is needed: apt-get install --yes --no-install-recommends prometheus");
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(text.as_bytes()).await.unwrap();
    drop(input);
    let output = promtool.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
