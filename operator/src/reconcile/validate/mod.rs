//! From a spec that parses to one that can be built.
//!
//! Owns [`validate`]. The schema refuses most of this at admission; what slips past it, by an older
//! CRD or a schema that was loosened, is refused here again with the field and the way out, and
//! changes nothing. Pure.

mod aws;
mod exposure;
mod faults;
mod image;
mod mail;
mod pod;
pub(super) mod quantity;
mod secrets;
mod settings;
mod syntax;
mod turns;

use erpgo_crds::{ErpGo, ErpGoSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource as _;

use super::names::{self, Names};
use super::valid::{Bootstrap, ValidErpGo};
use crate::rotation::{Request, Revocation, Triggers};
use faults::Faults;
pub use faults::Invalid;

/// Most characters of an annotation that asks for something.
const MAX_TRIGGER: usize = 300;

/// Checks every field and resolves every choice.
///
/// # Errors
/// Every fault at once, in the order of the fields.
pub fn validate(erpgo: &ErpGo) -> Result<ValidErpGo, Vec<Invalid>> {
    let mut faults = Faults::default();
    let spec = &erpgo.spec;
    check_name(erpgo, &mut faults);
    image::check("spec.image", &spec.image, &mut faults);
    let scale = pod::scale(spec, &mut faults);
    pod::check(spec, &mut faults);
    let backend = secrets::backend(spec, &mut faults);
    secrets::check(spec, &mut faults);
    mail::check(spec, &mut faults);
    let turns = turns::turns(spec, &mut faults);
    let exposure = exposure::exposure(spec, &mut faults);
    exposure::check(spec, &mut faults);
    let bootstrap = bootstrap(spec, &mut faults);
    let (Some(scale), Some(backend), Some(exposure), true) =
        (scale, backend, exposure, faults.is_empty())
    else {
        return Err(faults.into_list());
    };
    let names = Names::of(erpgo);
    Ok(ValidErpGo {
        owner: owner(erpgo, &names),
        names,
        image: spec.image.clone(),
        pull_policy: spec.image_pull_policy,
        pull_secrets: spec
            .image_pull_secrets
            .iter()
            .map(|s| s.name.clone())
            .collect(),
        scale,
        resources: spec.resources.clone(),
        database: spec.database.secret_ref.clone(),
        turns,
        pool: spec.database.pool.clone(),
        redis: spec.redis.as_ref().map(|redis| redis.secret_ref.clone()),
        backend,
        sidecar: secrets::sidecar(spec),
        rotation: spec.secrets.rotation.clone(),
        triggers: triggers(erpgo),
        migrate: annotation(erpgo, names::MIGRATE),
        migrations: spec.migrations.clone(),
        migration_job: names::migration_job(erpgo),
        settings: spec.settings.clone(),
        bootstrap,
        service: spec.service.clone(),
        exposure,
        network_policy: spec.network_policy.enabled,
        max_unavailable: pod::max_unavailable(spec),
        termination: spec.termination.clone(),
        monitoring: spec.monitoring.clone(),
        mail: spec.mail.clone(),
        tracing: spec.tracing.clone(),
    })
}

fn bootstrap(spec: &ErpGoSpec, faults: &mut Faults) -> Bootstrap {
    let Some(admin) = &spec.bootstrap_admin else {
        return Bootstrap::Generated;
    };
    let name = &admin.secret_ref.name;
    syntax::object_name("spec.bootstrapAdmin.secretRef.name", name, faults);
    Bootstrap::Given(name.clone())
}

fn triggers(erpgo: &ErpGo) -> Triggers {
    let text = |name| annotation(erpgo, name);
    Triggers {
        rotate: text(names::ROTATE).map(|text| (text.clone(), Request::parse(&text))),
        revoke: text(names::REVOKE).map(|text| (text.clone(), Revocation::parse(&text))),
    }
}

// Some are kept in the status, which must not grow with them.
fn annotation(erpgo: &ErpGo, name: &str) -> Option<String> {
    let text = erpgo.metadata.annotations.as_ref()?.get(name)?;
    Some(text.chars().take(MAX_TRIGGER).collect())
}

fn check_name(erpgo: &ErpGo, faults: &mut Faults) {
    let name = erpgo.metadata.name.as_deref().unwrap_or_default();
    if name.len() > names::MAX_NAME || !syntax::is_label_name(name) {
        faults.add(
            "metadata.name",
            "must be at most 40 characters of a-z, 0-9 and '-', beginning with a letter: create it \
             again under such a name",
        );
    }
}

fn owner(erpgo: &ErpGo, names: &Names) -> OwnerReference {
    OwnerReference {
        api_version: ErpGo::api_version(&()).into_owned(),
        kind: ErpGo::kind(&()).into_owned(),
        name: names.base().to_owned(),
        uid: erpgo.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
