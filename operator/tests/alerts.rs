//! The rendered alerts, judged by Prometheus' own tool (R11).
//!
//! `tests/alerts/NAME.yaml` holds the cases of the alert NAME: at least one in which it fires and one
//! in which it is quiet.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use erpgo_crds::Alerts;
use erpgo_operator::reconcile::build::alerts::{self, Scope};
use erpgo_operator::reconcile::build::prometheus_rule;
use serde_json::Value;

fn scope(thresholds: &Alerts) -> Scope<'_> {
    Scope {
        namespace: "erp",
        name: "shop",
        max_connections: 10,
        serves: true,
        scheduled: &["jwt", "refresh", "pepper"],
        interval_days: 90,
        thresholds,
    }
}

fn promtool(directory: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("promtool is needed: apt-get install --yes --no-install-recommends prometheus");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// A directory with `rules.yaml`.
fn rendered(scope: &Scope<'_>) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let rules = serde_saphyr::to_string(&prometheus_rule::spec(scope)).unwrap();
    std::fs::write(directory.path().join("rules.yaml"), rules).unwrap();
    directory
}

fn cases_of(alert: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/alerts/{alert}.yaml"))
}

fn behaves(alert: &str) {
    let thresholds = Alerts::default();
    let directory = rendered(&scope(&thresholds));
    std::fs::copy(cases_of(alert), directory.path().join("cases.yaml")).unwrap();
    let (passed, text) = promtool(directory.path(), &["test", "rules", "cases.yaml"]);
    assert!(passed, "{text}");
}

#[test]
fn r11_2_error_rate_is_a_share_of_all_requests() {
    behaves("ErpGoHighErrorRate");
}

#[test]
fn r11_3_latency_is_the_99th_percentile_over_all_pods() {
    behaves("ErpGoHighLatency");
}

#[test]
fn the_database_is_down_when_no_pod_reaches_it() {
    behaves("ErpGoDatabaseDown");
}

#[test]
fn r11_4_a_pool_is_near_exhaustion_above_80_percent_of_what_a_pod_may_hold() {
    behaves("ErpGoConnectionPoolNearExhaustion");
}

#[test]
fn r07_5_a_cache_hit_rate_below_70_percent_is_warned_of() {
    behaves("ErpGoLowCacheHitRate");
}

#[test]
fn refused_sign_ins_are_a_share_of_all() {
    behaves("ErpGoHighAuthFailureRate");
}

#[test]
fn an_installation_is_down_when_no_pod_answers() {
    behaves("ErpGoDown");
}

#[test]
fn a_key_is_past_its_age_two_days_after_it_was_due() {
    behaves("ErpGoSecretPastItsAge");
}

#[test]
fn a_rotation_is_stuck_when_it_is_under_way_for_twenty_minutes() {
    behaves("ErpGoRotationStuck");
}

#[test]
fn promtool_accepts_the_rules_and_finds_no_duplicate() {
    let thresholds = Alerts::default();
    for serves in [true, false] {
        let scope = Scope {
            serves,
            ..scope(&thresholds)
        };
        let directory = rendered(&scope);
        let arguments = ["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"];
        let (passed, text) = promtool(directory.path(), &arguments);
        assert!(passed, "{text}");
        let found = format!("{} rules found", alerts::rules(&scope).len());
        assert!(text.contains(&found), "{text}");
    }
}

#[test]
fn promtool_refuses_rules_that_are_broken() {
    let thresholds = Alerts::default();
    let directory = rendered(&scope(&thresholds));
    let file = directory.path().join("rules.yaml");
    let broken = std::fs::read_to_string(&file)
        .unwrap()
        .replace("sum by", "sum bye");
    std::fs::write(&file, broken).unwrap();
    let (passed, text) = promtool(directory.path(), &["check", "rules", "rules.yaml"]);
    assert!(!passed, "{text}");
}

#[test]
fn every_alert_has_cases_that_fire_and_cases_that_do_not() {
    let thresholds = Alerts::default();
    let alerts: BTreeSet<String> = alerts::rules(&scope(&thresholds))
        .iter()
        .map(|rule| rule.alert.to_owned())
        .collect();
    let files: BTreeSet<String> = std::fs::read_dir(cases_of("x").parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    assert_eq!(files, alerts);
    for alert in &alerts {
        let (firing, quiet) = count(alert);
        assert!(
            firing > 0 && quiet > 0,
            "{alert}: {firing} firing, {quiet} quiet"
        );
    }
}

#[test]
fn r20_1_every_alert_has_its_runbook_and_every_runbook_its_alert() {
    let thresholds = Alerts::default();
    let alerts: BTreeSet<String> = alerts::rules(&scope(&thresholds))
        .iter()
        .map(|rule| rule.alert.to_owned())
        .collect();
    let runbooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks");
    let index = std::fs::read_to_string(runbooks.join("README.md")).unwrap();
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(&runbooks).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "README" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for part in [
            "# ",
            "## Meaning",
            "## Impact",
            "## Look",
            "## Mend",
            "## Over",
        ] {
            assert!(text.contains(part), "{name} lacks {part}");
        }
        assert!(text.starts_with(&format!("# {name}\n")), "{name}");
        assert!(text.contains("```console\n"), "{name} shows no command");
        assert!(
            index.contains(&format!("({name}.md)")),
            "{name} is not in the index"
        );
        files.insert(name);
    }
    assert_eq!(files, alerts);
}

/// Cases of `alert` in which it is expected to fire, and cases in which it never is.
fn count(alert: &str) -> (usize, usize) {
    let text = std::fs::read_to_string(cases_of(alert)).unwrap();
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let fires = |case: &&Value| {
        let checks = case["alert_rule_test"].as_array().unwrap();
        assert!(!checks.is_empty());
        assert!(
            checks.iter().all(|check| check["alertname"] == alert),
            "{case}"
        );
        checks
            .iter()
            .any(|check| !check["exp_alerts"].as_array().unwrap().is_empty())
    };
    let cases = file["tests"].as_array().unwrap();
    let firing = cases.iter().filter(fires).count();
    (firing, cases.len() - firing)
}

#[test]
fn r11_5_every_alert_says_what_where_and_what_to_do() {
    let thresholds = Alerts {
        runbook_base_url: "https://wiki.example.com/runbooks/".into(),
        ..Alerts::default()
    };
    let scope = scope(&thresholds);
    for rule in alerts::rules(&scope) {
        let value = rule.to_value(&scope);
        let runbook = format!("https://wiki.example.com/runbooks/{}", rule.alert);
        assert_eq!(value["annotations"]["runbook_url"], *runbook);
        assert_eq!(value["labels"]["namespace"], "erp");
        assert_eq!(value["labels"]["erpgo"], "shop");
        assert!(["critical", "warning"].contains(&value["labels"]["severity"].as_str().unwrap()));
        assert!(rule.summary.contains("erp/shop"), "{}", rule.summary);
        assert!(rule.description.len() > 80, "{}", rule.description);
    }
}

#[test]
fn thresholds_of_the_spec_reach_the_expressions() {
    let thresholds = Alerts {
        error_rate_percent: 7,
        latency_p99_milliseconds: 250,
        pool_usage_percent: 93,
        cache_hit_rate_percent: 41,
        auth_failure_rate_percent: 66,
        ..Alerts::default()
    };
    let scope = Scope {
        max_connections: 37,
        scheduled: &["jwt", "database"],
        interval_days: 30,
        ..scope(&thresholds)
    };
    let rules = alerts::rules(&scope);
    let expression = |alert: &str| {
        let rule = rules.iter().find(|rule| rule.alert == alert);
        rule.map(|rule| rule.expr.clone()).unwrap_or_default()
    };
    assert!(expression("ErpGoHighErrorRate").contains(" > 0.07 "));
    assert!(expression("ErpGoHighLatency").contains(" > 0.25 "));
    assert!(expression("ErpGoConnectionPoolNearExhaustion").ends_with(" / 37 > 0.93"));
    assert!(expression("ErpGoLowCacheHitRate").contains(" < 0.41 "));
    let age = expression("ErpGoSecretPastItsAge");
    assert!(
        age.contains("key=~\"jwt|database\"") && age.ends_with(" > 2764800"),
        "{age}"
    );
    assert!(expression("ErpGoHighAuthFailureRate").contains(" > 0.66 "));
}

#[test]
fn a_latency_threshold_beyond_the_largest_bucket_can_still_be_crossed() {
    let thresholds = Alerts {
        latency_p99_milliseconds: 60_000,
        ..Alerts::default()
    };
    let scope = scope(&thresholds);
    let rules = alerts::rules(&scope);
    let rule = rules
        .iter()
        .find(|rule| rule.alert == "ErpGoHighLatency")
        .unwrap();
    assert!(rule.expr.contains(" > 9.99 "), "{}", rule.expr);
}

#[test]
fn an_installation_that_is_scaled_to_zero_is_not_called_down() {
    let thresholds = Alerts::default();
    let scope = Scope {
        serves: false,
        ..scope(&thresholds)
    };
    let names: Vec<&str> = alerts::rules(&scope)
        .iter()
        .map(|rule| rule.alert)
        .collect();
    assert!(!names.contains(&"ErpGoDown"));
    assert_eq!(names.len(), 8);
}

#[test]
fn r11_1_alerts_read_only_metrics_and_labels_that_are_written() {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("../app/src");
    let source = |file: &str| std::fs::read_to_string(app.join(file)).unwrap();
    let own = include_str!("../src/runtime/metrics.rs");
    let metrics = source("metrics.rs") + own;
    let mut read = BTreeSet::new();
    let thresholds = Alerts::default();
    for rule in alerts::rules(&scope(&thresholds)) {
        for series in rule
            .expr
            .split('{')
            .filter_map(|text| text.rsplit(['(', ' ']).next())
        {
            let name = series
                .trim_end_matches("_bucket")
                .trim_end_matches("_count");
            // `up` is Prometheus' own; the rest after the last selector holds no name.
            let is_name = name.contains('_') && !name.contains('}');
            if is_name {
                read.insert(name.to_owned());
                assert!(
                    metrics.contains(&format!("\"{name}\"")),
                    "{}: {name}",
                    rule.alert
                );
            }
        }
    }
    let read: Vec<&str> = read.iter().map(String::as_str).collect();
    assert_eq!(
        read,
        [
            "auth_attempts_total",
            "cache_operations_total",
            "db_connection_pool_in_use",
            "erpgo_dependency_up",
            "erpgo_rotation_fault",
            "erpgo_rotation_step",
            "erpgo_secret_age_seconds",
            "http_request_duration_seconds",
            "http_requests_total",
        ]
    );
    for (file, value) in [
        ("health/checks.rs", "\"database\""),
        ("auth/tried.rs", "\"failure\""),
        ("auth/tried.rs", "\"locked\""),
        ("auth/tried.rs", "\"rate_limited\""),
        ("cache/permissions.rs", "\"hit\""),
        ("cache/permissions.rs", "\"miss\""),
    ] {
        assert!(
            source(file).contains(value),
            "{file} no longer writes {value}"
        );
    }
}
