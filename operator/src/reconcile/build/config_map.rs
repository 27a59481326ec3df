//! The ConfigMap with the API's settings.
//!
//! Owns `config.yaml`: only what the API takes up while it runs, so that a change here rolls no pod.
//! What needs a restart is in the environment of [`super::pod::app_container`]. No secret (I-04).

use std::collections::BTreeMap;

use erpgo_crds::LogLevel;
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
    format!(
        "# Written by erpgo-operator from spec.settings of the ErpGo; a change here is undone.\n\
         log:\n  level: {}\n\
         limits:\n  login_per_ip: {}\n  lockout_failures: {}\n",
        level(app.settings.log_level),
        limits.attempts_per_address,
        limits.failures_before_lock,
    )
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
