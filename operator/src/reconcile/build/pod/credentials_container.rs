//! The container `credentials`.
//!
//! Owns what `erpgo db-credentials` is started with: a role's name, and where the files are that it
//! reads by default.

use k8s_openapi::api::core::v1::Container;

use super::{CREDENTIALS, pull_policy, requirements, security, volumes};
use crate::reconcile::build::credentials_job::ErrandRun;
use crate::reconcile::valid::ValidErpGo;
use crate::rotation::Task;

pub(in crate::reconcile::build) fn container(app: &ValidErpGo, run: &ErrandRun) -> Container {
    let errand = &run.errand;
    let args = [
        "db-credentials",
        errand.task.as_str(),
        "--role",
        &errand.role,
    ];
    let mut mounts = vec![volumes::database_admin_mount()];
    if errand.task == Task::Set {
        mounts.push(volumes::verifier_mount());
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
