//! No write undoes what its author has not seen: ETag, If-Match, If-None-Match.

use http::Method;

use super::{body, product};
use crate::world::{Answer, World, call_with, shared};

async fn ask(
    world: &World,
    method: Method,
    path: &str,
    token: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let sent = body("CHANGED");
    let sent = (method == Method::PUT).then_some(&sent);
    call_with(&world.router, (method, path), token, headers, sent).await
}

#[tokio::test]
async fn a_write_without_if_match_is_428_and_with_another_version_412() {
    let world = World::new().await;
    let admin = world.admin().await;
    let path = product(&world, &admin, "A").await;
    for method in [Method::PUT, Method::DELETE] {
        ask(&world, method.clone(), &path, &admin, &[])
            .await
            .refused(428, "PRECONDITION_REQUIRED");
        // Weak tags name no version that may be replaced.
        for tag in ["\"v0\"", "\"v2\"", "W/\"v1\"", "\"v1 \"", "\"v2\", \"v3\""] {
            let answer = ask(&world, method.clone(), &path, &admin, &[("if-match", tag)]).await;
            let expected = if tag == "\"v1 \"" {
                (400, "VALIDATION_ERROR")
            } else {
                (412, "PRECONDITION_FAILED")
            };
            answer.refused(expected.0, expected.1);
        }
        for bad in ["v1", "", "\"v1", "\"v1\" \"v2\""] {
            let answer = ask(&world, method.clone(), &path, &admin, &[("if-match", bad)]).await;
            answer.refused(400, "VALIDATION_ERROR");
            assert_eq!(answer.json()["errors"][0]["pointer"], "#/header/if-match");
        }
    }
    assert_eq!(world.get(&path, &admin).await.json()["version"], 1);
    let lists = [("if-match", "\"v9\", \"v1\"")];
    assert_eq!(
        ask(&world, Method::PUT, &path, &admin, &lists)
            .await
            .expect(200)
            .headers["etag"],
        "\"v2\""
    );
    ask(&world, Method::DELETE, &path, &admin, &[("if-match", "*")])
        .await
        .expect(204);
}

#[tokio::test]
async fn a_read_of_what_the_client_has_is_304_without_a_body() {
    let world = World::new().await;
    let admin = world.admin().await;
    let path = product(&world, &admin, "A").await;
    for tag in ["\"v1\"", "W/\"v1\"", "*", "\"v7\", \"v1\""] {
        let answer = ask(
            &world,
            Method::GET,
            &path,
            &admin,
            &[("if-none-match", tag)],
        )
        .await
        .expect(304);
        assert_eq!(
            (&*answer.text, answer.headers["etag"].to_str().unwrap()),
            ("", "\"v1\"")
        );
    }
    ask(
        &world,
        Method::GET,
        &path,
        &admin,
        &[("if-none-match", "\"v2\"")],
    )
    .await
    .expect(200);
}

#[tokio::test]
async fn r10_3_of_many_changes_of_one_version_one_is_made() {
    let world = shared(World::new().await);
    let admin = world.admin().await;
    let path = product(&world, &admin, "A").await;
    for version in 1..=5 {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (world, path, admin) = (world.clone(), path.clone(), admin.clone());
            tasks.spawn(async move {
                let tag = format!("\"v{version}\"");
                ask(&world, Method::PUT, &path, &admin, &[("if-match", &tag)])
                    .await
                    .status
                    .as_u16()
            });
        }
        let mut codes = tasks.join_all().await;
        codes.sort_unstable();
        assert_eq!(codes, [200, 412, 412, 412, 412, 412, 412, 412]);
    }
    assert_eq!(world.get(&path, &admin).await.json()["version"], 6);
}
