//! The chart's rights are enough, and the operator asks for no more (least privilege).

use erpgo_test_kit::apiserver::AuditEvent;
use erpgo_tests::operator::Operator;
use erpgo_tests::shop::{DATABASE_URL, Shop};
use erpgo_tests::wait;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, Config};
use serde_json::json;

fn requests(shop: &Shop, operator: &Operator) -> Vec<AuditEvent> {
    shop.cluster().audit_of(&operator.user)
}

#[tokio::test]
async fn the_charts_rights_suffice_for_a_whole_life_and_no_secret_is_listed() {
    let shop = Shop::prepare("rbac").await.unwrap();
    shop.cluster().install_prometheus_crds().await;
    let operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
    let extra = json!({"autoscaling": {"maxReplicas": 4}, "ingress": {"host": "shop.example.com"}, "deletionPolicy": "Delete"});
    shop.settle(&extra).await.unwrap();
    let erpgos: Api<erpgo_crds::ErpGo> = shop.api();
    erpgos
        .delete("shop", &DeleteParams::default())
        .await
        .unwrap();
    let gone = wait::until("the end of the ErpGo", async || {
        Ok(erpgos.get_opt("shop").await?.is_none().then_some(()))
    });
    gone.await.unwrap();
    let requests = requests(&shop, &operator);
    let refused: Vec<_> = requests.iter().filter(|event| event.code == 403).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let abroad = requests
        .iter()
        .find(|event| event.namespace != shop.namespace());
    assert_eq!(abroad, None);
    let wide = |event: &&AuditEvent| {
        event.resource == "secrets" && ["list", "watch"].contains(&event.verb.as_str())
    };
    assert_eq!(requests.iter().find(wide), None);
    assert!(
        requests
            .iter()
            .any(|event| event.resource == "secrets" && event.verb == "get")
    );
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
    let shop = Shop::prepare("rbac").await.unwrap();
    let operator = Operator::start(shop.cluster(), shop.namespace())
        .await
        .unwrap();
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
