//! API6: flows that cost others something (mails, locked accounts, stock) cannot be run by a machine
//! without end.

use serde_json::json;

use crate::sql::number;
use crate::world::{ADMIN, PASSWORD, SETTINGS, World};

#[tokio::test]
async fn each_flow_that_anybody_may_start_has_a_share_of_its_own_for_an_address() {
    let yaml = SETTINGS.replace("login_per_ip: 0", "login_per_ip: 5, lockout_failures: 1000");
    let world = World::with(&yaml, None).await;
    for (path, body) in [
        (
            "auth/login",
            json!({"email": "x@example.org", "password": "x"}),
        ),
        (
            "auth/login/second-factor",
            json!({"challenge_token": "x", "code": "123456"}),
        ),
        ("auth/forgot-password", json!({"email": "x@example.org"})),
        (
            "auth/reset-password",
            json!({"token": "x", "new_password": "x"}),
        ),
    ] {
        let path = format!("/api/v1/{path}");
        for _ in 0..5 {
            let answer = world.post(&path, "", body.clone()).await;
            assert_ne!(answer.status, 429, "{path}: {}", answer.text);
        }
        let answer = world.post(&path, "", body).await;
        answer.refused(429, "RATE_LIMIT_EXCEEDED");
        assert!(answer.headers.contains_key("retry-after"), "{path}");
    }
}

#[tokio::test]
async fn a_mail_that_was_asked_for_a_hundred_times_waits_once() {
    let world = World::new().await;
    for _ in 0..100 {
        world.forgot(ADMIN).await.expect(202);
    }
    assert_eq!(number(&world, "SELECT count(*) FROM outbox").await, 1);
    // Asking changes nothing for the owner.
    world.login(ADMIN, PASSWORD).await.expect(200);
}
