//! A mail server that is away.

use erpgo_test_kit::port;

use super::calls::Calls;
use crate::mail::delivery::given_up;
use crate::mail::{sending, settings};
use crate::sql::number;
use crate::world::{ADMIN, World, until};

/// The administrator's mails that were tried, and wait for another try.
const TRIED: &str =
    "SELECT count(*) FROM outbox WHERE address = 'admin@example.org' AND attempts >= 1
    AND leased_until IS NULL AND failed_at IS NULL";

/// A world whose mails go where nobody takes them.
async fn world(retry_after: &str) -> World {
    let retry_after = format!("retry_after: {retry_after}");
    let yaml = settings(port::address().port()).replace("retry_after: 20ms", &retry_after);
    World::with(&yaml, None).await
}

/// What would have been sent waits: no answer tells whether there is a mail server.
#[tokio::test]
async fn every_class_is_served_while_the_mail_server_is_away() {
    // Tried once while this runs, and not given up.
    let world = world("1h").await;
    let token = world.admin().await;
    world.forgot(ADMIN).await.expect(202);
    assert_eq!(number(&world, TRIED).await, 0);
    let _sending = sending(&world);
    until("the mail server is missed", || async {
        number(&world, TRIED).await == 1
    })
    .await;
    Calls {
        world: &world,
        token: &token,
    }
    .all_are_served("no mail")
    .await;
    assert_eq!(number(&world, TRIED).await, 1);
}

/// After one second and after four, whatever a busy machine adds to them: when the last try was due is still
/// there to see.
#[tokio::test]
async fn a_mail_that_nobody_takes_is_tried_again_later_each_time() {
    let world = world("1s").await;
    world.forgot(ADMIN).await.expect(202);
    let _sending = sending(&world);
    given_up(&world).await;
    let late = "SELECT count(*) FROM outbox WHERE attempts = 3
        AND next_attempt_at >= created_at + interval '5 seconds'";
    assert_eq!(number(&world, late).await, 1);
}
