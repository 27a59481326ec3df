//! Reads everything that a plan needs.
//!
//! Owns [`observe`]: reads only, each by name or with a selector and a limit (I-12). Values of
//! Secrets are looked at here and do not leave (I-04). It judges nothing.

mod deployment;
mod errands;
mod jobs;
mod offers;
mod pods;
mod refusals;
mod sources;

use std::net::IpAddr;
use std::sync::Arc;

use erpgo_crds::ErpGo;
use erpgo_secret_set::Document;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, ObjectList};

use super::context::Context;
use super::error::ReconcileError;
use super::live::Live;
use super::memory::Heard;
use super::names::{self, Component, Names};
use super::observed::{
    AckFacts, Blindness, Complaint, HpaFacts, MAX_MESSAGE_BYTES, MAX_PODS, Observed, PodComponent,
    PodFacts, SecretSetState,
};
use super::text::bounded_to;
use crate::acks;
use crate::rotation::DocumentView;
use crate::runtime::progress::Key;
use crate::secrets::SecretsError;

/// Selects pods that have not ended.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// What was read.
pub struct Reading {
    /// As plain data, for the plan.
    pub seen: Observed,
    /// Whole objects, for apply.
    pub live: Live,
}

/// Reads what there is around `erpgo`.
///
/// # Errors
/// When the API cannot be asked. A secret backend that cannot be asked is an observation.
pub async fn observe(
    context: &Context,
    key: &Key,
    erpgo: &ErpGo,
) -> Result<Reading, ReconcileError> {
    let reader = Reader {
        context,
        erpgo,
        key,
    };
    let (sources, (secret_set, document), own, deployment, pods, jobs, hpa) = tokio::try_join!(
        sources::read(context, erpgo),
        async { Ok(document(context, erpgo).await) },
        reader.own_secrets(),
        reader.deployment(),
        reader.pods(),
        jobs::read(context, key, erpgo),
        reader.hpa(),
    )?;
    let wanted_job = names::migration_job(erpgo);
    let (errands, jobs) = jobs.into_iter().partition(errands::is_one);
    let errands = errands::views(errands, &pods);
    let (mut migration_job, other_migration_jobs) = jobs::split(jobs, &pods, &wanted_job);
    if let Some(job) = &mut migration_job {
        job.pods_refused = refusals::of_pods(context, key, job, &pods).await?;
    }
    let login_admins = sources::login_admins(context, erpgo, &errands).await?;
    let mut pods = pods::facts(&pods, &wanted_job);
    let serving = serving(&pods);
    let (acks, complaints) = tokio::join!(
        reader.acks(&secret_set, &mut pods),
        context.complaints.of(&serving)
    );
    reader.remember(serving, &complaints, &secret_set);
    let held = document.as_ref();
    let changed = held.map(|held| offers::changed(&sources.offered, held));
    let logins = held.map(|held| offers::logins(erpgo, held));
    let seen = Observed {
        database_secret: sources.database,
        redis_secret: sources.redis,
        bootstrap_secret: sources.bootstrap,
        bootstrap_revision: sources.bootstrap_revision,
        mail_secret: sources.mail,
        login_admins,
        secret_set,
        control_token: own.control_token,
        admin_secret: own.admin,
        deployment: deployment.as_ref().map(deployment::facts),
        pods,
        migration_job,
        other_migration_jobs,
        hpa: hpa.as_ref().map(hpa_facts),
        quota_denied: context.memory.refusal(key),
        available_apis: *context.apis.borrow(),
        acks,
        complaints,
        document: held.map(DocumentView::from),
        changed: changed.unwrap_or_default(),
        logins: logins.unwrap_or_default(),
        errands,
    };
    let live = Live { deployment, hpa };
    Ok(Reading { seen, live })
}

/// The secret set in its backend. One that cannot be asked is an observation.
pub(crate) async fn secret_set(context: &Context, erpgo: &ErpGo) -> SecretSetState {
    document(context, erpgo).await.0
}

async fn document(context: &Context, erpgo: &ErpGo) -> (SecretSetState, Option<Document>) {
    let state = match context.secrets.read(erpgo).await {
        Ok(None) => SecretSetState::Absent,
        Ok(Some(held)) => {
            let generation = held.document.generation.0;
            return (SecretSetState::Present { generation }, Some(held.document));
        }
        Err(SecretsError::Invalid { reasons }) => SecretSetState::Invalid { reasons },
        Err(error) => unreachable(&error),
    };
    (state, None)
}

fn serving(pods: &[PodFacts]) -> Vec<IpAddr> {
    let alive =
        |pod: &&PodFacts| pod.component == PodComponent::Api && !pod.terminating && !pod.ended;
    let mut all: Vec<IpAddr> = pods.iter().filter(alive).filter_map(|pod| pod.ip).collect();
    all.sort_unstable();
    all
}

// Of a migration it is told until its sidecar has rendered the set: why it has not.
fn has_news(pod: &PodFacts) -> bool {
    let waits = pod.component == PodComponent::Api || !pod.ready;
    waits && !pod.ended
}

struct Reader<'a> {
    context: &'a Context,
    erpgo: &'a ErpGo,
    key: &'a Key,
}

struct OwnSecrets {
    control_token: bool,
    admin: bool,
}

impl Reader<'_> {
    async fn own_secrets(&self) -> Result<OwnSecrets, ReconcileError> {
        let store = self.context.secrets.store(self.erpgo);
        let names = Names::of(self.erpgo);
        let exists = async |name: String| {
            let found = store.exists(&name).await;
            found.map_err(|source| ReconcileError::ObserveSecret {
                what: "the operator's own Secrets",
                source,
            })
        };
        Ok(OwnSecrets {
            control_token: exists(names.control_token()).await?,
            admin: self.erpgo.spec.bootstrap_admin.is_none() && exists(names.admin()).await?,
        })
    }

    async fn deployment(&self) -> Result<Option<Deployment>, ReconcileError> {
        let api: Api<Deployment> = self.api();
        let found = api.get_opt(&self.key.name).await;
        found.map_err(failed("the Deployment"))
    }

    // Pods that a node under pressure ended stay and may be many: they hide none that serves (I-03), and
    // none of a Job.
    async fn pods(&self) -> Result<Vec<Pod>, ReconcileError> {
        let all = ListParams::default().labels(&selector(self.key));
        let all = self.list_pods(all).await?;
        if all.metadata.continue_.is_none() {
            return Ok(all.items);
        }
        let [alive, of_jobs] = in_two(self.key);
        let (alive, of_jobs) = tokio::try_join!(self.list_pods(alive), self.list_pods(of_jobs))?;
        Ok(alive.items.into_iter().chain(of_jobs.items).collect())
    }

    async fn list_pods(&self, params: ListParams) -> Result<ObjectList<Pod>, ReconcileError> {
        let limit = u32::try_from(MAX_PODS).unwrap_or(u32::MAX);
        let api = self.api::<Pod>();
        let found = api.list(&params.limit(limit)).await;
        found.map_err(failed("the pods"))
    }

    async fn hpa(&self) -> Result<Option<HorizontalPodAutoscaler>, ReconcileError> {
        if self.erpgo.spec.autoscaling.is_none() {
            return Ok(None);
        }
        let api: Api<HorizontalPodAutoscaler> = self.api();
        let found = api.get_opt(&self.key.name).await;
        found.map_err(failed("the autoscaler"))
    }

    // Asked only when there is something to ask for; a token that cannot be read leaves it unknown.
    async fn acks(&self, set: &SecretSetState, pods: &mut [PodFacts]) -> Option<AckFacts> {
        let SecretSetState::Present { generation } = set else {
            return None;
        };
        let (mut pods, addresses): (Vec<&mut PodFacts>, Vec<IpAddr>) = pods
            .iter_mut()
            .filter(|pod| has_news(pod))
            .filter_map(|pod| pod.ip.map(|ip| (pod, ip)))
            .unzip();
        if pods.is_empty() {
            return None;
        }
        let name = Names::of(self.erpgo).control_token();
        let store = self.context.secrets.store(self.erpgo);
        let token = store.require(&name, "token").await.ok()?;
        let states = self.context.acks.states(&token, &addresses).await;
        for (pod, state) in pods.iter_mut().zip(states) {
            pod.secrets = state;
        }
        let api = |pod: &&&mut PodFacts| pod.component == PodComponent::Api;
        let serving = || pods.iter().filter(api).filter(|pod| !pod.terminating);
        let holds = |pod: &&&mut PodFacts| {
            let state = pod.secrets.as_ref();
            state.is_some_and(|state| acks::holds(state, *generation))
        };
        let total = serving().count();
        (total > 0).then(|| AckFacts {
            acknowledged: i32::try_from(serving().filter(holds).count()).unwrap_or(i32::MAX),
            total: i32::try_from(total).unwrap_or(i32::MAX),
        })
    }

    // So that a change is noticed between two reconciles.
    fn remember(&self, pods: Vec<IpAddr>, complaints: &[Complaint], secret_set: &SecretSetState) {
        let heard = (!pods.is_empty()).then(|| Heard {
            erpgo: Arc::new(self.erpgo.clone()),
            pods,
            complaints: complaints.to_vec(),
            secret_set: secret_set.clone(),
        });
        self.context.memory.set_heard(self.key, heard);
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.context.client.clone(), &self.key.namespace)
    }
}

// Everything of the ErpGo that bears our label.
fn selector(key: &Key) -> String {
    let (manager, instance) = (names::MANAGED_BY_LABEL, names::INSTANCE_LABEL);
    format!("{manager}={},{instance}={}", names::FIELD_MANAGER, key.name)
}

// The API's pods that have not ended, and all of Jobs, whose end is what is asked of them. None is in both.
fn in_two(key: &Key) -> [ListParams; 2] {
    let of = |relation: &str| {
        let (all, label) = (selector(key), names::COMPONENT_LABEL);
        let api = Component::Api.as_str();
        ListParams::default().labels(&format!("{all},{label}{relation}{api}"))
    };
    [of("=").fields(NOT_ENDED), of("!=")]
}

fn failed(what: &'static str) -> impl FnOnce(kube::Error) -> ReconcileError {
    move |source| ReconcileError::Observe { what, source }
}

/// A backend that cannot be asked, as an observation.
pub(super) fn unreachable(error: &SecretsError) -> SecretSetState {
    SecretSetState::Unreachable {
        class: error.class().to_owned(),
        message: bounded(&error.to_string()),
    }
}

fn hpa_facts(hpa: &HorizontalPodAutoscaler) -> HpaFacts {
    let Some(status) = &hpa.status else {
        return HpaFacts::default();
    };
    let mut conditions = status.conditions.iter().flatten();
    // No pods are wanted by whoever set their number to 0: that is no blindness.
    let inactive = conditions.find(|c| {
        c.type_ == "ScalingActive"
            && c.status == "False"
            && c.reason.as_deref() != Some("ScalingDisabled")
    });
    HpaFacts {
        current: status.current_replicas.unwrap_or(0),
        desired: status.desired_replicas,
        blind: inactive.map(|c| Blindness {
            since: c.last_transition_time.as_ref().map(|time| time.0),
            message: bounded(c.message.as_deref().unwrap_or_default()),
        }),
    }
}

/// `text`, cut to [`MAX_MESSAGE_BYTES`] between characters.
pub(super) fn bounded(text: &str) -> String {
    bounded_to(text, MAX_MESSAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_has_ended_is_not_asked_since_its_address_may_be_anothers() {
        let pod = |ip: IpAddr| PodFacts {
            ip: Some(ip),
            ..PodFacts::default()
        };
        let [evicted, serves] = ["10.0.0.7", "10.0.0.8"].map(|ip| ip.parse().unwrap());
        let pods = [
            PodFacts {
                ended: true,
                ..pod(evicted)
            },
            pod(serves),
        ];
        assert_eq!(serving(&pods), [serves]);
    }

    #[test]
    fn an_autoscaler_is_blind_when_it_has_no_numbers_and_not_when_nothing_is_to_be_scaled() {
        let facts = |status: &str, reason: &str| {
            let condition = serde_json::json!({"type": "ScalingActive", "status": status, "reason": reason,
                "message": "no metrics", "lastTransitionTime": "2026-01-01T00:00:00Z"});
            let hpa = serde_json::json!({"metadata": {}, "status": {
                "currentReplicas": 2, "desiredReplicas": 3, "conditions": [condition]}});
            hpa_facts(&serde_json::from_value(hpa).unwrap())
        };
        let blind = Blindness {
            since: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            message: "no metrics".into(),
        };
        let found = facts("False", "FailedGetResourceMetric");
        assert_eq!(found.blind, Some(blind));
        assert_eq!((found.current, found.desired), (2, 3));
        assert_eq!(facts("True", "ValidMetricFound").blind, None);
        assert_eq!(facts("False", "ScalingDisabled").blind, None);
    }

    #[test]
    fn the_pod_of_a_migration_is_asked_until_its_sidecar_has_rendered_the_set() {
        let pod = |component, ready, ended| PodFacts {
            component,
            ready,
            ended,
            ..PodFacts::default()
        };
        let (api, migration) = (PodComponent::Api, PodComponent::Migration);
        for (component, ready, ended, asked) in [
            (api, true, false, true),
            (api, false, false, true),
            (api, false, true, false),
            (migration, false, false, true),
            (migration, true, false, false),
            (migration, false, true, false),
        ] {
            let pod = pod(component, ready, ended);
            assert_eq!(has_news(&pod), asked, "{pod:?}");
        }
    }

    #[test]
    fn of_too_many_pods_those_of_jobs_are_read_ended_or_not() {
        let key = Key {
            namespace: "shops".into(),
            name: "shop".into(),
        };
        let [alive, of_jobs] = in_two(&key);
        let labels = |params: &ListParams| params.label_selector.clone().unwrap();
        let component = "app.kubernetes.io/component";
        let all = selector(&key);
        assert_eq!(labels(&alive), format!("{all},{component}=api"));
        assert_eq!(alive.field_selector.as_deref(), Some(NOT_ENDED));
        assert_eq!(labels(&of_jobs), format!("{all},{component}!=api"));
        assert_eq!(of_jobs.field_selector, None);
    }
}
