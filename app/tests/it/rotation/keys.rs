//! The signing keys: tokens are accepted by kid, from before they sign until they are removed.

use erpgo::auth::token::{self, Claims, Kind};
use erpgo_secret_set::KeyName::{self, Jwt, Refresh};
use erpgo_secret_set::{Document, SecretSet};
use sqlx::Connection as _;

use super::pod::{Pod, fresh, promote, retire, stage};
use crate::locks::waits_for_locks;
use crate::world::{ADMIN, access, copy_keys, refresh_token, set};

/// The kid in a token's header.
fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

/// What another pod that is one step ahead signs: the same claims by the version that is next here.
fn signed_by_next(pod: &Pod, kind: Kind, key: KeyName, token: &str) -> String {
    let here = pod.world.state.keyring.current();
    let issuer = &pod.world.state.settings.auth.issuer;
    let claims: Claims = token::verify(kind, &here, issuer, token).unwrap();
    let mut keys = copy_keys(&here.keys);
    promote(&mut keys, key);
    let ahead: SecretSet = set(Document {
        generation: here.generation,
        keys,
        prepared: std::collections::BTreeMap::new(),
    });
    token::issue(kind, &ahead, claims).unwrap().token
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r01_5_access_tokens_of_current_next_and_previous_are_accepted_by_kid() {
    let pod = Pod::new().await;
    let first = pod.world.admin().await;
    let said = pod.turn(|keys| stage(keys, Jwt, fresh("jwt-2"))).await;
    assert!(said.accepts("jwt-2") && said.uses(Jwt) == "jwt-1");
    let ahead = signed_by_next(&pod, Kind::Access, Jwt, &first);
    assert_eq!(kid(&ahead), "jwt-2");
    pod.world.get("/api/v1/profile", &ahead).await.expect(200);
    assert_eq!(kid(&pod.world.admin().await), "jwt-1");

    let said = pod.turn(|keys| promote(keys, Jwt)).await;
    assert!(said.accepts("jwt-1") && said.uses(Jwt) == "jwt-2");
    for token in [&first, &ahead] {
        pod.world.get("/api/v1/profile", token).await.expect(200);
    }
    assert_eq!(kid(&pod.world.admin().await), "jwt-2");

    let said = pod.turn(|keys| retire(keys, Jwt)).await;
    assert!(!said.accepts("jwt-1"));
    // The acknowledgement is the proof: from it on, the very next request is refused.
    pod.world
        .get("/api/v1/profile", &first)
        .await
        .refused(401, "TOKEN_INVALID");
    pod.world.get("/api/v1/profile", &ahead).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_a_session_outlives_a_rotation_of_the_key_of_its_refresh_token() {
    let pod = Pod::new().await;
    let first = refresh_token(&pod.world.signed_in(ADMIN).await);
    let idle = refresh_token(&pod.world.signed_in(ADMIN).await);
    pod.turn(|keys| stage(keys, Refresh, fresh("refresh-2")))
        .await;
    let second = refresh_token(&pod.world.refresh(&first).await.expect(200).json());
    assert_eq!(kid(&second), "refresh-1");
    let said = pod.turn(|keys| promote(keys, Refresh)).await;
    assert_eq!(said.uses(Refresh), "refresh-2");

    // Signed by what is previous now, and exchanged for one that the new key signs.
    let answer = pod.world.refresh(&second).await.expect(200).json();
    let third = refresh_token(&answer);
    assert_eq!(kid(&third), "refresh-2");
    // The other tab, within its grace, gets that same token.
    let again = pod.world.refresh(&second).await.expect(200).json();
    assert_eq!(refresh_token(&again), third);
    pod.turn(|keys| retire(keys, Refresh)).await;
    let answer = pod.world.refresh(&third).await.expect(200).json();
    pod.world
        .get("/api/v1/profile", &access(&answer))
        .await
        .expect(200);
    // Nobody used this one through the whole grace.
    pod.world.refresh(&idle).await.refused(401, "TOKEN_INVALID");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p14_a_request_keeps_the_set_that_it_took() {
    let pod = Pod::new().await;
    let token = refresh_token(&pod.world.signed_in(ADMIN).await);
    let idle = refresh_token(&pod.world.signed_in(ADMIN).await);
    pod.turn(|keys| stage(keys, Refresh, fresh("refresh-2")))
        .await;
    pod.turn(|keys| promote(keys, Refresh)).await;
    let mut lock = sqlx::PgConnection::connect(&pod.world.database.url())
        .await
        .unwrap();
    let mut held = lock.begin().await.unwrap();
    sqlx::query("LOCK TABLE refresh_tokens IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *held)
        .await
        .unwrap();
    let request = pod.world.refresh(&token);
    let retirement = async {
        waits_for_locks(&pod.world.database, 1).await;
        pod.turn(|keys| retire(keys, Refresh)).await;
        pod.world.refresh(&idle).await.refused(401, "TOKEN_INVALID");
        held.rollback().await.unwrap();
    };
    let (answer, ()) = tokio::join!(request, retirement);
    let next = refresh_token(&answer.expect(200).json());
    pod.world.refresh(&next).await.expect(200);
}
