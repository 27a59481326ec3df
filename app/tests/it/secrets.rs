//! A set that does not hold up is refused whole, and the one before it stays in use (I-03, I-04).

use erpgo_secret_set::{Generation, Secret};

use crate::rotation::pod::{Pod, user};
use crate::world::ADMIN;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_does_not_hold_up_is_refused_and_the_old_one_stays() {
    let pod = Pod::new().await;
    let token = pod.world.admin().await;
    let reason = pod
        .refusal(|keys| keys.jwt.current.value = Secret::new("too-short-canary".into()))
        .await;
    assert!(reason.contains("jwt (current)"), "{reason}");
    assert!(!reason.contains("canary"), "{reason}");
    assert_eq!(pod.generation(), Generation(1));
    pod.world.get("/api/v1/profile", &token).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_were_never_staged_are_proved_all_the_same() {
    let pod = Pod::new().await;
    let role = pod.world.database.role().await;
    let reason = pod
        .refusal(|keys| keys.database.current.value = Secret::new(role.clone()))
        .await;
    assert!(
        reason.starts_with("database (current): the role may not"),
        "{reason}"
    );
    let name = user(&role);
    let grant = format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}");
    sqlx::query(sqlx::AssertSqlSafe(grant))
        .execute(&pod.world.state.database.pool())
        .await
        .unwrap();
    pod.hears("the same set does now", |said| said.reasons.is_empty())
        .await;
    let now: String = sqlx::query_scalar("SELECT current_user::text")
        .fetch_one(&pod.world.state.database.pool())
        .await
        .unwrap();
    assert_eq!(now, name);
    pod.world.signed_in(ADMIN).await;
}
