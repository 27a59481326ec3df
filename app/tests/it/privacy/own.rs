//! What an export has of sessions, keys and mails: the person's own, as it is, and nothing of anybody else.

use serde_json::{Value, json};

use crate::api_keys::key;
use crate::sql::execute;
use crate::world::{World, access};

const FIRST: &str = "2026-05-04T03:02:01Z";
const SECOND: &str = "2026-05-05T03:02:01Z";
const END: &str = "2099-01-02T03:04:05Z";

/// Puts a mail into the outbox: its kind, whom it names, where it goes, when it was written and given up.
async fn mail(
    world: &World,
    kind: &str,
    (user, address): (Option<&str>, &str),
    (at, failed): (&str, Option<&str>),
) {
    sqlx::query(
        "INSERT INTO outbox (id, kind, user_id, address, facts, created_at, expires_at,
                             next_attempt_at, failed_at)
         VALUES (gen_random_uuid(), $1, $2::uuid, $3, '{}', $4::timestamptz, $5::timestamptz,
                 now(), $6::timestamptz)",
    )
    .bind(kind)
    .bind(user)
    .bind(address)
    .bind(at)
    .bind(END)
    .bind(failed)
    .execute(&world.state.database.pool())
    .await
    .unwrap();
}

/// As if a code for `purpose` had been sent to `address`.
async fn sent(world: &World, user: &str, purpose: &str, address: &str) {
    sqlx::query(
        "INSERT INTO email_tokens (id, user_id, purpose, token_hash, address, created_at, expires_at)
         VALUES (gen_random_uuid(), $1::uuid, $2, sha256($3::bytea), $3, $4::timestamptz,
                 $5::timestamptz)",
    )
    .bind(user)
    .bind(purpose)
    .bind(address)
    .bind(FIRST)
    .bind(END)
    .execute(&world.state.database.pool())
    .await
    .unwrap();
}

async fn exported(world: &World, path: &str, token: &str, others: &[&str]) -> Value {
    let export = world.get(path, token).await.expect(200);
    for other in others {
        assert!(!export.text.contains(*other), "{other}: {}", export.text);
    }
    export.json()
}

fn waits(kind: &str, address: &str, at: &str, failed: Option<&str>) -> Value {
    json!({"kind": kind, "address": address, "created_at": at, "expires_at": END, "failed_at": failed})
}

fn code(purpose: &str, address: &str) -> Value {
    json!({"purpose": purpose, "address": address, "created_at": FIRST, "expires_at": END})
}

/// Those that name Kim and those that name nobody and go to Kim; Kim has the address that was Ann's.
#[tokio::test]
async fn mails_and_codes_are_those_of_the_person() {
    let world = World::new().await;
    let (kim, kims) = world.user("kim@example.org", &[]).await;
    let (ann, anns) = world.user("ann@example.org", &[]).await;
    // Those of new users.
    execute(&world, "DELETE FROM outbox").await;
    let (of_kim, of_ann) = (Some(&*kim), Some(&*ann));
    let before = (of_kim, "kim@example.net");
    mail(&world, "email_changed", before, (FIRST, Some(SECOND))).await;
    let typed = (None, "KIM@example.org");
    mail(&world, "password_reset", typed, (SECOND, None)).await;
    let anothers = (of_ann, "kim@example.org");
    mail(&world, "email_changed", anothers, (FIRST, None)).await;
    mail(&world, "lockout", (None, "bob@example.org"), (FIRST, None)).await;
    sent(&world, &kim, "password_reset", "kim@example.org").await;
    sent(&world, &ann, "email_verification", "ann@example.org").await;

    let (_, officer) = world.user("officer@example.org", &["users.export"]).await;
    let of_others = ["ann@", "bob@", &*ann];
    let path = format!("/api/v1/users/{kim}/export");
    for (path, token) in [("/api/v1/profile/export", &kims), (&*path, &officer)] {
        let person = exported(&world, path, token, &of_others).await;
        // Newest first.
        let expected = [
            waits("password_reset", "KIM@example.org", SECOND, None),
            waits("email_changed", "kim@example.net", FIRST, Some(SECOND)),
        ];
        assert_eq!(person["mails"], json!(expected), "{path}");
        let expected = [code("password_reset", "kim@example.org")];
        assert_eq!(person["email_tokens"], json!(expected), "{path}");
    }
    let person = exported(&world, "/api/v1/profile/export", &anns, &["bob@", &kim]).await;
    let expected = [waits("email_changed", "kim@example.org", FIRST, None)];
    assert_eq!(person["mails"], json!(expected));
    let expected = [code("email_verification", "ann@example.org")];
    assert_eq!(person["email_tokens"], json!(expected));
}

/// What the program itself leaves of a person: as it asks for a proof of the address, and for another password.
#[tokio::test]
async fn what_waits_to_be_sent_is_exported_until_it_is_gone() {
    let world = World::new().await;
    let (_, token) = world.user("kim@example.org", &[]).await;
    world.forgot("kim@example.org").await.expect(202);
    let kinds = async || {
        let person = exported(&world, "/api/v1/profile/export", &token, &[]).await;
        let mails = person["mails"].as_array().unwrap().iter();
        mails.map(|mail| mail["kind"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(kinds().await, ["password_reset", "email_verification"]);
    execute(&world, "DELETE FROM outbox WHERE kind = 'password_reset'").await;
    assert_eq!(kinds().await, ["email_verification"]);
}

fn ids(things: &Value) -> Vec<&str> {
    let mut ids: Vec<_> = things
        .as_array()
        .unwrap()
        .iter()
        .map(|thing| thing["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids
}

/// Whoever reads the export tells them apart as in the lists.
#[tokio::test]
async fn sessions_and_keys_are_exported_as_they_are_listed() {
    let world = World::new().await;
    let may = ["products.read"];
    let (kim, _) = world.user("kim@example.org", &may).await;
    let (_, anns) = world.user("ann@example.org", &may).await;
    // One that nobody uses any more: when it was seen last does not change meanwhile.
    sqlx::query("UPDATE sessions SET last_seen_at = $2::timestamptz WHERE user_id = $1::uuid")
        .bind(&kim)
        .bind(FIRST)
        .execute(&world.state.database.pool())
        .await
        .unwrap();
    let here = access(&world.signed_in("kim@example.org").await);
    let (_, text) = key(&world, &here, &may).await;
    let (_, anns_key) = key(&world, &anns, &may).await;

    // The part of a key that may be shown, of one's own key alone.
    let of_others = [&text[16..], &anns_key[..16], "ann@"];
    let person = exported(&world, "/api/v1/profile/export", &here, &of_others).await;
    let listed = world.get("/api/v1/api-keys", &here).await.json();
    let (told, listed) = (&person["api_keys"], &listed["api_keys"]);
    assert_eq!(ids(told), ids(listed));
    assert_eq!(told[0]["prefix"], listed[0]["prefix"]);
    assert_eq!(told[0]["prefix"], &text[..16]);

    let listed = world.get("/api/v1/sessions", &here).await.json();
    let (told, listed) = (&person["sessions"], &listed["sessions"]);
    assert_eq!(ids(told).len(), 2, "{told}");
    assert_eq!(ids(told), ids(listed));
    // Newest first.
    for sessions in [told, listed] {
        assert_eq!(sessions[1]["last_seen_at"], FIRST, "{sessions}");
    }
    assert!(told[0]["last_seen_at"].is_string(), "{told}");
}
