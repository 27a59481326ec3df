//! Rotations as a platform team asks for them and follows them.
//!
//! Owns the two annotations, the reading of `status.rotation`, of Events and of the rotation log, and the
//! one thing in the status that a journey changes: since when a grace counts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use erpgo_crds::{ErpGo, RemovedVersion, RotationStatus};
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::{Stage, until};

/// How long a step of a rotation may take on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(120);

/// The current kid of each key.
pub type Kids = BTreeMap<String, String>;

impl Stage {
    /// Asks for a rotation of `keys`, as `kubectl annotate` does.
    ///
    /// # Errors
    /// What the API server answered.
    pub async fn rotate(&self, keys: &str, reason: &str) -> Result<()> {
        self.annotate("erpgo.io/rotate", &format!("{keys}={reason}"))
            .await
    }

    /// Asks for a revocation of one version.
    ///
    /// # Errors
    /// What the API server answered.
    pub async fn revoke(&self, key: &str, kid: &str) -> Result<()> {
        self.annotate("erpgo.io/revoke", &format!("{key}/{kid}"))
            .await
    }

    /// Has the operator look at once, and not only when it would of itself.
    ///
    /// # Errors
    /// What the API server answered.
    pub async fn look(&self) -> Result<()> {
        let new = uuid::Uuid::new_v4().to_string();
        self.annotate("example.com/look", &new).await
    }

    async fn annotate(&self, name: &str, value: &str) -> Result<()> {
        let api: Api<ErpGo> = self.api();
        let patch = json!({"metadata": {"annotations": {name: value}}});
        let params = PatchParams::default();
        api.patch("shop", &params, &Patch::Merge(&patch)).await?;
        Ok(())
    }

    /// `status.rotation`.
    ///
    /// # Errors
    /// What the API server answered.
    pub async fn rotation(&self) -> Result<RotationStatus> {
        let api: Api<ErpGo> = self.api();
        let status = api.get("shop").await?.status.unwrap_or_default();
        Ok(status.rotation.unwrap_or_default())
    }

    /// Has `left` left of the `grace` of `key`, as if every pod had left the previous version long ago;
    /// tells when it is over. No grace that a spec may ask for is as short as a journey.
    ///
    /// # Errors
    /// When no grace has begun, or what the API server answered.
    pub async fn shorten(&self, key: &str, grace: Duration, left: Duration) -> Result<Time> {
        let end = Timestamp::now().checked_add(left)?;
        // A status has whole seconds.
        let end = Timestamp::from_second(end.as_second())?;
        let mut keys = self.rotation().await?.keys;
        let of_key = keys.iter_mut().find(|one| one.key == key);
        let since = of_key.and_then(|one| one.switched_at.as_mut());
        *since.context("no grace has begun")? = Time(end.checked_sub(grace)?);
        let patch = json!({"status": {"rotation": {"keys": keys}}});
        let api: Api<ErpGo> = self.api();
        let params = PatchParams::default();
        api.patch_status("shop", &params, &Patch::Merge(&patch))
            .await?;
        Ok(Time(end))
    }

    /// Reason and message of each Event of the `ErpGo`.
    ///
    /// # Errors
    /// What the API server answered.
    pub async fn events(&self) -> Result<BTreeSet<(String, String)>> {
        let events: Api<Event> = self.api();
        let of = "involvedObject.kind=ErpGo,involvedObject.name=shop";
        let list = events.list(&ListParams::default().fields(of)).await?;
        let told = |event: Event| Some((event.reason?, event.message?));
        Ok(list.items.into_iter().filter_map(told).collect())
    }

    /// The rotation log, as the guide reads it.
    ///
    /// # Errors
    /// What kubectl said.
    pub fn rotation_log(&self) -> Result<String> {
        let (namespace, name) = (&self.namespace, "shop-rotation-log");
        let args = ["-n", namespace, "get", "configmap", name, "-o", "yaml"];
        self.node.kubectl(&args)
    }

    /// The current kid of each key.
    ///
    /// # Errors
    /// What the API server answered.
    pub async fn kids(&self) -> Result<Kids> {
        let keys = self.rotation().await?.keys;
        Ok(keys.into_iter().map(|key| (key.key, key.kid)).collect())
    }

    /// Waits until every pod uses a version of each of `keys` that is not in `before`, and nothing is
    /// under way.
    ///
    /// # Errors
    /// At the deadline, with the status.
    pub async fn turned(&self, before: &Kids, keys: &[&str]) -> Result<Kids> {
        until("every pod uses the new versions", PATIENCE, || async {
            let rotation = self.rotation().await?;
            let now: Kids = rotation
                .keys
                .iter()
                .map(|key| (key.key.clone(), key.kid.clone()))
                .collect();
            let new = |key: &&str| {
                now.get(*key)
                    .is_some_and(|kid| before.get(*key) != Some(kid))
            };
            let done = rotation.active.is_none() && keys.iter().all(new);
            Ok(if done { Ok(now) } else { Err(short(&rotation)) })
        })
        .await
    }

    /// Waits until status proves that every pod refuses `kid`; tells how long that took from now.
    ///
    /// # Errors
    /// At the deadline, with the status.
    pub async fn refused(&self, key: &str, kid: &str) -> Result<Duration> {
        let begun = Instant::now();
        until(
            &format!("proof that {key}/{kid} is refused"),
            PATIENCE,
            || async {
                let rotation = self.rotation().await?;
                let proven = |gone: &RemovedVersion| {
                    gone.key == key && gone.kid == kid && gone.refused_at.is_some()
                };
                let proven = rotation.removed.iter().any(proven);
                Ok(if proven {
                    Ok(())
                } else {
                    Err(short(&rotation))
                })
            },
        )
        .await?;
        Ok(begun.elapsed())
    }
}

fn short(rotation: &RotationStatus) -> String {
    serde_json::to_string(rotation).unwrap_or_default()
}
