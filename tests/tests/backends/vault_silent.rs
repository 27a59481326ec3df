//! What the operator makes of a Vault that takes connections and says nothing: one `ErpGo` waits for it, and
//! the others are told at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use erpgo_crds::ErpGo;
use erpgo_operator::secrets::Secrets;
use futures::future::join_all;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::bench::{Bench, Setting};
use super::vault::setting_at;

const OTHERS: usize = 50;

/// A server that only counts who comes.
struct Mute {
    address: String,
    heard: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Mute {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.push(stream);
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            address,
            heard,
            task,
        }
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn is_told(secrets: &Secrets, erpgo: &ErpGo) {
    let Err(error) = secrets.read(erpgo).await else {
        panic!("a document");
    };
    assert_eq!(error.class(), "unreachable", "{error:?}");
    assert!(error.is_transient(), "{error:?}");
}

fn named(erpgo: &ErpGo, name: &str) -> ErpGo {
    let mut other = erpgo.clone();
    other.metadata.name = Some(name.to_owned());
    other
}

#[tokio::test]
async fn i12_a_vault_that_says_nothing_is_asked_by_one_and_not_by_everybody() {
    let bench = Bench::new().await;
    let ids = json!({"role-id": "nobody", "secret-id": "nothing"});
    bench.secret("login", &ids).await;
    let mute = Mute::start().await;
    let auth = json!({"appRole": {"secretRef": {"name": "login"}}});
    let Setting { secrets, erpgo } = setting_at(&bench, &mute.address, &auth);
    is_told(&secrets, &erpgo).await;
    assert_eq!(mute.heard(), 1);
    let others: Vec<ErpGo> = (0..OTHERS)
        .map(|n| named(&erpgo, &format!("shop-{n}")))
        .collect();
    join_all(others.iter().map(|other| is_told(&secrets, other))).await;
    // On a machine so busy that the rest is over, one more asks.
    assert!(mute.heard() <= 2, "{} asked", mute.heard());
    // Who waits elsewhere is not told what nobody has asked there.
    let elsewhere = Mute::start().await;
    let Setting { erpgo, .. } = setting_at(&bench, &elsewhere.address, &auth);
    is_told(&secrets, &erpgo).await;
    assert_eq!(elsewhere.heard(), 1);
}
