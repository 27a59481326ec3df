//! One product: made, read, changed, deleted.

use http::Method;
use serde_json::{Value, json};

use super::{PATH, body, product};
use crate::world::{World, call_with};

#[tokio::test]
async fn a_product_is_created_read_changed_and_deleted() {
    let world = World::new().await;
    let (_, token) = world
        .user(
            "kim@example.org",
            &["products.read", "products.write", "products.delete"],
        )
        .await;
    let created = world.post(PATH, &token, body("CHAIR-1")).await.expect(201);
    let path = created.headers["location"].to_str().unwrap().to_owned();
    let shown = created.json();
    assert_eq!(path, format!("{PATH}/{}", shown["id"].as_str().unwrap()));
    assert_eq!(created.headers["etag"], "\"v1\"");
    assert_eq!(
        (
            &shown["price"],
            &shown["active"],
            &shown["version"],
            &shown["description"]
        ),
        (&json!("12.50"), &json!(true), &json!(1), &json!("Oak"))
    );
    let read = world.get(&path, &token).await.expect(200);
    assert_eq!(
        (read.json(), &read.headers["etag"]),
        (shown, &created.headers["etag"])
    );

    let state = json!({"sku": "CHAIR-2", "name": "Chair, red", "price": "7", "currency": "JPY", "active": false});
    let headers = [("if-match", "\"v1\"")];
    let place = (Method::PUT, path.as_str());
    let changed = call_with(&world.router, place, &token, &headers, Some(&state))
        .await
        .expect(200);
    assert_eq!(changed.headers["etag"], "\"v2\"");
    let changed = changed.json();
    assert_eq!(
        (
            &changed["sku"],
            &changed["price"],
            &changed["active"],
            &changed["description"],
            &changed["version"]
        ),
        (
            &json!("CHAIR-2"),
            &json!("7"),
            &json!(false),
            &json!(""),
            &json!(2)
        )
    );
    assert_eq!(world.get(&path, &token).await.expect(200).json(), changed);

    let headers = [("if-match", "\"v2\"")];
    call_with(
        &world.router,
        (Method::DELETE, &path),
        &token,
        &headers,
        None,
    )
    .await
    .expect(204);
    world.get(&path, &token).await.refused(404, "NOT_FOUND");
    for method in [Method::DELETE, Method::PUT] {
        let sent = (method == Method::PUT).then_some(&state);
        call_with(&world.router, (method, &path), &token, &headers, sent)
            .await
            .refused(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn p03_and_r02_3_each_field_at_fault_is_named_at_once() {
    let world = World::new().await;
    let admin = world.admin().await;
    let bad = json!({"sku": "no spaces", "name": "\u{0}", "description": "\u{7}", "price": "1.23456", "currency": "eur"});
    let answer = world.post(PATH, &admin, bad).await;
    answer.refused(400, "VALIDATION_ERROR");
    let mut found: Vec<_> = answer.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect();
    found.sort();
    assert_eq!(
        found,
        ["#/currency", "#/description", "#/name", "#/price", "#/sku"]
    );
    for (change, pointer, code) in [
        (json!({"price": 12.5}), "#/price", "invalid_type"),
        (json!({"price": null}), "#/price", "invalid_type"),
        (json!({"sku": ""}), "#/sku", "invalid_value"),
        (json!({"active": "yes"}), "#/active", "invalid_type"),
        (json!({"version": 7}), "#/version", "unknown_field"),
        (json!({"id": "x"}), "#/id", "unknown_field"),
    ] {
        let mut sent = body("A");
        sent.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let answer = world.post(PATH, &admin, sent).await;
        answer.refused(400, "VALIDATION_ERROR");
        let error = &answer.json()["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["code"]),
            (&Value::from(pointer), &Value::from(code))
        );
    }
    for name in ["sku", "name", "price", "currency"] {
        let mut sent = body("A");
        sent.as_object_mut().unwrap().remove(name);
        let answer = world.post(PATH, &admin, sent).await;
        assert_eq!(answer.json()["errors"][0]["pointer"], format!("#/{name}"));
        assert_eq!(answer.json()["errors"][0]["code"], "required");
    }
}

#[tokio::test]
async fn r03_4_a_sku_is_unique_when_made_and_when_changed() {
    let world = World::new().await;
    let admin = world.admin().await;
    let first = product(&world, &admin, "A").await;
    product(&world, &admin, "B").await;
    world
        .post(PATH, &admin, body("A"))
        .await
        .refused(409, "DUPLICATE_SKU");
    let headers = [("if-match", "\"v1\"")];
    let answer = call_with(
        &world.router,
        (Method::PUT, &first),
        &admin,
        &headers,
        Some(&body("B")),
    )
    .await;
    answer.refused(409, "DUPLICATE_SKU");
    // Nothing of the refused change is there.
    assert_eq!(world.get(&first, &admin).await.json()["version"], 1);
}

#[tokio::test]
async fn each_permission_opens_its_own_verbs_only() {
    let world = World::new().await;
    let admin = world.admin().await;
    let path = product(&world, &admin, "A").await;
    let any = [("if-match", "*")];
    for (index, (permission, allowed)) in [
        ("products.read", vec!["GET list", "GET"]),
        ("products.write", vec!["POST", "PUT"]),
        ("products.delete", vec!["DELETE"]),
    ]
    .into_iter()
    .enumerate()
    {
        let (_, token) = world
            .user(&format!("user{index}@example.org"), &[permission])
            .await;
        let (sent, state) = (body(&format!("NEW-{index}")), body(&format!("SET-{index}")));
        let calls = [
            ("GET list", Method::GET, PATH, None),
            ("GET", Method::GET, path.as_str(), None),
            ("POST", Method::POST, PATH, Some(&sent)),
            ("PUT", Method::PUT, path.as_str(), Some(&state)),
            ("DELETE", Method::DELETE, path.as_str(), None),
        ];
        for (name, method, path, sent) in calls {
            let answer = call_with(&world.router, (method, path), &token, &any, sent).await;
            match allowed.contains(&name) {
                true => assert!(
                    answer.status.is_success(),
                    "{permission} {name}: {}",
                    answer.text
                ),
                false => answer.refused(403, "FORBIDDEN"),
            }
        }
    }
}

#[tokio::test]
async fn money_keeps_every_digit() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (n, (price, shown)) in [
        ("0", "0.00"),
        ("0.0001", "0.0001"),
        ("999999999999999.9999", "999999999999999.9999"),
        ("0.1", "0.10"),
        ("123456789012345.6789", "123456789012345.6789"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut sent = body(&format!("P-{n}"));
        sent["price"] = json!(price);
        let created = world.post(PATH, &admin, sent).await.expect(201);
        let path = created.headers["location"].to_str().unwrap();
        assert_eq!(world.get(path, &admin).await.json()["price"], shown);
    }
}
