//! API keys: what they may do, who may have them, and when they end.

mod ends;

use serde_json::{Value, json};

use crate::world::{ADMIN, World};

/// Makes a key; the answer is its id and text.
pub async fn key(world: &World, token: &str, scopes: &[&str]) -> (String, String) {
    let body = json!({"name": "shop", "scopes": scopes});
    let made = world.post("/api/v1/api-keys", token, body).await;
    let made = made.expect(201).json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

async fn stored(world: &World, id: &str) -> (Vec<u8>, Option<String>) {
    sqlx::query_as("SELECT key_hash, last_used_at::text FROM api_keys WHERE id = $1::uuid")
        .bind(id)
        .fetch_one(&world.state.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_key_is_shown_once_used_listed_and_revoked() {
    let world = World::new().await;
    let admin = world.admin().await;
    let body = json!({"name": " web shop ", "scopes": ["users.read", "roles.*", "users.read"]});
    let created = world
        .post("/api/v1/api-keys", &admin, body)
        .await
        .expect(201);
    let made = created.json();
    let id = made["id"].as_str().unwrap();
    let text = made["key"].as_str().unwrap();
    assert_eq!(
        created.headers["location"],
        format!("/api/v1/api-keys/{id}")
    );
    assert!(text.starts_with(made["prefix"].as_str().unwrap()) && text.starts_with("erp_"));
    assert_eq!(made["scopes"], json!(["roles.*", "users.read"]));
    assert_eq!(
        (&made["name"], &made["last_used_at"]),
        (&json!("web shop"), &Value::Null)
    );
    let end: jiff::Timestamp = made["expires_at"].as_str().unwrap().parse().unwrap();
    let days = (end - jiff::Timestamp::now()).get_seconds() / 86_400;
    assert!((364..=365).contains(&days), "{days}");

    world.get("/api/v1/users", text).await.expect(200);
    world.get("/api/v1/roles", text).await.expect(200);
    let profile = world.get("/api/v1/profile", text).await.expect(200).json();
    assert_eq!(profile["permissions"], json!(["roles.*", "users.read"]));

    let list = world.get("/api/v1/api-keys", &admin).await.expect(200);
    assert!(!list.text.contains(text), "the list shows the key");
    let listed = &list.json()["api_keys"][0];
    assert_eq!(listed["id"], id);
    assert!(listed["last_used_at"].is_string());
    assert!(listed.get("key").is_none());

    world
        .delete(&format!("/api/v1/api-keys/{id}"), &admin)
        .await
        .expect(204);
    world
        .get("/api/v1/users", text)
        .await
        .refused(401, "TOKEN_REVOKED");
    world
        .delete(&format!("/api/v1/api-keys/{id}"), &admin)
        .await
        .refused(404, "NOT_FOUND");
    let list = world
        .get("/api/v1/api-keys", &admin)
        .await
        .expect(200)
        .json();
    assert_eq!(list["api_keys"], json!([]));
}

#[tokio::test]
async fn only_a_hash_is_stored_and_the_last_use_is_written_once_a_minute() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (id, text) = key(&world, &admin, &["users.read"]).await;
    let dump: String = sqlx::query_scalar("SELECT row_to_json(k)::text FROM api_keys k")
        .fetch_one(&world.state.database.pool())
        .await
        .unwrap();
    assert!(!dump.contains(&text[16..]), "the key itself is stored");
    let (hash, used) = stored(&world, &id).await;
    assert_eq!((hash.len(), used), (32, None));
    world.get("/api/v1/users", &text).await.expect(200);
    let (_, first) = stored(&world, &id).await;
    assert!(first.is_some());
    for _ in 0..3 {
        world.state.sessions.forget_all();
        world.get("/api/v1/users", &text).await.expect(200);
    }
    assert_eq!(
        stored(&world, &id).await.1,
        first,
        "written within the minute"
    );
    sqlx::query("UPDATE api_keys SET last_used_at = now() - interval '61 seconds'")
        .execute(&world.state.database.pool())
        .await
        .unwrap();
    let (_, aged) = stored(&world, &id).await;
    world.state.sessions.forget_all();
    world.get("/api/v1/users", &text).await.expect(200);
    assert_ne!(
        stored(&world, &id).await.1,
        aged,
        "not written after a minute"
    );
}

#[tokio::test]
async fn a_key_does_what_scopes_and_roles_both_allow() {
    let world = World::new().await;
    let (id, token) = world
        .user("kim@example.org", &["users.read", "roles.read"])
        .await;
    let (_, text) = key(&world, &token, &["users.read"]).await;
    world.get("/api/v1/users", &text).await.expect(200);
    // The owner may, the key may not.
    let answer = world.get("/api/v1/roles", &text).await;
    answer.refused(403, "INSUFFICIENT_SCOPE");
    assert_eq!(
        answer.headers["www-authenticate"],
        "Bearer error=\"insufficient_scope\""
    );
    assert!(answer.text.contains("roles.read"));
    // Neither may.
    let body = json!({"name": "x", "permissions": []});
    world
        .post("/api/v1/roles", &text, body)
        .await
        .refused(403, "FORBIDDEN");

    // The owner loses the permission: so does the key, at once.
    let admin = world.admin().await;
    let roles = world.get("/api/v1/roles?limit=1000", &admin).await.json();
    let role = roles["roles"].as_array().unwrap().iter();
    let role = role
        .clone()
        .find(|role| role["name"] == "role of kim at example.org")
        .unwrap();
    let path = format!("/api/v1/roles/{}", role["id"].as_str().unwrap());
    let less = json!({"name": role["name"], "permissions": ["roles.read"]});
    world.put(&path, &admin, less).await.expect(200);
    world
        .get("/api/v1/users", &text)
        .await
        .refused(403, "FORBIDDEN");

    // The owner may no longer sign in: the key is dead.
    let body = json!({"email": "kim@example.org", "first_name": "K", "last_name": "D", "is_active": false});
    world
        .put(&format!("/api/v1/users/{id}"), &admin, body)
        .await
        .expect(200);
    world
        .get("/api/v1/profile", &text)
        .await
        .refused(401, "TOKEN_REVOKED");
}

#[tokio::test]
async fn nobody_puts_more_into_a_key_than_they_hold() {
    let world = World::new().await;
    let (_, token) = world.user("kim@example.org", &["users.read"]).await;
    for scopes in [
        json!(["*"]),
        json!(["users.*"]),
        json!(["users.read", "roles.read"]),
    ] {
        let body = json!({"name": "shop", "scopes": scopes});
        world
            .post("/api/v1/api-keys", &token, body)
            .await
            .refused(403, "FORBIDDEN");
    }
}

#[tokio::test]
async fn what_is_no_key_is_refused_by_field() {
    let world = World::new().await;
    let admin = world.admin().await;
    let table = [
        (json!({"name": "", "scopes": ["a.b"]}), "#/name"),
        (json!({"name": "x", "scopes": []}), "#/scopes"),
        (json!({"name": "x", "scopes": vec!["a.b"; 51]}), "#/scopes"),
        (
            json!({"name": "x", "scopes": ["a.b", "Users"]}),
            "#/scopes/1",
        ),
        (
            json!({"name": "x", "scopes": ["a.b"], "expires_at": "2020-01-01T00:00:00Z"}),
            "#/expires_at",
        ),
        (
            json!({"name": "x", "scopes": ["a.b"], "expires_at": "2099-01-01T00:00:00Z"}),
            "#/expires_at",
        ),
        (
            json!({"name": "x", "scopes": ["a.b"], "expires_at": "soon"}),
            "#/expires_at",
        ),
        (
            json!({"name": "x", "scopes": ["a.b"], "key": "erp_mine"}),
            "#/key",
        ),
    ];
    for (body, pointer) in table {
        let answer = world.post("/api/v1/api-keys", &admin, body.clone()).await;
        answer.refused(400, "VALIDATION_ERROR");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
}

#[tokio::test]
async fn the_account_itself_is_out_of_a_keys_reach() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (id, text) = key(&world, &admin, &["*"]).await;
    let name = json!({"first_name": "Eve", "last_name": "L."});
    let more = json!({"name": "more", "scopes": ["*"]});
    let refused = [
        world.put("/api/v1/profile", &text, name).await,
        world.post("/api/v1/api-keys", &text, more).await,
        world.get("/api/v1/api-keys", &text).await,
        world.delete(&format!("/api/v1/api-keys/{id}"), &text).await,
        world.get("/api/v1/sessions", &text).await,
        world.delete("/api/v1/sessions", &text).await,
        world.post("/api/v1/auth/logout", &text, json!({})).await,
    ];
    for answer in refused {
        answer.refused(403, "INSUFFICIENT_SCOPE");
    }
    world.get("/api/v1/users", &text).await.expect(200);
    world.refresh(&text).await.refused(401, "TOKEN_INVALID");
}

/// The address of an account is the way to a new password, and so to all that its owner may do.
#[tokio::test]
async fn a_key_takes_over_neither_its_owner_nor_who_may_do_more() {
    let world = World::new().await;
    let owner = world.signed_in(ADMIN).await;
    let token = crate::world::access(&owner);
    let own = owner["user"]["id"].as_str().unwrap();
    let (_, all) = key(&world, &token, &["*"]).await;
    let (_, some) = key(&world, &token, &["users.update"]).await;
    let (seller, _) = world.user("seller@example.org", &["products.write"]).await;
    let (plain, _) = world.user("plain@example.org", &[]).await;
    let put = async |id: &str, token: &str, email: &str| {
        let body = json!({"email": email, "first_name": "A", "last_name": "B", "is_active": true});
        let path = format!("/api/v1/users/{id}");
        world.put(&path, token, body).await
    };
    for key in [&all, &some] {
        for email in ["thief@example.org", ADMIN] {
            let answer = put(own, key, email).await;
            answer.refused(403, "INSUFFICIENT_SCOPE");
        }
    }
    put(&seller, &some, "thief@example.org")
        .await
        .refused(403, "FORBIDDEN");
    put(&plain, &some, "plain2@example.org").await.expect(200);
    put(&seller, &all, "seller2@example.org").await.expect(200);
    // In person one has another address.
    put(own, &token, "chief@example.org").await.expect(200);
}

/// With one, it is the same key: `repeats` shows it.
#[tokio::test]
async fn without_an_idempotency_key_each_request_makes_a_new_key() {
    let world = World::new().await;
    let admin = world.admin().await;
    let body = json!({"name": "shop", "scopes": ["users.read"]});
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = world.post("/api/v1/api-keys", &admin, body.clone()).await;
        assert!(!made.headers.contains_key("idempotency-replayed"));
        ids.push(made.expect(201).json()["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    let list = world.get("/api/v1/api-keys", &admin).await.expect(200);
    for id in ids {
        assert!(list.text.contains(id.as_str().unwrap()), "{}", list.text);
    }
}

#[tokio::test]
async fn keys_of_others_are_not_there() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (id, text) = key(&world, &admin, &["users.read"]).await;
    let (_, kim) = world.user("kim@example.org", &["*"]).await;
    world
        .delete(&format!("/api/v1/api-keys/{id}"), &kim)
        .await
        .refused(404, "NOT_FOUND");
    let list = world.get("/api/v1/api-keys", &kim).await.expect(200).json();
    assert_eq!(list["api_keys"], json!([]));
    world.get("/api/v1/users", &text).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_keys_are_enough_even_for_those_who_ask_at_once() {
    let world = crate::world::shared(World::new().await);
    let admin = world.admin().await;
    let asks: Vec<_> = (0..14)
        .map(|_| {
            let (world, admin) = (world.clone(), admin.clone());
            tokio::spawn(async move {
                let body = json!({"name": "shop", "scopes": ["users.read"]});
                world.post("/api/v1/api-keys", &admin, body).await
            })
        })
        .collect();
    let mut made = 0;
    for ask in asks {
        let answer = ask.await.unwrap();
        if answer.status == 201 {
            made += 1;
        } else {
            answer.refused(409, "CONFLICT");
        }
    }
    assert_eq!(made, 10);
    let list = world.get("/api/v1/api-keys", &admin).await.json();
    let id = list["api_keys"][0]["id"].as_str().unwrap();
    world
        .delete(&format!("/api/v1/api-keys/{id}"), &admin)
        .await
        .expect(204);
    key(&world, &admin, &["users.read"]).await;
}
