//! Changed settings are noted by each process that takes them up (R18: configuration changes).

use std::path::PathBuf;

use erpgo_test_kit::proxy;
use serde_json::{Value, json};

use super::{events, superuser};
use crate::program::{LIMIT, Program, start_on};
use crate::world::{World, until};

const QUICK: &str = "auth: { hash_memory_kib: 8, hash_iterations: 1 }\n\
                     database: { acquire_timeout: 1s }\n";

/// A settings file that is replaced as a whole, as a mount does.
struct Settings(tempfile::TempDir);

impl Settings {
    fn new(more: &str) -> Self {
        let settings = Self(tempfile::tempdir().unwrap());
        settings.replace(more);
        settings
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("config.yaml")
    }

    fn replace(&self, more: &str) {
        let next = self.0.path().join("next.yaml");
        std::fs::write(&next, format!("{QUICK}{more}")).unwrap();
        std::fs::rename(next, self.file()).unwrap();
    }
}

async fn ready(url: &str, settings: &Settings, host: &str) -> Program {
    let program = start_on(url, &settings.file(), &[("HOSTNAME", host)]);
    program.is_ready().await;
    program
}

async fn noted(world: &World) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM audit_events WHERE action = 'settings.changed'")
        .fetch_one(&mut superuser(world).await)
        .await
        .unwrap()
}

/// A process on the database of `world` takes up another setting.
pub async fn taken_up(world: &World) {
    let settings = Settings::new("");
    let _program = ready(&world.database.url(), &settings, "erpgo-any").await;
    settings.replace("features: { docs: false }\n");
    until("the change is noted", || async { noted(world).await == 1 }).await;
}

fn told(event: &Value) -> (&str, &Value) {
    let target = event["target"].as_str().unwrap();
    (target, &event["detail"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_settings_are_noted_by_each_process_by_name_and_never_by_value() {
    let world = World::new().await;
    let settings = Settings::new("");
    let url = world.database.url();
    let mut programs = [
        ready(&url, &settings, "erpgo-one").await,
        ready(&url, &settings, "erpgo-two").await,
    ];
    settings.replace("limits: { login_per_ip: 77123 }\nfeatures: { docs: false }\n");
    until("both note it", || async { noted(&world).await == 2 }).await;

    // What is not valid, and what needs a restart, takes no hold and is not noted.
    settings.replace("limits: { login_per_ip: none }\n");
    for program in &mut programs {
        let line = program.process.wait_for_line("are not valid", LIMIT).await;
        line.unwrap();
    }
    settings.replace(
        "limits: { login_per_ip: 77123 }\nfeatures: { docs: false }\nshutdown: { drain: 7s }\n",
    );
    for program in &mut programs {
        let line = program.process.wait_for_line("need a restart", LIMIT).await;
        line.unwrap();
    }
    settings.replace("limits: { login_per_ip: 77123 }\nlog: { level: warn }\n");
    until("both note the last", || async { noted(&world).await >= 4 }).await;

    let found = events(&world, "action=settings.changed").await;
    for host in ["process:erpgo-one", "process:erpgo-two"] {
        let of_one = events(&world, &format!("action=settings.changed&target={host}")).await;
        let first = json!({"changed": ["features.docs", "limits.login_per_ip"]});
        let last = json!({"changed": ["features.docs", "log.level"]});
        let expected = [(host, &last), (host, &first)];
        assert_eq!(of_one.iter().map(told).collect::<Vec<_>>(), expected);
    }
    assert_eq!(found.len(), 4, "{found:?}");
    for event in &found {
        assert_eq!(event["outcome"], "success");
        // The process itself: no person, and nothing that tells of one.
        for name in ["actor", "request_id", "personal"] {
            assert_eq!(event[name], Value::Null, "{name}: {event}");
        }
        assert_eq!(event["erased"], false);
        assert!(!event.to_string().contains("77123"), "{event}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_change_while_the_database_is_away_hold_at_once_and_are_noted_later() {
    let world = World::new().await;
    let way = proxy::tcp(world.database.address()).await;
    let settings = Settings::new("");
    let mut program = ready(&way.url(&world.database.url()), &settings, "erpgo-one").await;
    way.cut();
    for (more, line) in [
        ("limits: { login_per_ip: 77124 }\n", "login_per_ip: 77124"),
        ("limits: { login_window: 77125s }\n", "login_window: 77125s"),
    ] {
        settings.replace(more);
        program.process.wait_for_line(line, LIMIT).await.unwrap();
    }
    let complaint = "changed settings are not in the audit log yet";
    let line = program.process.wait_for_line(complaint, LIMIT).await;
    line.unwrap();
    assert_eq!(noted(&world).await, 0);
    way.resume();
    until("it is noted", || async { noted(&world).await > 0 }).await;
    let found = events(&world, "action=settings.changed").await;
    // One event of all that happened meanwhile.
    let changed = json!({"changed": ["limits.login_per_ip", "limits.login_window"]});
    assert_eq!(
        found.iter().map(told).collect::<Vec<_>>(),
        [("process:erpgo-one", &changed)]
    );
}
