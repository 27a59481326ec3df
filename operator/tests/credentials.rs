//! The Job for a database role, from what was observed to the object.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use std::collections::BTreeMap;

use erpgo_crds::ErpGo;
use erpgo_operator::reconcile::observed::Observed;
use erpgo_operator::reconcile::plan::Effect;
use erpgo_operator::rotation::{DocumentView, Edit, ErrandState, ErrandView, Record};
use erpgo_secret_set::Kid;
use serde_json::{Value, json};
use situation::{example, planned, succeeded};

const IMAGE: &str = "registry.example.com/erpgo:0.1.0";

/// A rotation of the database has begun; `next` is where its next version is.
fn begun(document: Value, logins: &[(&str, &str)]) -> (ErpGo, Observed) {
    let mut erpgo = example("production");
    let record: Record = serde_json::from_value(json!({"keys": [], "active": {
        "id": "r8-1", "reason": "test", "keys": [{"key": "database", "from": "database-1"}],
        "step": "Begin", "begunAt": "1970-01-01T00:00:00Z", "since": "1970-01-01T00:00:00Z"}}))
    .unwrap();
    let mut seen = succeeded(&erpgo);
    seen.document = Some(view(document));
    let kid = |text: &str| Kid::try_from(text.to_owned()).unwrap();
    let logins = logins
        .iter()
        .map(|(name, role)| (kid(name), (*role).to_owned()));
    seen.logins = logins.collect::<BTreeMap<_, _>>();
    let status = erpgo.status.get_or_insert_default();
    status.rotation = Some(record.to_status());
    // What is seen first is remembered first.
    let decided = planned(&erpgo, &seen).rotation.unwrap();
    let status = erpgo.status.get_or_insert_default();
    status.rotation = Some(decided.record.to_status());
    (erpgo, seen)
}

fn view(database: Value) -> DocumentView {
    serde_json::from_value(json!({"generation": 8, "keys": {"database": database}})).unwrap()
}

fn version(kid: &str) -> Value {
    json!({"kid": kid, "created_at": "1970-01-01T00:00:00Z"})
}

fn prepared() -> (ErpGo, Observed) {
    let document = json!({"current": version("database-1"), "prepared": version("database-8-1")});
    begun(
        document,
        &[("database-1", "erp_a"), ("database-8-1", "erp_b")],
    )
}

fn job(erpgo: &ErpGo, seen: &Observed) -> Option<Value> {
    let plan = planned(erpgo, seen);
    assert_eq!(plan.notes, []);
    let job = plan.desired.unwrap().credentials_job?;
    Some(serde_json::to_value(job).unwrap())
}

#[test]
fn a_password_is_laid_by_before_there_is_a_job() {
    let document = json!({"current": version("database-1")});
    let (erpgo, seen) = begun(document, &[("database-1", "erp_a")]);
    let plan = planned(&erpgo, &seen);
    let write = plan.effects.iter().find_map(|effect| match effect {
        Effect::WriteSecrets { write, .. } => Some(write.edit.clone()),
        _ => None,
    });
    let key = erpgo_secret_set::KeyName::Database;
    assert_eq!(write, Some(Edit::Prepare(key, "erp_b".into())));
    assert!(plan.desired.unwrap().credentials_job.is_none());
}

#[test]
fn i04_the_job_alone_mounts_the_administrators_url_and_sees_no_password() {
    let (erpgo, seen) = prepared();
    let job = job(&erpgo, &seen).unwrap();
    let name = job["metadata"]["name"].as_str().unwrap();
    assert!(
        name.starts_with("shop-credentials-") && name.len() <= 63,
        "{name}"
    );
    assert_eq!(
        job["metadata"]["annotations"],
        json!({"erpgo.io/errand": "set erp_b database-8-1", "erpgo.io/made-with": "8"})
    );
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(pod["initContainers"], Value::Null);
    let container = &pod["containers"][0];
    assert_eq!(container["image"], IMAGE);
    assert_eq!(
        container["args"],
        json!(["db-credentials", "set", "--role", "erp_b"])
    );
    assert_eq!(container["env"], Value::Null);
    let mounts: Vec<_> = container["volumeMounts"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    let paths: Vec<_> = mounts
        .iter()
        .map(|mount| mount["mountPath"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["/etc/erpgo/db-admin", "/etc/erpgo/db-rotation"]);
    let secrets: Vec<_> = pod["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|volume| volume["secret"]["secretName"].as_str().unwrap())
        .collect();
    assert_eq!(secrets, ["shop-database-admin", name]);
    let others = planned(&erpgo, &seen).desired.unwrap().manifests();
    for object in others.iter().filter(|object| **object != job) {
        assert!(
            !object.to_string().contains("shop-database-admin"),
            "{}",
            object["kind"]
        );
    }
}

#[test]
fn what_has_its_password_is_staged_and_needs_no_job_any_more() {
    let (erpgo, mut seen) = prepared();
    seen.errands = vec![ErrandView {
        errand: "set erp_b database-8-1".parse().unwrap(),
        state: ErrandState::Succeeded,
    }];
    assert_eq!(job(&erpgo, &seen), None);
    let effects = planned(&erpgo, &seen).effects;
    let key = erpgo_secret_set::KeyName::Database;
    let staged = effects.iter().any(|effect| {
        matches!(effect, Effect::WriteSecrets { write, .. } if write.edit == Edit::Stage(vec![key]))
    });
    assert!(staged, "{effects:?}");
}

#[test]
fn the_old_password_goes_by_a_job_without_a_verifier_before_the_old_version_does() {
    let mut erpgo = example("production");
    let document = json!({"current": version("database-8-1"), "previous": version("database-1")});
    let (_, mut seen) = begun(
        document,
        &[("database-8-1", "erp_b"), ("database-1", "erp_a")],
    );
    // Twice: what is seen first is remembered first.
    for _ in 0..2 {
        let decided = planned(&erpgo, &seen).rotation.unwrap();
        erpgo.status.get_or_insert_default().rotation = Some(decided.record.to_status());
    }
    let job = job(&erpgo, &seen).unwrap();
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(
        pod["containers"][0]["args"],
        json!(["db-credentials", "clear", "--role", "erp_a"])
    );
    assert_eq!(pod["volumes"].as_array().unwrap().len(), 1);
    // Without the setting nobody's password is changed.
    erpgo.spec.database.rotation = None;
    seen.logins.clear();
    let plan = planned(&erpgo, &seen);
    assert!(plan.desired.unwrap().credentials_job.is_none());
}
