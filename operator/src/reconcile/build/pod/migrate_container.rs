//! The container `migrate`.
//!
//! Owns what `erpgo migrate` is started with. Its report comes back as the termination message.

use k8s_openapi::api::core::v1::Container;

use super::app_container::{seconds, tracing};
use super::{MIGRATE, env, pull_policy, requirements, security, volumes};
use crate::reconcile::valid::ValidErpGo;

pub(in crate::reconcile::build) fn container(app: &ValidErpGo, with_bootstrap: bool) -> Container {
    let migrations = &app.migrations;
    let mut environment = vec![
        env(
            "ERPGO_MIGRATIONS__LOCK_TIMEOUT",
            seconds(migrations.lock_timeout_seconds),
        ),
        env(
            "ERPGO_MIGRATIONS__ALLOW_DESTRUCTIVE",
            migrations.allow_destructive.to_string(),
        ),
    ];
    environment.extend(tracing(app));
    let mut mounts = vec![volumes::secrets_to_read(), volumes::config()];
    if with_bootstrap {
        environment.push(env("ERPGO_BOOTSTRAP_DIR", volumes::BOOTSTRAP_DIR));
        mounts.push(volumes::bootstrap_mount());
    }
    Container {
        name: MIGRATE.into(),
        image: Some(app.image.clone()),
        image_pull_policy: Some(pull_policy(app.pull_policy).into()),
        args: Some(vec!["migrate".into()]),
        env: Some(environment),
        resources: Some(requirements(&app.resources)),
        security_context: Some(security::of_a_container()),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}
