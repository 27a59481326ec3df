//! Those who came last are found through an index among a hundred thousand.

use sqlx::QueryBuilder;

use super::STATEMENT;
use crate::db::plan::{by_index, fill, migrated};

const USERS: &str = "
    INSERT INTO users (id, email, first_name, last_name, password_hash, pepper_kid, created_at, updated_at)
    SELECT gen_random_uuid(), 'user' || n || '@example.org', '', '', '', '', now(), now()
    FROM generate_series(1, 100000) n";
const ROLES: &str = "
    INSERT INTO roles (id, name, permissions, created_at, updated_at)
    SELECT gen_random_uuid(), 'role ' || n, '{users.read,products.*}', now(), now()
    FROM generate_series(1, 10000) n";
const USER_ROLES: &str = "
    INSERT INTO user_roles (user_id, role_id, assigned_at)
    SELECT u.id, r.id, now()
    FROM (SELECT id, row_number() OVER () AS n FROM users) u
    JOIN (SELECT id, row_number() OVER () AS n FROM roles) r ON r.n = 1 + u.n % 10000";
const SESSIONS: &str = "
    INSERT INTO sessions (id, user_id, created_at, expires_at)
    SELECT gen_random_uuid(), id, now(), now() + random() * interval '7 days' FROM users";
/// A thousand sessions, 200 users and their roles, each by its index.
const THOSE: f64 = 10_000.0;

#[tokio::test]
async fn r06_2_who_came_last_is_found_by_an_index_and_so_is_what_they_may_do() {
    let (_database, mut connection) = migrated().await;
    for (table, insert) in [
        ("users", USERS),
        ("roles", ROLES),
        ("user_roles", USER_ROLES),
        ("sessions", SESSIONS),
    ] {
        fill(&mut connection, table, insert).await;
    }
    let explain = QueryBuilder::new(format!("EXPLAIN (FORMAT JSON) {STATEMENT}"));
    by_index(&mut connection, explain, THOSE, "who came last").await;
}
