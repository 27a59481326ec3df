//! The chart's rights are enough, and none of them is more than the operator uses (least privilege).

use std::collections::BTreeSet;

use erpgo_crds::ErpGo;
use erpgo_test_kit::apiserver::{self, AuditEvent, PrivateCluster};
use erpgo_tests::operator::{Operator, Release};
use erpgo_tests::shop::{DATABASE_URL, Shop};
use erpgo_tests::{cluster, wait};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Config};
use serde_json::{Value, json};

/// Rights as `VERB RESOURCE.GROUP`.
type Rights = BTreeSet<String>;

/// Granted without a request of its own, and why.
const UNASKED: [(&str, &str); 1] = [(
    "update erpgos/finalizers.erpgo.io",
    "OwnerReferencesPermissionEnforcement, where it is on, asks for it when a child's owner reference blocks the owner's deletion",
)];

const MONITORING: &str = "monitoring.coreos.com";

/// Part of a list or watch that is told of nothing but what the operator made.
const OURS: &str = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Derpgo-operator";

fn right(group: &str, resource: &str, verb: &str) -> String {
    format!("{verb} {resource}.{group}")
}

/// What the chart grants, as the API server holds it.
async fn granted(shop: &Shop, release: Release) -> Rights {
    let roles: Api<Role> = shop.api();
    let mut rules = if release.everywhere {
        let all: Api<ClusterRole> = Api::all(shop.cluster().client());
        all.get(release.name).await.unwrap().rules
    } else {
        roles.get(release.name).await.unwrap().rules
    }
    .unwrap_or_default();
    if release.leader_election {
        let lease = roles.get(&format!("{}-lease", release.name)).await.unwrap();
        rules.extend(lease.rules.unwrap_or_default());
    }
    rules.iter().flat_map(rights).collect()
}

fn rights(rule: &PolicyRule) -> Rights {
    let mut rights = Rights::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            rights.extend(rule.verbs.iter().map(|verb| right(group, resource, verb)));
        }
    }
    rights
}

/// What was asked for and not refused.
fn asked(requests: &[AuditEvent]) -> Rights {
    let mut rights = Rights::new();
    for event in requests.iter().filter(|event| event.code < 400) {
        let resource = match event.subresource.as_str() {
            "" => event.resource.clone(),
            subresource => format!("{}/{subresource}", event.resource),
        };
        rights.insert(right(&event.group, &resource, &event.verb));
        // Server-side apply of what is not there yet needs the right to create it as well.
        if event.verb == "patch" && event.code == 201 {
            rights.insert(right(&event.group, &resource, "create"));
        }
    }
    rights
}

/// Lists and watches of more than is the operator's own, and lists without a limit (I-12).
fn too_wide(requests: &[AuditEvent]) -> Vec<&str> {
    let many = |event: &&AuditEvent| ["list", "watch"].contains(&event.verb.as_str());
    let wide = |event: &&AuditEvent| {
        let narrow = match event.resource.as_str() {
            "erpgos" => true,
            "events" => event.uri.contains("fieldSelector="),
            _ => event.uri.contains(OURS),
        };
        let bounded = event.verb == "watch" || event.uri.contains("limit=");
        !(narrow && bounded)
    };
    let wide = requests.iter().filter(many).filter(wide);
    wide.map(|event| event.uri.as_str()).collect()
}

/// The spec with these fields and two database roles that take turns.
fn turning(mut spec: Value) -> Value {
    spec["database"] = json!({
        "secretRef": {"name": "shop-database"},
        "rotation": {"roles": ["shop", "shop_b"], "adminSecretRef": {"name": "shop-database-admin"}},
    });
    spec["deletionPolicy"] = "Delete".into();
    spec
}

/// One pod, another image, and every part off that can be.
fn bare() -> Value {
    turning(json!({
        "image": "erpgo.local/erpgo:2",
        "replicas": 1,
        "networkPolicy": {"enabled": false},
        "monitoring": {"enabled": false, "alerts": {"enabled": false}},
    }))
}

/// Everything on, a rotation by a Job, the other way in, everything off with the next image, the end.
async fn live(shop: &Shop, operator: &Operator) {
    let scaled = json!({"minReplicas": 2, "maxReplicas": 4});
    let by_ingress = json!({"autoscaling": scaled, "ingress": {"host": "shop.example.com"}});
    let by_ingress = turning(by_ingress);
    shop.apply(&by_ingress).await.unwrap();
    // It looks for what keeps the pods of a Job away for as long as there are none.
    shop.wait_condition("SecretsReady", "True").await.unwrap();
    shop.looked_at_by(operator).await.unwrap();
    shop.settle(&by_ingress).await.unwrap();
    rotate(shop).await;
    let by_gateway =
        json!({"autoscaling": scaled, "httpRoute": {"parentRefs": [{"name": "gate"}]}});
    shop.apply(&turning(by_gateway)).await.unwrap();
    let route = optional("gateway.networking.k8s.io", "HTTPRoute");
    until(shop, &route, true).await;
    shop.settle(&bare()).await.unwrap();
    for gone in [
        ApiResource::erase::<HorizontalPodAutoscaler>(&()),
        ApiResource::erase::<PodDisruptionBudget>(&()),
        ApiResource::erase::<NetworkPolicy>(&()),
        ApiResource::erase::<Ingress>(&()),
        route,
        optional(MONITORING, "ServiceMonitor"),
        optional(MONITORING, "PrometheusRule"),
    ] {
        until(shop, &gone, false).await;
    }
    log_in_to_vault(shop, operator).await;
    shop.delete().await.unwrap();
}

fn optional(group: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind))
}

/// Waits until the child of this kind is there, or is not.
async fn until(shop: &Shop, resource: &ApiResource, there: bool) {
    let api: Api<DynamicObject> = shop.api_of(resource);
    let what = format!("{} there: {there}", resource.kind);
    let done = wait::until(&what, async || {
        Ok((api.get_opt("shop").await?.is_some() == there).then_some(()))
    });
    done.await.unwrap();
}

/// Without pods, whose word is waited for otherwise, a rotation takes its steps one after the other.
async fn rotate(shop: &Shop) {
    shop.annotate("erpgo.io/rotate", "database,jwt")
        .await
        .unwrap();
    shop.finish_job("credentials").await.unwrap();
    let logs: Api<ConfigMap> = shop.api();
    let switched = wait::until("the end of the rotation in its log", async || {
        let log = logs.get_opt("shop-rotation-log").await?;
        let data = log.and_then(|log| log.data).unwrap_or_default();
        let told = data.values().any(|text| text.contains("RotationSwitched"));
        Ok(told.then_some(()))
    });
    switched.await.unwrap();
}

/// Another `ErpGo` logs in to a Vault that is away, with a token of its ServiceAccount.
async fn log_in_to_vault(shop: &Shop, operator: &Operator) {
    let auth = json!({"kubernetes": {"role": "till"}});
    let vault = json!({"address": "https://127.0.0.1:1", "path": "erpgo/till", "auth": auth});
    let till = json!({
        "apiVersion": "erpgo.io/v1alpha1",
        "kind": "ErpGo",
        "metadata": {"name": "till"},
        "spec": {
            "image": "erpgo.local/erpgo:1",
            "database": {"secretRef": {"name": "shop-database"}},
            "secrets": {"backend": {"vault": vault}},
        },
    });
    cluster::apply(shop.cluster(), shop.namespace(), &till)
        .await
        .unwrap();
    let asked = wait::until("a token for the login", async || {
        let all = shop.cluster().audit_of(&operator.user);
        let mut tokens = all.iter().filter(|event| event.subresource == "token");
        Ok(tokens.any(|event| event.code == 201).then_some(()))
    });
    asked.await.unwrap();
    let erpgos: Api<ErpGo> = shop.api();
    erpgos
        .delete("till", &DeleteParams::default())
        .await
        .unwrap();
    let gone = wait::until("the end of the other ErpGo", async || {
        Ok(erpgos.get_opt("till").await?.is_none().then_some(()))
    });
    gone.await.unwrap();
}

async fn lives_with_what_is_granted_and_no_more(cluster: &PrivateCluster, release: Release) {
    let shop = Shop::prepare_in((**cluster).clone(), "rbac").await.unwrap();
    let mut operator = Operator::install(cluster, shop.namespace(), release)
        .await
        .unwrap();
    live(&shop, &operator).await;
    operator.stop().await.unwrap();
    let requests = cluster.audit_of(&operator.user);
    let refused: Vec<_> = requests.iter().filter(|event| event.code == 403).collect();
    assert!(refused.is_empty(), "{release:?}: {refused:?}");
    let all = granted(&shop, release).await;
    let unused: Vec<_> = all.difference(&asked(&requests)).cloned().collect();
    assert_eq!(unused, UNASKED.map(|(right, _)| right), "{release:?}");
    let wide = |event: &&AuditEvent| {
        event.resource == "secrets" && ["list", "watch"].contains(&event.verb.as_str())
    };
    assert_eq!(requests.iter().find(wide), None);
    assert_eq!(too_wide(&requests), Vec::<&str>::new(), "{release:?}");
    let mut places = requests.iter().map(|event| event.namespace.as_str());
    let abroad = places.any(|namespace| namespace != shop.namespace());
    assert_eq!(abroad, release.everywhere);
}

#[tokio::test]
async fn in_both_modes_no_request_of_a_whole_life_is_refused_and_no_right_is_unused() {
    let cluster = apiserver::private().await;
    cluster::define(&cluster).await.unwrap();
    cluster.install_prometheus_crds().await;
    cluster.install_gateway_crds().await;
    let everywhere = Release {
        everywhere: true,
        leader_election: true,
        ..Release::default()
    };
    lives_with_what_is_granted_and_no_more(&cluster, everywhere).await;
    lives_with_what_is_granted_and_no_more(&cluster, Release::default()).await;
}

#[tokio::test]
async fn the_operators_account_may_not_list_secrets_or_leave_its_namespace() {
    let shop = Shop::prepare("rbac").await.unwrap();
    let other = Shop::prepare("rbac").await.unwrap();
    let _operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
    let token = shop
        .cluster()
        .service_account_token(shop.namespace(), "erpgo-operator", &[])
        .await;
    let mut config: Config = shop.cluster().config();
    config.auth_info.token = Some(token.into());
    let client = Client::try_from(config).unwrap();
    let own: Api<Secret> = Api::namespaced(client.clone(), shop.namespace());
    assert!(own.get("shop-database").await.is_ok());
    assert!(own.list(&ListParams::default()).await.is_err());
    let foreign: Api<Secret> = Api::namespaced(client, other.namespace());
    assert!(foreign.get("shop-database").await.is_err());
}

#[tokio::test]
async fn i04_no_secret_value_is_in_the_log_or_the_resource() {
    let (shop, operator) = Shop::with_operator("rbac").await.unwrap();
    shop.settle(&json!({})).await.unwrap();
    let set: Secret = shop.get("shop-secret-set").await.unwrap();
    let document = &set.data.unwrap()["document.json"].0;
    let document: serde_json::Value = serde_json::from_slice(document).unwrap();
    let values = ["jwt", "refresh", "pepper"].map(|key| {
        document["keys"][key]["current"]["value"]
            .as_str()
            .unwrap()
            .to_owned()
    });
    let erpgo: erpgo_crds::ErpGo = shop.get("shop").await.unwrap();
    let shown = format!(
        "{}\n{}",
        operator.process.output(),
        serde_json::to_string(&erpgo).unwrap()
    );
    for value in values
        .iter()
        .map(String::as_str)
        .chain([DATABASE_URL, "kept-out-of-sight"])
    {
        assert!(value.len() >= 16 && !shown.contains(value));
    }
}
