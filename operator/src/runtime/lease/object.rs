//! The `Lease` object in the cluster.
//!
//! Owns reading and the three conditional writes. Every write carries the resource version that was
//! read, so that of two candidates one fails.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};

use super::election::{Record, Timing};
use crate::reconcile::names::FIELD_MANAGER;

/// The lease's place in the cluster.
#[derive(Clone)]
pub struct LeaseObject {
    api: Api<Lease>,
    name: String,
}

impl LeaseObject {
    /// The lease `name` in `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
        }
    }

    pub(super) async fn read(&self) -> Result<Option<Lease>, kube::Error> {
        self.api.get_opt(&self.name).await
    }

    pub(super) async fn create(&self, holder: &str, timing: Timing) -> Result<(), kube::Error> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(held(LeaseSpec::default(), holder, timing)),
        };
        self.api.create(&params(), &lease).await.map(drop)
    }

    /// Writes `holder` into `lease`, on the condition that nobody has written since it was read.
    pub(super) async fn write(
        &self,
        mut lease: Lease,
        holder: &str,
        timing: Timing,
    ) -> Result<(), kube::Error> {
        let spec = lease.spec.take().unwrap_or_default();
        lease.spec = Some(held(spec, holder, timing));
        self.api
            .replace(&self.name, &params(), &lease)
            .await
            .map(drop)
    }

    /// Gives the lease up, so that the next candidate need not wait for it to expire.
    pub(super) async fn release(&self, mut lease: Lease) -> Result<(), kube::Error> {
        let mut spec = lease.spec.take().unwrap_or_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        lease.spec = Some(spec);
        self.api
            .replace(&self.name, &params(), &lease)
            .await
            .map(drop)
    }
}

fn params() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    }
}

fn held(old: LeaseSpec, holder: &str, timing: Timing) -> LeaseSpec {
    let now = MicroTime(Timestamp::now());
    let same = old.holder_identity.as_deref() == Some(holder);
    let transitions = old.lease_transitions.unwrap_or(0);
    LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: i32::try_from(timing.duration.as_secs()).ok(),
        acquire_time: if same {
            old.acquire_time
        } else {
            Some(now.clone())
        },
        renew_time: Some(now),
        lease_transitions: Some(transitions.saturating_add(i32::from(!same))),
        ..old
    }
}

pub(super) fn record(lease: &Lease, fallback: Duration) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let duration = spec.lease_duration_seconds.map_or(fallback, |seconds| {
        Duration::from_secs(u64::from(seconds.unsigned_abs()))
    });
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        duration,
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}
