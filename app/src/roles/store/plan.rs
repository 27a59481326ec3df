//! The list of a million roles is read through an index.

use sqlx::PgConnection;

use super::statement;
use crate::db::plan::{MOST, asks_for_all, by_index, fill, migrated};
use crate::extract::query::parse;
use crate::roles::domain::Role;
use crate::roles::list::{ListQuery, cursor_after};
use crate::users::RoleId;

/// Names in no order of their own.
const MILLION: &str = "
    INSERT INTO roles (id, name, created_at, updated_at)
    SELECT gen_random_uuid(), substr(md5(n::text), 1, 20), now(), now()
    FROM generate_series(1, 1000000) n";
/// What is asked for, and what it may cost. The deepest page passes over a tenth of all roles, each of
/// which is read; to sort them all would cost three times as much.
const PAGES: [(&str, f64); 4] = [
    ("", MOST),
    ("limit=1000", MOST),
    ("page=50&limit=20", MOST),
    ("page=5001&limit=20", 30_000.0),
];

async fn part(connection: &mut PgConnection, text: &str, most: f64) {
    let ListQuery(part) = parse(text).unwrap();
    let explain = statement("EXPLAIN (FORMAT JSON) ", &part);
    by_index(connection, explain, most, text).await;
}

/// What follows a role in the middle.
fn further() -> String {
    let (id, at) = (RoleId::new(), jiff::Timestamp::UNIX_EPOCH);
    let middle = Role {
        id,
        name: "7fff".to_owned(),
        description: String::new(),
        permissions: Vec::new(),
        is_system: false,
        version: 1,
        created_at: at,
        updated_at: at,
    };
    format!("limit=20&cursor={}", cursor_after(&middle))
}

#[tokio::test]
async fn r06_2_the_list_has_an_index_at_a_million_roles() {
    let (_database, mut connection) = migrated().await;
    fill(&mut connection, "roles", MILLION).await;
    for (text, most) in PAGES {
        part(&mut connection, text, most).await;
    }
    part(&mut connection, &further(), MOST).await;
}

#[test]
fn r06_2_every_parameter_of_the_list_is_among_them() {
    let pages = PAGES.iter().map(|(text, _)| (*text).to_owned());
    let asked: Vec<_> = pages.chain([further()]).collect();
    asks_for_all("/api/v1/roles", &asked);
}
