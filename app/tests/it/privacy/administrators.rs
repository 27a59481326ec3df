//! Who erases whom: what the one and the other may do, and the last administrator.

use serde_json::json;

use super::kim;
use crate::api_keys::key;
use crate::users::{administrator, one_is_refused, promote};
use crate::world::{Answer, PASSWORD, World};

/// The end of the user at `path`, asked for by somebody else.
async fn erased(world: &World, path: &str, officer: &str) -> Answer {
    let path = format!("{path}/erase");
    world.post(&path, officer, json!({})).await
}

async fn erases_themselves(world: &World, token: &str) -> Answer {
    let body = json!({"password": PASSWORD});
    world.post("/api/v1/profile/erase", token, body).await
}

async fn is_gone(world: &World, token: &str) {
    let answer = world.get("/api/v1/profile", token).await;
    answer.refused(401, "TOKEN_REVOKED");
}

/// Whoever asks to be forgotten is, though nobody who may do as much is there to do it.
#[tokio::test]
async fn whoever_may_erase_erases_users_who_may_do_more_and_nobody_else_does() {
    let world = World::new().await;
    let (_, admin) = administrator(&world).await;
    let (kim, kims) = kim(&world).await;
    let much = ["users.*", "roles.*", "audit.*", "products.*"];
    let (ann, anns) = world.user("ann@example.org", &much).await;
    let (_, officer) = world.user("officer@example.org", &["users.erase"]).await;
    let (_, clerk) = world.user("clerk@example.org", &["users.delete"]).await;
    for (id, token) in [(kim, kims), (ann, anns)] {
        let path = format!("/api/v1/users/{id}");
        let forbidden = erased(&world, &path, &clerk).await;
        forbidden.refused(403, "FORBIDDEN");
        let lacking = world.delete(&path, &clerk).await;
        lacking.refused(403, "FORBIDDEN");
        world.get("/api/v1/profile", &token).await.expect(200);
        erased(&world, &path, &officer).await.expect(204);
        is_gone(&world, &token).await;
    }
    world.get("/api/v1/profile", &admin).await.expect(200);
}

/// One right that cannot be undone takes nobody away who administers, in office or barred.
#[tokio::test]
async fn who_may_do_everything_is_erased_only_by_one_who_may_too() {
    let world = World::new().await;
    let (_, admin) = administrator(&world).await;
    let (ann, anns) = world.user("ann@example.org", &[]).await;
    promote(&world, &admin, &ann).await;
    let (bob, bobs) = world.user("bob@example.org", &["*"]).await;
    let (cid, _) = world.user("cid@example.org", &["*"]).await;
    let barred = json!({"email": "cid@example.org", "first_name": "C", "last_name": "D", "is_active": false});
    let path = |id: &str| format!("/api/v1/users/{id}");
    world.put(&path(&cid), &admin, barred).await.expect(200);
    let (_, officer) = world.user("officer@example.org", &["users.erase"]).await;
    let (_, chief) = world
        .user("chief@example.org", &["users.*", "roles.*"])
        .await;
    let (_, narrow) = key(&world, &admin, &["users.erase"]).await;
    for id in [&ann, &bob, &cid] {
        for caller in [&officer, &chief, &narrow] {
            let answer = erased(&world, &path(id), caller).await;
            answer.refused(403, "FORBIDDEN");
            assert!(answer.text.contains("you lack *"), "{}", answer.text);
        }
        let user = world.get(&path(id), &admin).await.expect(200).json();
        assert_ne!(user["first_name"], "Erased", "{user}");
    }
    // They are signed in as before, and the key erases those who may do less.
    world.get("/api/v1/users", &anns).await.expect(200);
    world.get("/api/v1/users", &bobs).await.expect(200);
    let (kim, kims) = kim(&world).await;
    erased(&world, &path(&kim), &narrow).await.expect(204);
    is_gone(&world, &kims).await;
    let (_, wide) = key(&world, &admin, &["*"]).await;
    erased(&world, &path(&ann), &bobs).await.expect(204);
    is_gone(&world, &anns).await;
    for (id, caller) in [(&bob, &admin), (&cid, &wide)] {
        erased(&world, &path(id), caller).await.expect(204);
    }
    is_gone(&world, &bobs).await;
}

#[tokio::test]
async fn the_last_administrator_is_erased_neither_by_others_nor_by_themselves() {
    let world = World::new().await;
    let (path, admin) = administrator(&world).await;
    let (officer, token) = world.user("officer@example.org", &["*"]).await;
    for answer in [
        erased(&world, &path, &token).await,
        erases_themselves(&world, &admin).await,
    ] {
        answer.refused(409, "CONFLICT");
        assert!(
            answer.text.contains("last administrator"),
            "{}",
            answer.text
        );
    }
    world.get("/api/v1/profile", &admin).await.expect(200);
    // Once there is another, who is the last one from then on.
    promote(&world, &admin, &officer).await;
    erases_themselves(&world, &admin).await.expect(204);
    is_gone(&world, &admin).await;
    let answer = erases_themselves(&world, &token).await;
    answer.refused(409, "CONFLICT");
    world.get("/api/v1/profile", &token).await.expect(200);
}

/// The first administrator's path and token, and those of another one.
async fn two_administrators(world: &World) -> [(String, String); 2] {
    let (path, admin) = administrator(world).await;
    let (kim, token) = world.user("kim@example.org", &[]).await;
    promote(world, &admin, &kim).await;
    [(path, admin), (format!("/api/v1/users/{kim}"), token)]
}

#[tokio::test]
async fn of_two_administrators_who_erase_each_other_one_stays() {
    let world = World::new().await;
    let [(first, one), (second, other)] = two_administrators(&world).await;
    let of_first = erased(&world, &first, &other);
    one_is_refused(&world, of_first, erased(&world, &second, &one)).await;
}

#[tokio::test]
async fn of_two_administrators_who_erase_themselves_one_stays() {
    let world = World::new().await;
    let [(_, one), (_, other)] = two_administrators(&world).await;
    let first = erases_themselves(&world, &one);
    one_is_refused(&world, first, erases_themselves(&world, &other)).await;
}
