//! One journey's own namespace, database and port.
//!
//! Owns what it creates and removes all of it at the end of a journey that passed; after a failure
//! it stays, so that a person can look.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context as _, Result};
use erpgo_crds::ErpGo;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::{Api as Http, Node, services, until};

const MANAGER: &str = "erpgo-e2e";

// Journeys run beside one another, but one that stops what all use, or measures, has the node alone.
static FLOOR: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

/// The right to be on the node.
enum Place {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

/// Has the machine alone while it is kept: no journey runs beside.
pub struct Alone {
    _guard: OwnedRwLockWriteGuard<()>,
}

/// Waits until no other journey runs.
pub async fn alone() -> Alone {
    let guard = Arc::clone(&FLOOR).write_owned().await;
    Alone { _guard: guard }
}

/// Is on the node without a stage while it is kept, and other journeys beside.
pub struct Beside {
    _guard: OwnedRwLockReadGuard<()>,
}

/// Waits until no journey has the machine alone.
pub async fn beside() -> Beside {
    let guard = Arc::clone(&FLOOR).read_owned().await;
    Beside { _guard: guard }
}

/// A namespace, a database and a NodePort.
pub struct Stage {
    /// The node.
    pub node: Node,
    /// Namespace and name of the database.
    pub namespace: String,
    port: u16,
    _place: Place,
}

impl Stage {
    /// Makes the stage `e2e-<name>` anew, removing what an earlier run left. Other journeys go on.
    ///
    /// # Errors
    /// When the node, PostgreSQL or a deletion does not answer in time.
    pub async fn set(name: &str, port: u16) -> Result<Self> {
        let guard = Arc::clone(&FLOOR).read_owned().await;
        Self::set_at(name, port, Place::Shared { _guard: guard }).await
    }

    /// The same, with no other journey on the node.
    ///
    /// # Errors
    /// When the node, PostgreSQL or a deletion does not answer in time.
    pub async fn set_alone(name: &str, port: u16) -> Result<Self> {
        let guard = Arc::clone(&FLOOR).write_owned().await;
        Self::set_at(name, port, Place::Alone { _guard: guard }).await
    }

    /// A database and nothing in the cluster: the journey makes there what it needs, in the namespace
    /// `e2e-<name>`. Other journeys go on.
    ///
    /// # Errors
    /// When the node, PostgreSQL or a deletion does not answer in time.
    pub async fn set_bare(name: &str, port: u16) -> Result<Self> {
        let guard = Arc::clone(&FLOOR).read_owned().await;
        let stage = Self::cleared(name, port, Place::Shared { _guard: guard }).await?;
        stage.create_database().await?;
        Ok(stage)
    }

    async fn set_at(name: &str, port: u16, place: Place) -> Result<Self> {
        let stage = Self::cleared(name, port, place).await?;
        stage.create_namespace().await?;
        stage.create_database().await?;
        stage.create_secrets().await?;
        Ok(stage)
    }

    async fn cleared(name: &str, port: u16, place: Place) -> Result<Self> {
        let node = Node::connect().await?;
        let stage = Self {
            node,
            namespace: format!("e2e-{name}"),
            port,
            _place: place,
        };
        stage.strike().await?;
        Ok(stage)
    }

    /// Removes the namespace and the database.
    ///
    /// # Errors
    /// When the namespace is not gone within two minutes.
    pub async fn strike(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.node.client.clone());
        let resources: Api<ErpGo> = self.api();
        for resource in resources.list(&ListParams::default()).await? {
            let name = resource.metadata.name.unwrap_or_default();
            resources.delete(&name, &DeleteParams::default()).await?;
        }
        let _ = namespaces
            .delete(&self.namespace, &DeleteParams::default())
            .await;
        until(
            "the end of the namespace",
            Duration::from_secs(120),
            || async {
                let found = namespaces.get_opt(&self.namespace).await?;
                Ok(found.map_or(Ok(()), |ns| Err(format!("{:?}", ns.status))))
            },
        )
        .await?;
        let mut admin = admin_connection().await?;
        let drop = format!(
            "DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)",
            self.namespace
        );
        admin.execute(sqlx::AssertSqlSafe(drop)).await?;
        Ok(())
    }

    /// Client of the namespace's objects.
    #[must_use]
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.node.client.clone(), &self.namespace)
    }

    /// Client of the deployed API.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn http(&self) -> Result<Http> {
        Http::new(self.port)
    }

    /// The smallest ErpGo on this stage, with `spec` merged into it.
    #[must_use]
    pub fn erpgo(&self, spec: serde_json::Value) -> serde_json::Value {
        let mut object = json!({
            "apiVersion": "erpgo.io/v1alpha1", "kind": "ErpGo",
            "metadata": {"name": "shop", "namespace": self.namespace},
            "spec": {
                "image": "erpgo.local/erpgo:dev",
                "database": {"secretRef": {"name": "database"}},
                "redis": {"secretRef": {"name": "redis"}},
                "service": {"type": "NodePort", "nodePort": self.port},
                "settings": {"loginLimits": {"attemptsPerAddress": 1000, "failuresBeforeLock": 5}}
            }
        });
        merge(&mut object["spec"], spec);
        object
    }

    /// Applies `object` by server-side apply, as a person or Argo CD would.
    ///
    /// # Errors
    /// What the API server answered.
    pub async fn apply(&self, object: &serde_json::Value) -> Result<ErpGo> {
        let api: Api<ErpGo> = self.api();
        let params = PatchParams::apply(MANAGER).force();
        Ok(api.patch("shop", &params, &Patch::Apply(object)).await?)
    }

    /// Waits until condition `type_` is `status` for the present generation; returns its message.
    ///
    /// # Errors
    /// At the deadline, with all conditions.
    pub async fn condition(&self, type_: &str, status: &str, limit: Duration) -> Result<String> {
        let api: Api<ErpGo> = self.api();
        until(&format!("{type_}={status}"), limit, || async {
            let object = api.get("shop").await?;
            Ok(find_condition(&object, type_, status))
        })
        .await
    }

    /// Reason and message of condition `type_` if it is `status` for the present generation; otherwise
    /// all conditions.
    ///
    /// # Errors
    /// What the API server answered.
    pub async fn condition_now(&self, type_: &str, status: &str) -> Result<Result<String, String>> {
        let api: Api<ErpGo> = self.api();
        Ok(find_condition(&api.get("shop").await?, type_, status))
    }

    /// Names of the running pods of the API that are ready.
    ///
    /// # Errors
    /// What the API server answered.
    pub async fn ready_pods(&self) -> Result<Vec<String>> {
        let selector = "app.kubernetes.io/instance=shop,app.kubernetes.io/component=api";
        let pods: Api<Pod> = self.api();
        let list = pods.list(&ListParams::default().labels(selector)).await?;
        Ok(list
            .items
            .iter()
            .filter(|pod| is_ready(pod))
            .filter_map(|pod| pod.metadata.name.clone())
            .collect())
    }

    /// A connection to the journey's database.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn database(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.database_url()?).await?)
    }

    pub(crate) fn database_url(&self) -> Result<String> {
        let url = service_url("DATABASE_URL")?;
        Ok(with_database(&url, &self.namespace))
    }

    /// Where the API answers on 127.0.0.1.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    async fn create_namespace(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.node.client.clone());
        let object = serde_json::from_value(json!({"metadata": {"name": self.namespace}}))?;
        namespaces.create(&PostParams::default(), &object).await?;
        Ok(())
    }

    async fn create_database(&self) -> Result<()> {
        let mut admin = admin_connection().await?;
        let create = format!("CREATE DATABASE \"{}\" OWNER erpgo", self.namespace);
        admin.execute(sqlx::AssertSqlSafe(create)).await?;
        Ok(())
    }

    async fn create_secrets(&self) -> Result<()> {
        let database = in_cluster(&self.database_url()?);
        let redis = in_cluster(&service_url("REDIS_URL")?);
        for (name, url) in [("database", database), ("redis", redis)] {
            self.put_secret(name, json!({"url": url})).await?;
        }
        Ok(())
    }

    /// Creates or replaces a Secret from string data.
    ///
    /// # Errors
    /// What the API server answered.
    pub async fn put_secret(&self, name: &str, data: serde_json::Value) -> Result<()> {
        let secrets: Api<Secret> = self.api();
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        let params = PatchParams::apply(MANAGER).force();
        secrets.patch(name, &params, &Patch::Apply(&object)).await?;
        Ok(())
    }
}

fn merge(into: &mut serde_json::Value, from: serde_json::Value) {
    match (into, from) {
        (serde_json::Value::Object(into), serde_json::Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(&key);
                } else {
                    merge(into.entry(key).or_insert(serde_json::Value::Null), value);
                }
            }
        }
        (into, from) => *into = from,
    }
}

fn find_condition(object: &ErpGo, type_: &str, status: &str) -> Result<String, String> {
    let conditions = object
        .status
        .as_ref()
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    let current = |c: &&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        c.type_ == type_
            && c.status == status
            && c.observed_generation == object.metadata.generation
    };
    conditions
        .iter()
        .find(current)
        .map(|c| format!("{}: {}", c.reason, c.message))
        .ok_or_else(|| {
            let shown = |c: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
                format!("{}={} ({}: {})", c.type_, c.status, c.reason, c.message)
            };
            conditions.iter().map(shown).collect::<Vec<_>>().join("; ")
        })
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .into_iter()
            .flatten()
            .any(|c| c.type_ == "Ready" && c.status == "True")
}

pub(crate) async fn admin_connection() -> Result<PgConnection> {
    Ok(PgConnection::connect(&service_url("DATABASE_ADMIN_URL")?).await?)
}

pub(crate) fn service_url(name: &str) -> Result<String> {
    let urls = services("urls")?;
    urls.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(str::to_owned)
        .with_context(|| format!("services urls does not name {name}"))
}

fn with_database(url: &str, name: &str) -> String {
    url.rsplit_once('/')
        .map_or_else(|| url.to_owned(), |(server, _)| format!("{server}/{name}"))
}

// The node's PostgreSQL and Redis on this machine, and the names by which pods of any namespace know them.
const PLACES: [(&str, &str); 2] = [
    ("127.0.0.1:15432", "postgres.erpgo-demo.svc:5432"),
    ("127.0.0.1:16379", "redis.erpgo-demo.svc:6379"),
];

pub(crate) fn in_cluster(url: &str) -> String {
    let replace = |url: String, (host, service)| url.replace(host, service);
    PLACES.into_iter().fold(url.to_owned(), replace)
}

pub(crate) fn on_host(url: &str) -> String {
    let replace = |url: String, (host, service)| url.replace(service, host);
    PLACES.into_iter().fold(url.to_owned(), replace)
}
