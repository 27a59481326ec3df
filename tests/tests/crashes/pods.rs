//! Pods of the API as the operator sees them: an address, and a word on the set that they hold.
//!
//! They hold whatever is the newest, use what is current of it, count no password hash and drain
//! nothing. How real ones come to that is the journeys' business.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, bail};
use erpgo_secret_set::{
    AcceptedKid, Ack, BackendState, Document, KeyName, PepperHashes, PodState, Slot, Verdict,
    Version,
};
use erpgo_tests::shop::Shop;
use hyper::Response;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec, Secret};
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::client::Body;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::http;

/// How many there are.
pub const COUNT: i32 = 2;
/// Where the operator asks a pod.
const PORT: u16 = 8790;

/// Pods that answer until their handle goes.
pub struct Pods(Vec<JoinHandle<()>>);

impl Pods {
    /// Makes them as the Deployment of `shop` says.
    pub async fn of(shop: &Shop) -> Result<Self> {
        let deployment: Deployment = shop.get("shop").await?;
        let spec = deployment.spec.context("a Deployment without a spec")?;
        let mut pods = Self(Vec::new());
        for number in 1..=COUNT {
            let (listener, address) = listen().await?;
            let secrets: Api<Secret> = shop.api();
            let handle = move |_| state(secrets.clone());
            pods.0.push(tokio::spawn(http::serve(listener, handle)));
            create(shop, &spec.template, &format!("shop-{number}"), address).await?;
        }
        Ok(pods)
    }
}

impl Drop for Pods {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// The newest document of the `ErpGo`.
pub async fn newest(secrets: &Api<Secret>) -> Result<Document> {
    let secret = secrets.get("shop-secret-set").await?;
    let data = secret.data.unwrap_or_default();
    let text = data.get("document.json").context("no document")?;
    Ok(Document::parse(&text.0)?)
}

// The port is the same for all, so each has an address of its own, as in a cluster.
async fn listen() -> Result<(TcpListener, Ipv4Addr)> {
    for number in 1..=254 {
        let address = Ipv4Addr::new(127, 0, 91, number);
        if let Ok(listener) = TcpListener::bind((address, PORT)).await {
            return Ok((listener, address));
        }
    }
    bail!("port {PORT} is taken at every address")
}

async fn create(
    shop: &Shop,
    template: &PodTemplateSpec,
    name: &str,
    address: Ipv4Addr,
) -> Result<()> {
    let labels = template.metadata.as_ref();
    let pod = Pod {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: labels.and_then(|metadata| metadata.labels.clone()),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        ..Pod::default()
    };
    let pods: Api<Pod> = shop.api();
    pods.create(&PostParams::default(), &pod).await?;
    let status = json!({"status": {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }});
    pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
        .await?;
    Ok(())
}

async fn state(secrets: Api<Secret>) -> Result<Response<Body>> {
    let document = newest(&secrets).await?;
    let state = PodState {
        rendered_generation: Some(document.generation),
        acked: Some(ack(&document)),
        backend: BackendState {
            healthy: true,
            last_read_age_seconds: Some(0),
            stale_since: None,
            error_class: None,
        },
    };
    let text = serde_json::to_vec(&state)?;
    Ok(Response::new(Body::from(text)))
}

fn ack(document: &Document) -> Ack {
    let current = document.keys.versions();
    let current = current.filter(|(_, slot, _)| *slot == Slot::Current);
    let peppers = document.keys.pepper.versions();
    let no_hashes = peppers.map(|(_, version)| PepperHashes {
        kid: version.kid.clone(),
        count: 0,
    });
    Ack {
        generation: document.generation,
        verdict: Verdict::Ack {
            accepted: document.keys.versions().map(named).collect(),
            in_use: current.map(named).collect(),
            draining: Vec::new(),
            pepper_hashes: no_hashes.collect(),
        },
    }
}

fn named((key, _, version): (KeyName, Slot, &Version)) -> AcceptedKid {
    let kid = version.kid.clone();
    AcceptedKid { key, kid }
}
