//! The `ErpGo` resource: what a platform team may write and what it reads back.
//!
//! Owns the types of `erpgo.io/v1alpha1`, their defaults, their admission rules and the names of
//! conditions. Doc comments here are the CRD's descriptions: they are written for its users and
//! give unit, default and the effect of a live change. It must not talk to a cluster or decide what
//! is built from a spec.

mod autoscaling;
mod aws;
mod conditions;
mod crd;
mod database;
mod exposure;
mod mail;
mod migrations;
mod monitoring;
mod pod;
mod redis;
mod references;
mod rotation;
mod secrets;
mod settings;
mod spec;
mod status;

pub use autoscaling::Autoscaling;
pub use aws::{AwsAuth, AwsBackend, AwsPodIdentity, AwsWebIdentity};
pub use conditions::{ConditionState, ConditionType};
pub use crd::{crd, crd_yaml};
pub use database::{Database, DatabaseRotation, Pool};
pub use exposure::{HttpRoute, Ingress, ParentReference, Service, ServiceType};
pub use mail::Mail;
pub use migrations::Migrations;
pub use monitoring::{Alerts, Monitoring, Tracing};
pub use pod::{DisruptionBudget, NetworkPolicy, PullPolicy, Resources, Termination};
pub use redis::{Redis, RedisRotation};
pub use references::{ConfigMapKey, LocalName, SecretKey};
pub use rotation::{
    ActiveRotation, FinishedRotation, Grace, MissingPod, RemovedVersion, RotatingKeyStatus,
    Rotation, RotationStatus, TurningKey,
};
pub use secrets::{
    Backend, KubernetesBackend, Secrets, Sidecar, VaultAppRole, VaultAuth, VaultBackend,
    VaultJwtAuth, VaultKubernetesAuth,
};
pub use settings::{
    Cors, Features, Http, LogLevel, LoginLimits, RequestLimit, RequestLimits, Settings,
};
pub use spec::{BootstrapAdmin, DeletionPolicy, ErpGo, ErpGoSpec};
pub use status::{Acks, ChosenBy, ErpGoStatus, MigrationStatus, SecretSetStatus, ServingSidecar};

/// API group of the resource.
pub const GROUP: &str = "erpgo.io";
/// Version of the API.
pub const VERSION: &str = "v1alpha1";
