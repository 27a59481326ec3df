//! Roles through the API, and who may hand out what.

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_role_is_created_read_changed_and_deleted() {
    let world = World::new().await;
    let admin = world.admin().await;
    let body = json!({"name": "Warehouse", "description": "Moves things", "permissions": ["products.read", "users.*", "products.read"]});
    let created = world.post("/api/v1/roles", &admin, body).await.expect(201);
    let role = created.json();
    assert_eq!(role["permissions"], json!(["products.read", "users.*"]));
    let path = created.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(world.get(&path, &admin).await.expect(200).json(), role);
    let changed = world
        .put(&path, &admin, json!({"name": "Stock", "permissions": []}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (
            &changed["name"],
            &changed["permissions"],
            &changed["version"]
        ),
        (&json!("Stock"), &json!([]), &json!(2))
    );
    world
        .post(
            "/api/v1/roles",
            &admin,
            json!({"name": "STOCK", "permissions": []}),
        )
        .await
        .refused(409, "DUPLICATE_NAME");
    let list = world.get("/api/v1/roles", &admin).await.expect(200).json();
    assert_eq!(list["pagination"]["total"], 2);
    world.delete(&path, &admin).await.expect(204);
    world.get(&path, &admin).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn malformed_permissions_are_named_by_index() {
    let world = World::new().await;
    let admin = world.admin().await;
    let answer = world
        .post(
            "/api/v1/roles",
            &admin,
            json!({"name": "x", "permissions": ["products.read", "everything"]}),
        )
        .await;
    answer.refused(400, "VALIDATION_ERROR");
    assert_eq!(answer.json()["errors"][0]["pointer"], "#/permissions/1");
    let many: Vec<_> = (0..201).map(|n| format!("p{n}.read")).collect();
    world
        .post(
            "/api/v1/roles",
            &admin,
            json!({"name": "x", "permissions": many}),
        )
        .await
        .refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn nobody_hands_out_what_they_do_not_hold() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (id, clerk) = world
        .user("kim@example.org", &["roles.*", "users.read"])
        .await;
    for permissions in [json!(["*"]), json!(["users.delete"]), json!(["users.*"])] {
        let body = json!({"name": "power", "permissions": permissions});
        world
            .post("/api/v1/roles", &clerk, body)
            .await
            .refused(403, "FORBIDDEN");
    }
    let roles = world.get("/api/v1/roles", &admin).await.expect(200).json();
    let find = |name: &str| {
        roles["roles"]
            .as_array()
            .unwrap()
            .iter()
            .find(|role| role["name"] == name)
            .unwrap()["id"]
            .clone()
    };
    let assignment = json!({"user_id": id, "role_id": find("admin")});
    world
        .post("/api/v1/roles/assign", &clerk, assignment)
        .await
        .refused(403, "FORBIDDEN");
    // Their own role cannot be widened either.
    let own = format!(
        "/api/v1/roles/{}",
        find("role of kim at example.org").as_str().unwrap()
    );
    world
        .put(
            &own,
            &clerk,
            json!({"name": "x", "permissions": ["roles.*", "users.delete"]}),
        )
        .await
        .refused(403, "FORBIDDEN");
    world
        .put(
            &own,
            &clerk,
            json!({"name": "x", "permissions": ["roles.*"]}),
        )
        .await
        .expect(200);
}

#[tokio::test]
async fn the_programs_own_role_stays_as_it_is() {
    let world = World::new().await;
    let admin = world.admin().await;
    let roles = world.get("/api/v1/roles", &admin).await.expect(200).json();
    let path = format!(
        "/api/v1/roles/{}",
        roles["roles"][0]["id"].as_str().unwrap()
    );
    world
        .put(&path, &admin, json!({"name": "x", "permissions": []}))
        .await
        .refused(409, "CONFLICT");
    world.delete(&path, &admin).await.refused(409, "CONFLICT");
}

#[tokio::test]
async fn a_role_in_use_is_not_deleted_and_assigning_twice_is_harmless() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (id, _) = world.user("kim@example.org", &[]).await;
    let role = world
        .post(
            "/api/v1/roles",
            &admin,
            json!({"name": "r", "permissions": ["products.read"]}),
        )
        .await
        .expect(201)
        .json();
    let path = format!("/api/v1/roles/{}", role["id"].as_str().unwrap());
    let assignment = json!({"user_id": id, "role_id": role["id"]});
    for _ in 0..2 {
        world
            .post("/api/v1/roles/assign", &admin, assignment.clone())
            .await
            .expect(204);
    }
    world.delete(&path, &admin).await.refused(409, "IN_USE");
    for _ in 0..2 {
        world
            .post("/api/v1/roles/remove", &admin, assignment.clone())
            .await
            .expect(204);
    }
    world.delete(&path, &admin).await.expect(204);
    world
        .post("/api/v1/roles/assign", &admin, assignment)
        .await
        .refused(404, "NOT_FOUND");
    let nobody = json!({"user_id": uuid::Uuid::now_v7(), "role_id": uuid::Uuid::now_v7()});
    world
        .post("/api/v1/roles/remove", &admin, nobody)
        .await
        .refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn nobody_takes_a_role_from_themselves() {
    let world = World::new().await;
    let answer = world.signed_in(crate::world::ADMIN).await;
    let admin = crate::world::access(&answer);
    let roles = world.get("/api/v1/roles", &admin).await.expect(200).json();
    let assignment = json!({"user_id": answer["user"]["id"], "role_id": roles["roles"][0]["id"]});
    world
        .post("/api/v1/roles/remove", &admin, assignment)
        .await
        .refused(409, "CONFLICT");
}
