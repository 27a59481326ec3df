//! What is built of each example, whole and in the order in which it is applied.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use std::collections::BTreeSet;
use std::path::Path;

use erpgo_crds::ErpGo;
use erpgo_operator::reconcile::observed::{JobFacts, JobState, Observed, SecretSource};
use erpgo_operator::reconcile::plan::{Effect, Plan};
use serde_json::Value;
use situation::{degraded, example, planned, prepared, serving, succeeded};

fn snapshot(name: &str) {
    let erpgo = example(name);
    let plan = planned(&erpgo, &succeeded(&erpgo));
    assert_eq!(plan.notes, [], "{name}");
    let objects = plan.desired.unwrap().manifests();
    insta::with_settings!({prepend_module_to_snapshot => false}, {
        insta::assert_yaml_snapshot!(name, objects);
    });
}

#[test]
fn minimal() {
    snapshot("minimal");
}

#[test]
fn vault() {
    snapshot("vault");
}

#[test]
fn aws() {
    snapshot("aws");
}

#[test]
fn production() {
    snapshot("production");
}

// The names of a folder's files with this extension, without it.
fn names(folder: &str, extension: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).unwrap();
    let files = files.map(|file| file.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|is| is == extension))
        .map(|file| file.file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

fn examples() -> BTreeSet<String> {
    names("../manifests/examples", "yaml")
}

#[test]
fn every_example_has_a_snapshot() {
    let mut wanted = examples();
    assert!(wanted.insert("http-route".into()));
    assert_eq!(names("tests/snapshots", "snap"), wanted);
}

fn objects(edit: impl FnOnce(&mut erpgo_crds::ErpGo)) -> Vec<Value> {
    let mut erpgo = example("minimal");
    edit(&mut erpgo);
    planned(&erpgo, &succeeded(&erpgo))
        .desired
        .unwrap()
        .manifests()
}

fn kinds(objects: &[Value]) -> Vec<&str> {
    objects
        .iter()
        .filter_map(|object| object["kind"].as_str())
        .collect()
}

#[test]
fn one_pod_gets_no_disruption_budget_and_nothing_else_changes() {
    let (two, one) = (
        objects(|_| {}),
        objects(|erpgo| erpgo.spec.replicas = Some(1)),
    );
    let without: Vec<_> = kinds(&two)
        .into_iter()
        .filter(|kind| *kind != "PodDisruptionBudget")
        .collect();
    assert_eq!(kinds(&one), without);
}

fn routed(erpgo: &mut erpgo_crds::ErpGo) {
    let route = serde_json::json!({
        "hostnames": ["erp.example.com"],
        "parentRefs": [{"name": "public", "sectionName": "https"}, {"name": "office"}],
    });
    erpgo.spec.http_route = Some(serde_json::from_value(route).unwrap());
}

#[test]
fn i09_a_route_is_the_only_thing_that_is_added_and_names_gateways_beside_it() {
    let (without, with) = (objects(|_| {}), objects(routed));
    let (added, rest): (Vec<_>, Vec<_>) = with
        .into_iter()
        .partition(|object| object["kind"] == "HTTPRoute");
    assert_eq!(rest, without);
    insta::with_settings!({prepend_module_to_snapshot => false}, {
        insta::assert_yaml_snapshot!("http-route", added);
    });
}

#[test]
fn a_route_is_left_out_where_the_cluster_serves_none() {
    let mut erpgo = example("minimal");
    routed(&mut erpgo);
    let mut seen = succeeded(&erpgo);
    seen.available_apis.http_route = false;
    let made = planned(&erpgo, &seen).desired.unwrap().manifests();
    assert_eq!(kinds(&made), kinds(&objects(|_| {})));
}

#[test]
fn i04_no_object_names_a_secret_in_the_environment() {
    for name in examples() {
        let erpgo = example(&name);
        let text = serde_json::to_string(
            &planned(&erpgo, &succeeded(&erpgo))
                .desired
                .unwrap()
                .manifests(),
        )
        .unwrap();
        assert!(!text.contains("secretKeyRef"), "{name}");
    }
}

// The variables and volumes of the sidecar with this backend.
fn sidecar(backend: Value) -> (Vec<String>, Vec<String>) {
    let objects = objects(|erpgo| {
        erpgo.spec.secrets.backend = serde_json::from_value(backend).unwrap();
    });
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment");
    let pod = &deployment.unwrap()["spec"]["template"]["spec"];
    let names = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    };
    (
        names(&pod["initContainers"][0]["env"]),
        names(&pod["volumes"]),
    )
}

#[test]
fn each_way_to_log_in_brings_its_own_volume() {
    let aws = |auth: &str| {
        let auth: Value = serde_json::from_str(auth).unwrap();
        sidecar(
            serde_json::json!({"aws": {"region": "eu-central-1", "secretId": "shop", "auth": auth}}),
        )
    };
    let (variables, volumes) = aws(r#"{"staticCredentialsSecretRef": {"name": "shop-aws"}}"#);
    assert!(volumes.contains(&"aws-credentials".into()));
    assert!(variables.contains(&"SIDECAR_AWS_SECRET_ACCESS_KEY_FILE".into()));
    let (variables, volumes) = aws(r#"{"podIdentity": {}}"#);
    assert!(!volumes.iter().any(|name| name.starts_with("aws-")));
    assert!(!variables.contains(&"SIDECAR_AWS_ROLE_ARN".into()));
    let jwt = serde_json::json!({"vault": {
        "address": "https://vault:8200", "path": "shop", "auth": {"jwt": {"role": "shop"}},
    }});
    assert!(sidecar(jwt).1.contains(&"vault-token".into()));
}

#[test]
fn a_paused_resource_is_left_alone() {
    let mut erpgo = example("minimal");
    erpgo.spec.paused = true;
    let plan = planned(&erpgo, &succeeded(&erpgo));
    assert_eq!((plan.desired, plan.effects), (None, vec![]));
}

#[test]
fn an_administrator_is_made_only_before_the_first_start() {
    let mut erpgo = example("minimal");
    let seen = succeeded(&erpgo);
    assert!(
        planned(&erpgo, &seen)
            .effects
            .contains(&Effect::EnsureAdminSecret)
    );
    erpgo.status = Some(erpgo_crds::ErpGoStatus {
        serving_image: Some(erpgo.spec.image.clone()),
        ..Default::default()
    });
    assert!(
        !planned(&erpgo, &seen)
            .effects
            .contains(&Effect::EnsureAdminSecret)
    );
}

/// The Secret of the first administrator is not there yet; all else is.
fn without_administrator(erpgo: &ErpGo) -> Observed {
    Observed {
        bootstrap_secret: Some(SecretSource::Missing),
        ..prepared(erpgo)
    }
}

fn migrates(plan: &Plan) -> bool {
    let desired = plan.desired.as_ref().unwrap();
    desired.migration_job.is_some()
}

#[test]
fn the_first_migration_waits_for_its_administrator_though_there_is_a_secret_set() {
    let erpgo = example("production");
    let failed = JobFacts {
        state: JobState::Failed,
        exit_code: Some(75),
        attempt: 1,
        ..JobFacts::default()
    };
    for job in [None, Some(failed)] {
        let mut seen = Observed {
            migration_job: job,
            ..without_administrator(&erpgo)
        };
        let words = ["shop-first-admin", "spec.bootstrapAdmin.secretRef"];
        degraded(&erpgo, &seen, "SecretMissing", &words);
        let waits = planned(&erpgo, &seen);
        assert!(!migrates(&waits), "it makes no administrator");
        let goes = |effect: &Effect| matches!(effect, Effect::DeleteMigrationJob { .. });
        assert!(!waits.effects.iter().any(goes));

        seen.bootstrap_secret = Some(SecretSource::Present);
        let begins = planned(&erpgo, &seen);
        assert!(migrates(&begins));
        let made = begins.desired.unwrap().migration_job.unwrap();
        let volumes = made.spec.unwrap().template.spec.unwrap().volumes;
        let mut volumes = volumes.unwrap().into_iter();
        assert!(volumes.any(|volume| volume.name == "bootstrap"));
    }
}

#[test]
fn an_administrator_who_was_made_is_waited_for_no_more() {
    let mut erpgo = example("production");
    let migrated = Observed {
        bootstrap_secret: Some(SecretSource::Missing),
        ..succeeded(&erpgo)
    };
    let plan = planned(&erpgo, &migrated);
    assert!(plan.desired.unwrap().deployment.is_some());

    let served = Observed {
        migration_job: None,
        bootstrap_secret: Some(SecretSource::Missing),
        ..serving(&erpgo)
    };
    erpgo.spec.image = "registry.example.com/erpgo:0.2.0".into();
    let plan = planned(&erpgo, &served);
    assert!(migrates(&plan));
    assert_eq!(plan.waiting.unwrap().reason, "Migrating");
}
