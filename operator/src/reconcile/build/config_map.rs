//! The ConfigMap with the API's settings.
//!
//! Owns `config.yaml`: only what the API takes up while it runs, so that a change here rolls no pod.
//! What needs a restart is in the environment of [`super::pod::app_container`]. No secret (I-04).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use erpgo_crds::{Features, LogLevel, LoginLimits, RequestLimits};
use k8s_openapi::api::core::v1::ConfigMap;

use crate::reconcile::names::{Component, short_hash};
use crate::reconcile::valid::ValidErpGo;

/// Key of the file, and its name in the pods.
pub const FILE: &str = "config.yaml";

/// The settings that running pods reload.
#[must_use]
pub fn config_map(app: &ValidErpGo) -> ConfigMap {
    ConfigMap {
        metadata: app.metadata(app.names.config_map(), Component::Api),
        data: Some(BTreeMap::from([(FILE.into(), file(app))])),
        ..ConfigMap::default()
    }
}

/// Hash of the settings, for telling whether a Job was made with other ones.
#[must_use]
pub fn settings_hash(app: &ValidErpGo) -> String {
    short_hash(&[&file(app)])
}

fn file(app: &ValidErpGo) -> String {
    let limits = &app.settings.login_limits;
    let mut file = format!(
        "# Written by erpgo-operator from spec.settings of the ErpGo; a change here is undone.\n\
         log:\n  level: {}\n\
         limits:\n  login_per_ip: {}\n  lockout_failures: {}\n",
        level(app.settings.log_level),
        limits.attempts_per_address,
        limits.failures_before_lock,
    );
    for (key, seconds) in durations(limits) {
        let _ = writeln!(file, "  {key}: {seconds}");
    }
    for (key, requests) in request_limits(&app.settings.request_limits) {
        let _ = writeln!(file, "  {key}: {requests}");
    }
    file.push_str(&features(&app.settings.features));
    file
}

/// In seconds, those that are set; the API knows the others.
fn durations(limits: &LoginLimits) -> impl Iterator<Item = (&'static str, i32)> {
    let all = [
        ("login_window", limits.window_seconds),
        ("lockout_duration", limits.lock_seconds),
    ];
    all.into_iter()
        .filter_map(|(key, seconds)| Some((key, seconds?)))
}

/// Those that are set; the API knows the others.
fn request_limits(limits: &RequestLimits) -> impl Iterator<Item = (&'static str, i32)> {
    let all = [
        ("read_per_ip", limits.reads.per_address),
        ("read_per_user", limits.reads.per_user),
        ("write_per_ip", limits.writes.per_address),
        ("write_per_user", limits.writes.per_user),
        ("export_per_ip", limits.exports.per_address),
        ("export_per_user", limits.exports.per_user),
    ];
    all.into_iter()
        .filter_map(|(key, requests)| Some((key, requests?)))
}

/// The section of what is set; none where nothing is.
fn features(features: &Features) -> String {
    let docs = features.docs.map(|on| format!("features:\n  docs: {on}\n"));
    docs.unwrap_or_default()
}

const fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}
