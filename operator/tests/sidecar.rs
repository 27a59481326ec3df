//! The sidecars of pods: which one they get when an upgrade brings the operator another default (I-06).
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod situation;

use erpgo_crds::{ChosenBy, ErpGo, ErpGoStatus};
use erpgo_operator::reconcile::config::Config;
use erpgo_operator::reconcile::names::MADE_WITH;
use erpgo_operator::reconcile::observed::{
    JobFacts, JobState, MigrationOutcome, MigrationReport, Observed,
};
use erpgo_operator::reconcile::plan::{Plan, plan};
use erpgo_operator::reconcile::status::status;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::Value;
use situation::{config, example, prepared, serving, succeeded};

const OLD: &str = "registry.example.com/sidecar-secrets:0.1.0";
const NEW: &str = "registry.example.com/sidecar-secrets:0.2.0";
const NEWER: &str = "registry.example.com/sidecar-secrets:0.3.0";
const OWN: &str = "registry.example.com/own-sidecar:1";
const NEXT_IMAGE: &str = "registry.example.com/erpgo:0.2.0";

/// What an operator with this default plans.
fn planned(erpgo: &ErpGo, seen: &Observed, default: &str) -> Plan {
    let config = Config {
        sidecar_image: default.into(),
        ..config()
    };
    plan(erpgo, seen, &config, Timestamp::UNIX_EPOCH)
}

/// The status that it publishes.
fn published(erpgo: &ErpGo, seen: &Observed, default: &str) -> ErpGoStatus {
    let plan = planned(erpgo, seen, default);
    status(erpgo, &plan, seen, Timestamp::UNIX_EPOCH).0
}

/// An `ErpGo` that serves, as an operator with the old default leaves it.
fn settled() -> (ErpGo, Observed) {
    let mut erpgo = example("minimal");
    let mut seen = serving(&erpgo);
    seen.deployment.as_mut().unwrap().sidecar_image = Some(OLD.into());
    erpgo.status = Some(published(&erpgo, &seen, OLD));
    (erpgo, seen)
}

/// The next image is wanted of it, and the migrations have succeeded.
fn migrated() -> (ErpGo, Observed) {
    let (mut erpgo, before) = settled();
    erpgo.spec.image = NEXT_IMAGE.into();
    let seen = Observed {
        deployment: before.deployment,
        ..succeeded(&erpgo)
    };
    (erpgo, seen)
}

fn deployment(plan: &Plan) -> &Deployment {
    let desired = plan.desired.as_ref().unwrap();
    desired.deployment.as_ref().unwrap()
}

fn job(plan: &Plan) -> &Job {
    let desired = plan.desired.as_ref().unwrap();
    desired.migration_job.as_ref().unwrap()
}

/// The images of the main container and of the sidecar.
fn images(template: &PodTemplateSpec) -> [&str; 2] {
    let pod = template.spec.as_ref().unwrap();
    let init = pod.init_containers.as_ref().unwrap();
    [&pod.containers[0], &init[0]].map(|container| container.image.as_deref().unwrap())
}

fn serves(plan: &Plan) -> [&str; 2] {
    images(&deployment(plan).spec.as_ref().unwrap().template)
}

fn migrates(plan: &Plan) -> [&str; 2] {
    images(&job(plan).spec.as_ref().unwrap().template)
}

/// The sidecar in the status, and who chose it.
fn recorded(status: &ErpGoStatus) -> Option<(&str, ChosenBy)> {
    let sidecar = status.serving_sidecar.as_ref()?;
    Some((sidecar.image.as_str(), sidecar.chosen_by))
}

#[test]
fn the_first_pods_get_the_default_and_it_is_recorded_with_them() {
    let erpgo = example("minimal");
    let migrating = planned(&erpgo, &prepared(&erpgo), OLD);
    assert_eq!(migrates(&migrating)[1], OLD);
    assert_eq!(migrating.serving_sidecar, None);

    // Nothing serves yet, so that a new default counts at once.
    assert_eq!(migrates(&planned(&erpgo, &prepared(&erpgo), NEW))[1], NEW);
    let seen = succeeded(&erpgo);
    assert_eq!(
        serves(&planned(&erpgo, &seen, NEW)),
        [erpgo.spec.image.as_str(), NEW]
    );
    assert_eq!(
        recorded(&published(&erpgo, &seen, NEW)),
        Some((NEW, ChosenBy::Operator))
    );
}

#[test]
fn i06_a_new_default_changes_neither_an_object_nor_the_status() {
    let (erpgo, seen) = settled();
    let before = planned(&erpgo, &seen, OLD);
    assert_eq!(serves(&before)[1], OLD);
    assert_eq!(planned(&erpgo, &seen, NEW), before);
    assert_eq!(erpgo.status, Some(published(&erpgo, &seen, NEW)));
}

#[test]
fn i06_no_setting_of_the_operator_changes_the_deployment() {
    let (erpgo, seen) = settled();
    // Whole, so that a setting that is added does not compile without a look at this.
    let other = Config {
        sidecar_image: NEW.into(),
        operator_namespace: "elsewhere".into(),
    };
    let after = plan(&erpgo, &seen, &other, Timestamp::UNIX_EPOCH);
    let before = planned(&erpgo, &seen, OLD);
    assert_eq!(deployment(&after), deployment(&before));
    let policy = |plan: Plan| plan.desired.unwrap().network_policy.unwrap();
    assert_ne!(policy(after), policy(before), "the settings are the same");
}

#[test]
fn a_new_default_comes_with_the_next_image_and_stays_from_then_on() {
    let (mut erpgo, seen) = settled();
    let image = std::mem::replace(&mut erpgo.spec.image, NEXT_IMAGE.into());
    let migrating = Observed {
        migration_job: None,
        ..seen
    };
    let plan = planned(&erpgo, &migrating, NEW);
    assert_eq!(serves(&plan), [image.as_str(), OLD]);
    assert_eq!(migrates(&plan), [NEXT_IMAGE, NEW]);
    assert_eq!(
        recorded(&published(&erpgo, &migrating, NEW)),
        Some((OLD, ChosenBy::Operator))
    );

    let (mut erpgo, seen) = migrated();
    let plan = planned(&erpgo, &seen, NEW);
    assert_eq!(serves(&plan), [NEXT_IMAGE, NEW]);
    erpgo.status = Some(published(&erpgo, &seen, NEW));
    assert_eq!(
        recorded(erpgo.status.as_ref().unwrap()),
        Some((NEW, ChosenBy::Operator))
    );
    assert_eq!(
        deployment(&planned(&erpgo, &seen, NEWER)),
        deployment(&plan)
    );
}

#[test]
fn the_image_that_the_spec_names_wins_and_goes_with_its_name() {
    let (mut erpgo, seen) = settled();
    erpgo.spec.secrets.sidecar.image = Some(OWN.into());
    let plan = planned(&erpgo, &seen, NEW);
    assert_eq!(serves(&plan)[1], OWN);
    assert_eq!(migrates(&plan)[1], OWN);
    assert_eq!(planned(&erpgo, &seen, OLD), plan);
    erpgo.status = Some(published(&erpgo, &seen, NEW));
    assert_eq!(
        recorded(erpgo.status.as_ref().unwrap()),
        Some((OWN, ChosenBy::Spec))
    );

    // Its pods roll in any case.
    erpgo.spec.secrets.sidecar.image = None;
    let applied = with_sidecar(&seen, Some(OWN));
    assert_eq!(serves(&planned(&erpgo, &applied, NEW))[1], NEW);
    assert_eq!(
        recorded(&published(&erpgo, &applied, NEW)),
        Some((NEW, ChosenBy::Operator))
    );
}

/// With this image of the sidecar in a Deployment that the operator applied.
fn with_sidecar(seen: &Observed, sidecar: Option<&str>) -> Observed {
    let mut seen = seen.clone();
    seen.deployment.as_mut().unwrap().sidecar_image = sidecar.map(str::to_owned);
    seen
}

#[test]
fn i06_what_is_not_recorded_is_taken_from_what_the_operator_applied_and_from_no_hand_edit() {
    let (of_before, seen) = settled();
    let mut lost = of_before.clone();
    lost.status = None;
    // Written by an operator that recorded none.
    let mut older = of_before.clone();
    older.status.as_mut().unwrap().serving_sidecar = None;
    let edited = with_sidecar(&seen, None);
    for erpgo in [lost, older] {
        assert_eq!(serves(&planned(&erpgo, &seen, NEW))[1], OLD);
        assert_eq!(
            recorded(&published(&erpgo, &seen, NEW)),
            Some((OLD, ChosenBy::Operator))
        );
        assert_eq!(serves(&planned(&erpgo, &edited, NEW))[1], NEW);
    }
    // What is recorded is put right.
    assert_eq!(serves(&planned(&of_before, &edited, NEW))[1], OLD);
}

#[test]
fn i06_one_that_was_chosen_by_nobody_known_counts_as_not_recorded() {
    let (mut erpgo, seen) = settled();
    let known = erpgo.status.clone().unwrap();
    let mut stored = serde_json::to_value(&known).unwrap();
    let read = |stored: &Value| serde_json::from_value::<ErpGoStatus>(stored.clone()).unwrap();
    assert_eq!(stored["servingSidecar"]["chosenBy"], "Operator");
    assert_eq!(read(&stored), known);

    stored["servingSidecar"]["chosenBy"] = "Somebody".into();
    let without = ErpGoStatus {
        serving_sidecar: None,
        ..known.clone()
    };
    assert_eq!(read(&stored), without);
    erpgo.status = Some(without);
    assert_eq!(serves(&planned(&erpgo, &seen, NEW))[1], OLD);
    assert_eq!(published(&erpgo, &seen, NEW), known);
}

#[test]
fn i10_an_operator_that_ended_before_it_could_record_is_followed_by_one_that_rolls_nothing() {
    let (erpgo, mut seen) = migrated();
    let applied = planned(&erpgo, &seen, NEW);
    let live = seen.deployment.as_mut().unwrap();
    live.image = NEXT_IMAGE.into();
    live.sidecar_image = Some(NEW.into());
    let next = planned(&erpgo, &seen, NEWER);
    assert_eq!(serves(&next)[1], NEW);
    assert_eq!(deployment(&next), deployment(&applied));
}

#[test]
fn a_new_default_makes_no_job_anew() {
    let (mut erpgo, mut seen) = settled();
    erpgo.spec.image = NEXT_IMAGE.into();
    seen.migration_job = None;
    let made = planned(&erpgo, &seen, OLD);
    let metadata = &job(&made).metadata;
    // A Job whose pods fail is made anew as soon as it was made with something else.
    seen.migration_job = Some(JobFacts {
        name: metadata.name.clone().unwrap(),
        image: NEXT_IMAGE.into(),
        state: JobState::Running,
        attempt: 1,
        made_with: metadata
            .annotations
            .as_ref()
            .unwrap()
            .get(MADE_WITH)
            .cloned(),
        report: Some(unavailable()),
        ..JobFacts::default()
    });
    let (before, after) = (planned(&erpgo, &seen, OLD), planned(&erpgo, &seen, NEW));
    assert_eq!(migrates(&before)[1], OLD);
    assert_eq!(migrates(&after)[1], NEW);
    assert_eq!(job(&after).metadata, *metadata);
    assert_eq!(after.effects, before.effects);
    assert_eq!(deployment(&after), deployment(&before));
}

/// As a pod leaves it that is followed by another.
fn unavailable() -> MigrationReport {
    MigrationReport {
        outcome: MigrationOutcome::Unavailable,
        applied: Vec::new(),
        migration: None,
        statement: None,
        error: None,
        retryable: true,
        connections: None,
    }
}
