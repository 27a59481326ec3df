//! Conditions of which a plan knows nothing.
//!
//! Owns which those are, and that they stand as they were told, each with its own generation. Without a secret
//! set that can be seen nothing is known of its rotation; a refused spec says nothing of a migration that has
//! begun, and a backend that is away no more, nor whether a success that pods miss still holds. Pure.

use erpgo_crds::{ConditionType, ErpGo};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::migrate::Migration;
use super::observed::Observed;
use super::phase::Phase;
use super::plan::Plan;
use super::status::Verdict;
use super::undone;

/// Takes out what is not known now and was told before.
pub(super) fn leave_out(verdicts: &mut Vec<Verdict>, erpgo: &ErpGo, plan: &Plan, seen: &Observed) {
    let old = erpgo.status.iter().flat_map(|status| &status.conditions);
    let told: Vec<&str> = old.map(|condition| condition.type_.as_str()).collect();
    verdicts.retain(|verdict| {
        let type_ = verdict.type_;
        !told.contains(&type_.as_str()) || is_known(type_, erpgo, plan, seen)
    });
}

fn is_known(type_: ConditionType, erpgo: &ErpGo, plan: &Plan, seen: &Observed) -> bool {
    let is_there = seen.secret_set.generation().is_some();
    match type_ {
        ConditionType::RotationInProgress => plan.rotation.is_some(),
        ConditionType::MigrationsApplied => match plan.migration {
            Migration::Pending => !has_begun(erpgo, seen),
            Migration::Succeeded => !undone::is_unclear(&erpgo.spec.image, seen),
            Migration::Running | Migration::Retrying | Migration::Stopped => true,
        },
        ConditionType::SecretsReady => plan.phase != Phase::Invalid || is_there,
        ConditionType::Ready
        | ConditionType::Progressing
        | ConditionType::Degraded
        | ConditionType::MonitoringReady
        | ConditionType::Paused => true,
    }
}

// The migration of the wanted image.
fn has_begun(erpgo: &ErpGo, seen: &Observed) -> bool {
    let status = erpgo.status.as_ref();
    let recorded = status.and_then(|status| status.migration.as_ref());
    seen.migration_job.is_some() || recorded.is_some_and(|m| m.image == erpgo.spec.image)
}

/// Adds what stands as it was told to `conditions`.
pub(super) fn keep(conditions: &mut Vec<Condition>, old: &[Condition]) {
    let missing: Vec<Condition> = old
        .iter()
        .filter(|before| conditions.iter().all(|told| told.type_ != before.type_))
        .cloned()
        .collect();
    conditions.extend(missing);
    let place = |c: &Condition| {
        ConditionType::ALL
            .iter()
            .position(|t| t.as_str() == c.type_)
    };
    conditions.sort_by_key(place);
}
