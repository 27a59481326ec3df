//! Whoever signs in is found through an index among a hundred thousand.

use super::look_up;
use crate::db::plan::{by_index, fill, migrated};

/// Reading them all would cost twenty times [`ONE`].
const USERS: &str = "
    INSERT INTO users (id, email, first_name, last_name, password_hash, pepper_kid, created_at, updated_at)
    SELECT gen_random_uuid(), 'User' || n || '@example.org', '', '', '', '', now(), now()
    FROM generate_series(1, 100000) n";
const SECOND_FACTORS: &str = "
    INSERT INTO second_factors (user_id, sealed_secret, created_at, confirmed_at)
    SELECT id, ''::bytea, now(), now() FROM users";
/// One row of either table, and one beside it, each by its index.
const ONE: f64 = 100.0;

#[tokio::test]
async fn r06_2_who_signs_in_is_found_by_an_index_whatever_the_case_of_the_e_mail() {
    let (_database, mut connection) = migrated().await;
    fill(&mut connection, "users", USERS).await;
    fill(&mut connection, "second_factors", SECOND_FACTORS).await;
    for (email, place) in [
        ("user50000@example.org", "000000000000"),
        ("USER7@EXAMPLE.ORG", "7fffffffffff"),
        ("nobody@example.org", "ffffffffffff"),
    ] {
        let explain = look_up("EXPLAIN (FORMAT JSON) ", email, place);
        by_index(&mut connection, explain, ONE, email).await;
    }
}
