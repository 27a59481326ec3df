//! Settings and secret set at the start, through the real program (R1, R15, P1).

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};

use erpgo_secret_set::MANIFEST_FILE;
use proptest::prelude::*;

use crate::world::{DEV_SECRETS, document};

fn erpgo(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_erpgo"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const DEV: [(&str, &str); 5] = [
    DEV_SECRETS[0],
    DEV_SECRETS[1],
    DEV_SECRETS[2],
    DEV_SECRETS[3],
    ("DATABASE_URL", "postgres://erp:hunter2@127.0.0.1:1/erp"),
];

fn dev(extra: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut variables = DEV.to_vec();
    variables.retain(|(name, _)| !extra.iter().any(|(other, _)| other == name));
    variables.extend(extra);
    variables
}

#[test]
fn r15_2_valid_settings_and_secrets_are_reported_without_values() {
    let output = erpgo(&["check-config"], &DEV);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
    for (_, value) in &DEV[1..] {
        assert!(!text.contains(value), "{text}");
    }
    assert!(text.contains("dev-jwt"), "{text}");
}

#[test]
fn r15_3_every_fault_of_file_and_environment_is_listed_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    std::fs::write(&file, "listen: nowhere\nlimits: { login_per_ip: many }\nlogg: { level: info }\ncors: { allowed_origins: ['*', 'https://ok.example'] }\n").unwrap();
    let variables = [
        ("ERPGO_CONFIG", file.to_str().unwrap()),
        ("ERPGO_DATABASE__MAX_CONNECTIONS", "0"),
        ("ERPGO_SHUTDOWN__DRAIN", "soon"),
        ("ERPGO_LOG__LEVL", "info"),
    ];
    let output = erpgo(&["check-config"], &variables);
    assert_eq!(output.status.code(), Some(78));
    let text = stderr(&output);
    for fault in [
        "listen must be an address",
        "limits.login_per_ip must be a number",
        "logg.level is not a setting; did you mean log.level",
        "cors.allowed_origins has \"*\"",
        "database.max_connections must be a number from 1 to 100",
        "shutdown.drain must be a duration",
        "log.levl is not a setting; did you mean log.level",
    ] {
        assert!(text.contains(fault), "{fault} is missing in: {text}");
    }
    assert_eq!(
        text.lines().filter(|line| line.starts_with("  - ")).count(),
        7,
        "{text}"
    );
}

/// Most connections, fewest, their longest life and their longest idle time: 100, 10, an hour, 30 minutes.
#[test]
fn pools_beyond_the_ceilings_are_refused_by_name_and_the_ceilings_are_not() {
    let pool = |most, least, life, idle| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "database: {{ max_connections: {most}, min_connections: {least}, max_lifetime: {life}, idle_timeout: {idle} }}"
        );
        std::fs::write(file.path(), text).unwrap();
        let file = file.path().to_str().unwrap();
        let output = erpgo(&["check-config", "--config", file], &DEV);
        let text = stderr(&output);
        let faults = text.lines().filter_map(|line| line.strip_prefix("  - "));
        let faults: Vec<_> = faults.map(str::to_owned).collect();
        (output.status.code(), faults)
    };
    assert_eq!(pool("100", "10", "1h", "30m"), (Some(0), Vec::new()));
    let faults = [
        "database.max_connections must be a number from 1 to 100",
        "database.min_connections must be a number from 0 to 10",
        "database.max_lifetime must be a duration such as 30s or 15m, from 10s to 3600s",
        "database.idle_timeout must be a duration such as 30s or 15m, from 1s to 1800s",
    ];
    for (n, one_too_many) in [
        ("101", "10", "1h", "30m"),
        ("100", "11", "1h", "30m"),
        ("100", "10", "3601s", "30m"),
        ("100", "10", "1h", "1801s"),
    ]
    .into_iter()
    .enumerate()
    {
        let (most, least, life, idle) = one_too_many;
        let refused = pool(most, least, life, idle);
        assert_eq!(refused, (Some(78), vec![faults[n].to_owned()]));
    }
    let all = pool("101", "11", "3601s", "1801s");
    assert_eq!(all, (Some(78), faults.map(str::to_owned).to_vec()));
    let crossed = "database.min_connections must not exceed database.max_connections";
    let refused = pool("5", "6", "1h", "30m");
    assert_eq!(refused, (Some(78), vec![crossed.to_owned()]));
}

/// What the guide says can be reloaded: keys of the API, each with its field of `spec.settings` of an
/// `ErpGo`.
fn reloaded() -> Vec<(&'static str, &'static str)> {
    let guide = include_str!("../../../docs/guides/api.md");
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
    let before = crate::world::settings("").live;
    let mut all = Vec::new();
    for (key, _) in reloaded() {
        let value = match key {
            "log.level" => "debug",
            "features.docs" => "false",
            _ => "7",
        };
        let (section, name) = key.split_once('.').unwrap();
        let after = crate::world::settings(&format!("{section}: {{ {name}: {value} }}")).live;
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
    let before = crate::world::settings("").live;
    for (key, field) in reloaded() {
        let field = field.replace('.', "/properties/");
        let schema = spec.pointer(&format!("/properties/settings/properties/{field}"));
        let (section, name) = key.split_once('.').unwrap();
        let changes = ends(schema.unwrap()).into_iter().flat_map(|value| {
            let file = format!("{section}: {{ {name}: {value} }}");
            before.changes(&crate::world::settings(&file).live)
        });
        let changes: BTreeSet<_> = changes.collect();
        assert_eq!(changes, BTreeSet::from([key]));
    }
}

/// The least and the most that a field may hold, or each of a few values.
fn ends(schema: &serde_json::Value) -> Vec<String> {
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
fn spec_schema() -> serde_json::Value {
    let definition = include_str!("../../../crds/erpgo.io_erpgos.yaml");
    let mut definition: serde_json::Value = serde_saphyr::from_str(definition).unwrap();
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    definition.pointer_mut(spec).unwrap().take()
}

/// Numbers that the operator starts pods with: keys of the API, each with its field of `spec` of an `ErpGo`.
const STARTED_WITH: [(&str, &str); 7] = [
    ("database.max_connections", "database.pool.maxConnections"),
    ("database.min_connections", "database.pool.minConnections"),
    ("database.idle_timeout", "database.pool.idleTimeoutSeconds"),
    ("database.max_lifetime", "database.pool.maxLifetimeSeconds"),
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

/// The least and the most of each number that `schema` bounds.
fn bounded(path: &str, schema: &serde_json::Value, found: &mut BTreeMap<String, [i64; 2]>) {
    let ends = ["minimum", "maximum"].map(|end| schema[end].as_f64());
    if let [Some(least), Some(most)] = ends {
        found.insert(path.to_owned(), [least as i64, most as i64]);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let separator = if path.is_empty() { "" } else { "." };
        bounded(&format!("{path}{separator}{name}"), property, found);
    }
}

/// As the operator writes it.
fn written(key: &str, value: i64) -> String {
    match key {
        "database.max_connections" | "database.min_connections" => value.to_string(),
        // Either end of a percentage.
        "tracing.sample_ratio" => (value / 100).to_string(),
        _ => format!("{value}s"),
    }
}

/// Pods that are given what the definition lets through must start.
#[test]
fn the_api_starts_with_every_number_that_an_erpgo_can_have() {
    let mut all = BTreeMap::new();
    bounded("", &spec_schema(), &mut all);
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
        let variables = STARTED_WITH.map(|(key, field)| {
            let name = format!("ERPGO_{}", key.replace('.', "__").to_uppercase());
            (name, written(key, all[field][end]))
        });
        let mut environment: Vec<(&str, &str)> = DEV.to_vec();
        environment.extend(
            variables
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let output = erpgo(&["check-config"], &environment);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

/// One program, a file for each environment: what a file does not say is the default, in all of them.
#[test]
fn r15_5_each_environment_has_settings_of_its_own() {
    let production = crate::world::settings("log: { level: warn }\nlimits: { login_per_ip: 3 }");
    let development = crate::world::settings(
        "log: { level: debug, format: text }\nauth: { hash_memory_kib: 8, hash_iterations: 1 }",
    );
    let levels = [&production, &development].map(|settings| settings.live.log_level.as_str());
    assert_eq!(levels, ["warn", "debug"]);
    let limits = [&production, &development].map(|settings| settings.live.limits.login_per_ip);
    assert_eq!(limits, [3, 5]);
    let memory = [&production, &development].map(|settings| settings.auth.hash_memory_kib);
    assert_eq!(memory, [19_456, 8]);
    assert_eq!(production.auth.access_ttl, development.auth.access_ttl);
}

#[test]
fn r15_1_the_environment_stands_above_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    std::fs::write(&file, "listen: nowhere\n").unwrap();
    let variables = dev(&[("ERPGO_LISTEN", "127.0.0.1:0")]);
    let output = erpgo(
        &["check-config", "--config", file.to_str().unwrap()],
        &variables,
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_named_file_must_exist_and_must_be_yaml() {
    let output = erpgo(
        &["check-config", "--config", "/nonexistent/config.yaml"],
        &DEV,
    );
    assert_eq!(output.status.code(), Some(78));
    assert!(
        stderr(&output).contains("/nonexistent/config.yaml cannot be read"),
        "{}",
        stderr(&output)
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a: [1,\n").unwrap();
    let output = erpgo(
        &["check-config", "--config", file.path().to_str().unwrap()],
        &DEV,
    );
    assert_eq!(output.status.code(), Some(78));
    assert!(
        stderr(&output).contains("is not valid YAML"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_service_called_erpgo_in_the_same_namespace_is_no_setting() {
    let variables = dev(&[
        ("ERPGO_SERVICE_HOST", "10.0.0.1"),
        ("ERPGO_SERVICE_PORT", "80"),
        ("ERPGO_SERVICE_PORT_HTTP", "80"),
        ("ERPGO_PORT", "tcp://10.0.0.1:80"),
        ("ERPGO_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("ERPGO_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("ERPGO_PORT_80_TCP_PORT", "80"),
        ("ERPGO_DEMO_PORT_80_TCP_PROTO", "tcp"),
    ]);
    let output = erpgo(&["check-config"], &variables);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn r01_2_serve_refuses_weak_and_missing_secrets_and_names_them_all() {
    let variables = dev(&[
        ("JWT_SECRET", "short"),
        ("PASSWORD_PEPPER", "default_pepper_change_in_production"),
        ("DATABASE_URL", "mysql://x"),
        ("ERPGO_LISTEN", "127.0.0.1:0"),
        ("ERPGO_METRICS_LISTEN", "127.0.0.1:0"),
    ]);
    let output = erpgo(&["serve"], &variables);
    assert_eq!(output.status.code(), Some(78));
    let text = stderr(&output);
    for key in ["jwt", "pepper", "database"] {
        assert!(text.contains(key), "{key} is missing in: {text}");
    }
    assert!(!text.contains("mysql://x"), "{text}");
    let output = erpgo(&["serve"], &[("ERPGO_DEV_SECRETS", "env")]);
    assert_eq!(output.status.code(), Some(78));
    for variable in [
        "JWT_SECRET",
        "REFRESH_SECRET",
        "PASSWORD_PEPPER",
        "DATABASE_URL",
    ] {
        assert!(
            stderr(&output).contains(&format!("{variable} is not set")),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn r01_1_a_missing_secret_set_is_named_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let output = erpgo(
        &["serve"],
        &[("ERPGO_SECRETS_DIR", path), ("ERPGO_SECRETS__WAIT", "0s")],
    );
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains(path), "{}", stderr(&output));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// P1: a set with any file damaged or missing is never accepted, and no value is shown.
    #[test]
    fn p01_a_damaged_set_is_refused_at_the_start(victim in 0usize..4, cut in 0usize..30, remove in any::<bool>()) {
        let directory = tempfile::tempdir().unwrap();
        let rendered = erpgo_secret_set::render(&document("postgres://erp:hunter2@127.0.0.1:1/erp", None));
        std::fs::write(directory.path().join(MANIFEST_FILE), rendered.manifest_json()).unwrap();
        for (name, value) in &rendered.files {
            std::fs::write(directory.path().join(name), value.expose_secret()).unwrap();
        }
        let source = erpgo::secrets::Source::Directory(directory.path().to_owned());
        prop_assert!(source.read().is_ok());
        let (name, value) = &rendered.files[victim];
        let path = directory.path().join(name);
        if remove {
            std::fs::remove_file(&path).unwrap();
        } else {
            let text = value.expose_secret();
            std::fs::write(&path, &text[..cut.min(text.len() - 1)]).unwrap();
        }
        let Err(error) = source.read() else { panic!("accepted a damaged set") };
        let shown = format!("{error} {:?}", error.faults());
        prop_assert!(shown.contains(name.as_str()), "{}", shown);
        for (_, value) in &rendered.files {
            prop_assert!(!shown.contains(value.expose_secret()));
        }
    }
}

/// Keys of fewer than 256 bits, whatever their length.
fn weak_key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9+/]{1,31}",
        ("[a-z0-9]{1,6}", 8usize..40).prop_map(|(unit, times)| unit.repeat(times)),
        (any::<u8>(), 32usize..90).prop_map(|(start, length)| {
            let letter =
                |n: usize| char::from(b'a' + u8::try_from((n + usize::from(start)) % 26).unwrap());
            (0..length).map(letter).collect()
        }),
        "[01]{32,80}",
        Just("secret-key-change-me-secret-key-change-me".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// P2: a signing key below 256 bits is refused before anything is signed with it (r01_3).
    #[test]
    fn p02_a_weak_jwt_secret_is_refused_at_the_start(key in weak_key(), refresh in any::<bool>()) {
        let directory = tempfile::tempdir().unwrap();
        let mut document = document("postgres://erp:hunter2@127.0.0.1:1/erp", None);
        let place = if refresh { &mut document.keys.refresh } else { &mut document.keys.jwt };
        place.current.value = erpgo_secret_set::Secret::new(key.clone());
        let rendered = erpgo_secret_set::render(&document);
        std::fs::write(directory.path().join(MANIFEST_FILE), rendered.manifest_json()).unwrap();
        for (name, value) in &rendered.files {
            std::fs::write(directory.path().join(name), value.expose_secret()).unwrap();
        }
        let source = erpgo::secrets::Source::Directory(directory.path().to_owned());
        let Err(error) = source.read() else { panic!("accepted {key:?}") };
        let faults = error.faults();
        prop_assert!(faults.iter().any(|fault| fault.starts_with(if refresh { "refresh" } else { "jwt" })), "{:?}", faults);
        prop_assert!(key.len() < 8 || !format!("{faults:?}").contains(&key), "{:?}", faults);
    }
}
