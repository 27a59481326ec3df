//! Proving an address.

use serde_json::json;

use super::sink::{Mood, code};
use super::{Post, noted, once};
use crate::world::{ADMIN, Answer, World};

async fn verify(world: &World, token: &str) -> Answer {
    world
        .post("/api/v1/email/verify", "", json!({"token": token}))
        .await
}

#[tokio::test]
async fn a_new_user_confirms_their_address_with_the_code_that_was_sent_there() {
    let post = Post::new(Mood::Takes).await;
    let world = &post.world;
    let (id, kim) = world.user("kim@example.org", &[]).await;
    let mail = post.sink.mail(1).await;
    assert!(
        mail.contains("Subject: Confirm your e-mail address")
            && mail.contains("To: kim@example.org")
    );
    let code = code(&mail);
    let admin = world.admin().await;
    let path = format!("/api/v1/users/{id}");
    assert_eq!(
        world.get(&path, &admin).await.json()["email_verified"],
        false
    );
    verify(world, &code).await.expect(204);
    assert_eq!(
        world.get(&path, &admin).await.json()["email_verified"],
        true
    );
    let again = verify(world, &code).await;
    again.refused(400, "VALIDATION_ERROR");
    assert_eq!(again.json()["errors"][0]["code"], "invalid_token");
    // Noted once: the second try proved nothing.
    assert_eq!(noted(world, &admin, "auth.email_verified").await, once(&id));
    let send = "/api/v1/email/send-verification";
    world
        .post(send, &kim, json!({}))
        .await
        .refused(409, "CONFLICT");
    world
        .post(send, "", json!({}))
        .await
        .refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_code_proves_the_address_it_was_sent_to_and_no_other() {
    let post = Post::new(Mood::Takes).await;
    let world = &post.world;
    let (id, kim) = world.user("kim@example.org", &[]).await;
    let first = code(&post.sink.mail(1).await);
    let admin = world.admin().await;
    let moved =
        json!({"email": "kim@example.net", "first_name": "K", "last_name": "D", "is_active": true});
    let moved = world
        .put(&format!("/api/v1/users/{id}"), &admin, moved)
        .await
        .expect(200);
    assert_eq!(moved.json()["email_verified"], false);
    post.sink.mail(3).await;
    let mails = post.sink.mails().split_off(1);
    let to = |address: &str| {
        let line = format!("To: {address}");
        let found = mails.iter().find(|mail| mail.contains(&line));
        found.unwrap_or_else(|| panic!("nothing to {address}: {mails:?}"))
    };
    // Whoever has lost the account to another address can say so, and does not learn which.
    let told = to("kim@example.org");
    assert!(
        told.contains("Subject: The e-mail address of your account was changed"),
        "{told}"
    );
    assert!(!told.contains("kim@example.net"), "{told}");
    let mail = to("kim@example.net");
    assert!(
        mail.contains("Subject: Confirm your e-mail address"),
        "{mail}"
    );
    verify(world, &first).await.refused(400, "VALIDATION_ERROR");
    verify(world, &code(mail)).await.expect(204);
    // Moved again, the new address has to be proved again; the same in other letters has not.
    let back =
        json!({"email": "KIM@example.net", "first_name": "K", "last_name": "D", "is_active": true});
    let back = world
        .put(&format!("/api/v1/users/{id}"), &admin, back)
        .await
        .expect(200);
    assert_eq!(back.json()["email_verified"], true);
    world
        .post("/api/v1/email/send-verification", &kim, json!({}))
        .await
        .refused(409, "CONFLICT");
    world
        .post("/api/v1/email/send-verification", &admin, json!({}))
        .await
        .expect(202);
    assert!(post.sink.mail(4).await.contains(&format!("To: {ADMIN}")));
}

#[tokio::test]
async fn who_gets_an_address_that_was_anothers_is_asked_whether_it_is_theirs() {
    let mut post = Post::new(Mood::Takes).await;
    post.stop();
    let world = &post.world;
    let (before, _) = world.user("kim@example.org", &[]).await;
    let admin = world.admin().await;
    let moved =
        json!({"email": "kim@example.net", "first_name": "K", "last_name": "D", "is_active": true});
    world
        .put(&format!("/api/v1/users/{before}"), &admin, moved)
        .await
        .expect(200);
    // The mail to whoever had it before still waits.
    let (after, _) = world.user("kim@example.org", &[]).await;
    post.start();
    post.nothing_waits().await;
    let mails = post.sink.mails();
    let confirm = |to: &str| {
        let to = format!("To: {to}");
        let is =
            |mail: &&String| mail.contains("Confirm your e-mail address") && mail.contains(&to);
        mails.iter().filter(is).collect::<Vec<_>>()
    };
    assert_eq!(confirm("kim@example.net").len(), 1);
    let mine = confirm("kim@example.org");
    assert_eq!(mine.len(), 1);
    let world = &post.world;
    verify(world, &code(mine[0])).await.expect(204);
    for (id, verified) in [(before, false), (after, true)] {
        let user = world.get(&format!("/api/v1/users/{id}"), &admin).await;
        assert_eq!(user.expect(200).json()["email_verified"], verified);
    }
}
