//! Lists of a million products are read through an index, whatever is asked for.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, QueryBuilder};

use super::{count, statement};
use crate::db::plan::{MOST, asks_for_all, by_index, fill, migrated};
use crate::extract::query::parse;
use crate::extract::sort::SortColumn as _;
use crate::products::domain::Product;
use crate::products::query::{Column, ListQuery, Part};
use crate::products::store::{COLUMNS, FIND, product};

/// When whoever waits for a page has its total.
const SOON: Duration = Duration::from_secs(2);

const MILLION: &str = "
    INSERT INTO products (id, sku, name, price, currency, active, created_at, updated_at)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'S-' || n, 'name ' || n % 5000,
           (n % 10000) / 100.0, (ARRAY['EUR', 'USD', 'GBP', 'JPY', 'CHF'])[1 + n % 5], n % 100 <> 0,
           '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 second',
           '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 second'
    FROM generate_series(1, 1000000) n";

/// Each filter by itself, wide and narrow, and some together.
const FILTERS: [&str; 21] = [
    "",
    "&sku=S-500000",
    "&active=true",
    "&active=false",
    "&currency=EUR",
    "&currency=CAD",
    "&currency=EUR&min_price=50",
    "&currency=EUR&min_price=99.95",
    "&currency=EUR&max_price=50",
    "&currency=EUR&max_price=0.05",
    "&created_after=2026-01-05T00:00:00Z",
    "&created_after=2026-01-12T13:46:00Z",
    "&created_before=2026-01-05T00:00:00Z",
    "&created_before=2026-01-01T00:01:00Z",
    "&currency=EUR&min_price=50&max_price=51&active=true",
    // As many rows as are dear both to sort and to look for in another order.
    "&currency=EUR&min_price=50&max_price=52.30",
    "&created_after=2026-01-05T00:00:00Z&created_before=2026-01-05T01:00:00Z",
    "&currency=EUR&created_after=2026-01-05T00:00:00Z",
    "&active=false&created_before=2026-01-05T00:00:00Z",
    "&active=true&currency=EUR&min_price=10&max_price=90&created_after=2026-01-02T00:00:00Z\
     &created_before=2026-01-11T00:00:00Z",
    "&sku=S-500000&active=true&currency=EUR&min_price=0&max_price=100\
     &created_after=2026-01-01T00:00:00Z&created_before=2026-02-01T00:00:00Z",
];
/// Pages deep in a list that is long enough for them, and what each may cost: so many entries of an index,
/// and none of the table; 5001 is the deepest that may be asked for.
const DEEP: [(&str, f64); 7] = [
    ("&page=5001", 12_000.0),
    ("&page=5001&active=true", 12_000.0),
    ("&page=500&active=false", 3_000.0),
    // A fifth of all: half of the index is passed over.
    ("&page=5001&currency=EUR", 40_000.0),
    ("&page=5001&created_after=2026-01-05T00:00:00Z", 12_000.0),
    (
        "&page=180&created_after=2026-01-05T00:00:00Z&created_before=2026-01-05T01:00:00Z",
        12_000.0,
    ),
    (
        "&page=230&currency=EUR&min_price=50&max_price=52.30",
        12_000.0,
    ),
];

/// Asserts that the plan of the list that `text` asks for reads products by an index and costs little.
async fn cheap(connection: &mut PgConnection, text: &str, most: f64) -> ListQuery {
    let query: ListQuery = parse(text).unwrap();
    let explain = statement("EXPLAIN (FORMAT JSON) ", &query);
    by_index(connection, explain, most, text).await;
    query
}

/// Asserts that the number of what matches is there soon, or an estimate of it is.
async fn bounded_count(connection: &mut PgConnection, filter: &str) {
    let query: ListQuery = parse(&format!("limit=20{filter}")).unwrap();
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        let total = count(connection, &query.filter).await.unwrap();
        fastest = fastest.min(begun.elapsed());
        let everything = filter.is_empty();
        assert!(!(everything && total.is_exact), "{total:?}");
        if fastest < SOON {
            return;
        }
    }
    // The best of three: a busy machine makes any one of them late.
    panic!("{filter}: {fastest:?}");
}

async fn in_the_middle(connection: &mut PgConnection) -> Product {
    let text = format!("SELECT {COLUMNS} FROM products WHERE sku = 'S-500000'");
    let row = sqlx::query(sqlx::AssertSqlSafe(text))
        .fetch_one(connection)
        .await
        .unwrap();
    product(&row).unwrap()
}

/// Every order there is, both ways.
fn orders() -> impl Iterator<Item = String> {
    let columns = Column::ALL.iter();
    columns.flat_map(|(column, _)| ["", "-"].map(|sign| format!("sort={sign}{column}&limit=20")))
}

/// Prices compare within one currency.
fn is_allowed(order: &str, filter: &str) -> bool {
    !order.contains("price") || filter.contains("currency")
}

/// A list from its beginning and from the middle on.
async fn windows(connection: &mut PgConnection, text: &str, middle: &Product) {
    let query = cheap(connection, text, MOST).await;
    let next = format!("{text}&cursor={}", query.cursor_after(middle));
    let further = cheap(connection, &next, MOST).await;
    assert!(matches!(further.part, Part::Window { after: Some(_), .. }));
}

#[tokio::test]
async fn r06_2_each_order_and_filter_has_an_index_at_a_million_products() {
    let (_database, mut connection) = migrated().await;
    fill(&mut connection, "products", MILLION).await;
    let middle = in_the_middle(&mut connection).await;
    let mut checked = 0;
    for order in orders() {
        for filter in FILTERS {
            if is_allowed(&order, filter) {
                windows(&mut connection, &format!("{order}{filter}"), &middle).await;
                checked += 1;
            }
        }
        for (filter, most) in DEEP {
            if is_allowed(&order, filter) {
                cheap(&mut connection, &format!("{order}{filter}"), most).await;
            }
        }
    }
    // Four orders with every filter, and prices with those that name a currency.
    assert_eq!(checked, 4 * 2 * 21 + 2 * 11);
    for filter in FILTERS {
        bounded_count(&mut connection, filter).await;
    }
    let ids =
        "'{00000000-0000-7000-8000-000000000007, 00000000-0000-7000-8000-000001000000}'::uuid[]";
    let find = format!("EXPLAIN (FORMAT JSON) {}", FIND.replace("$1", ids));
    by_index(
        &mut connection,
        QueryBuilder::new(find),
        MOST / 10.0,
        "single products",
    )
    .await;
}

#[test]
fn r06_2_every_parameter_of_the_list_is_among_them() {
    let mut asked: Vec<_> = orders().collect();
    asked.extend(FILTERS.map(str::to_owned));
    asked.extend(DEEP.map(|(filter, _)| filter.to_owned()));
    // With which each window goes on.
    asked.push("cursor=".to_owned());
    asks_for_all("/api/v1/products", &asked);
}
