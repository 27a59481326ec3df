//! Names of nobody are as many different users' doubles as there are users, however alike the e-mails are.

use std::collections::HashSet;

use super::credentials;
use crate::db::plan::{fill, migrated};

/// Each at a cost of its own.
const USERS: &str = "
    INSERT INTO users (id, email, first_name, last_name, password_hash, pepper_kid, created_at, updated_at)
    SELECT gen_random_uuid(), 'u' || n || '@example.org', '', '', 'cost ' || n, 'k', now(), now()
    FROM generate_series(1, 100) n";

#[tokio::test]
async fn each_user_is_the_double_of_some_names_and_none_of_most() {
    let (_database, mut connection) = migrated().await;
    let none = credentials(&mut connection, "x@example.org", "7f").await;
    assert!(none.unwrap().double.is_none(), "there is nobody");
    fill(&mut connection, "users", USERS).await;
    let mut doubles = Vec::new();
    for n in 0..=1000_u64 {
        // As evenly as places are drawn, and from the first to the last.
        let place = format!("{:012x}", n * 0xffff_ffff_ffff / 1000);
        let found = credentials(&mut connection, "x@example.org", &place).await;
        let found = found.unwrap();
        assert!(found.known.is_none());
        doubles.push(found.double.unwrap().phc);
    }
    assert_eq!(
        doubles.first(),
        doubles.last(),
        "whose id ends first follows the last"
    );
    let different: HashSet<_> = doubles.iter().collect();
    // A hundredth each on average; ids that end next to each other leave one of them fewer.
    assert!(different.len() > 60, "{}", different.len());
    let most = different
        .iter()
        .map(|one| doubles.iter().filter(|other| other == one).count());
    assert!(most.max() < Some(150), "{doubles:?}");
}
