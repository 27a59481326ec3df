//! Names, labels and annotations of what an `ErpGo` owns.
//!
//! Owns every name and key, so that builders, observers and tests cannot disagree. A name is a pure
//! function of the `ErpGo`; none is longer than 63 characters since `metadata.name` has at most 40.

use std::collections::BTreeMap;

use erpgo_crds::ErpGo;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt as _;
use kube::api::ObjectMeta;
use sha2::{Digest as _, Sha256};

use crate::rotation::Errand;

/// Field manager of server-side apply, and value of `app.kubernetes.io/managed-by`.
pub const FIELD_MANAGER: &str = "erpgo-operator";
/// Field manager of the status.
pub const STATUS_FIELD_MANAGER: &str = "erpgo-operator-status";
/// Finalizer.
pub const FINALIZER: &str = "erpgo.io/cleanup";
/// Annotation of the Deployment: hash of its wanted spec, for telling whether it was applied yet.
pub const SPEC_HASH: &str = "erpgo.io/spec-hash";
/// Annotation of a migration Job: which attempt it is, from 1.
pub const ATTEMPT: &str = "erpgo.io/attempt";
/// Annotation of a migration Job: secret generation, and a hash of settings and revision of a given first
/// administrator, that it was made with.
pub const MADE_WITH: &str = "erpgo.io/made-with";
/// Annotation of a migration Job: version of the database that it was made for.
pub const DATABASE: &str = "erpgo.io/database";
/// Annotation of a Job that changes the password of a login: its errand, `TASK KEY LOGIN KID`.
pub const ERRAND: &str = "erpgo.io/errand";
/// Annotation of the secret set's Secret: id of the write that it came from.
pub const WRITE_ID: &str = "erpgo.io/write-id";
/// Annotation of an `ErpGo`: keys to rotate, `KEY[,KEY…][=REASON]`.
pub const ROTATE: &str = "erpgo.io/rotate";
/// Annotation of an `ErpGo`: a version to revoke, `KEY/KID`.
pub const REVOKE: &str = "erpgo.io/revoke";
/// Annotation of an `ErpGo`: version of the database on which migrations that pods miss there may run again.
pub const MIGRATE: &str = "erpgo.io/migrate";
/// Label that selects everything that the operator owns.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Label with the name of the `ErpGo`.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// Label with the [`Component`].
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// Value of `app.kubernetes.io/name` on the pods and children.
pub const PRODUCT: &str = "erpgo";
/// Value of `app.kubernetes.io/name` on the operator's own pods.
pub const OPERATOR: &str = "erpgo-operator";
/// Longest name of an `ErpGo`.
pub const MAX_NAME: usize = 40;

/// Label with the product.
pub const NAME_LABEL: &str = "app.kubernetes.io/name";
const PART_OF_LABEL: &str = "app.kubernetes.io/part-of";

/// What a child is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// Serving requests.
    Api,
    /// Changing the schema.
    Migration,
    /// Giving pods their secrets.
    Secrets,
    /// Changing passwords of database roles and Redis users.
    Credentials,
    /// Watching over it all.
    Monitoring,
}

impl Component {
    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Migration => "migration",
            Self::Secrets => "secrets",
            Self::Credentials => "credentials",
            Self::Monitoring => "monitoring",
        }
    }
}

/// Name and namespace of an `ErpGo`, and with them the names of its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    name: String,
    namespace: String,
}

impl Names {
    /// The names for `erpgo`.
    #[must_use]
    pub fn of(erpgo: &ErpGo) -> Self {
        Self {
            name: erpgo.name_any(),
            namespace: erpgo.namespace().unwrap_or_else(|| "default".into()),
        }
    }

    /// Name of the `ErpGo` and of most of its children.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.name
    }

    /// The namespace of all of them (I-09).
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// ConfigMap with the settings.
    #[must_use]
    pub fn config_map(&self) -> String {
        format!("{}-config", self.name)
    }

    /// Secret with the secret set, in the Kubernetes backend.
    #[must_use]
    pub fn secret_set(&self) -> String {
        format!("{}-secret-set", self.name)
    }

    /// Secret with the bearer token of the control port.
    #[must_use]
    pub fn control_token(&self) -> String {
        format!("{}-control", self.name)
    }

    /// Secret with the generated first administrator.
    #[must_use]
    pub fn admin(&self) -> String {
        format!("{}-admin", self.name)
    }

    /// ConfigMap with the log of rotations.
    #[must_use]
    pub fn rotation_log(&self) -> String {
        format!("{}-rotation-log", self.name)
    }

    /// Labels of a child.
    #[must_use]
    pub fn labels(&self, component: Component) -> BTreeMap<String, String> {
        let mut labels = self.instance_labels(component);
        labels.insert(MANAGED_BY_LABEL.into(), FIELD_MANAGER.into());
        labels.insert(PART_OF_LABEL.into(), PRODUCT.into());
        labels
    }

    /// Labels that select the API's pods. Never changed: a Deployment's selector is immutable.
    #[must_use]
    pub fn selector(&self) -> BTreeMap<String, String> {
        self.instance_labels(Component::Api)
    }

    /// [`Self::selector`] as Kubernetes objects have it.
    #[must_use]
    pub fn label_selector(&self) -> LabelSelector {
        LabelSelector {
            match_labels: Some(self.selector()),
            ..LabelSelector::default()
        }
    }

    /// [`Self::selector`] as text, for the scale subresource.
    #[must_use]
    pub fn selector_text(&self) -> String {
        let pairs = self.selector();
        let pairs = pairs.iter().map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join(",")
    }

    /// Metadata of a child called `name`, without an owner.
    #[must_use]
    pub fn metadata(&self, name: impl Into<String>, component: Component) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.into()),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels(component)),
            ..ObjectMeta::default()
        }
    }

    fn instance_labels(&self, component: Component) -> BTreeMap<String, String> {
        [
            (NAME_LABEL, PRODUCT),
            (INSTANCE_LABEL, &self.name),
            (COMPONENT_LABEL, component.as_str()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
    }
}

/// Name of the migration Job of `erpgo`. It carries a hash of all that decides what the Job does to
/// the database, so that no Job is ever patched and none runs twice for the same (I-02).
#[must_use]
pub fn migration_job(erpgo: &ErpGo) -> String {
    let spec = &erpgo.spec;
    let database = &spec.database.secret_ref;
    let destructive = spec.migrations.allow_destructive.to_string();
    let hash = short_hash(&[&spec.image, &database.name, &database.key, &destructive]);
    format!("{}-migrate-{hash}", erpgo.name_any())
}

/// Name of the Job of an errand, and of its Secret. It carries a hash of the errand and of whose it is,
/// so that no Job is ever patched and a new version means a new Job.
#[must_use]
pub fn errand_job(names: &Names, owner: &str, errand: &Errand) -> String {
    let hash = short_hash(&[owner, &errand.to_string()]);
    format!("{}-credentials-{hash}", names.base())
}

/// First ten hex digits of the SHA-256 of `parts`, each with its length so that none can run into
/// the next.
#[must_use]
pub fn short_hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hex::encode(hasher.finalize());
    digest.chars().take(10).collect()
}
