//! What the operator's traces tell: whose a reconcile was and of which generation, and nothing to
//! whoever is not named as the collector.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use erpgo_crds::ErpGo;
use erpgo_secret_set::Document;
use erpgo_test_kit::Signal;
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::{DATABASE_URL, Shop};
use erpgo_tests::wait;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use k8s_openapi::api::core::v1::Secret;
use kube::client::Body;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::http;
use super::otlp::{self, Span};

const COLLECTOR: &str = "ERPGO_OPERATOR_OTLP_ENDPOINT";

type Exports = Arc<Mutex<Vec<Vec<u8>>>>;

/// A collector that keeps what it is sent; it ends with its handle.
struct Collector {
    url: String,
    exports: Exports,
    task: JoinHandle<()>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let exports = Exports::default();
        let shared = Arc::clone(&exports);
        let handle = move |request| keep(Arc::clone(&shared), request);
        let task = tokio::spawn(http::serve(listener, handle));
        Self { url, exports, task }
    }

    fn exports(&self) -> Vec<Vec<u8>> {
        self.exports.lock().unwrap().clone()
    }

    fn reconciles(&self) -> Vec<Span> {
        let exports = self.exports();
        let spans = exports.iter().flat_map(|export| otlp::spans(export));
        spans.filter(|span| span.name == "reconcile").collect()
    }

    /// Waits for the reconcile of a generation.
    async fn until_told_of(&self, generation: &str) {
        let what = format!("a reconcile of generation {generation}");
        let told = wait::until(&what, async || {
            let spans = self.reconciles();
            let is_told = spans
                .iter()
                .any(|span| span.told("generation") == Some(generation));
            Ok(is_told.then_some(()))
        });
        told.await.unwrap();
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(exports: Exports, request: Request<Incoming>) -> Result<Response<Body>> {
    let export = request.into_body().collect().await?.to_bytes();
    exports.lock().unwrap().push(export.to_vec());
    Ok(Response::new(Body::empty()))
}

async fn generation(shop: &Shop) -> String {
    let erpgo: ErpGo = shop.get("shop").await.unwrap();
    erpgo.metadata.generation.unwrap().to_string()
}

/// Values that pods get, and the password that is part of one.
async fn secrets(shop: &Shop) -> Vec<String> {
    let secret: Secret = shop.get("shop-secret-set").await.unwrap();
    let data: BTreeMap<_, _> = secret.data.unwrap();
    let document = Document::parse(&data["document.json"].0).unwrap();
    let versions = document.keys.versions();
    let values = versions.map(|(_, _, version)| version.value.expose_secret().to_owned());
    let (_, password) = DATABASE_URL.rsplit_once("shop:").unwrap();
    let (password, _) = password.split_once('@').unwrap();
    values.chain([password.to_owned()]).collect()
}

#[tokio::test]
async fn a_reconcile_is_told_with_its_erpgo_and_generation_and_i04_no_value_of_a_secret() {
    let collector = Collector::start().await;
    let shop = Shop::prepare("traces").await.unwrap();
    let settings = vec![(COLLECTOR, collector.url.clone())];
    let operator = Operator::start_with(shop.cluster(), shop.namespace(), settings);
    let _operator = operator.await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    let first = generation(&shop).await;
    collector.until_told_of(&first).await;
    shop.apply(&json!({"replicas": 3})).await.unwrap();
    let second = generation(&shop).await;
    assert_ne!(first, second);
    collector.until_told_of(&second).await;

    let both = [first.as_str(), second.as_str()];
    for span in collector.reconciles() {
        assert_eq!(span.told("erpgo"), Some("shop"), "{span:?}");
        assert_eq!(span.told("namespace"), Some(shop.namespace()), "{span:?}");
        let generation = span.told("generation");
        assert!(generation.is_none_or(|is| both.contains(&is)), "{span:?}");
    }
    let values = secrets(&shop).await;
    assert!(values.len() > 4, "every key and the password");
    for export in collector.exports() {
        let text = String::from_utf8_lossy(&export);
        assert!(!values.iter().any(|value| text.contains(value)), "{text}");
    }
}

#[tokio::test]
async fn without_a_collector_of_its_own_the_operator_sends_no_traces() {
    let stranger = Collector::start().await;
    let shop = Shop::prepare("traces").await.unwrap();
    // What the exporter would take from its surroundings, and what a chart renders for "not set".
    let settings = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", stranger.url.clone()),
        (COLLECTOR, String::new()),
    ];
    let operator = Operator::start_with(shop.cluster(), shop.namespace(), settings);
    let mut operator = operator.await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    // At its end it sends what it still has.
    operator.process.signal(Signal::TERM).unwrap();
    let ended = operator.process.wait(wait::LIMIT).await.unwrap();
    assert!(ended.success(), "{ended}");
    assert_eq!(stranger.exports(), Vec::<Vec<u8>>::new());
}
