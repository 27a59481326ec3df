//! Two who edit the same: the second is told, and the first one's work stands.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use super::{EMAIL, Thing, tag};
use crate::mail::waiting;
use crate::world::{PASSWORD, World, call_with, shared};

#[tokio::test]
async fn of_two_editors_who_have_read_the_same_the_second_is_told_and_undoes_nothing() {
    let world = World::new().await;
    let admin = world.admin().await;
    let may = ["users.*", "roles.*", "products.read"];
    let (_, ann) = world.user("ann@example.org", &may).await;
    let (_, bob) = world.user("bob@example.org", &may).await;
    let user = Thing::new_user(&world, &admin).await;
    let role = Thing::new_role(&world, &admin).await;
    for thing in [user, role] {
        let (read, _) = thing.read(&world, &ann).await;
        assert_eq!(thing.read(&world, &bob).await.0, read);
        let first = thing.edit(&world, &bob, "Of Bob", &read).await.expect(200);

        let second = thing.edit(&world, &ann, "Of Ann", &read).await;
        second.refused(412, "PRECONDITION_FAILED");
        let stands = thing.read(&world, &ann).await;
        assert_eq!(stands, (tag(&first), first.json()));
        assert_eq!(stands.1[thing.field], "Of Bob");

        // Who has seen it may replace it.
        let again = thing.edit(&world, &ann, "Of Ann", &stands.0).await;
        assert_eq!(again.expect(200).json()[thing.field], "Of Ann");
    }
}

#[tokio::test]
async fn an_edit_that_comes_too_late_bars_nobody_writes_to_nobody_and_takes_nothing_away() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (id, kim) = world.user(EMAIL, &[]).await;
    let role = Thing::new_role(&world, &admin).await;
    let given = json!({"user_id": id, "role_id": role.path.rsplit('/').next()});
    let assigned = world.post("/api/v1/roles/assign", &admin, given).await;
    assigned.expect(204);
    let user = Thing::user(format!("/api/v1/users/{id}"));
    let barred = json!({"email": "moved@example.org", "first_name": "Kim", "last_name": "Doe", "is_active": false});
    let powerless = json!({"name": "Packer", "permissions": []});
    let mails = waiting(&world).await;
    for (thing, body) in [(&role, powerless), (&user, barred)] {
        let (read, _) = thing.read(&world, &admin).await;
        thing.edit(&world, &admin, "First", &read).await.expect(200);
        let stands = thing.read(&world, &admin).await;
        let place = (http::Method::PUT, &*thing.path);
        let headers = [("if-match", &*read)];
        let late = call_with(&world.router, place, &admin, &headers, Some(&body)).await;
        late.refused(412, "PRECONDITION_FAILED");
        assert_eq!(thing.read(&world, &admin).await, stands);
    }
    assert_eq!(waiting(&world).await, mails);
    // Their session, what they may do, and their way in.
    world.get("/api/v1/products", &kim).await.expect(200);
    world.login(EMAIL, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn r10_3_of_many_edits_of_one_version_one_is_made() {
    let world = shared(World::new().await);
    let admin = world.admin().await;
    let user = Thing::new_user(&world, &admin).await;
    let role = Thing::new_role(&world, &admin).await;
    for thing in [user, role, Thing::own_account()] {
        let thing = Arc::new(thing);
        for _ in 0..3 {
            let (read, before) = thing.read(&world, &admin).await;
            let mut tasks = JoinSet::new();
            for n in 0..8 {
                let (world, thing) = (world.clone(), thing.clone());
                let (admin, read) = (admin.clone(), read.clone());
                tasks.spawn(async move {
                    let name = format!("Editor {n}");
                    let answer = thing.edit(&world, &admin, &name, &read).await;
                    answer.status.as_u16()
                });
            }
            let mut codes = tasks.join_all().await;
            codes.sort_unstable();
            assert_eq!(codes, [200, 412, 412, 412, 412, 412, 412, 412]);
            let (_, after) = thing.read(&world, &admin).await;
            let version = before["version"].as_i64().unwrap();
            assert_eq!(after["version"], version + 1, "{}", thing.path);
        }
    }
}
