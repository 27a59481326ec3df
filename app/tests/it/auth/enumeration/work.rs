//! What is asked of PostgreSQL and of Redis is the same whether or not a name is somebody's: however short it
//! takes, nothing more is to be measured.

use erpgo_test_kit::redis;
use serde_json::json;

use super::{LAST, NOBODY, WRONG};
use crate::queries::counter::Counter;
use crate::spans::Recorder;
use crate::world::{Answer, PASSWORD, World, limits};

/// Has never signed in.
const FRESH: &str = "fresh@example.org";
/// Requests of an address and a user are counted for many at once, now and then.
const NO_RATES: &str = "read_per_ip: 0, read_per_user: 0, write_per_ip: 0, write_per_user: 0";

/// Each statement, and each command, that `request` leads to.
async fn asked(request: impl Future<Output = Answer>) -> (Answer, Vec<String>, usize) {
    let (counter, recorder) = (Counter::default(), Recorder::default());
    let answer = {
        let _counting = counter.beside(&recorder);
        request.await
    };
    let commands = recorder.named("redis.command").len();
    (answer, counter.statements(), commands)
}

#[tokio::test]
async fn each_failure_asks_the_same_for_a_name_of_nobody_and_for_one_that_was_never_used() {
    let redis = redis::server().await;
    let world = World::counting(&limits(NO_RATES), &redis.url()).await;
    world.redis_is_listening().await;
    let admin = world.admin().await;
    let body =
        json!({"email": FRESH, "first_name": "Kim", "last_name": "Doe", "password": PASSWORD});
    world.post("/api/v1/users", &admin, body).await.expect(201);
    // The first of a month makes the key of what belongs to nobody.
    world.login("first@example.org", WRONG).await.expect(401);
    for failure in 1..=LAST + 1 {
        let (answer, of_nobody, commands) = asked(world.login(NOBODY, WRONG)).await;
        answer.refused(401, "INVALID_CREDENTIALS");
        let (answer, of_somebody, others) = asked(world.login(FRESH, WRONG)).await;
        answer.refused(401, "INVALID_CREDENTIALS");
        assert_eq!(of_somebody, of_nobody, "failure {failure}");
        assert_eq!(others, commands, "failure {failure}");
        assert!(of_nobody.len() >= 3 && commands >= 1, "{of_nobody:?}");
        let writes_a_mail = of_nobody.iter().any(|sql| sql.contains("INTO outbox"));
        assert_eq!(writes_a_mail, failure == LAST, "{of_nobody:?}");
    }
}

#[tokio::test]
async fn another_password_asks_the_same_for_a_name_of_nobody_and_for_one_of_somebody() {
    let world = World::new().await;
    world.user(FRESH, &[]).await;
    let (answer, of_nobody, _) = asked(world.forgot(NOBODY)).await;
    answer.expect(202);
    let (answer, of_somebody, _) = asked(world.forgot(FRESH)).await;
    answer.expect(202);
    assert_eq!(of_somebody, of_nobody);
    assert_eq!(of_nobody.len(), 1, "{of_nobody:?}");
}
