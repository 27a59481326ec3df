//! The container `app`.
//!
//! Owns what the API is started with. Its environment holds the settings that need a restart and
//! never a secret (I-04): those come as files from the sidecar.

use erpgo_crds::Http;
use k8s_openapi::api::core::v1::{
    Container, EnvVar, Lifecycle, LifecycleHandler, SleepAction, VolumeMount,
};

use super::{APP, HTTP, METRICS, env, probes, pull_policy, requirements, security, volumes};
use crate::reconcile::valid::ValidErpGo;

/// Seconds that the API may take to start.
const START_PATIENCE: i32 = 120;

pub(in crate::reconcile::build) fn container(app: &ValidErpGo, image: &str) -> Container {
    Container {
        name: APP.into(),
        image: Some(image.into()),
        image_pull_policy: Some(pull_policy(app.pull_policy).into()),
        args: Some(vec!["serve".into()]),
        env: Some(environment(app)),
        ports: Some(vec![HTTP.of_container(), METRICS.of_container()]),
        startup_probe: Some(probes::startup("/health/startup", HTTP, START_PATIENCE)),
        readiness_probe: Some(probes::readiness("/health/ready", HTTP)),
        liveness_probe: Some(probes::liveness("/health/live", HTTP)),
        lifecycle: pre_stop(app.termination.pre_stop_seconds),
        resources: Some(requirements(&app.resources)),
        security_context: Some(security::of_a_container()),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        volume_mounts: Some(mounts(app)),
        ..Container::default()
    }
}

fn mounts(app: &ValidErpGo) -> Vec<VolumeMount> {
    let credentials = app
        .mail
        .as_ref()
        .and_then(|mail| mail.credentials_secret_ref.as_ref());
    let mail = credentials.map(|_| volumes::mail_mount());
    let always = [volumes::secrets_to_read(), volumes::config()];
    always.into_iter().chain(mail).collect()
}

fn environment(app: &ValidErpGo) -> Vec<EnvVar> {
    let pool = &app.pool;
    let mut list = vec![
        env(
            "ERPGO_DATABASE__MAX_CONNECTIONS",
            pool.max_connections.to_string(),
        ),
        env(
            "ERPGO_DATABASE__MIN_CONNECTIONS",
            pool.min_connections.to_string(),
        ),
        env(
            "ERPGO_DATABASE__IDLE_TIMEOUT",
            seconds(pool.idle_timeout_seconds),
        ),
        env(
            "ERPGO_DATABASE__MAX_LIFETIME",
            seconds(pool.max_lifetime_seconds),
        ),
        env("ERPGO_REDIS__PREFIX", redis_prefix(app)),
        env(
            "ERPGO_SHUTDOWN__DRAIN",
            seconds(app.termination.drain_seconds),
        ),
    ];
    let origins = &app.settings.cors.allowed_origins;
    if !origins.is_empty() {
        list.push(env("ERPGO_CORS__ALLOWED_ORIGINS", origins.join(",")));
    }
    list.extend(http(&app.settings.http));
    list.extend(mail(app));
    list.extend(tracing(app));
    list
}

// Installations may share a server and its users, whose rights cover `erpgo:*`; they share no count of
// sign-ins and no permissions.
fn redis_prefix(app: &ValidErpGo) -> String {
    format!("erpgo:{}:{}:", app.names.namespace(), app.names.base())
}

fn http(http: &Http) -> Vec<EnvVar> {
    let proxies = &http.trusted_proxies;
    given([
        (
            "ERPGO_HTTP__TRUSTED_PROXIES",
            (!proxies.is_empty()).then(|| proxies.join(",")),
        ),
        ("ERPGO_HTTP__HSTS", http.hsts.map(|on| on.to_string())),
        (
            "ERPGO_HTTP__BODY_LIMIT",
            http.max_body_bytes.map(|bytes| bytes.to_string()),
        ),
        (
            "ERPGO_HTTP__REQUEST_TIMEOUT",
            http.request_timeout_seconds.map(seconds),
        ),
        (
            "ERPGO_HTTP__MAX_CONNECTIONS",
            http.max_connections.map(|most| most.to_string()),
        ),
    ])
}

fn mail(app: &ValidErpGo) -> Vec<EnvVar> {
    let Some(mail) = &app.mail else {
        return Vec::new();
    };
    let credentials = mail.credentials_secret_ref.as_ref();
    given([
        ("ERPGO_MAIL__SMTP_URL", Some(mail.smtp_url.clone())),
        ("ERPGO_MAIL__FROM", Some(mail.from.clone())),
        ("ERPGO_MAIL__PUBLIC_URL", mail.public_url.clone()),
        (
            "ERPGO_MAIL__CREDENTIALS_DIR",
            credentials.map(|_| volumes::MAIL_DIR.to_owned()),
        ),
    ])
}

/// Those that have a value.
fn given<const N: usize>(settings: [(&str, Option<String>); N]) -> Vec<EnvVar> {
    let given = settings
        .into_iter()
        .filter_map(|(name, value)| Some(env(name, value?)));
    given.collect()
}

/// Where traces go, for the API and its migrations.
pub(super) fn tracing(app: &ValidErpGo) -> Vec<EnvVar> {
    let Some(tracing) = &app.tracing else {
        return Vec::new();
    };
    let ratio = f64::from(tracing.sample_percent) / 100.0;
    vec![
        env(
            "ERPGO_TRACING__OTLP_ENDPOINT",
            tracing.otlp_endpoint.clone(),
        ),
        env("ERPGO_TRACING__SAMPLE_RATIO", ratio.to_string()),
    ]
}

pub(super) fn seconds(number: i32) -> String {
    format!("{number}s")
}

// The kubelet sleeps for us: the image has no shell. The API goes on serving meanwhile, until every
// load balancer has noticed that the pod ends.
fn pre_stop(seconds: i32) -> Option<Lifecycle> {
    (seconds > 0).then(|| Lifecycle {
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction {
                seconds: seconds.into(),
            }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    })
}
