//! If-Match: another version is refused, the one that is there and none at all are written.

use http::Method;

use super::{EMAIL, Thing, tag};
use crate::audit::events_for;
use crate::world::World;

const BAD: [&str; 5] = ["v1", "", "\"v1", "\"v1\" \"v2\"", "\"v1 \""];

/// What the audit log tells of writes of users and roles, but for those that made them.
async fn noted(world: &World, admin: &str) -> usize {
    let mut count = 0;
    for action in [
        "user.changed",
        "user.deleted",
        "role.changed",
        "role.deleted",
    ] {
        let query = format!("action={action}");
        count += events_for(world, admin, &query).await.len();
    }
    count
}

#[tokio::test]
async fn a_write_of_another_version_is_412_and_changes_nothing() {
    let world = World::new().await;
    let admin = world.admin().await;
    let user = Thing::new_user(&world, &admin).await;
    let role = Thing::new_role(&world, &admin).await;
    for thing in [user, role] {
        let before = thing.read(&world, &admin).await;
        assert_eq!(before.0, "\"v1\"");
        for method in [Method::PUT, Method::DELETE] {
            // Weak tags name no version that may be replaced.
            for stale in ["\"v0\"", "\"v2\"", "W/\"v1\"", "\"v2\", \"v3\""] {
                let headers = [("if-match", stale)];
                let answer = thing.send(&world, &method, &admin, &headers).await;
                answer.refused(412, "PRECONDITION_FAILED");
            }
            for bad in BAD {
                let headers = [("if-match", bad)];
                let answer = thing.send(&world, &method, &admin, &headers).await;
                answer.refused(400, "VALIDATION_ERROR");
                assert_eq!(answer.json()["errors"][0]["pointer"], "#/header/if-match");
            }
        }
        assert_eq!(thing.read(&world, &admin).await, before);
    }
    assert_eq!(noted(&world, &admin).await, 0);
}

#[tokio::test]
async fn a_write_of_the_version_that_is_there_or_of_any_is_made_and_so_is_one_that_names_none() {
    let world = World::new().await;
    let admin = world.admin().await;
    let user = Thing::new_user(&world, &admin).await;
    let role = Thing::new_role(&world, &admin).await;
    for thing in [user, role] {
        for (named, then) in [
            (Some("\"v9\", \"v1\""), "\"v2\""),
            (Some("*"), "\"v3\""),
            (None, "\"v4\""),
        ] {
            let headers: Vec<_> = named.map(|tag| ("if-match", tag)).into_iter().collect();
            let answer = thing.send(&world, &Method::PUT, &admin, &headers).await;
            assert_eq!(tag(&answer.expect(200)), then);
            assert_eq!(thing.read(&world, &admin).await.0, then);
        }
        let delete = async |named: &str| {
            let headers = [("if-match", named)];
            thing.send(&world, &Method::DELETE, &admin, &headers).await
        };
        delete("\"v3\"").await.refused(412, "PRECONDITION_FAILED");
        delete("\"v4\"").await.expect(204);
        delete("\"v4\"").await.refused(404, "NOT_FOUND");
    }
    // Three edits and one deletion of each.
    assert_eq!(noted(&world, &admin).await, 8);
}

#[tokio::test]
async fn what_is_deleted_by_any_version_or_without_one_is_gone() {
    let world = World::new().await;
    let admin = world.admin().await;
    for named in [None, Some("*")] {
        let headers: Vec<_> = named.map(|tag| ("if-match", tag)).into_iter().collect();
        let user = Thing::new_user(&world, &admin).await;
        let role = Thing::new_role(&world, &admin).await;
        for thing in [user, role] {
            let answer = thing.send(&world, &Method::DELETE, &admin, &headers).await;
            answer.expect(204);
            let gone = world.get(&thing.path, &admin).await;
            gone.refused(404, "NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn ones_own_account_is_written_by_the_tag_that_was_read_there() {
    let world = World::new().await;
    let (id, token) = world.user(EMAIL, &["users.read"]).await;
    let own = Thing::own_account();
    let before = own.read(&world, &token).await;
    let read = &*before.0;
    let put =
        async |headers: &[(&str, &str)]| own.send(&world, &Method::PUT, &token, headers).await;
    let user = Thing::user(format!("/api/v1/users/{id}"));
    let (elsewhere, _) = user.read(&world, &token).await;
    for stale in [&*elsewhere, "\"v0\"", &*format!("W/{read}")] {
        let answer = put(&[("if-match", stale)]).await;
        answer.refused(412, "PRECONDITION_FAILED");
    }
    for bad in BAD {
        let answer = put(&[("if-match", bad)]).await;
        answer.refused(400, "VALIDATION_ERROR");
        assert_eq!(answer.json()["errors"][0]["pointer"], "#/header/if-match");
    }
    assert_eq!(own.read(&world, &token).await, before);

    let list = format!("\"v0\", {read}");
    let changed = put(&[("if-match", &list)]).await.expect(200);
    assert_eq!(changed.json()["first_name"], "Changed");
    assert_ne!(tag(&changed), read);
    let now = own.read(&world, &token).await;
    assert_eq!(now, (tag(&changed), changed.json()));
    let late = put(&[("if-match", read)]).await;
    late.refused(412, "PRECONDITION_FAILED");
    assert_eq!(own.read(&world, &token).await, now);
    put(&[("if-match", "*")]).await.expect(200);
    put(&[]).await.expect(200);
}
