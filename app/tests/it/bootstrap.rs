//! The first administrator: made once, and noted.

use erpgo::users::bootstrap::{Bootstrap, bootstrap_admin};
use erpgo_secret_set::Secret;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::sql::execute;
use crate::world::World;

/// What a start with another first administrator comes to.
async fn started_again(world: &World) -> Bootstrap {
    let mut connection = sqlx::PgConnection::connect(&world.database.url())
        .await
        .unwrap();
    let made = bootstrap_admin(
        &mut connection,
        world.state.keyring.current(),
        &world.state.hasher,
        "other@example.org",
        Secret::new("another password".into()),
    );
    made.await.unwrap()
}

#[tokio::test]
async fn the_first_administrator_is_created_once() {
    let world = World::new().await;
    assert_eq!(started_again(&world).await, Bootstrap::Unchanged);
    world
        .login("other@example.org", "another password")
        .await
        .refused(401, "INVALID_CREDENTIALS");
}

/// The whole audit log, oldest first: what, by whom, of what, the rest, and whether it tells of nobody. Whoever asked
/// the API for it would be in it.
async fn noted(world: &World) -> Vec<Value> {
    let texts: Vec<String> = sqlx::query_scalar(
        "SELECT json_build_array(action, outcome, actor, target, detail::json, sealed IS NULL)::text
         FROM audit_events ORDER BY seq",
    )
    .fetch_all(&world.state.database.pool())
    .await
    .unwrap();
    let parsed = texts.iter().map(|text| serde_json::from_str(text).unwrap());
    parsed.collect()
}

/// The only user and their only role.
async fn membership(world: &World) -> (String, String) {
    sqlx::query_as("SELECT user_id::text, role_id::text FROM user_roles")
        .fetch_one(&world.state.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn r18_2_the_first_administrator_and_their_role_are_noted_once_and_nobody_is_the_actor() {
    let world = World::new().await;
    let (user, role) = membership(&world).await;
    let target = format!("user:{user}");
    let of_role = format!("role:{role}");
    let made = json!({"name": "admin", "permissions": ["*"]});
    let mut expected = vec![
        json!(["user.created", "success", null, target, {}, true]),
        json!(["role.created", "success", null, of_role, made, true]),
        json!(["role.assigned", "success", null, target, {"role": role}, true]),
    ];
    assert_eq!(noted(&world).await, expected);
    assert_eq!(started_again(&world).await, Bootstrap::Unchanged);
    assert_eq!(noted(&world).await, expected);

    // The role is there by then, and is given to another first one.
    execute(&world, "DELETE FROM users").await;
    assert_eq!(started_again(&world).await, Bootstrap::Created);
    let (user, same) = membership(&world).await;
    assert_eq!(same, role);
    let target = format!("user:{user}");
    expected.extend([
        json!(["user.created", "success", null, target, {}, true]),
        json!(["role.assigned", "success", null, target, {"role": role}, true]),
    ]);
    assert_eq!(noted(&world).await, expected);
}
