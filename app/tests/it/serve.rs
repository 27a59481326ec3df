//! The real program from start to end: ready, measured, reloaded, told to stop (R8, R9, R11, R15.4).

use erpgo_secret_set::{Document, Generation};
use erpgo_test_kit::{Signal, redis};
use serde_json::json;

use crate::commands::ask;
use crate::program::{HOOKS, LIMIT, Program, QUICK, administrator, get, post, start, start_with};
use crate::rotation::pod::write;
use crate::world::{ADMIN, PASSWORD, copy_keys, document, until};

/// r09_1, r09_2, r09_3 and r09_5: each hook in its turn, and each in the log.
#[tokio::test]
async fn r09_1_to_5_sigterm_ends_the_program_in_order_with_exit_0() {
    let database = crate::world::database().await;
    let mut program = start(&database.url(), "");
    program.is_ready().await;
    let pid = program.process.id().unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let cores = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<_> = cores.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "i04: no dump holds a value");
    program.process.signal(Signal::TERM).unwrap();
    let status = program.process.wait(LIMIT).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", program.process.tail());
    assert_eq!(program.hooks_done(), HOOKS);
}

#[tokio::test]
async fn sigint_ends_it_too() {
    let database = crate::world::database().await;
    let mut program = start(&database.url(), "");
    program.is_ready().await;
    program.process.signal(Signal::INT).unwrap();
    assert_eq!(program.process.wait(LIMIT).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn r11_1_metrics_are_on_their_own_port_under_the_agreed_names() {
    let database = crate::world::database().await;
    let program = start(&database.url(), "");
    program.is_ready().await;
    get(program.api, "/api/v1/users").await.unwrap();
    get(
        program.api,
        "/api/v1/users/018f0000-0000-7000-8000-000000000000",
    )
    .await
    .unwrap();
    assert_eq!(get(program.api, "/metrics").await.unwrap().0, 404);
    let (status, text) = get(program.metrics, "/metrics").await.unwrap();
    assert_eq!(status, 200);
    for expected in [
        "http_requests_total{method=\"GET\",path=\"/api/v1/users\",status=\"401\"} 1",
        "http_requests_total{method=\"GET\",path=\"/api/v1/users/{id}\",status=\"401\"} 1",
        "http_request_duration_seconds_bucket{method=\"GET\",path=\"/api/v1/users\"",
        "http_requests_in_flight 0",
        "auth_account_lockouts_total 0",
        "auth_token_validations_total{result=\"missing\"} 2",
        "db_connection_pool_size ",
        "db_connection_pool_in_use ",
        "db_connection_pool_wait_duration_seconds_bucket",
        "cache_evictions_total 0",
        "users_active_total 0",
        "users_created_total 0",
        "api_keys_active_total 0",
        "erpgo_secret_set_generation 1",
        "erpgo_dependency_up{dependency=\"database\"} 1",
        "erpgo_build_info{version=",
        "db_queries_total{",
        "db_query_duration_seconds_bucket{",
    ] {
        assert!(text.contains(expected), "{expected} is missing in:\n{text}");
    }
    assert!(!text.contains(REDIS_UP), "there is none:\n{text}");
    // Nobody has read anything yet: that is no rate of 0.
    assert!(!text.contains("cache_hit_rate"), "{text}");
}

/// Those that keep house are always there; a request leaves none behind.
#[tokio::test]
async fn r11_1_the_tasks_of_the_process_are_told_and_do_not_grow() {
    let database = crate::world::database().await;
    let program = start(&database.url(), "");
    program.is_ready().await;
    let tasks = async || {
        let tasks = said(&program, "erpgo_tasks ").await.unwrap();
        tasks.parse::<usize>().unwrap()
    };
    let before = tasks().await;
    assert!(before > 0);
    for _ in 0..200 {
        get(program.api, "/api/v1/users").await.unwrap();
    }
    until("their tasks have ended", || async {
        tasks().await < before + 20
    })
    .await;
}

/// The first requests find connections that are open: a pod is not ready before.
#[tokio::test]
async fn r08_2_a_pod_that_is_ready_has_its_first_connections() {
    let database = crate::world::database().await;
    for (most, first) in [(8, 4), (2, 2)] {
        let config = format!("database: {{ max_connections: {most}, min_connections: 0 }}\n");
        let program = start(&database.url(), &config);
        program.is_ready().await;
        let (_, text) = get(program.metrics, "/metrics").await.unwrap();
        let mut lines = text.lines();
        let size = lines.find_map(|line| line.strip_prefix("db_connection_pool_size "));
        let size: u32 = size.unwrap().trim().parse().unwrap();
        assert!((first..=most).contains(&size), "{size} of {most}");
    }
}

const REDIS_UP: &str = "erpgo_dependency_up{dependency=\"redis\"}";

const REDIS_MEMORY: &str = "erpgo_redis_memory_used_bytes ";

/// What the program says of a series of its metrics, if it says anything.
async fn said(program: &Program, series: &str) -> Option<String> {
    let (_, text) = get(program.metrics, "/metrics").await.unwrap();
    let mut lines = text.lines();
    lines.find_map(|line| Some(line.strip_prefix(series)?.trim().to_owned()))
}

async fn redis_up(program: &Program) -> Option<String> {
    said(program, REDIS_UP).await
}

/// Nobody is to look for a Redis that is not to be there.
#[tokio::test]
async fn r11_1_a_redis_that_is_away_is_down_and_one_that_has_left_is_nothing() {
    let database = crate::world::database().await;
    let mut server = redis::server().await;
    let directory = tempfile::tempdir().unwrap();
    let first = document(&database.url(), Some(&server.url()));
    write(directory.path(), &first);
    let config = format!("secrets: {{ dir: '{}' }}\n", directory.path().display());
    let program = start_with(&database.url(), &config, &[("ERPGO_DEV_SECRETS", "")]);
    program.is_ready().await;
    let says = async |what: &str, expected: Option<&str>| {
        until(what, || async {
            redis_up(&program).await.as_deref() == expected
        })
        .await;
    };
    says("redis is up", Some("1")).await;
    server.stop();
    says("redis is down", Some("0")).await;
    let mut next = Document {
        generation: Generation(2),
        keys: copy_keys(&first.keys),
        prepared: std::collections::BTreeMap::new(),
    };
    next.keys.redis = None;
    write(directory.path(), &next);
    says("redis has left", None).await;
    let (status, text) = get(program.api, "/health/ready").await.unwrap();
    assert_eq!(status, 200);
    assert!(text.contains("disabled"), "{text}");
}

/// While it answers, and not what it was before.
#[tokio::test]
async fn r11_1_the_memory_of_redis_is_told_while_it_is_there() {
    let database = crate::world::database().await;
    let mut server = redis::server().await;
    let url = server.url();
    let program = start_with(&database.url(), QUICK, &[("REDIS_URL", &*url)]);
    program.is_ready().await;
    for _ in 0..2 {
        until("its memory is told", || async {
            let bytes = said(&program, REDIS_MEMORY).await;
            bytes.is_some_and(|bytes| bytes.parse::<f64>().unwrap() > 100_000.0)
        })
        .await;
        server.stop();
        until("nothing is told", || async {
            said(&program, REDIS_MEMORY).await.is_none()
        })
        .await;
        server.start();
    }
}

/// A user who may not ask loses the metric and nothing else.
#[tokio::test]
async fn a_redis_user_without_info_is_served_all_the_same() {
    let database = crate::world::database().await;
    let server = redis::server().await;
    let rules = "ACL SETUSER quiet on >quiet-password ~erpgo:* &erpgo:* +@all -@admin -@dangerous";
    let () = ask(&server.url(), rules.split(' ')).await;
    let url = format!("redis://quiet:quiet-password@{}/0", server.address());
    let program = start_with(&database.url(), QUICK, &[("REDIS_URL", &*url)]);
    program.is_ready().await;
    until("it is refused", || async {
        let errors: String = ask(&server.url(), ["INFO", "errorstats"]).await;
        errors.contains("errorstat_NOPERM")
    })
    .await;
    assert_eq!(redis_up(&program).await.as_deref(), Some("1"));
    assert_eq!(said(&program, REDIS_MEMORY).await, None);
}

/// A directory as the kubelet mounts a ConfigMap: the file is a link through `..data`, which is flipped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(text: &str) -> Self {
        let mount = Self(tempfile::tempdir().unwrap());
        mount.write(text);
        std::os::unix::fs::symlink("..data/config.yaml", mount.file()).unwrap();
        mount
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("config.yaml")
    }

    fn write(&self, text: &str) {
        let version = format!("..{}", uuid::Uuid::new_v4());
        std::fs::create_dir(self.0.path().join(&version)).unwrap();
        std::fs::write(self.0.path().join(&version).join("config.yaml"), text).unwrap();
        let next = self.0.path().join("..data_tmp");
        std::os::unix::fs::symlink(&version, &next).unwrap();
        std::fs::rename(&next, self.0.path().join("..data")).unwrap();
    }
}

async fn sign_in(api: std::net::SocketAddr) -> u16 {
    let body = json!({"email": ADMIN, "password": PASSWORD});
    let answer = post(api, "/api/v1/auth/login", "", &body).await;
    answer.unwrap().status.as_u16()
}

#[tokio::test]
async fn r15_4_level_limits_and_features_change_without_a_restart_and_a_bad_file_changes_nothing() {
    let database = crate::world::database().await;
    administrator(&database.url(), ADMIN, PASSWORD).await;
    let mount = Mount::new(&format!("{QUICK}limits: {{ login_per_ip: 100 }}\n"));
    let file = mount.file();
    let mut program = crate::program::start_on(&database.url(), &file, &[]);
    program.is_ready().await;
    assert_eq!(sign_in(program.api).await, 200);
    assert_eq!(get(program.api, "/api/docs/").await.unwrap().0, 200);

    mount.write(&format!("{QUICK}log: {{ level: debug }}\nlimits: {{ login_per_ip: 2 }}\nfeatures: {{ docs: false }}\n"));
    let line = program
        .process
        .wait_for_line("changed settings are in force", LIMIT)
        .await
        .unwrap();
    assert!(line.contains("login_per_ip: 2"), "{line}");
    assert_eq!(get(program.api, "/api/docs/").await.unwrap().0, 404);
    assert_eq!(
        get(program.api, "/api/docs/openapi.json").await.unwrap().0,
        404
    );
    // One of the two was used before the change.
    assert_eq!(sign_in(program.api).await, 200);
    assert_eq!(sign_in(program.api).await, 429);
    // Probes are logged at debug alone.
    get(program.api, "/health/live").await.unwrap();
    until("a debug line", || async {
        program
            .process
            .stdout()
            .iter()
            .any(|line| line.contains("\"DEBUG\"") && line.contains("/health/live"))
    })
    .await;

    // Every fault is named, and nothing of the file holds: neither the good limit nor the flag.
    mount.write("log: { level: nonsense=?? }\nlimits: { login_per_ip: 900, lockout_failures: none }\nfeatures: { docs: true, colour: red }\n");
    let line = program
        .process
        .wait_for_line("the old ones stay", LIMIT)
        .await
        .unwrap();
    for fault in ["log.level", "limits.lockout_failures", "features.colour"] {
        assert!(line.contains(fault), "{fault}: {line}");
    }
    assert_eq!(sign_in(program.api).await, 429);
    assert_eq!(get(program.api, "/api/docs/").await.unwrap().0, 404);

    // A file that is gone is no wish for defaults.
    std::fs::remove_file(mount.0.path().join("..data")).unwrap();
    program
        .process
        .wait_for_line("is gone or cannot be read", LIMIT)
        .await
        .unwrap();
    assert_eq!(sign_in(program.api).await, 429);

    // And a good one is taken up again.
    mount.write(&format!("{QUICK}limits: {{ login_per_ip: 1000 }}\n"));
    until("the page is back", || async {
        get(program.api, "/api/docs/").await.unwrap().0 == 200
    })
    .await;
    assert_eq!(sign_in(program.api).await, 200);
}

#[tokio::test]
async fn a_database_that_is_away_at_the_start_is_waited_for() {
    let database = crate::world::database().await;
    let proxy = erpgo_test_kit::proxy::tcp(database.address()).await;
    proxy.cut();
    let mut program = start(&proxy.url(&database.url()), "");
    program
        .process
        .wait_for_line("waiting for the database", LIMIT)
        .await
        .unwrap();
    assert_eq!(get(program.api, "/health/live").await.unwrap().0, 200);
    assert_eq!(get(program.api, "/health/startup").await.unwrap().0, 503);
    assert_eq!(get(program.api, "/api/v1/users").await.unwrap().0, 503);
    proxy.resume();
    program.is_ready().await;
    assert_eq!(get(program.api, "/api/v1/users").await.unwrap().0, 401);
}
