//! Users through the API.

use http::Method;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::locks::waits_for_locks;
use crate::world::{ADMIN, Answer, PASSWORD, World, access};

fn body(email: &str) -> Value {
    json!({"email": email, "first_name": "Kim", "last_name": "Doe", "password": PASSWORD})
}

#[tokio::test]
async fn a_user_is_created_read_changed_and_deleted() {
    let world = World::new().await;
    let admin = world.admin().await;
    let created = world
        .post("/api/v1/users", &admin, body("kim@example.org"))
        .await
        .expect(201);
    let user = created.json();
    let path = created.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(
        path,
        format!("/api/v1/users/{}", user["id"].as_str().unwrap())
    );
    assert_eq!(
        (&user["roles"], &user["is_active"], &user["version"]),
        (&json!([]), &json!(true), &json!(1))
    );
    assert!(!created.text.contains("argon2"));
    assert_eq!(world.get(&path, &admin).await.expect(200).json(), user);

    let change = json!({"email": "kim2@example.org", "first_name": "Kim", "last_name": "Roe", "is_active": true});
    let changed = world.put(&path, &admin, change).await.expect(200).json();
    assert_eq!(
        (&changed["email"], &changed["version"]),
        (&json!("kim2@example.org"), &json!(2))
    );

    world.delete(&path, &admin).await.expect(204);
    world.get(&path, &admin).await.refused(404, "NOT_FOUND");
    world.delete(&path, &admin).await.refused(404, "NOT_FOUND");
    world
        .put(
            &path,
            &admin,
            json!({"email": "a@b.org", "first_name": "A", "last_name": "B", "is_active": true}),
        )
        .await
        .refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn r02_3_each_field_at_fault_is_named_at_once() {
    let world = World::new().await;
    let admin = world.admin().await;
    let bad = json!({"email": "none", "first_name": "", "last_name": "\u{7}", "password": "password1234"});
    let answer = world.post("/api/v1/users", &admin, bad).await;
    answer.refused(400, "VALIDATION_ERROR");
    let mut found: Vec<_> = answer.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            (
                e["pointer"].as_str().unwrap().to_owned(),
                e["code"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    found.sort();
    let expected = [
        ("#/email", "invalid_value"),
        ("#/first_name", "invalid_value"),
        ("#/last_name", "invalid_value"),
        ("#/password", "weak_password"),
    ];
    assert_eq!(found, expected.map(|(p, c)| (p.to_owned(), c.to_owned())));
    // Mass assignment is refused, not ignored.
    let mut sly = body("kim@example.org");
    sly["is_admin"] = json!(true);
    let answer = world.post("/api/v1/users", &admin, sly).await;
    answer.refused(400, "VALIDATION_ERROR");
    assert_eq!(answer.json()["errors"][0]["pointer"], "#/is_admin");
}

#[tokio::test]
async fn an_email_is_unique_whatever_its_case() {
    let world = World::new().await;
    let admin = world.admin().await;
    world
        .post("/api/v1/users", &admin, body("kim@example.org"))
        .await
        .expect(201);
    world
        .post("/api/v1/users", &admin, body("KIM@example.org"))
        .await
        .refused(409, "DUPLICATE_EMAIL");
}

#[tokio::test]
async fn a_list_is_paged_sorted_and_searched() {
    let world = World::new().await;
    let admin = world.admin().await;
    for name in ["anna", "bert", "cora_%"] {
        world
            .post(
                "/api/v1/users",
                &admin,
                body(&format!("{name}@example.org")),
            )
            .await
            .expect(201);
    }
    let page = world
        .get(
            "/api/v1/users?page=2&limit=2&sort_by=email&sort_order=desc",
            &admin,
        )
        .await
        .expect(200)
        .json();
    let emails: Vec<_> = page["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|u| u["email"].as_str().unwrap())
        .collect();
    assert_eq!(emails, ["anna@example.org", ADMIN]);
    assert_eq!(
        page["pagination"],
        json!({"page": 2, "limit": 2, "total": 4, "total_is_exact": true, "total_pages": 2, "has_next": false, "has_prev": true})
    );
    let count = async |query: &str| {
        let page = world
            .get(&format!("/api/v1/users?{query}"), &admin)
            .await
            .expect(200)
            .json();
        page["pagination"]["total"].as_u64().unwrap()
    };
    assert_eq!(count("search=BERT").await, 1);
    // Wildcards are ordinary characters (R2.4).
    assert_eq!(count("search=cora_%25").await, 1);
    assert_eq!(count("search=cor%25").await, 0);
    assert_eq!(count("search=anna_").await, 0);
    assert_eq!(count("search=ORA_").await, 1);
    assert_eq!(count("search=%27%20OR%20111%3D111%20--").await, 0);
    assert_eq!(count("is_active=false").await, 0);
}

#[tokio::test]
async fn r02_2_and_5_what_a_list_does_not_know_is_refused() {
    let world = World::new().await;
    let admin = world.admin().await;
    for (query, pointer) in [
        ("page=0", "#/query/page"),
        ("limit=0", "#/query/limit"),
        ("limit=1001", "#/query/limit"),
        ("page=x", "#/query/page"),
        ("page=1&page=2", "#/query/page"),
        ("sort_by=password_hash", "#/query/sort_by"),
        ("sort_by=email;drop%20table%20users", "#/query/sort_by"),
        ("sort_order=sideways", "#/query/sort_order"),
        ("is_active=perhaps", "#/query/is_active"),
        ("page=100002&limit=1", "#/query/page"),
        ("search=ab", "#/query/search"),
        ("search=a-b-c", "#/query/search"),
        ("serach=x", "#/query/serach"),
    ] {
        let answer = world.get(&format!("/api/v1/users?{query}"), &admin).await;
        answer.refused(400, "VALIDATION_ERROR");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{query}");
        assert_eq!(
            answer.json()["errors"].as_array().unwrap().len(),
            1,
            "{query}"
        );
    }
    world
        .get("/api/v1/users?limit=1000", &admin)
        .await
        .expect(200);
}

#[tokio::test]
async fn deactivation_ends_every_session_at_once_and_blocks_the_next() {
    let world = World::new().await;
    let (id, token) = world.user("kim@example.org", &["users.read"]).await;
    let admin = world.admin().await;
    let change = json!({"email": "kim@example.org", "first_name": "K", "last_name": "D", "is_active": false});
    world
        .put(&format!("/api/v1/users/{id}"), &admin, change)
        .await
        .expect(200);
    world
        .get("/api/v1/users", &token)
        .await
        .refused(401, "TOKEN_REVOKED");
    world
        .login("kim@example.org", PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn nobody_deactivates_or_deletes_themselves() {
    let world = World::new().await;
    let answer = world.signed_in(ADMIN).await;
    let token = access(&answer);
    let path = format!("/api/v1/users/{}", answer["user"]["id"].as_str().unwrap());
    let change = json!({"email": ADMIN, "first_name": "A", "last_name": "B", "is_active": false});
    world
        .put(&path, &token, change)
        .await
        .refused(409, "CONFLICT");
    world.delete(&path, &token).await.refused(409, "CONFLICT");
    world.get(&path, &token).await.expect(200);
}

/// The path of the first administrator, and their access token.
pub async fn administrator(world: &World) -> (String, String) {
    let answer = world.signed_in(ADMIN).await;
    let id = answer["user"]["id"].as_str().unwrap();
    (format!("/api/v1/users/{id}"), access(&answer))
}

/// The role of administrators and the user, as one is given and taken.
async fn administration(world: &World, admin: &str, user: &str) -> Value {
    let roles = world.get("/api/v1/roles?limit=1000", admin).await.json();
    let mut roles = roles["roles"].as_array().unwrap().iter();
    let role = roles.find(|role| role["name"] == "admin").unwrap();
    json!({"user_id": user, "role_id": role["id"]})
}

/// Gives the role of administrators to the user.
pub async fn promote(world: &World, admin: &str, user: &str) {
    let body = administration(world, admin, user).await;
    world
        .post("/api/v1/roles/assign", admin, body)
        .await
        .expect(204);
}

#[tokio::test]
async fn the_last_administrator_is_neither_barred_nor_deleted() {
    let world = World::new().await;
    let (path, admin) = administrator(&world).await;
    // Who may do as much by another role.
    let (officer, token) = world.user("officer@example.org", &["*"]).await;
    let barred = json!({"email": ADMIN, "first_name": "A", "last_name": "B", "is_active": false});
    let ways = [(Method::PUT, Some(barred)), (Method::DELETE, None)];
    for (method, body) in &ways {
        let answer = world
            .call(method.clone(), &path, &token, body.clone())
            .await;
        answer.refused(409, "CONFLICT");
        assert!(
            answer.text.contains("last administrator"),
            "{}",
            answer.text
        );
    }
    world.get("/api/v1/profile", &admin).await.expect(200);
    promote(&world, &admin, &officer).await;
    for ((method, body), status) in ways.into_iter().zip([200, 204]) {
        world.call(method, &path, &token, body).await.expect(status);
    }
}

#[tokio::test]
async fn the_last_administrator_keeps_the_role() {
    let world = World::new().await;
    let (path, admin) = administrator(&world).await;
    let first = path.rsplit('/').next().unwrap();
    let (officer, token) = world.user("officer@example.org", &["*"]).await;
    let of_first = administration(&world, &admin, first).await;
    let remove = async |body: &Value| {
        let path = "/api/v1/roles/remove";
        world.post(path, &token, body.clone()).await
    };
    let answer = remove(&of_first).await;
    answer.refused(409, "CONFLICT");
    assert!(
        answer.text.contains("last administrator"),
        "{}",
        answer.text
    );
    world.get("/api/v1/users", &admin).await.expect(200);
    // Nor is who may not sign in one that would stay.
    let (kim, _) = world.user("kim@example.org", &[]).await;
    promote(&world, &admin, &kim).await;
    let barred = json!({"email": "kim@example.org", "first_name": "K", "last_name": "D", "is_active": false});
    world
        .put(&format!("/api/v1/users/{kim}"), &token, barred)
        .await
        .expect(200);
    remove(&of_first).await.refused(409, "CONFLICT");
    let of_kim = administration(&world, &admin, &kim).await;
    remove(&of_kim).await.expect(204);
    promote(&world, &admin, &officer).await;
    // Once there is another; it is nothing to take it again.
    for _ in 0..2 {
        remove(&of_first).await.expect(204);
    }
    world
        .get("/api/v1/users", &admin)
        .await
        .refused(403, "FORBIDDEN");
}

/// Two calls of which each ends an administrator: they begin while nobody may, and one of them is refused.
pub async fn one_is_refused(
    world: &World,
    one: impl Future<Output = Answer>,
    other: impl Future<Output = Answer>,
) {
    let mut holder = sqlx::PgConnection::connect(&world.database.url())
        .await
        .unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM roles WHERE name = 'admin' FOR UPDATE")
        .execute(&mut *held)
        .await
        .unwrap();
    let released = async {
        waits_for_locks(&world.database, 2).await;
        held.rollback().await.unwrap();
    };
    let (one, other, ()) = tokio::join!(one, other, released);
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409], "{} {}", one.text, other.text);
}

#[tokio::test]
async fn of_two_administrators_who_delete_each_other_one_stays() {
    let world = World::new().await;
    let (path, admin) = administrator(&world).await;
    let (kim, token) = world.user("kim@example.org", &[]).await;
    promote(&world, &admin, &kim).await;
    let of_kim = format!("/api/v1/users/{kim}");
    let one = world.delete(&of_kim, &admin);
    one_is_refused(&world, one, world.delete(&path, &token)).await;
}

#[tokio::test]
async fn of_two_of_whom_one_takes_the_role_and_one_deletes_one_stays() {
    let world = World::new().await;
    let (path, admin) = administrator(&world).await;
    let (kim, token) = world.user("kim@example.org", &[]).await;
    promote(&world, &admin, &kim).await;
    let of_kim = administration(&world, &admin, &kim).await;
    let one = world.post("/api/v1/roles/remove", &admin, of_kim);
    one_is_refused(&world, one, world.delete(&path, &token)).await;
}

#[tokio::test]
async fn an_id_that_is_none_names_nothing() {
    let world = World::new().await;
    let admin = world.admin().await;
    for id in ["1", "not-an-id", "..%2f", "%ff"] {
        world
            .get(&format!("/api/v1/users/{id}"), &admin)
            .await
            .refused(404, "NOT_FOUND");
    }
}
