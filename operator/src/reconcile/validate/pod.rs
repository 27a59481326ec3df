//! Rules for the pods: how many, how large, how they end, what they connect to.
//!
//! Owns the checks of scale, resources, pool, termination, migrations and monitoring.

use erpgo_crds::{Alerts, ErpGoSpec, Resources};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::faults::Faults;
use super::quantity::billionths;
use super::{secrets, settings, syntax};
use crate::reconcile::valid::Scale;

/// Pods when the spec names no number.
const DEFAULT_REPLICAS: i32 = 2;

pub(super) fn scale(spec: &ErpGoSpec, faults: &mut Faults) -> Option<Scale> {
    match (&spec.autoscaling, spec.replicas) {
        (Some(_), Some(_)) => {
            faults.add(
                "spec.replicas",
                "excludes spec.autoscaling: remove spec.replicas and set \
                 spec.autoscaling.minReplicas",
            );
            None
        }
        (None, replicas) => {
            let replicas = replicas.unwrap_or(DEFAULT_REPLICAS);
            faults.range("spec.replicas", replicas, 0, 100);
            Some(Scale::Fixed(replicas))
        }
        (Some(auto), None) => {
            faults.range("spec.autoscaling.minReplicas", auto.min_replicas, 1, 100);
            faults.range("spec.autoscaling.maxReplicas", auto.max_replicas, 1, 100);
            faults.range(
                "spec.autoscaling.targetCpuPercent",
                auto.target_cpu_percent,
                10,
                95,
            );
            let seconds = auto.scale_down_stabilization_seconds;
            faults.range(
                "spec.autoscaling.scaleDownStabilizationSeconds",
                seconds,
                0,
                3600,
            );
            faults.unless(
                auto.min_replicas <= auto.max_replicas,
                "spec.autoscaling.minReplicas",
                "is greater than maxReplicas: lower it or raise maxReplicas",
            );
            Some(Scale::Auto(auto.clone()))
        }
    }
}

pub(super) fn max_unavailable(spec: &ErpGoSpec) -> Option<i32> {
    let budget = &spec.disruption_budget;
    budget.enabled.then_some(budget.max_unavailable)
}

pub(super) fn check(spec: &ErpGoSpec, faults: &mut Faults) {
    for (index, secret) in spec.image_pull_secrets.iter().enumerate() {
        let field = format!("spec.imagePullSecrets[{index}].name");
        syntax::object_name(&field, &secret.name, faults);
    }
    resources("spec.resources", &spec.resources, faults);
    database(spec, faults);
    termination(spec, faults);
    migrations(spec, faults);
    settings::check(&spec.settings, faults);
    monitoring(spec, faults);
    faults.range(
        "spec.disruptionBudget.maxUnavailable",
        spec.disruption_budget.max_unavailable,
        1,
        100,
    );
}

pub(super) fn resources(field: &str, resources: &Resources, faults: &mut Faults) {
    let cpu = amount(field, "cpuRequest", Some(&resources.cpu_request), faults);
    let memory = amount(
        field,
        "memoryRequest",
        Some(&resources.memory_request),
        faults,
    );
    let cpu_limit = amount(field, "cpuLimit", resources.cpu_limit.as_ref(), faults);
    let memory_limit = amount(
        field,
        "memoryLimit",
        resources.memory_limit.as_ref(),
        faults,
    );
    for (request, limit, name) in [(cpu, cpu_limit, "cpu"), (memory, memory_limit, "memory")] {
        if let (Some(request), Some(limit)) = (request, limit)
            && request > limit
        {
            faults.add(
                format!("{field}.{name}Request"),
                format!("is greater than {name}Limit: lower it or raise the limit"),
            );
        }
    }
}

fn amount(
    field: &str,
    name: &str,
    quantity: Option<&Quantity>,
    faults: &mut Faults,
) -> Option<u128> {
    let quantity = quantity?;
    let amount = billionths(&quantity.0).filter(|amount| *amount > 0);
    if amount.is_none() {
        faults.add(
            format!("{field}.{name}"),
            "is no quantity above zero: write one such as 100m for CPU or 64Mi for memory",
        );
    }
    amount
}

fn database(spec: &ErpGoSpec, faults: &mut Faults) {
    secrets::secret_key("spec.database.secretRef", &spec.database.secret_ref, faults);
    if let Some(redis) = &spec.redis {
        secrets::secret_key("spec.redis.secretRef", &redis.secret_ref, faults);
    }
    let pool = &spec.database.pool;
    faults.range(
        "spec.database.pool.maxConnections",
        pool.max_connections,
        1,
        100,
    );
    faults.range(
        "spec.database.pool.minConnections",
        pool.min_connections,
        0,
        10,
    );
    faults.range(
        "spec.database.pool.idleTimeoutSeconds",
        pool.idle_timeout_seconds,
        1,
        1800,
    );
    faults.range(
        "spec.database.pool.maxLifetimeSeconds",
        pool.max_lifetime_seconds,
        60,
        3600,
    );
    faults.unless(
        pool.min_connections <= pool.max_connections,
        "spec.database.pool.minConnections",
        "is greater than maxConnections: lower it or raise maxConnections",
    );
}

fn termination(spec: &ErpGoSpec, faults: &mut Faults) {
    let end = &spec.termination;
    faults.range(
        "spec.termination.gracePeriodSeconds",
        end.grace_period_seconds,
        5,
        600,
    );
    faults.range(
        "spec.termination.preStopSeconds",
        end.pre_stop_seconds,
        0,
        120,
    );
    faults.range("spec.termination.drainSeconds", end.drain_seconds, 1, 300);
    let needed = end.pre_stop_seconds.saturating_add(end.drain_seconds);
    faults.unless(
        end.grace_period_seconds > needed,
        "spec.termination.gracePeriodSeconds",
        "must be greater than preStopSeconds + drainSeconds, or requests in flight are cut: raise it",
    );
}

fn migrations(spec: &ErpGoSpec, faults: &mut Faults) {
    let migrations = &spec.migrations;
    faults.range(
        "spec.migrations.lockTimeoutSeconds",
        migrations.lock_timeout_seconds,
        1,
        300,
    );
    faults.range(
        "spec.migrations.deadlineSeconds",
        migrations.deadline_seconds,
        30,
        86_400,
    );
    faults.range("spec.migrations.retries", migrations.retries, 0, 20);
}

fn monitoring(spec: &ErpGoSpec, faults: &mut Faults) {
    let monitoring = &spec.monitoring;
    faults.range(
        "spec.monitoring.intervalSeconds",
        monitoring.interval_seconds,
        5,
        300,
    );
    syntax::labels("spec.monitoring.labels", &monitoring.labels, faults);
    alerts(&monitoring.alerts, faults);
    if let Some(tracing) = &spec.tracing {
        faults.range("spec.tracing.samplePercent", tracing.sample_percent, 0, 100);
        web_url("spec.tracing.otlpEndpoint", &tracing.otlp_endpoint, faults);
    }
}

fn alerts(alerts: &Alerts, faults: &mut Faults) {
    for (name, value, least, most) in [
        ("errorRatePercent", alerts.error_rate_percent, 1, 100),
        (
            "latencyP99Milliseconds",
            alerts.latency_p99_milliseconds,
            10,
            60_000,
        ),
        ("poolUsagePercent", alerts.pool_usage_percent, 10, 100),
        ("cacheHitRatePercent", alerts.cache_hit_rate_percent, 1, 100),
        (
            "authFailureRatePercent",
            alerts.auth_failure_rate_percent,
            1,
            100,
        ),
    ] {
        faults.range(
            &format!("spec.monitoring.alerts.{name}"),
            value,
            least,
            most,
        );
    }
    web_url(
        "spec.monitoring.alerts.runbookBaseUrl",
        &alerts.runbook_base_url,
        faults,
    );
}

pub(super) fn web_url(field: &str, text: &str, faults: &mut Faults) {
    let valid = url::Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let bare = !text.contains(['@', ' ', '\n']);
    faults.unless(
        valid && bare && text.len() <= 300,
        field,
        "is no http or https URL: write one such as https://host.example.com:4318, without \
         credentials",
    );
}
