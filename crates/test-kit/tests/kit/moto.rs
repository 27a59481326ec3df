//! moto keeps secrets with their labels, and refuses strangers when it is told to.

use erpgo_test_kit::moto;
use serde_json::json;

#[tokio::test]
async fn a_secret_is_kept_with_its_labels() {
    let moto = moto::server().await;
    moto.put("shop", "one").await;
    moto.put("shop", "two").await;
    let got = moto
        .secrets("GetSecretValue", &json!({"SecretId": "shop"}))
        .await;
    assert_eq!(got["SecretString"], "two");
    assert_eq!(moto.labels("shop").await, ["AWSCURRENT", "AWSPREVIOUS"]);
}
