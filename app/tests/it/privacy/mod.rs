//! Export and erasure of a person's data.

mod administrators;
mod complete;
mod in_flight;
mod own;

use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::sql::sql;
use crate::world::{PASSWORD, World};

/// Everything that the database holds, as text: every column of every table.
pub async fn dump(world: &World) -> String {
    let mut connection = sqlx::PgConnection::connect(&world.database.admin_url())
        .await
        .unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert!(tables.len() > 8, "{tables:?}");
    let mut text = String::new();
    for table in tables {
        let sql = format!("SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {table} t");
        let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        text += &rows;
    }
    text
}

async fn kim(world: &World) -> (String, String) {
    let (id, _) = world
        .user("kimberly@example.org", &["products.write", "products.read"])
        .await;
    // A failure, so that the e-mail is sealed somewhere.
    world
        .login("kimberly@example.org", "wrong")
        .await
        .expect(401);
    let token = crate::world::access(&world.signed_in("kimberly@example.org").await);
    let names = json!({"first_name": "Kimberly", "last_name": "Roehampton"});
    world
        .put("/api/v1/profile", &token, names)
        .await
        .expect(200);
    let product = json!({"sku": "K-1", "name": "Kettle", "price": "10.00", "currency": "EUR"});
    world
        .post("/api/v1/products", &token, product)
        .await
        .expect(201);
    (id, token)
}

#[tokio::test]
async fn a_person_gets_everything_that_is_known_of_them() {
    let world = World::new().await;
    let (id, token) = kim(&world).await;
    let answer = world
        .get("/api/v1/profile/export", &token)
        .await
        .expect(200);
    let person: Value = answer.json();
    assert_eq!(person["account"]["email"], "kimberly@example.org");
    assert_eq!(person["account"]["last_name"], "Roehampton");
    assert!(person["sessions"].as_array().unwrap().len() >= 2);
    let events = person["events"].as_array().unwrap();
    let actions: Vec<_> = events
        .iter()
        .map(|event| event["action"].as_str().unwrap())
        .collect();
    for expected in [
        "auth.signed_in",
        "auth.sign_in_failed",
        "user.created",
        "role.assigned",
        "user.exported",
    ] {
        assert!(
            actions.contains(&expected),
            "{expected} is not in {actions:?}"
        );
    }
    let failed = events
        .iter()
        .find(|event| event["action"] == "auth.sign_in_failed")
        .unwrap();
    assert_eq!(failed["personal"]["email"], "kimberly@example.org");
    assert!(
        events.iter().all(|event| {
            event["actor"] == id.as_str() || event["target"] == format!("user:{id}")
        })
    );
    assert!(!answer.text.contains("argon2"));
}

#[tokio::test]
async fn a_person_does_not_get_what_is_personal_of_others() {
    let world = World::new().await;
    let (_, officer) = world.user("officer@example.org", &["*"]).await;
    let agent = "officers-own/1.0";
    let (id, token) = world.user("kim@example.org", &[]).await;
    let names = json!({"email": "kim@example.org", "first_name": "Kim", "last_name": "Lee", "is_active": true});
    let path = format!("/api/v1/users/{id}");
    let place = (http::Method::PUT, &*path);
    let headers = [("user-agent", agent)];
    crate::world::call_with(&world.router, place, &officer, &headers, Some(&names))
        .await
        .expect(200);
    world.login("kim@example.org", "wrong").await.expect(401);
    let export = world.get("/api/v1/profile/export", &token).await;
    assert!(!export.text.contains(agent), "{}", export.text);
    let person = export.expect(200).json();
    let events = person["events"].as_array().unwrap();
    let of = |action: &str| events.iter().find(|event| event["action"] == action);
    for action in ["user.created", "user.changed"] {
        let event = of(action).unwrap();
        assert_eq!(event["target"], format!("user:{id}"), "{action}");
        let told = (&event["personal"], &event["erased"]);
        assert_eq!(told, (&Value::Null, &json!(false)), "{action}");
    }
    let failed = of("auth.sign_in_failed").unwrap();
    assert_eq!(failed["personal"]["email"], "kim@example.org");
    assert!(of("auth.signed_in").unwrap()["personal"]["ip"].is_string());
    // The audit log has it for those who may read it.
    let changed = format!("target=user:{id}&action=user.changed");
    let read = crate::audit::events_for(&world, &officer, &changed).await;
    assert_eq!(read[0]["personal"]["agent"], agent);
}

#[tokio::test]
async fn an_administrator_exports_for_others_and_nobody_else_does() {
    let world = World::new().await;
    let (id, token) = kim(&world).await;
    let path = format!("/api/v1/users/{id}/export");
    world.get(&path, &token).await.refused(403, "FORBIDDEN");
    let (_, officer) = world.user("officer@example.org", &["users.export"]).await;
    let person = world.get(&path, &officer).await.expect(200).json();
    assert_eq!(person["account"]["id"], id.as_str());
    let unknown = "/api/v1/users/018f0000-0000-7000-8000-000000000000/export";
    world.get(unknown, &officer).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn an_export_of_many_events_is_one_document() {
    let world = World::new().await;
    let (id, token) = world.user("kim@example.org", &[]).await;
    let mut connection = sqlx::PgConnection::connect(&world.database.url())
        .await
        .unwrap();
    let many = format!(
        "INSERT INTO audit_events (id, action, outcome, actor)
         SELECT gen_random_uuid(), 'auth.signed_out', 'success', '{id}' FROM generate_series(1, 1201)"
    );
    sql(&mut connection, &many).await;
    let person = world
        .get("/api/v1/profile/export", &token)
        .await
        .expect(200)
        .json();
    assert!(person["events"].as_array().unwrap().len() > 1201);
}

#[tokio::test]
async fn erasure_leaves_nothing_that_tells_of_the_person_and_every_proof_standing() {
    let world = World::new().await;
    let (id, token) = kim(&world).await;
    let before = dump(&world).await;
    assert!(before.contains("kimberly@example.org") && before.contains("Roehampton"));
    world
        .post(
            "/api/v1/profile/erase",
            &token,
            json!({"password": "wrong wrong wrong"}),
        )
        .await
        .refused(401, "INVALID_CREDENTIALS");
    world
        .post(
            "/api/v1/profile/erase",
            &token,
            json!({"password": PASSWORD}),
        )
        .await
        .expect(204);
    // Signed out at once, and no way back in.
    world
        .get("/api/v1/profile", &token)
        .await
        .refused(401, "TOKEN_REVOKED");
    world
        .login("kimberly@example.org", PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    let after = dump(&world).await;
    for trace in ["kimberly@example.org", "Kimberly", "Roehampton"] {
        assert!(!after.contains(trace), "{trace} is still there");
    }
    let admin = world.admin().await;
    let user = world
        .get(&format!("/api/v1/users/{id}"), &admin)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&user["first_name"], &user["is_active"], &user["roles"]),
        (&json!("Erased"), &json!(false), &json!([]))
    );
    let path = format!("/api/v1/audit?actor={id}&limit=1000");
    let events = world.get(&path, &admin).await.expect(200).json();
    for event in events["events"].as_array().unwrap() {
        assert_eq!(event["personal"], json!(null), "{event}");
    }
    assert_eq!(events["events"][0]["action"], "user.erased");
    erpgo::audit::keep::seal_all(&world.state.database)
        .await
        .unwrap();
    let mut connection = sqlx::PgConnection::connect(&world.database.url())
        .await
        .unwrap();
    erpgo::audit::verify::verify(&mut connection, None)
        .await
        .unwrap();
}

/// How many rows of each table belong to the user; the schema says which tables those are.
async fn owned(world: &World, id: &str) -> Vec<(String, i64)> {
    let mut connection = sqlx::PgConnection::connect(&world.database.admin_url())
        .await
        .unwrap();
    let owners: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.conrelid::regclass::text, a.attname::text FROM pg_constraint c
         JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
         WHERE c.confrelid = 'users'::regclass AND c.confdeltype = 'c' ORDER BY 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut counts = Vec::new();
    for (table, column) in owners {
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} = $1::uuid");
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        counts.push((table, rows));
    }
    counts
}

/// Leaves rows in every table that can belong to a user.
async fn settled(world: &World) -> (String, String) {
    let (id, token) = kim(world).await;
    crate::api_keys::key(world, &token, &["products.read"]).await;
    crate::second_factor::switch_on(world, &token).await;
    world
        .login("kimberly@example.org", PASSWORD)
        .await
        .expect(202);
    let product = json!({"sku": "K-2", "name": "Cup", "price": "1.00", "currency": "EUR"});
    crate::world::call_with(
        &world.router,
        (http::Method::POST, "/api/v1/products"),
        &token,
        &[("idempotency-key", "kims")],
        Some(&product),
    )
    .await
    .expect(201);
    // What a mail's delivery leaves.
    sqlx::query(
        "INSERT INTO email_tokens (id, user_id, purpose, token_hash, address, created_at, expires_at)
         VALUES (gen_random_uuid(), $1::uuid, 'password_reset', sha256('x'), 'kimberly@example.org',
                 now(), now() + interval '1 hour')",
    )
    .bind(&id)
    .execute(&world.state.database.pool())
    .await
    .unwrap();
    (id, token)
}

#[tokio::test]
async fn erasure_empties_every_table_that_can_belong_to_a_user() {
    let world = World::new().await;
    let (id, token) = settled(&world).await;
    let before = owned(&world, &id).await;
    let has = |name: &str| before.iter().any(|(table, _)| table == name);
    assert!(has("second_factors") && has("recovery_codes") && has("login_challenges"));
    for (table, rows) in &before {
        assert!(*rows > 0, "the test leaves nothing in {table}: {before:?}");
    }
    let person = world
        .get("/api/v1/profile/export", &token)
        .await
        .expect(200)
        .json();
    assert_eq!(
        person["second_factor"],
        json!({"enabled": true, "recovery_codes_left": 10})
    );
    let body = json!({"password": PASSWORD});
    world
        .post("/api/v1/profile/erase", &token, body)
        .await
        .expect(204);
    for (table, rows) in owned(&world, &id).await {
        assert_eq!(rows, 0, "{table}");
    }
}
