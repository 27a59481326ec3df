//! What the definition lets an `ErpGo` have, the API takes: when it starts and when it reloads (R15).

use std::collections::BTreeSet;
use std::process::Output;

use erpgo_test_kit::schema::bounded;
use serde_json::Value;

use super::{DEV, erpgo, stderr};
use crate::world::settings;

/// What the guide says can be reloaded: keys of the API, each with its field of `spec.settings` of an
/// `ErpGo`.
fn reloaded() -> Vec<(&'static str, &'static str)> {
    let guide = include_str!("../../../../docs/guides/api.md");
    let chapter = guide.split("## What changes while it runs").nth(1).unwrap();
    let rows = chapter.lines().filter(|line| line.starts_with("| `"));
    let quoted = |cell: &'static str| cell.split('`').skip(1).step_by(2);
    rows.flat_map(|row| {
        let mut cells = row.split('|').skip(1).map(quoted);
        cells.next().unwrap().zip(cells.next().unwrap())
    })
    .collect()
}

/// What the guide says can be reloaded is told by name when it is, and nothing else is.
#[test]
fn r15_4_each_setting_that_can_be_reloaded_is_told_by_its_name() {
    let before = settings("").live;
    let mut all = Vec::new();
    for (key, _) in reloaded() {
        let value = match key {
            "log.level" => "debug",
            "features.docs" => "false",
            _ => "7",
        };
        let (section, name) = key.split_once('.').unwrap();
        let after = settings(&format!("{section}: {{ {name}: {value} }}")).live;
        assert_eq!(before.changes(&after), [key]);
        all.push(key);
    }
    assert_eq!(all.len(), 12, "{all:?}");
    assert_eq!(before.changes(&before), Vec::<&str>::new());
}

/// The operator writes what the definition lets through, and one value that the API refuses would cost
/// all others.
#[test]
fn r15_4_the_api_takes_every_value_that_an_erpgo_can_have() {
    let spec = spec_schema();
    let before = settings("").live;
    for (key, field) in reloaded() {
        let field = field.replace('.', "/properties/");
        let schema = spec.pointer(&format!("/properties/settings/properties/{field}"));
        let (section, name) = key.split_once('.').unwrap();
        let changes = ends(schema.unwrap()).into_iter().flat_map(|value| {
            let file = format!("{section}: {{ {name}: {value} }}");
            before.changes(&settings(&file).live)
        });
        let changes: BTreeSet<_> = changes.collect();
        assert_eq!(changes, BTreeSet::from([key]));
    }
}

/// The least and the most that a field may hold, or each of a few values.
fn ends(schema: &Value) -> Vec<String> {
    match schema["type"].as_str() {
        Some("boolean") => ["true", "false"].map(str::to_owned).to_vec(),
        Some("integer") => {
            let ends = ["minimum", "maximum"].map(|end| schema[end].as_f64().unwrap());
            ends.map(|end| format!("{end:.0}")).to_vec()
        }
        _ => {
            let values = schema["enum"].as_array().unwrap().iter();
            values.map(ToString::to_string).collect()
        }
    }
}

/// The schema of `spec` of an `ErpGo`.
fn spec_schema() -> Value {
    let definition = include_str!("../../../../crds/erpgo.io_erpgos.yaml");
    let mut definition: Value = serde_saphyr::from_str(definition).unwrap();
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    definition.pointer_mut(spec).unwrap().take()
}

/// Numbers that the operator starts pods with: keys of the API, each with its field of `spec` of an `ErpGo`.
const STARTED_WITH: [(&str, &str); 10] = [
    ("database.max_connections", "database.pool.maxConnections"),
    ("database.min_connections", "database.pool.minConnections"),
    ("database.idle_timeout", "database.pool.idleTimeoutSeconds"),
    ("database.max_lifetime", "database.pool.maxLifetimeSeconds"),
    ("http.body_limit", "settings.http.maxBodyBytes"),
    (
        "http.request_timeout",
        "settings.http.requestTimeoutSeconds",
    ),
    ("http.max_connections", "settings.http.maxConnections"),
    ("shutdown.drain", "termination.drainSeconds"),
    ("migrations.lock_timeout", "migrations.lockTimeoutSeconds"),
    ("tracing.sample_ratio", "tracing.samplePercent"),
];

/// Beginnings of the fields whose numbers the API is never told.
const NOT_OF_THE_API: [&str; 10] = [
    "autoscaling.",
    "disruptionBudget.",
    "migrations.deadlineSeconds",
    "migrations.retries",
    "monitoring.",
    "replicas",
    "secrets.",
    "service.",
    "termination.gracePeriodSeconds",
    "termination.preStopSeconds",
];

/// As the operator writes it.
fn written(key: &str, value: i64) -> String {
    match key {
        "database.max_connections"
        | "database.min_connections"
        | "http.body_limit"
        | "http.max_connections" => value.to_string(),
        // Either end of a percentage.
        "tracing.sample_ratio" => (value / 100).to_string(),
        _ => format!("{value}s"),
    }
}

/// Pods that are given what the definition lets through must start.
#[test]
fn the_api_starts_with_every_number_that_an_erpgo_can_have() {
    let mut all = bounded(&spec_schema());
    let reloaded = reloaded().into_iter();
    let reloaded: BTreeSet<_> = reloaded
        .map(|(_, field)| format!("settings.{field}"))
        .collect();
    let is_elsewhere = |field: &str| NOT_OF_THE_API.iter().any(|start| field.starts_with(start));
    all.retain(|field, _| !reloaded.contains(field) && !is_elsewhere(field));
    let found: BTreeSet<_> = all.keys().map(String::as_str).collect();
    let known = BTreeSet::from(STARTED_WITH.map(|(_, field)| field));
    assert_eq!(found, known);
    for end in [0, 1] {
        let settings = STARTED_WITH.map(|(key, field)| (key, written(key, all[field][end])));
        let output = checked(&settings);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

/// What the API says of an environment with these settings.
fn checked(settings: &[(&str, String)]) -> Output {
    let variable = |key: &str| format!("ERPGO_{}", key.replace('.', "__").to_uppercase());
    let names: Vec<_> = settings.iter().map(|(key, _)| variable(key)).collect();
    let values = settings.iter().map(|(_, value)| value.as_str());
    let mut environment: Vec<(&str, &str)> = DEV.to_vec();
    environment.extend(names.iter().map(String::as_str).zip(values));
    erpgo(&["check-config"], &environment)
}

/// The settings that it refuses.
fn refused(output: &Output) -> BTreeSet<String> {
    let text = stderr(output);
    let faults = text.lines().filter_map(|line| line.strip_prefix("  - "));
    let keys = faults.filter_map(|fault| fault.split(' ').next());
    keys.map(str::to_owned).collect()
}

/// None of these that the API would take is kept from an `ErpGo`.
#[test]
fn the_api_bounds_requests_and_connections_where_the_definition_does() {
    let all = bounded(&spec_schema());
    let of_http = STARTED_WITH.into_iter();
    let of_http = of_http.filter(|(key, _)| key.starts_with("http."));
    let of_http: Vec<_> = of_http.collect();
    assert_eq!(of_http.len(), 3);
    for (end, step) in [(0, -1), (1, 1)] {
        let beyond = of_http.iter().map(|&(key, field)| {
            let value = all[field][end] + step;
            (key, written(key, value))
        });
        let output = checked(&beyond.collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
        let keys = of_http.iter().map(|&(key, _)| key.to_owned());
        let keys: BTreeSet<_> = keys.collect();
        assert_eq!(refused(&output), keys, "{}", stderr(&output));
    }
}

/// As the operator writes lists and flags, of what its own tests let through.
#[test]
fn the_api_starts_with_proxies_and_flags_that_an_erpgo_can_have() {
    let proxies = [
        "192.0.2.7",
        "0.0.0.0/0",
        "10.244.0.0/16",
        "10.1.2.3/8",
        "::1",
        "::/0",
        "2001:DB8::1/128",
        "64:ff9b::192.0.2.33",
    ];
    let with = |proxies: &str, hsts: &str| {
        let proxies = ("http.trusted_proxies", proxies.to_owned());
        checked(&[proxies, ("http.hsts", hsts.to_owned())])
    };
    let all = proxies.join(",");
    let alone = proxies.map(|proxy| (proxy, "false"));
    for (proxies, hsts) in alone.into_iter().chain([(all.as_str(), "true")]) {
        let output = with(proxies, hsts);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let output = with(&format!("{all},10.0.0.0/33"), "on");
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    let both = ["http.hsts", "http.trusted_proxies"].map(str::to_owned);
    assert_eq!(refused(&output), BTreeSet::from(both));
}
