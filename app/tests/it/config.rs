//! Settings and secret set at the start, through the real program (R1, R15, P1).

mod definition;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use erpgo_secret_set::{Document, MANIFEST_FILE, RenderedSet};
use proptest::prelude::*;

use crate::program::LIMIT;
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

const NOWHERE: &str = "postgres://erp:hunter2@127.0.0.1:1/erp";

const DEV: [(&str, &str); 5] = [
    DEV_SECRETS[0],
    DEV_SECRETS[1],
    DEV_SECRETS[2],
    DEV_SECRETS[3],
    ("DATABASE_URL", NOWHERE),
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

/// Puts `document` into `directory` as the sidecar does.
fn laid_out(directory: &Path, document: &Document) -> RenderedSet {
    let rendered = erpgo_secret_set::render(document);
    std::fs::write(directory.join(MANIFEST_FILE), rendered.manifest_json()).unwrap();
    for (name, value) in &rendered.files {
        std::fs::write(directory.join(name), value.expose_secret()).unwrap();
    }
    rendered
}

/// What becomes of which file.
#[derive(Clone, Copy, Debug)]
struct Damage {
    victim: usize,
    /// How much of it is left, where it is not removed.
    cut: usize,
    remove: bool,
}

fn damage() -> impl Strategy<Value = Damage> {
    let parts = (0usize..4, 0usize..30, any::<bool>());
    parts.prop_map(|(victim, cut, remove)| Damage {
        victim,
        cut,
        remove,
    })
}

impl Damage {
    /// Does it; the name of the file.
    fn done_to(self, directory: &Path, rendered: &RenderedSet) -> String {
        let (name, value) = &rendered.files[self.victim];
        let path = directory.join(name);
        if self.remove {
            std::fs::remove_file(&path).unwrap();
        } else {
            let text = value.expose_secret();
            std::fs::write(&path, &text[..self.cut.min(text.len() - 1)]).unwrap();
        }
        name.clone()
    }
}

/// The value of none of the files.
fn shows_no_value(shown: &str, rendered: &RenderedSet) -> bool {
    let values = rendered.files.iter().map(|(_, value)| value);
    values
        .map(|value| value.expose_secret())
        .all(|value| !shown.contains(value))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// P1: a set with any file damaged or missing is never accepted, and no value is shown.
    #[test]
    fn p01_a_damaged_set_is_refused_at_the_start(harm in damage()) {
        let directory = tempfile::tempdir().unwrap();
        let rendered = laid_out(directory.path(), &document(NOWHERE, None));
        let source = erpgo::secrets::Source::Directory(directory.path().to_owned());
        prop_assert!(source.read().is_ok());
        let name = harm.done_to(directory.path(), &rendered);
        let Err(error) = source.read() else { panic!("accepted a damaged set") };
        let shown = format!("{error} {:?}", error.faults());
        prop_assert!(shown.contains(&name), "{}", shown);
        prop_assert!(shows_no_value(&shown, &rendered));
    }
}

/// What the program comes to that serves by the set in `directory`: it has to end by itself.
fn started(directory: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_erpgo"))
        .arg("serve")
        .env_clear()
        .env("ERPGO_SECRETS_DIR", directory)
        .env("ERPGO_LISTEN", "127.0.0.1:0")
        .env("ERPGO_METRICS_LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let limit = Instant::now() + LIMIT;
    while program.try_wait().unwrap().is_none() {
        if Instant::now() > limit {
            program.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    program.wait_with_output().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 10, ..ProptestConfig::with_cases(10) })]
    /// P1 in a whole start: the program ends before it serves anything.
    #[test]
    fn p01_the_program_does_not_start_with_a_damaged_set(harm in damage()) {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().to_str().unwrap();
        let rendered = laid_out(directory.path(), &document(NOWHERE, None));
        let whole = erpgo(&["check-config"], &[("ERPGO_SECRETS_DIR", place)]);
        prop_assert_eq!(whole.status.code(), Some(0), "{}", stderr(&whole));
        let name = harm.done_to(directory.path(), &rendered);
        let output = started(place);
        let said = stderr(&output);
        prop_assert_eq!(output.status.code(), Some(78), "{}", said);
        prop_assert!(said.contains("the secret set is not valid") && said.contains(&name), "{}", said);
        let logged = String::from_utf8_lossy(&output.stdout).into_owned();
        prop_assert!(!logged.contains("listening"), "{}", logged);
        prop_assert!(shows_no_value(&(said + &logged), &rendered));
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
        let mut document = document(NOWHERE, None);
        let place = if refresh { &mut document.keys.refresh } else { &mut document.keys.jwt };
        place.current.value = erpgo_secret_set::Secret::new(key.clone());
        laid_out(directory.path(), &document);
        let source = erpgo::secrets::Source::Directory(directory.path().to_owned());
        let Err(error) = source.read() else { panic!("accepted {key:?}") };
        let faults = error.faults();
        prop_assert!(faults.iter().any(|fault| fault.starts_with(if refresh { "refresh" } else { "jwt" })), "{:?}", faults);
        prop_assert!(key.len() < 8 || !format!("{faults:?}").contains(&key), "{:?}", faults);
    }
}
