//! The pepper: hashes move to the new one login by login, and the sidecar hears how many are left.

use erpgo_secret_set::KeyName::Pepper;
use serde_json::json;

use super::pod::{Pod, fresh, promote, retire, stage};
use crate::world::{ADMIN, PASSWORD};

fn counts(old: u64, new: u64) -> Vec<(String, u64)> {
    vec![("pepper-2".into(), new), ("pepper-1".into(), old)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_the_old_pepper_is_counted_until_no_hash_needs_it() {
    let pod = Pod::new().await;
    let (_, token) = pod.world.user("kim@example.org", &["users.read"]).await;
    let first = pod.hears("the first set", |_| true).await;
    assert_eq!(first.pepper_hashes, [], "one pepper is no question");

    pod.turn(|keys| stage(keys, Pepper, fresh("pepper-2")))
        .await;
    let staged = vec![("pepper-1".to_owned(), 2), ("pepper-2".to_owned(), 0)];
    pod.hears("the count at the stage", |said| {
        said.pepper_hashes == staged
    })
    .await;
    // What another pod that is a step ahead has hashed can be checked here.
    let said = pod.turn(|keys| promote(keys, Pepper)).await;
    assert_eq!(said.uses(Pepper), "pepper-2");
    pod.hears("both hashes are old", |said| {
        said.pepper_hashes == counts(2, 0)
    })
    .await;
    pod.world.signed_in(ADMIN).await;
    pod.hears("one has moved", |said| said.pepper_hashes == counts(1, 1))
        .await;
    // A wrong password moves nothing, and a session needs no hash at all.
    pod.world
        .login("kim@example.org", "not the password")
        .await
        .refused(401, "INVALID_CREDENTIALS");
    pod.world.get("/api/v1/profile", &token).await.expect(200);
    pod.world.signed_in("kim@example.org").await;
    pod.hears("both have moved", |said| said.pepper_hashes == counts(0, 2))
        .await;
    let said = pod.turn(|keys| retire(keys, Pepper)).await;
    assert!(!said.accepts("pepper-1"));
    pod.hears("no question is left", |said| said.pepper_hashes.is_empty())
        .await;
    for email in [ADMIN, "kim@example.org"] {
        let body = json!({"email": email, "password": PASSWORD});
        pod.world
            .post("/api/v1/auth/login", "", body)
            .await
            .expect(200);
    }
}
