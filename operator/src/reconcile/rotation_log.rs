//! The ConfigMap `NAME-rotation-log`.
//!
//! Owns its reading and its writes: one of each when something happened, none at rest (I-05). It carries the
//! `ErpGo` as its owner and goes with it. What happened is logged before document and status change: what
//! they show no more is in the log, whenever the operator dies. A write that comes too late or is refused
//! fails the reconcile: what is not logged is not remembered, and the next one comes to it again.

use std::collections::BTreeMap;

use erpgo_crds::ErpGo;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Resource as _};
use serde_json::json;

use super::context::Context;
use super::error::ReconcileError;
use super::names::{Component, FIELD_MANAGER, Names};
use crate::rotation::Note;
use crate::rotation::log::{Entry, append};

/// The key of the log in its ConfigMap.
pub const LOG_KEY: &str = "log.jsonl";
const KIND: &str = "ConfigMap";

/// The log within one reconcile.
pub(super) struct Log<'a> {
    context: &'a Context,
    erpgo: &'a ErpGo,
    /// What it was seen to hold.
    logged: Vec<Note>,
}

impl<'a> Log<'a> {
    pub(super) const fn of(context: &'a Context, erpgo: &'a ErpGo) -> Self {
        Self {
            context,
            erpgo,
            logged: Vec::new(),
        }
    }

    /// Appends `notes`; nothing is asked when the same ones were appended before.
    ///
    /// # Errors
    /// When the API refuses.
    pub(super) async fn append(&mut self, notes: &[Note]) -> Result<(), ReconcileError> {
        if notes == self.logged {
            return Ok(());
        }
        write(self.context, self.erpgo, notes).await?;
        self.logged = notes.to_vec();
        Ok(())
    }
}

async fn write(context: &Context, erpgo: &ErpGo, notes: &[Note]) -> Result<(), ReconcileError> {
    if notes.is_empty() {
        return Ok(());
    }
    let names = Names::of(erpgo);
    let name = names.rotation_log();
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), names.namespace());
    let found = api
        .get_opt(&name)
        .await
        .map_err(|source| ReconcileError::Observe {
            what: "the rotation log",
            source,
        })?;
    let text = found
        .as_ref()
        .and_then(|map| map.data.as_ref()?.get(LOG_KEY));
    let log = parse(text.map_or("", String::as_str));
    let Some(log) = append(&log, notes, Timestamp::now()) else {
        return Ok(());
    };
    let written = match found {
        Some(map) => {
            let patch = json!({
                "metadata": {"resourceVersion": map.metadata.resource_version},
                "data": {LOG_KEY: to_text(&log)},
            });
            let params = PatchParams {
                field_manager: Some(FIELD_MANAGER.into()),
                ..PatchParams::default()
            };
            api.patch(&name, &params, &Patch::Merge(&patch)).await
        }
        None => create(&api, &names, erpgo, &log).await,
    };
    written.map_err(|source| ReconcileError::Apply {
        kind: KIND,
        name,
        source,
    })?;
    context.health.metrics.wrote(KIND);
    Ok(())
}

async fn create(
    api: &Api<ConfigMap>,
    names: &Names,
    erpgo: &ErpGo,
    log: &[Entry],
) -> Result<ConfigMap, kube::Error> {
    let map = ConfigMap {
        metadata: ObjectMeta {
            owner_references: erpgo.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..names.metadata(names.rotation_log(), Component::Secrets)
        },
        data: Some(BTreeMap::from([(LOG_KEY.to_owned(), to_text(log))])),
        ..ConfigMap::default()
    };
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    api.create(&params, &map).await
}

/// The entries of a log, one a line. A line that is none is left out, and the chain shows that.
#[must_use]
pub fn parse(text: &str) -> Vec<Entry> {
    let lines = text.lines();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn to_text(log: &[Entry]) -> String {
    let lines = log
        .iter()
        .filter_map(|entry| serde_json::to_string(entry).ok());
    lines.map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::config::Config;
    use crate::reconcile::observed::ApiPresence;
    use crate::runtime::health::Health;
    use crate::runtime::metrics::Metrics;
    use axum::body::Bytes;
    use axum::http::{Method, StatusCode};
    use axum::{Json, Router};
    use serde_json::Value;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};
    use tokio::sync::watch;

    /// An API server that never has a log and takes each that is made, unless it is to refuse.
    #[derive(Default)]
    struct Server {
        asked: Mutex<Vec<Method>>,
        refuses: AtomicBool,
    }

    impl Server {
        fn answer(&self, method: Method, body: &[u8]) -> (StatusCode, Json<Value>) {
            self.asked.lock().unwrap().push(method.clone());
            let failure = |code: StatusCode, reason: &str| {
                let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                    "message": reason, "reason": reason, "code": code.as_u16()});
                (code, Json(status))
            };
            if method == Method::GET {
                failure(StatusCode::NOT_FOUND, "NotFound")
            } else if self.refuses.load(Ordering::SeqCst) {
                failure(StatusCode::FORBIDDEN, "Forbidden")
            } else {
                let made = serde_json::from_slice(body).unwrap();
                (StatusCode::CREATED, Json(made))
            }
        }

        /// What it was asked since this was asked last.
        fn asked(&self) -> Vec<Method> {
            self.asked.lock().unwrap().drain(..).collect()
        }
    }

    async fn client(server: Arc<Server>) -> kube::Client {
        let router = Router::new().fallback(move |method: Method, body: Bytes| {
            let server = Arc::clone(&server);
            async move { server.answer(method, &body) }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = kube::Config::new(url.parse().unwrap());
        // By plain HTTP: no certificates are looked for.
        config.root_cert = Some(Vec::new());
        kube::Client::try_from(config).unwrap()
    }

    async fn context(server: &Arc<Server>) -> Context {
        let config = Config {
            sidecar_image: "s".into(),
            operator_namespace: "o".into(),
        };
        let health = Arc::new(Health::new(Metrics::new().unwrap()));
        let (_, apis) = watch::channel(ApiPresence::default());
        let client = client(Arc::clone(server)).await;
        Context::new(client, config, health, apis).unwrap()
    }

    fn shop() -> ErpGo {
        serde_json::from_value(json!({
            "apiVersion": "erpgo.io/v1alpha1", "kind": "ErpGo",
            "metadata": {"name": "shop", "namespace": "market"},
            "spec": {"image": "i", "database": {"secretRef": {"name": "d"}}},
        }))
        .unwrap()
    }

    fn note(subject: &str) -> Note {
        Note {
            warning: false,
            reason: "RotationStaged",
            subject: subject.into(),
            message: "the new versions of jwt are accepted as next from generation 2".into(),
        }
    }

    #[tokio::test]
    async fn what_is_logged_is_not_looked_for_again_and_what_was_refused_is() {
        let server = Arc::new(Server::default());
        let (context, erpgo) = (context(&server).await, shop());
        let made = [Method::GET, Method::POST];
        let mut log = Log::of(&context, &erpgo);
        log.append(&[]).await.unwrap();
        assert!(server.asked().is_empty());

        server.refuses.store(true, Ordering::SeqCst);
        for _ in 0..2 {
            log.append(&[note("a")]).await.unwrap_err();
            assert_eq!(server.asked(), made);
        }
        server.refuses.store(false, Ordering::SeqCst);
        log.append(&[note("a")]).await.unwrap();
        assert_eq!(server.asked(), made);
        log.append(&[note("a")]).await.unwrap();
        assert!(server.asked().is_empty());

        // What was decided anew meanwhile, and the next reconcile.
        log.append(&[note("a"), note("b")]).await.unwrap();
        assert_eq!(server.asked(), made);
        let mut next = Log::of(&context, &erpgo);
        next.append(&[note("a"), note("b")]).await.unwrap();
        assert_eq!(server.asked(), made);
    }
}
