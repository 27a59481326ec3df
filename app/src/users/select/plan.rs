//! Lists of a million users are read through an index, whatever is asked for.

use sqlx::PgConnection;

use super::{count, statement};
use crate::db::plan::{MOST, asks_for_all, by_index, fill, migrated, parameters};
use crate::extract::query::parse;
use crate::users::UserId;
use crate::users::domain::User;
use crate::users::list::{ListQuery, SortColumn};
use crate::users::position::cursor_after;
use crate::users::store::count_active;

/// Names are many and some are frequent, as names are.
const MILLION: &str = "
    INSERT INTO users (id, email, first_name, last_name, password_hash, pepper_kid, is_active,
                       created_at, updated_at)
    SELECT gen_random_uuid(), 'user' || n || '@' || substr(md5(n::text), 1, 8) || '.example.org',
           'First' || n % 997, substr(md5((n * 7)::text), 1, 12), '', '', n % 100 <> 0,
           '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 second', now()
    FROM generate_series(1, 1000000) n";
const SORTS: [&str; 4] = ["email", "first_name", "last_name", "created_at"];
const FILTERS: [&str; 8] = [
    "",
    "&is_active=true",
    "&is_active=false",
    // Everybody, some, one, nobody.
    "&search=example",
    "&search=First99",
    "&search=user500000%40",
    "&search=nobodyatall",
    "&search=user500000%40&is_active=true",
];
/// The deepest page that may be asked for, in the index alone.
const DEEP: f64 = 12_000.0;

async fn page(connection: &mut PgConnection, text: &str, most: f64) -> ListQuery {
    let query: ListQuery = parse(text).unwrap();
    let explain = statement("EXPLAIN (FORMAT JSON) ", &query);
    by_index(connection, explain, most, text).await;
    query
}

/// What of the list that `text` asks for follows a user in the middle.
fn further(text: &str) -> String {
    let at = "2026-01-06T18:53:20Z".parse().unwrap();
    let middle = User {
        id: UserId::new(),
        email: "User500000@3f8e9a1b.example.org".to_owned(),
        first_name: "First501".to_owned(),
        last_name: "7fff".to_owned(),
        is_active: true,
        email_verified: false,
        roles: Vec::new(),
        version: 1,
        created_at: at,
        updated_at: at,
    };
    let query: ListQuery = parse(text).unwrap();
    format!("{text}&cursor={}", cursor_after(&query.filter, &middle))
}

/// Every order, both ways, with each filter, from the beginning and from the middle on; and what that may cost.
fn asked() -> Vec<(String, f64)> {
    let mut asked = Vec::new();
    for sort in SORTS {
        for order in ["asc", "desc"] {
            let text = format!("sort_by={sort}&sort_order={order}&limit=20");
            let lists = FILTERS.map(|filter| format!("{text}{filter}"));
            asked.extend(lists.iter().map(|list| (further(list), MOST)));
            asked.extend(lists.map(|list| (list, MOST)));
            let deep = ["&page=5001", "&page=5001&is_active=true"];
            asked.extend(deep.map(|filter| (format!("{text}{filter}"), DEEP)));
        }
    }
    asked
}

/// A column that is new needs its name here, and then among [`SORTS`].
fn name(column: SortColumn) -> &'static str {
    match column {
        SortColumn::Email => "email",
        SortColumn::FirstName => "first_name",
        SortColumn::LastName => "last_name",
        SortColumn::CreatedAt => "created_at",
    }
}

/// The columns that the document says a list may be sorted by.
fn documented() -> Vec<String> {
    let mut parameters = parameters("/api/v1/users").into_iter();
    let sort = parameters.find(|parameter| parameter["name"] == "sort_by");
    let sort = sort.unwrap();
    let text = sort["description"].as_str().unwrap();
    let listed = text.strip_prefix("One of ").unwrap().trim_end_matches('.');
    listed.split(", ").map(str::to_owned).collect()
}

#[test]
fn r06_2_every_parameter_and_order_of_the_list_is_among_them() {
    let asked = asked().into_iter().map(|(text, _)| text);
    asks_for_all("/api/v1/users", &asked.collect::<Vec<_>>());
    let mut sorts = SORTS;
    sorts.sort_unstable();
    assert_eq!(documented(), sorts);
    for sort in SORTS {
        let query: ListQuery = parse(&format!("sort_by={sort}")).unwrap();
        assert_eq!(name(query.filter.sort), sort);
    }
}

#[tokio::test]
async fn r06_2_each_order_and_filter_has_an_index_at_a_million_users() {
    let (_database, mut connection) = migrated().await;
    fill(&mut connection, "users", MILLION).await;
    let asked = asked();
    assert_eq!(asked.len(), 4 * 2 * (2 * 8 + 2));
    for (text, most) in asked {
        page(&mut connection, &text, most).await;
    }
    numbers(&mut connection).await;
}

/// Counted where that is cheap, and estimated to within a few percent where it is not.
async fn numbers(connection: &mut PgConnection) {
    for (filter, expected, counted) in [
        ("", 1_000_000, false),
        ("&is_active=true", 990_000, false),
        ("&search=user500000%40", 1, true),
        ("&search=nobodyatall", 0, true),
    ] {
        let query: ListQuery = parse(&format!("limit=20{filter}")).unwrap();
        let total = count(connection, &query.filter).await.unwrap();
        assert_eq!(total.is_exact, counted, "{filter}: {total:?}");
        let off = total.rows.abs_diff(expected);
        assert!(off <= expected / 20, "{filter}: {total:?}");
    }
    // What every process asks each minute.
    let active = count_active(connection).await.unwrap();
    assert!(!active.is_exact, "{active:?}");
    assert!(active.rows.abs_diff(990_000) <= 990_000 / 20, "{active:?}");
}

#[tokio::test]
async fn few_users_who_may_sign_in_are_counted() {
    let (_database, mut connection) = migrated().await;
    let few = MILLION.replace("1000000) n", "1000) n");
    fill(&mut connection, "users", &few).await;
    let active = count_active(&mut connection).await.unwrap();
    assert_eq!((active.rows, active.is_exact), (990, true));
}
