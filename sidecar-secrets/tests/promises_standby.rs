//! What the sidecar promises of a Vault with standbys: any server will do, and while none is active the
//! last good set stays and few requests are made; the next set then comes by itself.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is missing"
)]

mod support;

use std::time::Instant;

use erpgo_test_kit::vault::{self, Elected, TestVault, VaultCluster};
use serde_json::{Value, json};
use support::{LIMIT, LOGINS, Pod, Sidecar, UNREACHABLE, ack, document};

const PATH: &str = "erpgo/shop";
// What no read may have been: nothing is sealed, forbidden or spoilt in an election.
const OTHERS: [&str; 6] = [
    "denied",
    "malformed",
    "not_found",
    "sealed",
    "throttled",
    "unwritable",
];

async fn put(vault: &TestVault, document: &str) {
    vault.kv_put(PATH, &json!({"document": document})).await;
}

// A cluster with a document, and a pod that knows of one server alone.
async fn store() -> (VaultCluster, usize, Pod) {
    let cluster = vault::cluster().await;
    let known = cluster.elected().await.standbys[0];
    let vault = &cluster[known];
    put(vault, &document(1, "-a")).await;
    vault.read_policy("shop", PATH).await;
    vault.enable_approle().await;
    let role = vault.approle("shop", &["shop"], "20m").await;
    let pod = Pod::vault(&vault.url(), &role.role_id, &role.secret_id);
    (cluster, known, pod.with("SIDECAR_POLL_INTERVAL", "5"))
}

// An election, and the wait that failures have made long, take more than anything else.
async fn comes_to(sidecar: &Sidecar, generation: u64) -> Value {
    sidecar
        .state_within(LIMIT * 4, |state| {
            state["rendered_generation"] == generation && state["backend"]["healthy"] == true
        })
        .await
}

async fn is_left_alone_with_the_set(sidecar: &Sidecar, generation: u64) {
    let state = sidecar
        .state_within(LIMIT * 4, |state| {
            state["backend"]["error_class"] == "unreachable"
        })
        .await;
    assert_eq!(state["rendered_generation"], generation);
    assert!(state["backend"]["stale_since"].is_string());
    assert_eq!(
        sidecar.answer(&ack(generation)).await,
        204,
        "the app is served"
    );
    let (begun, before) = (Instant::now(), sidecar.metric(UNREACHABLE).await.unwrap());
    let asked = async {
        while sidecar.metric(UNREACHABLE).await < Some(before + 3) {
            sidecar.nudge(generation + 1, 1).await;
        }
    };
    tokio::time::timeout(LIMIT * 2, asked).await.unwrap();
    let tried = sidecar.metric(UNREACHABLE).await.unwrap() - before;
    // Each waits for half a second at least, whatever is nudged.
    assert!(tried <= 2 * (2 + begun.elapsed().as_secs()), "{tried}");
    assert_eq!(sidecar.state().await["rendered_generation"], generation);
}

#[tokio::test]
async fn any_server_will_do_and_an_election_is_waited_for_with_the_last_good_set() {
    let (mut cluster, known, pod) = store().await;
    let sidecar = pod.start().await;
    comes_to(&sidecar, 1).await;
    let Elected { active, .. } = cluster.elected().await;
    put(&cluster[active], &document(2, "-b")).await;
    comes_to(&sidecar, 2).await;

    // The two that are left elect; the known one may have been elected without it.
    let others: Vec<usize> = (0..3).filter(|number| *number != known).collect();
    let Elected { active, .. } = cluster.elected().await;
    let dead = if active == known { others[0] } else { active };
    cluster.kill(dead);
    put(&cluster[known], &document(3, "-c")).await;
    comes_to(&sidecar, 3).await;
    cluster.restart(dead).await;

    // Nobody is left to elect one.
    for other in &others {
        cluster.kill(*other);
    }
    cluster.leaderless().await;
    is_left_alone_with_the_set(&sidecar, 3).await;
    cluster.restart(others[0]).await;
    put(&cluster[known], &document(4, "-d")).await;
    sidecar.nudge(4, 0).await;
    let state = comes_to(&sidecar, 4).await;
    assert_eq!(state["backend"]["stale_since"], Value::Null);
    assert_eq!(
        sidecar.metric(LOGINS).await,
        Some(1),
        "the token outlived it all"
    );
    for class in OTHERS {
        let series = format!("erpgo_sidecar_reads_total{{result=\"failed\",class=\"{class}\"}}");
        assert_eq!(sidecar.metric(&series).await, Some(0), "{class}");
    }
}
