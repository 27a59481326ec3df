//! Every owned object that is edited or deleted by hand is put right, whatever its kind, and those of
//! kinds that the cluster does not serve yet are made when it does. A Job that has done its work is not
//! missed.

use std::time::Duration;

use erpgo_crds::ErpGo;
use erpgo_test_kit::apiserver;
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::Shop;
use erpgo_tests::{cluster, wait};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

/// The operator looks for kinds that were missing once a minute.
const NEXT_LOOK: Duration = Duration::from_secs(150);

/// A kind with one object, and an edit of what the operator wants of it.
struct Child {
    api_version: &'static str,
    kind: &'static str,
    name: &'static str,
    edit: Value,
}

impl Child {
    fn new(api_version: &'static str, kind: &'static str, edit: Value) -> Self {
        Self {
            api_version,
            kind,
            name: "shop",
            edit,
        }
    }

    fn api(&self, shop: &Shop) -> Api<DynamicObject> {
        let (group, version) = self
            .api_version
            .split_once('/')
            .unwrap_or(("", self.api_version));
        let gvk = GroupVersionKind::gvk(group, version, self.kind);
        shop.api_of(&ApiResource::from_gvk(&gvk))
    }

    async fn read(&self, shop: &Shop) -> DynamicObject {
        let api = self.api(shop);
        let found = wait::until(self.kind, async || Ok(api.get_opt(self.name).await?));
        found.await.unwrap()
    }

    async fn edit_and_wait(&self, shop: &Shop, operator: &Operator) {
        let before = wanted(&self.read(shop).await);
        let params = PatchParams {
            field_manager: Some("somebody".into()),
            ..PatchParams::default()
        };
        let edited = self
            .api(shop)
            .patch(self.name, &params, &Patch::Merge(&self.edit))
            .await
            .unwrap();
        assert_ne!(wanted(&edited), before, "{} was not edited", self.kind);
        let restored = |now: &DynamicObject| wanted(now) == before;
        self.until(shop, operator, "its fields back", restored)
            .await;
    }

    async fn delete_and_wait(&self, shop: &Shop, operator: &Operator) {
        let old = self.read(shop).await;
        let api = self.api(shop);
        api.delete(self.name, &DeleteParams::default())
            .await
            .unwrap();
        let made_again =
            |now: &DynamicObject| now.uid() != old.uid() && wanted(now) == wanted(&old);
        self.until(shop, operator, "it made again", made_again)
            .await;
    }

    async fn until(
        &self,
        shop: &Shop,
        operator: &Operator,
        what: &str,
        holds: impl Fn(&DynamicObject) -> bool,
    ) {
        // No watch tells of kinds that may be missing: a reconcile looks, whatever it was woken by.
        if [MONITORING, GATEWAY].contains(&self.api_version) {
            shop.looked_at_by(operator).await.unwrap();
        }
        let api = self.api(shop);
        let what = format!("{}: {what}", self.kind);
        let waiting = wait::until(&what, async || {
            let found = api.get_opt(self.name).await?;
            Ok(found.filter(&holds).map(drop))
        });
        waiting.await.unwrap();
    }
}

const MONITORING: &str = "monitoring.coreos.com/v1";
const GATEWAY: &str = "gateway.networking.k8s.io/v1";

/// Labels, owners and content, without what the server and controllers keep.
fn wanted(object: &DynamicObject) -> Value {
    let mut content = object.data.clone();
    content.as_object_mut().unwrap().remove("status");
    for given in ["clusterIP", "clusterIPs"] {
        let spec = content.get_mut("spec").and_then(Value::as_object_mut);
        spec.and_then(|spec| spec.remove(given));
    }
    let metadata = &object.metadata;
    json!({"labels": metadata.labels, "owners": metadata.owner_references, "content": content})
}

/// Every kind that a cluster serves by itself, Jobs aside, which are never patched.
fn built_in() -> Vec<Child> {
    let mark = json!({"metadata": {"labels": {"app.kubernetes.io/component": "somebody"}}});
    let everyone =
        json!([{"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}]);
    let every_secret = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]);
    let mut config_map = Child::new(
        "v1",
        "ConfigMap",
        json!({"data": {"config.yaml": "log:\n"}}),
    );
    config_map.name = "shop-config";
    let rbac = "rbac.authorization.k8s.io/v1";
    vec![
        Child::new("v1", "ServiceAccount", mark),
        Child::new(rbac, "Role", json!({"rules": every_secret})),
        Child::new(rbac, "RoleBinding", json!({"subjects": everyone})),
        config_map,
        Child::new(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            json!({"spec": {"ingress": [{}]}}),
        ),
        Child::new(
            "v1",
            "Service",
            json!({"spec": {"selector": {"example.com/of": "eve"}}}),
        ),
        Child::new(
            "apps/v1",
            "Deployment",
            json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 600}}}}),
        ),
        Child::new(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            json!({"spec": {"maxReplicas": 50}}),
        ),
        Child::new(
            "policy/v1",
            "PodDisruptionBudget",
            json!({"spec": {"maxUnavailable": "100%"}}),
        ),
        Child::new(
            "networking.k8s.io/v1",
            "Ingress",
            json!({"spec": {"rules": [{"host": "eve.example.com"}]}}),
        ),
    ]
}

fn optional() -> [Child; 3] {
    [
        Child::new(
            GATEWAY,
            "HTTPRoute",
            json!({"spec": {"parentRefs": [{"name": "eve"}]}}),
        ),
        Child::new(
            MONITORING,
            "ServiceMonitor",
            json!({"spec": {"endpoints": []}}),
        ),
        Child::new(
            MONITORING,
            "PrometheusRule",
            json!({"spec": {"groups": []}}),
        ),
    ]
}

fn by_ingress() -> Value {
    json!({"ingress": {"host": "shop.example.com"}})
}

fn by_gateway() -> Value {
    json!({"httpRoute": {"parentRefs": [{"name": "gate"}]}})
}

async fn settled(shop: &Shop, mut way_in: Value) -> Operator {
    let operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
    way_in["autoscaling"] = json!({"minReplicas": 2, "maxReplicas": 4});
    shop.settle(&way_in).await.unwrap();
    operator
}

#[tokio::test]
async fn every_kind_of_child_that_is_edited_or_deleted_by_hand_is_put_right() {
    let shop = Shop::prepare("children").await.unwrap();
    let operator = settled(&shop, by_ingress()).await;
    for child in built_in() {
        child.edit_and_wait(&shop, &operator).await;
        child.delete_and_wait(&shop, &operator).await;
    }
}

async fn condition(shop: &Shop, kind: &str) -> Condition {
    let erpgo: ErpGo = shop.get("shop").await.unwrap();
    let conditions = erpgo.status.unwrap().conditions;
    let mut all = conditions.into_iter();
    all.find(|condition| condition.type_ == kind).unwrap()
}

async fn monitoring(shop: &Shop) -> Condition {
    condition(shop, "MonitoringReady").await
}

#[tokio::test]
async fn a_control_token_that_is_deleted_is_drawn_anew() {
    let shop = Shop::prepare("children").await.unwrap();
    let operator = settled(&shop, by_ingress()).await;
    let secrets: Api<Secret> = shop.api();
    let name = "shop-control";
    let old = secrets.get(name).await.unwrap();
    secrets
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    // No watch tells of Secrets.
    shop.looked_at_by(&operator).await.unwrap();
    let new = secrets.get(name).await.unwrap();
    assert_ne!(new.uid(), old.uid());
    assert_eq!(new.labels(), old.labels());
    assert_eq!(new.owner_references(), old.owner_references());
    let token = |secret: &Secret| secret.data.as_ref().unwrap()["token"].0.clone();
    assert!(token(&new) != token(&old), "the old one may be known");
}

#[tokio::test]
async fn a_migration_that_has_succeeded_is_not_run_again_when_its_job_is_deleted() {
    let shop = Shop::prepare("children").await.unwrap();
    let operator = settled(&shop, by_ingress()).await;
    shop.looked_at_by(&operator).await.unwrap();
    let before = condition(&shop, "Ready").await;
    assert_eq!(before.status, "True");
    let jobs: Api<Job> = shop.api();
    let all = jobs.list(&ListParams::default()).await.unwrap().items;
    let [migration] = all.as_slice() else {
        panic!("{all:?}");
    };
    // In the background: nobody here would collect what is orphaned.
    jobs.delete(&migration.name_any(), &DeleteParams::background())
        .await
        .unwrap();
    shop.looked_at_by(&operator).await.unwrap();
    let left = jobs.list(&ListParams::default()).await.unwrap().items;
    assert!(left.is_empty(), "{left:?}");
    let after = condition(&shop, "Ready").await;
    assert_eq!(
        (after.status, after.last_transition_time),
        (before.status, before.last_transition_time)
    );
}

#[tokio::test]
async fn kinds_that_the_cluster_lacks_are_told_of_and_their_objects_made_when_it_serves_them() {
    let cluster = apiserver::private().await;
    cluster::define(&cluster).await.unwrap();
    let shop = Shop::prepare_in((*cluster).clone(), "children")
        .await
        .unwrap();
    // Ready all the same: these parts are off, and no other.
    let operator = settled(&shop, by_gateway()).await;
    let told = monitoring(&shop).await;
    assert_eq!(
        (told.status.as_str(), told.reason.as_str()),
        ("False", "CRDMissing")
    );
    assert!(
        told.message.contains("prometheus-operator"),
        "{}",
        told.message
    );
    // First, since of the others it is told when they are served.
    cluster.install_gateway_crds().await;
    cluster.install_prometheus_crds().await;
    let healed = wait::until_within(NEXT_LOOK, "MonitoringReady", async || {
        Ok((monitoring(&shop).await.status == "True").then_some(()))
    });
    healed.await.unwrap();
    let [route, monitor, rules] = optional();
    let owner = shop.get::<ErpGo>("shop").await.unwrap().uid();
    for (child, content) in [
        (&route, "/parentRefs/0/name"),
        (&monitor, "/endpoints/0/path"),
        (&rules, "/groups/0/rules/0/expr"),
    ] {
        let made = child.read(&shop).await;
        assert!(made.data["spec"].pointer(content).is_some(), "{made:?}");
        assert_eq!(
            made.owner_references().first().map(|by| by.uid.clone()),
            owner
        );
        child.edit_and_wait(&shop, &operator).await;
        child.delete_and_wait(&shop, &operator).await;
    }
}
