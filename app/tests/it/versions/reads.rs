//! If-None-Match: what the client has is not sent again.

use http::Method;

use super::{Thing, tag};
use crate::audit::events_for;
use crate::world::World;

#[tokio::test]
async fn a_read_of_what_the_client_has_is_304_without_a_body() {
    let world = World::new().await;
    let admin = world.admin().await;
    let user = Thing::new_user(&world, &admin).await;
    let role = Thing::new_role(&world, &admin).await;
    for thing in [user, role, Thing::own_account()] {
        let (read, shown) = thing.read(&world, &admin).await;
        let ask = async |known: &str| {
            let headers = [("if-none-match", known)];
            thing.send(&world, &Method::GET, &admin, &headers).await
        };
        for known in [
            &*read,
            &*format!("W/{read}"),
            "*",
            &*format!("\"v7\", {read}"),
        ] {
            let answer = ask(known).await.expect(304);
            assert_eq!((&*answer.text, tag(&answer)), ("", read.clone()), "{known}");
        }
        for other in ["\"v0\"", "\"v7\", W/\"v8\""] {
            let answer = ask(other).await.expect(200);
            assert_eq!((tag(&answer), answer.json()), (read.clone(), shown.clone()));
        }
        let bad = ask("v1").await;
        bad.refused(400, "VALIDATION_ERROR");
        assert_eq!(bad.json()["errors"][0]["pointer"], "#/header/if-none-match");
    }
}

/// That somebody looked is noted, whether or not there was something new to see.
#[tokio::test]
async fn a_look_at_a_user_is_noted_even_when_nothing_has_changed() {
    let world = World::new().await;
    let admin = world.admin().await;
    let user = Thing::new_user(&world, &admin).await;
    let noted = async || events_for(&world, &admin, "action=user.read").await.len();
    assert_eq!(noted().await, 0);
    let known = [("if-none-match", "\"v1\"")];
    let answer = user.send(&world, &Method::GET, &admin, &known).await;
    answer.expect(304);
    assert_eq!(noted().await, 1);
}
