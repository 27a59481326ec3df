//! The export is all that is known of a person: the schema says which columns there are, and each of them is told
//! or has a reason not to be.

use std::collections::BTreeSet;

use sqlx::{Connection as _, PgConnection};

use super::settled;
use crate::sql::sql;
use crate::world::World;

/// Columns of each table, and where in the export they are told, `*` being the column's own name; or why not.
const COLUMNS: &str = "
users | id email first_name last_name is_active version created_at updated_at | /account/*
users | email_verified_at | /account/email_verified
users | password_hash pepper_kid | opens the account
users | auth_epoch | counts changes, so that what is cached is known to be old
user_roles | user_id | /account/id
user_roles | role_id | /account/roles/0
user_roles | assigned_at | /events as role.assigned
sessions | user_id | /account/id
sessions | id user_agent address created_at last_seen_at expires_at revoked_at revoked_reason | /sessions/0/*
refresh_tokens | id session_id parent_id issued_at expires_at used_at | goes on with a session, which is told
refresh_tokens | token_hash kid | opens the account
api_keys | user_id | /account/id
api_keys | id name scopes created_at expires_at last_used_at revoked_at | /api_keys/0/*
api_keys | handle | /api_keys/0/prefix
api_keys | key_hash | opens the account
second_factors | user_id | /account/id
second_factors | confirmed_at | /second_factor/enabled
second_factors | created_at | when it was enrolled; that it was confirmed is an event
second_factors | sealed_secret | opens the account
second_factors | last_step | keeps a code from being used twice; each use is an event
recovery_codes | user_id | /account/id
recovery_codes | code_hash created_at | /second_factor/recovery_codes_left
login_challenges | id user_id created_at expires_at | half a sign-in, for five minutes; its end is an event
login_challenges | token_hash | opens the account
outbox | user_id | /account/id
outbox | kind address created_at expires_at failed_at | /mails/0/*
outbox | facts | what the letter names of its cause, which is an event
outbox | id attempts next_attempt_at leased_until | how far the program has come with sending it
email_tokens | user_id | /account/id
email_tokens | purpose address created_at expires_at | /email_tokens/0/*
email_tokens | token_hash | opens the account
email_tokens | id | tells rows apart
idempotency_keys | caller subject operation key fingerprint status | repeats for a day what was told (ADR 0024)
idempotency_keys | location etag body sealed sealed_by created_at expires_at | the same
subject_keys | subject key created_at destroyed_at | seals what is told in clear
audit_events | id seq at action outcome actor target detail request_id | /events/0/*
audit_events | subject sealed | /events/0/personal
";

/// Every column of every table that is about people: one that refers to users, by however many steps, or that has
/// a column with such a name.
const ABOUT_PEOPLE: &str = "
    WITH RECURSIVE theirs (id) AS (
        SELECT 'users'::regclass::oid
        UNION
        SELECT f.conrelid FROM pg_constraint f JOIN theirs ON f.confrelid = theirs.id
        WHERE f.contype = 'f'
    )
    SELECT c.relname::text, a.attname::text
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relnamespace = 'public'::regnamespace
      AND (c.oid IN (SELECT id FROM theirs) OR EXISTS (
          SELECT 1 FROM pg_attribute n
          WHERE n.attrelid = c.oid AND n.attnum > 0 AND NOT n.attisdropped
            AND n.attname ~ '^(user|subject|caller|actor|owner|author|person|email|address)(_id)?$'))";

/// Table and name.
type Column = (String, String);

async fn about_people(world: &World) -> BTreeSet<Column> {
    let rows: Vec<Column> = sqlx::query_as(ABOUT_PEOPLE)
        .fetch_all(&world.state.database.pool())
        .await
        .unwrap();
    rows.into_iter().collect()
}

/// Each column that is spoken of, and what is said.
fn said() -> Vec<(Column, &'static str)> {
    let mut said = Vec::new();
    for line in COLUMNS.trim().lines() {
        let parts: Vec<_> = line.split(" | ").collect();
        let [table, columns, what] = parts[..] else {
            panic!("{line}");
        };
        for column in columns.split(' ') {
            said.push(((table.to_owned(), column.to_owned()), what));
        }
    }
    said
}

/// Columns about people of which nothing is said.
async fn unsaid(world: &World) -> Vec<Column> {
    let said: BTreeSet<Column> = said().into_iter().map(|(column, _)| column).collect();
    let found = about_people(world).await;
    found.difference(&said).cloned().collect()
}

#[tokio::test]
async fn each_column_that_is_about_people_is_exported_or_has_a_reason_not_to_be() {
    let world = World::new().await;
    let unsaid = unsaid(&world).await;
    assert!(
        unsaid.is_empty(),
        "neither exported nor left out for a reason: {unsaid:?}"
    );
    let found = about_people(&world).await;
    let said = said();
    for (column, _) in &said {
        assert!(found.contains(column), "{column:?} is not there");
    }
    assert_eq!(said.len(), found.len(), "a column is spoken of twice");
}

#[tokio::test]
async fn what_is_said_to_be_exported_is() {
    let world = World::new().await;
    let (_, token) = settled(&world).await;
    let export = world.get("/api/v1/profile/export", &token).await;
    let person = export.expect(200).json();
    let mut told = 0;
    for ((table, column), what) in said() {
        let (place, action) = match what.split_once(" as ") {
            Some((place, action)) => (place, Some(action)),
            None => (what, None),
        };
        if place.starts_with('/') {
            let place = place.replace('*', &column);
            let found = person.pointer(&place);
            let found = found.unwrap_or_else(|| panic!("{table}.{column} is not at {place}"));
            let is_told = |action| {
                let mut events = found.as_array().unwrap().iter();
                events.any(|event| event["action"] == action)
            };
            assert!(
                action.is_none_or(is_told),
                "{table}.{column}: no {action:?}"
            );
            told += 1;
        }
    }
    assert!(told > 40, "{told}");
}

/// One that refers to people by way of another, one that refers to nobody and only says so, and a new column.
#[tokio::test]
async fn what_is_added_about_people_is_noticed_and_nothing_else() {
    let world = World::new().await;
    let mut connection = PgConnection::connect(&world.database.admin_url())
        .await
        .unwrap();
    let added = "CREATE TABLE notes (id uuid PRIMARY KEY, writer uuid REFERENCES users (id));
                 CREATE TABLE note_lines (note uuid REFERENCES notes (id));
                 CREATE TABLE visits (caller uuid, page text);
                 CREATE TABLE parcels (id uuid, weight integer);
                 ALTER TABLE sessions ADD COLUMN city text";
    sql(&mut connection, added).await;
    let unsaid = unsaid(&world).await;
    let names: Vec<_> = unsaid
        .iter()
        .map(|(table, column)| format!("{table}.{column}"))
        .collect();
    let expected = [
        "note_lines.note",
        "notes.id",
        "notes.writer",
        "sessions.city",
        "visits.caller",
        "visits.page",
    ];
    assert_eq!(names, expected);
}
