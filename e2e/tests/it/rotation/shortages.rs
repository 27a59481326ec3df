//! A node that runs short of process ids in mid-rotation, so that the kubelet evicts a pod.
//!
//! Owns the shortage, from its first moment to its last trace, and whom it strikes: the pods have the least
//! priority of all on the node, and both acknowledge nothing until one has gone. The kubelet was told to let
//! it end in order, as by a deletion. But no Service hears of it before: in its last seconds connections are
//! sent to a pod that takes none, so no load runs here.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use erpgo_e2e::{Idlers, Silence, until};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;

use super::deaths::Member;
use super::{Play, SOON};

/// The node has it, below all others.
const PRIORITY: &str = "erpgo-first-to-go";
const CONDITION: &str = "PIDPressure";
const TAINT: &str = "node.kubernetes.io/pid-pressure";

impl Play {
    /// A rotation waits for both pods, of which one is evicted: it waits for the other alone from then on, and
    /// a pod takes the place of the one when the node has recovered.
    pub(super) async fn a_starved_node_ends_a_pod(&mut self) -> Result<()> {
        self.are_first_to_go().await?;
        let held = self.hold_both().await?;
        let witness = self.witness().await?;
        let before = self.stage.kids().await?;
        self.stage.rotate("jwt", "the node is starved").await?;
        self.misses(held.iter().map(|(pod, _)| pod)).await?;
        let (begun, since) = (Instant::now(), Timestamp::now());
        let gone = self.starves(&held).await?;
        let evicted = begun.elapsed();
        let (mut others, _): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|(pod, _)| pod.name != gone);
        let (other, silence) = others.pop().context("both have gone")?;
        self.misses([&other]).await?;
        ensure!(
            self.stage.kids().await? == before,
            "the key turned without a pod"
        );
        silence.end()?;
        self.stage.turned(&before, &["jwt"]).await?;
        self.has_recovered(since).await?;
        self.two_are_ready().await?;
        self.was_struck_alone(&gone).await?;
        println!(
            "{}: evicted after {evicted:?}, jwt turned and another pod is there after {:?}",
            self.stage.namespace,
            begun.elapsed()
        );
        self.the_old_jwt_goes(&before, &witness).await
    }

    /// Pods of the least priority take the places of those that are there.
    async fn are_first_to_go(&self) -> Result<()> {
        let deployments: Api<Deployment> = self.stage.api();
        let patch = json!({"spec": {"template": {"spec": {"priorityClassName": PRIORITY}}}});
        let params = PatchParams::default();
        deployments
            .patch("shop", &params, &Patch::Merge(&patch))
            .await?;
        until("pods of the least priority", SOON, || async {
            let pods = self.stage.pods().await?.into_iter();
            let priority = |pod: Pod| pod.spec.and_then(|spec| spec.priority);
            let all: Vec<Option<i32>> = pods.map(priority).collect();
            let is_least = |priority: &Option<i32>| priority.is_some_and(|number| number < 0);
            let are = all.iter().all(is_least);
            Ok(are.then_some(()).ok_or_else(|| format!("{all:?}")))
        })
        .await?;
        self.two_are_ready().await
    }

    async fn hold_both(&self) -> Result<Vec<(Member, Silence)>> {
        let mut held = Vec::new();
        for pod in self.members().await? {
            let silence = pod.silence()?;
            held.push((pod, silence));
        }
        Ok(held)
    }

    /// Waits until the rotation is at Stage and misses these pods and no other.
    async fn misses<'a>(&self, pods: impl IntoIterator<Item = &'a Member>) -> Result<()> {
        let pods: BTreeSet<&str> = pods.into_iter().map(|pod| pod.name.as_str()).collect();
        until(&format!("Stage without {pods:?}"), SOON, || async {
            let Some(active) = self.stage.rotation().await?.active else {
                return Ok(Err("no rotation is under way".to_owned()));
            };
            let missing = active.missing.iter().map(|missing| missing.pod.as_str());
            let is_so = active.step == "Stage" && missing.collect::<BTreeSet<_>>() == pods;
            let told = format!("{}: {:?}", active.step, active.missing);
            Ok(if is_so { Ok(()) } else { Err(told) })
        })
        .await
    }

    /// Makes the node short of process ids until the kubelet has told one of the pods to go, and no longer: it
    /// would be the other's turn next. Returns the name of the one when it has ended.
    async fn starves(&mut self, held: &[(Member, Silence)]) -> Result<String> {
        let idlers = Idlers::starve(&self.stage.node).await?;
        let (gone, said) = self.is_told_to_go(held).await?;
        let count = idlers.count();
        drop(idlers);
        ensure!(said.contains("low on resource: pids"), "{said}");
        println!(
            "{}: with {count} more threads: {}",
            self.stage.namespace,
            said.trim()
        );
        self.has_ended(&gone).await?;
        Ok(gone)
    }

    /// The pod and what it is told.
    async fn is_told_to_go(&self, held: &[(Member, Silence)]) -> Result<(String, String)> {
        let events: Api<Event> = self.stage.api();
        let of = ListParams::default().fields("involvedObject.kind=Pod,reason=Evicted");
        until("the kubelet to evict a pod", SOON, || async {
            let list = events.list(&of).await?.items.into_iter();
            let mut told = list.filter_map(|event| {
                let name = event.involved_object.name?;
                let is_held = held.iter().any(|(pod, _)| pod.name == name);
                is_held.then(|| (name, event.message.unwrap_or_default()))
            });
            Ok(told.next().ok_or_else(|| "none is told to go".to_owned()))
        })
        .await
    }

    /// Waits until the pod of this name has ended for the kubelet: in order, so that it has not failed.
    async fn has_ended(&mut self, name: &str) -> Result<()> {
        let pods: Api<Pod> = self.stage.api();
        until("the end of the pod", SOON, || async {
            let pod = pods.get(name).await?;
            let is_kubelets = is_ended_by_kubelet(&pod);
            let phase = pod.status.and_then(|status| status.phase);
            let is_over = matches!(phase.as_deref(), Some("Succeeded" | "Failed"));
            let told = format!("{phase:?}, by the kubelet: {is_kubelets}");
            Ok(if is_over && is_kubelets {
                Ok(())
            } else {
                Err(told)
            })
        })
        .await?;
        let (node, namespace) = (&self.stage.node, &self.stage.namespace);
        self.since.keep(node, namespace, name)
    }

    /// Waits until the node, which was short since then, is so no more, by its condition and for new pods.
    async fn has_recovered(&self, since: Timestamp) -> Result<()> {
        until("the node to recover", SOON, || async {
            let node = self.stage.node.object().await?;
            let conditions = node.status.and_then(|status| status.conditions);
            let mut conditions = conditions.into_iter().flatten();
            let condition = conditions.find(|condition| condition.type_ == CONDITION);
            let condition = condition.context("the node has no such condition")?;
            let changed = condition.last_transition_time.context("no time")?.0;
            // A condition has whole seconds.
            let was = changed.as_second() >= since.as_second();
            let mut taints = node.spec.and_then(|spec| spec.taints).into_iter().flatten();
            let is_kept_free = taints.any(|taint| taint.key == TAINT);
            let is = condition.status;
            let told = format!("{CONDITION}={is} since {changed}, {TAINT}: {is_kept_free}");
            Ok(if was && is == "False" && !is_kept_free {
                Ok(())
            } else {
                Err(told)
            })
        })
        .await
    }

    /// No other pod on the node was evicted for want of process ids.
    async fn was_struck_alone(&self, name: &str) -> Result<()> {
        let pods: Api<Pod> = Api::all(self.stage.node.client.clone());
        let pods = pods.list(&ListParams::default()).await?.items.into_iter();
        let struck = pods.filter(is_ended_by_kubelet);
        let struck: Vec<_> = struck.filter_map(|pod| pod.metadata.name).collect();
        ensure!(struck == [name], "evicted: {struck:?}");
        Ok(())
    }
}

/// Whether the kubelet ended it for the sake of its node, as the condition says that it gives such pods. One
/// that took more than its own share has none.
fn is_ended_by_kubelet(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|told| {
        let reason = told.reason.as_deref();
        told.type_ == "DisruptionTarget"
            && told.status == "True"
            && reason == Some("TerminationByKubelet")
    })
}
