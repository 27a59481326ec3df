//! The container `credentials`.
//!
//! Owns what `erpgo db-credentials` and `erpgo redis-credentials` are started with: a name, and where
//! the files are that they read by default.

use k8s_openapi::api::core::v1::Container;

use super::{CREDENTIALS, pull_policy, requirements, security, volumes};
use crate::reconcile::build::credentials_job::ErrandRun;
use crate::reconcile::valid::ValidErpGo;
use crate::rotation::{LoginKey, Task};

pub(in crate::reconcile::build) fn container(app: &ValidErpGo, run: &ErrandRun) -> Container {
    let errand = &run.errand;
    let (command, flag) = match errand.key {
        LoginKey::Database => ("db-credentials", "--role"),
        LoginKey::Redis => ("redis-credentials", "--user"),
    };
    let args = [command, errand.task.as_str(), flag, &errand.login];
    let mut mounts = vec![volumes::login_admin_mount(errand.key)];
    if errand.task == Task::Set {
        mounts.push(volumes::verifier_mount(errand.key));
    }
    Container {
        name: CREDENTIALS.into(),
        image: Some(run.image.clone()),
        image_pull_policy: Some(pull_policy(app.pull_policy).into()),
        args: Some(args.map(str::to_owned).into()),
        resources: Some(requirements(&app.resources)),
        security_context: Some(security::of_a_container()),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}
