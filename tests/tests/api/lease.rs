//! One operator leads and writes; the others stand by, and nobody writes without the lease.

use std::time::{Duration, Instant};

use erpgo_test_kit::Signal;
use erpgo_test_kit::apiserver::AuditEvent;
use erpgo_tests::operator::{Operator, Release};
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

const LEASE: &str = "erpgo-operator";
/// How long a standby waits after the last renewal that it saw.
const DURATION: Duration = Duration::from_secs(15);
/// Renewals and attempts are two seconds apart; the rest is for a machine with other work.
const PATIENCE: Duration = Duration::from_secs(10);
/// The documented exit code of a lost lease.
const LOST: i32 = 3;

/// A settled shop, the operator that leads and the one that stands by.
struct Pair {
    shop: Shop,
    first: Operator,
    second: Operator,
}

impl Pair {
    async fn settled() -> Self {
        let shop = Shop::prepare("lease").await.unwrap();
        let mut first = install(&shop, "erpgo-operator-first").await;
        until_printed(&mut first, "this process leads").await;
        let mut second = install(&shop, "erpgo-operator-second").await;
        until_printed(&mut second, "waiting for the leader lease").await;
        shop.settle(&json!({})).await.unwrap();
        let pair = Self {
            shop,
            first,
            second,
        };
        pair.until_standing_by().await;
        pair
    }

    fn requests(&self, operator: &Operator) -> Vec<AuditEvent> {
        self.shop.cluster().audit_of(&operator.user)
    }

    /// What was written but the lease.
    fn writes(&self, operator: &Operator) -> Vec<AuditEvent> {
        let mut all = self.requests(operator);
        all.retain(|event| event.is_write() && event.resource != "leases");
        all
    }

    fn looks_at_the_lease(&self) -> usize {
        let all = self.requests(&self.second).into_iter();
        all.filter(|event| event.resource == "leases" && event.verb == "get")
            .count()
    }

    /// Waits until the second has looked at the lease three times more.
    async fn until_standing_by(&self) {
        let before = self.looks_at_the_lease();
        let looks = wait::until("looks of the standby", async || {
            Ok((self.looks_at_the_lease() >= before + 3).then_some(()))
        });
        looks.await.unwrap();
    }

    async fn lease(&self) -> Lease {
        self.shop.get(LEASE).await.unwrap()
    }

    async fn edit(&self) {
        let edit = json!({"settings": {"logLevel": "debug"}});
        self.shop.apply(&edit).await.unwrap();
    }

    async fn is_carried_out(&self) -> bool {
        let settings: ConfigMap = self.shop.get("shop-config").await.unwrap();
        let mut texts = settings.data.iter().flat_map(|data| data.values());
        texts.any(|text| text.contains("level: debug"))
    }

    async fn until_carried_out(&self) {
        let carried_out = wait::until("the edit in the settings", async || {
            Ok(self.is_carried_out().await.then_some(()))
        });
        carried_out.await.unwrap();
    }
}

async fn install(shop: &Shop, name: &'static str) -> Operator {
    install_under(shop, name, LEASE).await
}

async fn install_under(shop: &Shop, name: &'static str, lease: &'static str) -> Operator {
    let release = Release {
        name,
        leader_election: true,
        lease,
        ..Release::default()
    };
    Operator::install(shop.cluster(), shop.namespace(), release)
        .await
        .unwrap()
}

async fn until_printed(operator: &mut Operator, text: &str) {
    operator
        .process
        .wait_for_line(text, wait::LIMIT)
        .await
        .unwrap();
}

/// The exit code of an operator that ends by itself.
async fn exit_code(operator: &mut Operator) -> Option<i32> {
    operator.process.wait(wait::LIMIT).await.unwrap().code()
}

fn holder(lease: &Lease) -> String {
    let spec = lease.spec.clone().unwrap_or_default();
    spec.holder_identity.unwrap_or_default()
}

fn transitions(lease: &Lease) -> i32 {
    let spec = lease.spec.clone().unwrap_or_default();
    spec.lease_transitions.unwrap_or_default()
}

#[tokio::test]
async fn one_leads_and_writes_and_the_other_stands_by_until_it_is_told() {
    let mut pair = Pair::settled().await;
    assert!(holder(&pair.lease().await).starts_with("erpgo-operator-first_"));
    assert!(!pair.writes(&pair.first).is_empty());
    let of_the_standby: Vec<_> = pair.requests(&pair.second);
    let written = of_the_standby.iter().find(|event| event.is_write());
    assert_eq!(written, None);
    let refused = pair.requests(&pair.first).into_iter().chain(of_the_standby);
    assert_eq!(refused.into_iter().find(|event| event.code == 403), None);
    // One that is told to end gives the lease up, so that nobody waits for it to expire.
    let told = Instant::now();
    pair.first.process.signal(Signal::TERM).unwrap();
    assert_eq!(exit_code(&mut pair.first).await, Some(0));
    until_printed(&mut pair.second, "this process leads").await;
    assert!(told.elapsed() < DURATION, "it waited for the lease's end");
    let before = pair.writes(&pair.first).len();
    pair.edit().await;
    pair.until_carried_out().await;
    assert_eq!(pair.writes(&pair.first).len(), before);
}

/// As two releases in one namespace are, of which each serves another.
#[tokio::test]
async fn two_with_leases_of_their_own_both_lead() {
    let shop = Shop::prepare("leases").await.unwrap();
    let mut operators = Vec::new();
    for name in ["erpgo-operator-here", "erpgo-operator-there"] {
        let mut operator = install_under(&shop, name, name).await;
        until_printed(&mut operator, "this process leads").await;
        let lease: Lease = shop.get(name).await.unwrap();
        assert!(holder(&lease).starts_with(&format!("{name}_")));
        operators.push(operator);
    }
    // Neither has lost its lease.
    for operator in &mut operators {
        operator.process.signal(Signal::TERM).unwrap();
        assert_eq!(exit_code(operator).await, Some(0));
    }
}

#[tokio::test]
async fn a_leader_whose_lease_a_stranger_holds_ends_and_nobody_writes_until_it_is_free() {
    let mut pair = Pair::settled().await;
    let leases: Api<Lease> = pair.shop.api();
    let taken = json!({"spec": {"holderIdentity": "stranger", "leaseDurationSeconds": 3600}});
    leases
        .patch(LEASE, &PatchParams::default(), &Patch::Merge(&taken))
        .await
        .unwrap();
    assert_eq!(exit_code(&mut pair.first).await, Some(LOST));
    let said = pair.first.process.output();
    assert!(said.contains("the leader lease is lost"), "{said}");
    let before = pair.writes(&pair.first).len();
    pair.edit().await;
    pair.until_standing_by().await;
    assert_eq!(pair.writes(&pair.first).len(), before);
    assert_eq!(pair.writes(&pair.second), []);
    assert!(!pair.is_carried_out().await);
    assert_eq!(holder(&pair.lease().await), "stranger");
    leases
        .delete(LEASE, &DeleteParams::default())
        .await
        .unwrap();
    pair.until_carried_out().await;
    assert!(holder(&pair.lease().await).starts_with("erpgo-operator-second_"));
    assert_eq!(pair.writes(&pair.first).len(), before);
}

#[tokio::test]
async fn a_leader_that_is_killed_is_followed_when_its_lease_has_expired_and_not_before() {
    let mut pair = Pair::settled().await;
    pair.first.stop().await.unwrap();
    let last = pair.lease().await;
    let before = pair.writes(&pair.first).len();
    pair.edit().await;
    until_printed(&mut pair.second, "this process leads").await;
    pair.until_carried_out().await;
    let now = pair.lease().await;
    assert!(holder(&last).starts_with("erpgo-operator-first_"));
    assert!(holder(&now).starts_with("erpgo-operator-second_"));
    assert_eq!(transitions(&now), transitions(&last) + 1);
    let renewed = last.spec.and_then(|spec| spec.renew_time).unwrap();
    let acquired = now.spec.and_then(|spec| spec.acquire_time).unwrap();
    let between = Duration::try_from(acquired.0.duration_since(renewed.0)).unwrap();
    assert!(between >= DURATION, "taken after {between:?}");
    assert!(between < DURATION + PATIENCE, "taken after {between:?}");
    assert_eq!(pair.writes(&pair.first).len(), before);
}

#[tokio::test]
async fn a_leader_that_was_frozen_past_its_lease_ends_before_it_writes() {
    let mut pair = Pair::settled().await;
    let before = pair.writes(&pair.first).len();
    pair.first.process.signal(Signal::STOP).unwrap();
    pair.edit().await;
    pair.until_carried_out().await;
    assert!(holder(&pair.lease().await).starts_with("erpgo-operator-second_"));
    // Something that it would write at once if it took itself for the leader.
    let settings: Api<ConfigMap> = pair.shop.api();
    let emptied: Value = json!({"data": null});
    settings
        .patch(
            "shop-config",
            &PatchParams::default(),
            &Patch::Merge(&emptied),
        )
        .await
        .unwrap();
    pair.first.process.signal(Signal::CONT).unwrap();
    assert_eq!(exit_code(&mut pair.first).await, Some(LOST));
    pair.until_carried_out().await;
    assert_eq!(pair.writes(&pair.first).len(), before);
}
