//! Each change of a condition is told by one Event, and nothing is told at rest.

use erpgo_tests::operator::Operator;
use erpgo_tests::shop::Shop;
use erpgo_tests::wait;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

/// One Event: type, reason, action and a part of its note.
type Told = (&'static str, &'static str, &'static str, &'static str);

const NORMAL: &str = "Normal";
const WARNING: &str = "Warning";
const FIRST: &str = "erpgo.local/erpgo:1";
const NEXT: &str = "erpgo.local/erpgo:2";

/// Without monitoring, of which the cluster may serve the kinds or not.
fn spec(extra: Value) -> Value {
    let mut spec = extra;
    spec["monitoring"] = json!({"enabled": false, "alerts": {"enabled": false}});
    spec
}

/// The Events of the `ErpGo`, oldest first.
async fn events(shop: &Shop) -> Vec<Event> {
    let api: Api<Event> = shop.api();
    let of_erpgo = ListParams::default().fields("regarding.kind=ErpGo,regarding.name=shop");
    let mut all = api.list(&of_erpgo).await.unwrap().items;
    all.sort_by_key(|event| event.event_time.as_ref().map(|time| time.0));
    all
}

fn matches(event: &Event, (type_, reason, action, note): &Told) -> bool {
    let has = |field: &Option<String>, text: &str| field.as_deref() == Some(text);
    has(&event.type_, type_)
        && has(&event.reason, reason)
        && has(&event.action, action)
        && event.note.as_ref().is_some_and(|told| told.contains(note))
        && has(&event.reporting_controller, "erpgo-operator")
        && event.series.is_none()
}

fn shown(event: &Event) -> String {
    let part = |field: &Option<String>| field.clone().unwrap_or_default();
    let (type_, reason) = (part(&event.type_), part(&event.reason));
    let (action, note) = (part(&event.action), part(&event.note));
    format!("{type_} {reason} {action} x{}: {note}", count(event))
}

fn count(event: &Event) -> i32 {
    event.series.as_ref().map_or(1, |series| series.count)
}

/// What has been told so far, in the order in which it was to be told.
struct Listener<'a> {
    shop: &'a Shop,
    operator: &'a Operator,
    told: Vec<Told>,
}

impl Listener<'_> {
    /// Takes `image` through migration and rollout; `begun` tells of the beginning.
    async fn hears_it_come_up(&mut self, image: &'static str, begun: &[Told]) {
        let wanted = spec(json!({"image": image}));
        self.shop.apply(&wanted).await.unwrap();
        self.hears(begun).await;
        self.shop.finish_migration().await.unwrap();
        self.hears(&[
            (NORMAL, "MigrationsSucceeded", "Migrate", image),
            (NORMAL, "RollingOut", "Reconcile", "the Deployment"),
        ])
        .await;
        self.shop.roll_out().await.unwrap();
        self.hears(&[(NORMAL, "Serving", "RollOut", image)]).await;
    }

    /// Waits until these are told as well; those of one reconcile come in any order.
    async fn hears(&mut self, news: &[Told]) {
        let before = self.told.len();
        self.told.extend(news);
        let complete = wait::until("the Events", async || {
            let enough = events(self.shop).await.len() >= self.told.len();
            Ok(enough.then_some(()))
        });
        let complete = complete.await;
        self.agrees(before).await;
        complete.unwrap();
    }

    /// Wakes the operator, which is at rest: it must say nothing.
    async fn hears_nothing(&self) {
        for _ in 0..3 {
            self.shop.looked_at_by(self.operator).await.unwrap();
        }
        self.agrees(self.told.len()).await;
    }

    /// Each of `told` was told once since `before`, and nothing else was.
    async fn agrees(&self, before: usize) {
        let heard = events(self.shop).await;
        let all: Vec<_> = heard.iter().map(shown).collect();
        assert_eq!(heard.len(), self.told.len(), "{all:#?}");
        for told in &self.told[before..] {
            let times = heard[before..].iter().filter(|event| matches(event, told));
            assert_eq!(times.count(), 1, "{told:?} of {all:#?}");
        }
    }
}

#[tokio::test]
async fn each_change_of_a_condition_is_told_once_and_nothing_at_rest() {
    let (shop, operator) = Shop::with_operator("events").await.unwrap();
    let mut listener = Listener {
        shop: &shop,
        operator: &operator,
        told: Vec::new(),
    };
    let set = (NORMAL, "SecretSetPresent", "PrepareSecrets", "generation 1");
    let migrating = |image| (NORMAL, "Migrating", "Reconcile", image);
    listener
        .hears_it_come_up(FIRST, &[migrating(FIRST), set])
        .await;
    listener.hears_nothing().await;
    listener.hears_it_come_up(NEXT, &[migrating(NEXT)]).await;

    let wrong = json!({"image": NEXT, "resources": {"cpuRequest": "much"}});
    shop.apply(&spec(wrong)).await.unwrap();
    let refused = "spec.resources.cpuRequest";
    listener
        .hears(&[(WARNING, "InvalidSpec", "Reconcile", refused)])
        .await;
    listener.hears_nothing().await;
    let paused = json!({"image": NEXT, "paused": true});
    shop.apply(&spec(paused)).await.unwrap();
    let told = "spec.paused is set";
    listener.hears(&[(NORMAL, "Paused", "Pause", told)]).await;
    listener.hears_nothing().await;
}
