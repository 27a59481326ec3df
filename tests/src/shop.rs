//! An `ErpGo` called `shop` with its inputs, brought as far as it comes without a node.
//!
//! The API server runs alone: what the Job and Deployment controllers would report is written here,
//! and only that. Whether real pods do it too is the journeys' business.

use crate::operator::Operator;
use crate::{cluster, wait};
use anyhow::Context;
use erpgo_crds::ErpGo;
use erpgo_operator::reconcile::build::migration_job::EXIT_SQL;
use erpgo_test_kit::apiserver::{TestCluster, TestNamespace};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec, Secret};
use kube::Resource;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The database's URL; no test connects to it.
pub const DATABASE_URL: &str = "postgres://shop:kept-out-of-sight@127.0.0.1:5432/shop";

/// When Jobs begin and end here.
const THEN: &str = "2026-01-01T00:00:00Z";

/// The image that a Deployment's first container has.
pub fn image(deployment: &Deployment) -> Option<&String> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    pod.containers.first()?.image.as_ref()
}

// Of a Job.
fn condition(kind: &str, reason: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": reason, "lastTransitionTime": THEN, "lastProbeTime": THEN})
}

/// A namespace with an `ErpGo`.
#[derive(Debug)]
pub struct Shop {
    cluster: TestCluster,
    namespace: TestNamespace,
}

impl Shop {
    /// A namespace with the database's Secret and nothing else.
    pub async fn prepare(prefix: &str) -> anyhow::Result<Self> {
        Self::prepare_in(cluster::with_definition().await?, prefix).await
    }

    /// The same in a cluster that serves the definition.
    pub async fn prepare_in(cluster: TestCluster, prefix: &str) -> anyhow::Result<Self> {
        let namespace = cluster.namespace(prefix).await;
        let secret =
            json!({"metadata": {"name": "shop-database"}, "stringData": {"url": DATABASE_URL}});
        let secrets: Api<Secret> = Api::namespaced(cluster.client(), namespace.name());
        secrets
            .create(&PostParams::default(), &serde_json::from_value(secret)?)
            .await?;
        Ok(Self { cluster, namespace })
    }

    /// A namespace with the database's Secret, and an operator that serves it.
    pub async fn with_operator(prefix: &str) -> anyhow::Result<(Self, Operator)> {
        let shop = Self::prepare(prefix).await?;
        let operator = Operator::start(shop.cluster(), shop.namespace()).await?;
        Ok((shop, operator))
    }

    /// The cluster.
    pub fn cluster(&self) -> &TestCluster {
        &self.cluster
    }

    /// The namespace's name.
    pub fn namespace(&self) -> &str {
        self.namespace.name()
    }

    /// Objects of this namespace, seen by the administrator.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.cluster.client(), self.namespace.name())
    }

    /// The same for a kind that has no type here.
    pub fn api_of(&self, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.cluster.client(), self.namespace(), resource)
    }

    /// Applies the `ErpGo` with `extra` fields in its spec.
    pub async fn apply(&self, extra: &Value) -> anyhow::Result<ErpGo> {
        let mut document = json!({
            "apiVersion": "erpgo.io/v1alpha1",
            "kind": "ErpGo",
            "metadata": {"name": "shop"},
            "spec": {"image": "erpgo.local/erpgo:1", "database": {"secretRef": {"name": "shop-database"}}},
        });
        for (field, value) in extra.as_object().into_iter().flatten() {
            document["spec"][field] = value.clone();
        }
        Ok(cluster::apply(&self.cluster, self.namespace(), &document).await?)
    }

    /// Applies the `ErpGo` and takes it through migration and rollout until it is ready.
    pub async fn settle(&self, extra: &Value) -> anyhow::Result<()> {
        self.apply(extra).await?;
        self.finish_migration().await?;
        self.roll_out().await?;
        self.wait_condition("Ready", "True").await
    }

    /// Reports the migration Job as complete, as its controller would.
    pub async fn finish_migration(&self) -> anyhow::Result<()> {
        self.finish_job("migration").await
    }

    /// Reports that the migration ended with an SQL error, as the Job's pod and controller would.
    pub async fn fail_migration(&self) -> anyhow::Result<()> {
        let report = json!({"outcome": "failed", "migration": "0002_x", "error": "no such column", "retryable": false});
        self.fail_migration_with(EXIT_SQL, &report).await
    }

    /// The same with an exit code, for which the Job is not tried again, and a report.
    pub async fn fail_migration_with(&self, exit_code: i32, report: &Value) -> anyhow::Result<()> {
        let job = self.unfinished_job("migration").await?;
        let end = json!({"exitCode": exit_code, "reason": "Error", "message": report.to_string()});
        let container = json!({"name": "migrate", "image": "erpgo", "imageID": "erpgo", "ready": false, "restartCount": 0, "state": {"terminated": end}});
        let ended = json!({"phase": "Failed", "containerStatuses": [container]});
        let name = job.metadata.name.as_ref();
        let name = name.context("a Job without a name")?;
        let template = &job.spec.as_ref().context("a Job without a spec")?.template;
        self.pod(template, &format!("{name}-x"), &ended).await?;
        let conditions = ["FailureTarget", "Failed"];
        let conditions = conditions.map(|kind| condition(kind, "PodFailurePolicy"));
        let failed = json!({"startTime": THEN, "failed": 1, "conditions": conditions});
        self.report(&job, &failed).await
    }

    /// Makes a pod as a controller would, and reports `status` as its kubelet would.
    pub async fn pod(
        &self,
        template: &PodTemplateSpec,
        name: &str,
        status: &Value,
    ) -> anyhow::Result<()> {
        let pods: Api<Pod> = self.api();
        let mut pod = Pod {
            metadata: template.metadata.clone().unwrap_or_default(),
            spec: template.spec.clone(),
            status: None,
        };
        pod.metadata.name = Some(name.to_owned());
        pods.create(&PostParams::default(), &pod).await?;
        let status = json!({"status": status});
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
            .await?;
        Ok(())
    }

    /// Waits for an unfinished Job of this component and reports it as complete.
    pub async fn finish_job(&self, component: &str) -> anyhow::Result<()> {
        let job = self.unfinished_job(component).await?;
        self.complete(&job).await
    }

    /// Waits for a Job of this component that nobody has reported as complete.
    pub async fn unfinished_job(&self, component: &str) -> anyhow::Result<Job> {
        wait::until(&format!("a Job of {component}"), async || {
            let found = self.unfinished_jobs(component).await?;
            Ok(found.into_iter().next())
        })
        .await
    }

    /// Jobs of this component that nobody has reported as complete.
    pub async fn unfinished_jobs(&self, component: &str) -> anyhow::Result<Vec<Job>> {
        let jobs: Api<Job> = self.api();
        let of_it =
            ListParams::default().labels(&format!("app.kubernetes.io/component={component}"));
        let mut found = jobs.list(&of_it).await?.items;
        found.retain(|job| {
            let status = job.status.as_ref();
            status.is_none_or(|status| status.succeeded.is_none())
        });
        Ok(found)
    }

    /// Reports a Job as complete, as its controller would.
    pub async fn complete(&self, job: &Job) -> anyhow::Result<()> {
        let conditions = ["SuccessCriteriaMet", "Complete"];
        let conditions = conditions.map(|kind| condition(kind, "CompletionsReached"));
        let complete = json!({"startTime": THEN, "completionTime": THEN, "succeeded": 1, "conditions": conditions});
        self.report(job, &complete).await
    }

    async fn report(&self, job: &Job, status: &Value) -> anyhow::Result<()> {
        let name = job.metadata.name.as_ref();
        let name = name.context("a Job without a name")?;
        let status = json!({"status": status});
        let jobs: Api<Job> = self.api();
        jobs.patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
            .await
            .context("the Job's status")?;
        Ok(())
    }

    /// Reports the Deployment as rolled out, as its controller would, once it bears the wanted image.
    pub async fn roll_out(&self) -> anyhow::Result<()> {
        let wanted = self.get::<ErpGo>("shop").await?.spec.image;
        let deployment = wait::until("the Deployment of the wanted image", async || {
            let deployment: Deployment = self.get("shop").await?;
            Ok((image(&deployment) == Some(&wanted)).then_some(deployment))
        });
        let deployment = deployment.await?;
        let replicas = deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1);
        let condition =
            |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason});
        let status = json!({"status": {
            "observedGeneration": deployment.metadata.generation,
            "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
            "conditions": [condition("Available", "MinimumReplicasAvailable"), condition("Progressing", "NewReplicaSetAvailable")],
        }});
        let api: Api<Deployment> = self.api();
        api.patch_status("shop", &PatchParams::default(), &Patch::Merge(&status))
            .await
            .context("the Deployment's status")?;
        Ok(())
    }

    /// Waits until an object is there.
    pub async fn get<K>(&self, name: &str) -> anyhow::Result<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let api: Api<K> = self.api();
        wait::until(&format!("{} {name}", K::kind(&())), async || {
            Ok(api.get_opt(name).await?)
        })
        .await
    }

    /// The secret set as it lies in its Secret.
    pub async fn document(&self) -> anyhow::Result<Value> {
        let secret: Secret = self.get("shop-secret-set").await?;
        let data = secret.data.unwrap_or_default();
        let text = data.get("document.json").context("no document")?;
        Ok(serde_json::from_slice(&text.0)?)
    }

    /// Deletes the `ErpGo` and waits for its end.
    pub async fn delete(&self) -> anyhow::Result<()> {
        let api: Api<ErpGo> = self.api();
        api.delete("shop", &DeleteParams::default()).await?;
        self.until_gone().await
    }

    /// Waits for the end of an `ErpGo` that is being deleted.
    pub async fn until_gone(&self) -> anyhow::Result<()> {
        let api: Api<ErpGo> = self.api();
        wait::until("the end of the ErpGo", async || {
            Ok(api.get_opt("shop").await?.is_none().then_some(()))
        })
        .await
    }

    /// Wakes the operator and waits until it has finished a look at the `ErpGo` that began after this
    /// call: whatever it makes of all that was before is done then.
    pub async fn looked_at_by(&self, operator: &Operator) -> anyhow::Result<()> {
        // One ErpGo is looked at by one reconcile at a time: the second begins when the first is over.
        for _ in 0..2 {
            let before = self.looks_of(operator);
            self.annotate("example.com/look", &before.to_string())
                .await?;
            wait::until("a look of the operator", async || {
                Ok((self.looks_of(operator) > before).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// Sets an annotation of the `ErpGo`.
    pub async fn annotate(&self, key: &str, value: &str) -> anyhow::Result<()> {
        let api: Api<ErpGo> = self.api();
        let annotation = json!({"metadata": {"annotations": {key: value}}});
        api.patch("shop", &PatchParams::default(), &Patch::Merge(&annotation))
            .await?;
        Ok(())
    }

    fn looks_of(&self, operator: &Operator) -> usize {
        let all = self.cluster.audit_of(&operator.user).into_iter();
        let ours = all.filter(|event| event.namespace == self.namespace());
        ours.filter(|event| event.resource == "erpgos" && event.verb == "get")
            .count()
    }

    /// Waits until a condition of the `ErpGo` has this status for its newest generation.
    pub async fn wait_condition(&self, kind: &str, status: &str) -> anyhow::Result<()> {
        let api: Api<ErpGo> = self.api();
        let what = format!("condition {kind}={status}");
        let waiting = wait::until(&what, async || {
            let erpgo = serde_json::to_value(api.get("shop").await?)?;
            let conditions = erpgo["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            Ok(conditions.into_iter().find(|condition| {
                condition["type"] == kind
                    && condition["status"] == status
                    && condition["observedGeneration"] == erpgo["metadata"]["generation"]
            }))
        });
        match waiting.await {
            Ok(_) => Ok(()),
            Err(error) => {
                Err(error.context(format!("the status is {:?}", api.get("shop").await?.status)))
            }
        }
    }
}
