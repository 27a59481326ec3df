//! Who may not is told so first: a version is looked at for those alone who could write.

use http::Method;
use serde_json::json;

use super::{EMAIL, Thing};
use crate::users::administrator;
use crate::world::{ADMIN, World, call_with};

const STALE: [(&str, &str); 1] = [("if-match", "\"v9\"")];
const WRITES: [Method; 2] = [Method::PUT, Method::DELETE];

#[tokio::test]
async fn without_the_permission_no_version_is_looked_at() {
    let world = World::new().await;
    let admin = world.admin().await;
    let may = ["users.read", "roles.read"];
    let (_, reader) = world.user("reader@example.org", &may).await;
    let user = Thing::new_user(&world, &admin).await;
    let role = Thing::new_role(&world, &admin).await;
    for thing in [user, role] {
        for tag in ["\"v9\"", "\"v1\"", "*", "nonsense"] {
            let headers = [("if-match", tag)];
            for method in &WRITES {
                let anonymous = thing.send(&world, method, "", &headers).await;
                anonymous.refused(401, "UNAUTHORIZED");
                let answer = thing.send(&world, method, &reader, &headers).await;
                answer.refused(403, "FORBIDDEN");
            }
        }
        assert_eq!(thing.read(&world, &admin).await.0, "\"v1\"");
    }
}

#[tokio::test]
async fn what_may_not_be_done_to_this_one_is_said_before_its_version() {
    let world = World::new().await;
    let (above, admin) = administrator(&world).await;
    let (_, helper) = world
        .user("helper@example.org", &["users.*", "roles.*"])
        .await;
    let role = Thing::new_role(&world, &admin).await;
    for method in &WRITES {
        // It has a permission that they do not hold.
        let answer = role.send(&world, method, &helper, &STALE).await;
        answer.refused(403, "FORBIDDEN");
    }
    let taken_over = json!({"email": "helper2@example.org", "first_name": "A", "last_name": "B", "is_active": true});
    for (method, body) in [(Method::PUT, Some(&taken_over)), (Method::DELETE, None)] {
        let place = (method, &*above);
        let answer = call_with(&world.router, place, &helper, &STALE, body).await;
        answer.refused(403, "FORBIDDEN");
        assert!(answer.text.contains("you lack *"), "{}", answer.text);
    }
    assert_eq!(world.get(&above, &admin).await.json()["email"], ADMIN);
    assert_eq!(role.read(&world, &admin).await.0, "\"v1\"");
}

#[tokio::test]
async fn an_api_key_is_turned_away_from_the_account_whatever_version_it_names() {
    let world = World::new().await;
    let (_, token) = world.user(EMAIL, &["users.read"]).await;
    let (_, key) = crate::api_keys::key(&world, &token, &["users.read"]).await;
    let own = Thing::own_account();
    for headers in [&STALE, &[("if-match", "*")]] {
        let answer = own.send(&world, &Method::PUT, &key, headers).await;
        answer.refused(403, "INSUFFICIENT_SCOPE");
    }
}

#[tokio::test]
async fn what_is_not_there_or_stays_as_it_is_has_no_version_to_miss() {
    let world = World::new().await;
    let (path, admin) = administrator(&world).await;
    let nobody = Thing::user(format!("/api/v1/users/{}", uuid::Uuid::now_v7()));
    let nothing = Thing {
        path: format!("/api/v1/roles/{}", uuid::Uuid::now_v7()),
        field: "name",
        state: json!({"permissions": []}),
    };
    for thing in [nobody, nothing] {
        for method in &WRITES {
            let answer = thing.send(&world, method, &admin, &STALE).await;
            answer.refused(404, "NOT_FOUND");
        }
    }
    let roles = world.get("/api/v1/roles", &admin).await.json();
    let of_the_program = Thing {
        path: format!(
            "/api/v1/roles/{}",
            roles["roles"][0]["id"].as_str().unwrap()
        ),
        field: "name",
        state: json!({"permissions": []}),
    };
    for method in &WRITES {
        let answer = of_the_program.send(&world, method, &admin, &STALE).await;
        answer.refused(409, "CONFLICT");
    }
    let oneself = Thing::user(path);
    let answer = oneself.send(&world, &Method::DELETE, &admin, &STALE).await;
    answer.refused(409, "CONFLICT");
}
