//! What is told: conditions, numbers, events.
//!
//! Owns [`status`]: pure. A condition's transition time moves with its status alone, and a status that
//! says nothing new is equal to the old one, so that nothing is written at rest (I-05). No value of a
//! secret can be in it, since none is in what it reads (I-04).

use erpgo_crds::{Acks, ConditionState, ConditionType, ErpGo, ErpGoStatus, SecretSetStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::connections;
use super::migrate::{self, Migration};
use super::names::Names;
use super::observed::{Observed, SecretSetState};
use super::phase::{Phase, Waiting};
use super::plan::Plan;
use super::reason;
use super::refused;
use super::rotation_condition;
use super::text::bounded_to;
use super::untold;

const MAX_CONDITION_MESSAGE: usize = 1024;

/// An Event to be published on the `ErpGo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventNote {
    /// Whether a person should look.
    pub warning: bool,
    /// Fixed reason, as in the conditions.
    pub reason: &'static str,
    /// What was being done.
    pub action: &'static str,
    /// What happened.
    pub message: String,
}

/// One condition before it is compared with the last one.
pub(super) struct Verdict {
    pub(super) type_: ConditionType,
    state: ConditionState,
    reason: &'static str,
    message: String,
}

/// What is told of an `ErpGo`, and the Events of what changed.
#[must_use]
pub fn status(
    erpgo: &ErpGo,
    plan: &Plan,
    seen: &Observed,
    now: Timestamp,
) -> (ErpGoStatus, Vec<EventNote>) {
    let old = erpgo.status.clone().unwrap_or_default();
    let mut verdicts = verdicts(erpgo, plan, seen);
    untold::leave_out(&mut verdicts, erpgo, plan, seen);
    let mut events = events(&old, &verdicts);
    events.extend(rotation_condition::events(plan));
    events.extend(connections::event(&old, plan));
    let generation = erpgo.metadata.generation;
    let mut conditions: Vec<Condition> = verdicts
        .into_iter()
        .map(|verdict| condition(verdict, &old.conditions, generation, now))
        .collect();
    untold::keep(&mut conditions, &old.conditions);
    let live = seen.deployment.as_ref();
    let status = ErpGoStatus {
        observed_generation: generation,
        replicas: live.map_or(0, |live| live.replicas),
        ready_replicas: live.map_or(0, |live| live.ready),
        selector: Names::of(erpgo).selector_text(),
        serving_image: plan.serving_image.clone(),
        serving_sidecar: plan.serving_sidecar.clone(),
        migration: migrate::told(erpgo, plan, seen, &old),
        secret_set: secret_set(seen, &old),
        rotation: match &plan.rotation {
            Some(decided) => Some(decided.record.to_status()),
            None => old.rotation.clone(),
        },
        conditions,
    };
    (status, events)
}

fn verdicts(erpgo: &ErpGo, plan: &Plan, seen: &Observed) -> Vec<Verdict> {
    let paused = paused(plan);
    if plan.phase == Phase::Paused {
        // The rest stands as it was told when the pause began.
        return vec![paused];
    }
    vec![
        ready(plan),
        progressing(plan),
        degraded(plan),
        migrations(erpgo, plan),
        secrets(plan, seen),
        rotation_condition::told(plan),
        monitoring(erpgo, seen),
        paused,
    ]
}

pub(super) fn told(
    type_: ConditionType,
    holds: bool,
    reason: &'static str,
    message: impl Into<String>,
) -> Verdict {
    let state = if holds {
        ConditionState::True
    } else {
        ConditionState::False
    };
    Verdict {
        type_,
        state,
        reason,
        message: message.into(),
    }
}

fn ready(plan: &Plan) -> Verdict {
    let type_ = ConditionType::Ready;
    match (plan.phase, &plan.waiting) {
        (Phase::Settled, None) => told(type_, true, reason::SERVING, serving(plan)),
        (Phase::Settled, Some(waiting)) => told(type_, true, reason::SERVING, waiting.message()),
        (Phase::Invalid, _) => told(type_, false, reason::INVALID_SPEC, invalid(plan)),
        (_, Some(waiting)) => told(type_, false, waiting.reason, waiting.message()),
        (phase, None) => told(
            type_,
            false,
            on_its_way(phase),
            "nothing to do, it is on its way",
        ),
    }
}

fn serving(plan: &Plan) -> String {
    let image = plan.serving_image.as_deref().unwrap_or_default();
    let but = plan.shortage.as_ref();
    let but = but.map_or_else(String::new, |shortage| format!("; but {shortage}"));
    format!("{image} serves with all its pods{but}")
}

const fn on_its_way(phase: Phase) -> &'static str {
    match phase {
        Phase::Migrate => reason::MIGRATING,
        Phase::RollOut => reason::ROLLING_OUT,
        _ => reason::PREPARING,
    }
}

fn progressing(plan: &Plan) -> Verdict {
    let type_ = ConditionType::Progressing;
    let stuck = plan.waiting.as_ref().is_some_and(|waiting| waiting.fault);
    match plan.phase {
        Phase::Prepare | Phase::Migrate | Phase::RollOut if !stuck => {
            let message = plan.waiting.as_ref().map(Waiting::message);
            told(
                type_,
                true,
                on_its_way(plan.phase),
                message.unwrap_or_default(),
            )
        }
        _ => told(type_, false, reason::SETTLED, "nothing is on its way"),
    }
}

fn degraded(plan: &Plan) -> Verdict {
    let type_ = ConditionType::Degraded;
    if plan.phase == Phase::Invalid {
        return told(type_, true, reason::INVALID_SPEC, invalid(plan));
    }
    match &plan.waiting {
        Some(waiting) if waiting.fault => told(type_, true, waiting.reason, waiting.message()),
        _ => told(type_, false, reason::AS_EXPECTED, "nothing is wrong"),
    }
}

fn invalid(plan: &Plan) -> String {
    let faults = plan
        .invalid
        .iter()
        .map(|fault| format!("{}: {}", fault.field, fault.message));
    let notes = plan
        .notes
        .iter()
        .map(|note| format!("{}: {}", note.object, note.message));
    let all: Vec<String> = faults.chain(notes).collect();
    format!(
        "the spec is refused and nothing is changed: {}",
        all.join("; ")
    )
}

fn migrations(erpgo: &ErpGo, plan: &Plan) -> Verdict {
    let type_ = ConditionType::MigrationsApplied;
    let image = &erpgo.spec.image;
    let undone = |waiting: &&Waiting| waiting.reason == reason::SCHEMA_BEHIND;
    if let Some(waiting) = plan.waiting.as_ref().filter(undone) {
        return told(type_, false, waiting.reason, waiting.message());
    }
    match plan.migration {
        Migration::Succeeded => told(
            type_,
            true,
            reason::MIGRATIONS_SUCCEEDED,
            format!("the migrations of {image} have succeeded"),
        ),
        Migration::Pending => told(
            type_,
            false,
            reason::PREPARING,
            format!("the migrations of {image} have not begun"),
        ),
        Migration::Running | Migration::Retrying | Migration::Stopped => match &plan.waiting {
            Some(waiting) => told(type_, false, waiting.reason, waiting.message()),
            None => told(
                type_,
                false,
                reason::MIGRATING,
                format!("the migrations of {image} run"),
            ),
        },
    }
}

fn secrets(plan: &Plan, seen: &Observed) -> Verdict {
    let type_ = ConditionType::SecretsReady;
    if let Some(refused) = refused::waiting(seen) {
        return told(type_, false, refused.reason, refused.message());
    }
    if let SecretSetState::Present { generation } = seen.secret_set {
        return told(
            type_,
            true,
            reason::SECRET_SET_PRESENT,
            format!("generation {generation} is in the backend"),
        );
    }
    match &plan.waiting {
        Some(waiting) => told(type_, false, waiting.reason, waiting.message()),
        None => told(
            type_,
            false,
            reason::PREPARING,
            "the first generation is being written",
        ),
    }
}

fn monitoring(erpgo: &ErpGo, seen: &Observed) -> Verdict {
    let type_ = ConditionType::MonitoringReady;
    let (spec, apis) = (&erpgo.spec.monitoring, seen.available_apis);
    let (holds, reason, message) = match (spec.enabled, spec.alerts.enabled) {
        (false, _) => (
            true,
            reason::DISABLED,
            "spec.monitoring.enabled is false: nothing is scraped and there are no alert rules",
        ),
        (true, _) if !apis.service_monitor => (
            false,
            reason::CRD_MISSING,
            "the CRDs of the prometheus-operator are not installed, so nothing is scraped; \
             install them, or set spec.monitoring.enabled to false",
        ),
        (true, true) if !apis.prometheus_rule => (
            false,
            reason::CRD_MISSING,
            "the CRD of PrometheusRules is not installed, so there are no alert rules; \
             install it, or set spec.monitoring.alerts.enabled to false",
        ),
        (true, true) => (
            true,
            reason::MONITORING_APPLIED,
            "scraping and alert rules are in place",
        ),
        (true, false) => (
            true,
            reason::MONITORING_APPLIED,
            "scraping is in place; there are no alert rules, which \
             spec.monitoring.alerts.enabled switches off",
        ),
    };
    told(type_, holds, reason, message)
}

fn paused(plan: &Plan) -> Verdict {
    let type_ = ConditionType::Paused;
    if plan.phase == Phase::Paused {
        return told(
            type_,
            true,
            reason::PAUSED,
            "spec.paused is set: the operator writes nothing; unset it to go on",
        );
    }
    told(type_, false, reason::NOT_PAUSED, "the operator is at work")
}

fn condition(
    verdict: Verdict,
    old: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let status = verdict.state.as_str();
    let before = old
        .iter()
        .find(|c| c.type_ == verdict.type_.as_str() && c.status == status);
    // Whole seconds, as the API server keeps them.
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    Condition {
        type_: verdict.type_.as_str().to_owned(),
        status: status.to_owned(),
        reason: verdict.reason.to_owned(),
        message: bounded_to(&verdict.message, MAX_CONDITION_MESSAGE),
        observed_generation: generation,
        last_transition_time: before.map_or(Time(second), |c| c.last_transition_time.clone()),
    }
}

fn secret_set(seen: &Observed, old: &ErpGoStatus) -> Option<SecretSetStatus> {
    let SecretSetState::Present { generation } = seen.secret_set else {
        return old.secret_set.clone();
    };
    Some(SecretSetStatus {
        generation: i64::try_from(generation).unwrap_or(i64::MAX),
        acks: seen.acks.map(|acks| Acks {
            acknowledged: acks.acknowledged,
            total: acks.total,
        }),
    })
}

fn events(old: &ErpGoStatus, verdicts: &[Verdict]) -> Vec<EventNote> {
    verdicts
        .iter()
        .filter(|verdict| is_news(old, verdict))
        .filter_map(event)
        .collect()
}

fn is_news(old: &ErpGoStatus, verdict: &Verdict) -> bool {
    let before = old
        .conditions
        .iter()
        .find(|c| c.type_ == verdict.type_.as_str());
    before.is_none_or(|c| c.status != verdict.state.as_str() || c.reason != verdict.reason)
}

fn event(verdict: &Verdict) -> Option<EventNote> {
    let holds = verdict.state == ConditionState::True;
    let (warning, action) = match (verdict.type_, holds) {
        (ConditionType::Ready, true) => (false, "RollOut"),
        (ConditionType::MigrationsApplied, true) => (false, "Migrate"),
        (ConditionType::SecretsReady, true) => (false, "PrepareSecrets"),
        (ConditionType::Progressing, true) => (false, "Reconcile"),
        (ConditionType::Paused, true) => (false, "Pause"),
        (ConditionType::Degraded, true) => (true, "Reconcile"),
        (ConditionType::MonitoringReady, false) => (true, "Monitor"),
        _ => return None,
    };
    Some(EventNote {
        warning,
        reason: verdict.reason,
        action,
        message: verdict.message.clone(),
    })
}
