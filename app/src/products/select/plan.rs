//! Lists of a million products are read through an index, whatever is asked for.

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::{count, statement};
use crate::db::plan::{MOST, by_index, fill, migrated};
use crate::extract::query::parse;
use crate::extract::sort::SortColumn as _;
use crate::products::domain::Product;
use crate::products::query::{Column, ListQuery, Part};
use crate::products::store::{COLUMNS, product};

const MILLION: &str = "
    INSERT INTO products (id, sku, name, price, currency, active, created_at, updated_at)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'S-' || n, 'name ' || n % 5000,
           (n % 10000) / 100.0, (ARRAY['EUR', 'USD', 'GBP', 'JPY', 'CHF'])[1 + n % 5], n % 100 <> 0,
           '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 second',
           '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 second'
    FROM generate_series(1, 1000000) n";

const FILTERS: [&str; 9] = [
    "",
    "&active=true",
    "&active=false",
    "&currency=EUR",
    "&currency=EUR&min_price=50",
    "&currency=EUR&min_price=50&max_price=51&active=true",
    "&created_after=2026-01-05T00:00:00Z&created_before=2026-01-05T01:00:00Z",
    "&currency=EUR&created_after=2026-01-05T00:00:00Z",
    "&sku=S-500000",
];

/// Asserts that the plan of `query` reads products by an index and costs little.
async fn cheap(connection: &mut PgConnection, query: &ListQuery, what: &str) {
    by_index(
        connection,
        statement("EXPLAIN (FORMAT JSON) ", query),
        MOST,
        what,
    )
    .await;
}

/// Asserts that the number of what matches is there soon, or an estimate of it is.
async fn bounded_count(connection: &mut PgConnection, filter: &str) {
    let query: ListQuery = parse(&format!("limit=20{filter}")).unwrap();
    let begun = Instant::now();
    let total = count(connection, &query.filter).await.unwrap();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "{filter}: {took:?}");
    let everything = filter.is_empty();
    assert!(!(everything && total.is_exact), "{total:?}");
}

async fn in_the_middle(connection: &mut PgConnection) -> Product {
    let text = format!("SELECT {COLUMNS} FROM products WHERE sku = 'S-500000'");
    let row = sqlx::query(sqlx::AssertSqlSafe(text))
        .fetch_one(connection)
        .await
        .unwrap();
    product(&row).unwrap()
}

#[tokio::test]
async fn r06_2_each_order_and_filter_has_an_index_at_a_million_products() {
    let (_database, mut connection) = migrated().await;
    fill(&mut connection, "products", MILLION).await;
    let middle = in_the_middle(&mut connection).await;
    let mut checked = 0;
    for (column, _) in Column::ALL {
        for sign in ["", "-"] {
            for filter in FILTERS {
                if *column == "price" && !filter.contains("currency") {
                    continue;
                }
                let text = format!("sort={sign}{column}&limit=20{filter}");
                let query: ListQuery = parse(&text).unwrap();
                cheap(&mut connection, &query, &text).await;
                let next = format!("{text}&cursor={}", query.cursor_after(&middle));
                let next_query: ListQuery = parse(&next).unwrap();
                assert!(matches!(
                    &next_query.part,
                    Part::Window { after: Some(_), .. }
                ));
                cheap(&mut connection, &next_query, &format!("{text}, further on")).await;
                checked += 2;
            }
        }
    }
    assert!(checked >= 150, "{checked}");
    for filter in FILTERS {
        bounded_count(&mut connection, filter).await;
    }
}
