//! What tests of query plans share: a table of a million rows, and what PostgreSQL would do with it.

use std::collections::BTreeSet;

use erpgo_test_kit::postgres::{self, TestDatabase};
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection, Postgres, QueryBuilder, Row as _};

use super::connect::SESSION;
use crate::migrate::{Options, Runner, embedded};

/// Reading all of a million rows costs more than ten times this; so does sorting them.
pub const MOST: f64 = 3_000.0;

/// An empty database at the current schema, on a connection whose statements are planned as the API's are.
pub async fn migrated() -> (TestDatabase, PgConnection) {
    let database = postgres::database().await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    let mut connection = options.options(SESSION).connect().await.unwrap();
    let runner = Runner::new(embedded().unwrap(), Options::default());
    runner.run(&mut connection, &mut Vec::new()).await.unwrap();
    (database, connection)
}

/// Runs what has no parameters.
pub async fn sql(connection: &mut PgConnection, text: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned()))
        .execute(connection)
        .await
        .unwrap();
}

/// Fills `table` by `insert`; its indexes are built afterwards, which takes a third of the time.
pub async fn fill(connection: &mut PgConnection, table: &str, insert: &str) {
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = $1 AND indexname <> $1 || '_pkey'",
    )
    .bind(table)
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    for (name, _) in &indexes {
        sql(connection, &format!("DROP INDEX {name}")).await;
    }
    // A million rows take longer than any request.
    sql(connection, "SET statement_timeout = 0").await;
    sql(connection, insert).await;
    sql(connection, "SET maintenance_work_mem = '256MB'").await;
    for (_, definition) in &indexes {
        // Of a partitioned table PostgreSQL tells the half that leaves the partitions out.
        sql(connection, &definition.replace(" ON ONLY ", " ON ")).await;
    }
    // As autovacuum leaves it: what an index alone can answer, it does.
    sql(connection, &format!("VACUUM ANALYZE {table}")).await;
}

fn nodes<'a>(plan: &'a Value, found: &mut Vec<&'a str>) {
    found.extend(plan["Node Type"].as_str());
    for inner in plan["Plans"].as_array().into_iter().flatten() {
        nodes(inner, found);
    }
}

/// Asserts that the statement, which begins with EXPLAIN (FORMAT JSON), reads `table` by an index and
/// costs no more than `most`.
pub async fn by_index(
    connection: &mut PgConnection,
    mut statement: QueryBuilder<Postgres>,
    most: f64,
    what: &str,
) {
    let row = statement.build().fetch_one(connection).await.unwrap();
    let plan: Value = row.try_get(0).unwrap();
    let plan = &plan[0]["Plan"];
    let mut found = Vec::new();
    nodes(plan, &mut found);
    assert!(!found.contains(&"Seq Scan"), "{what}: {found:?}\n{plan:#}");
    assert!(
        found.iter().any(|node| node.contains("Index")),
        "{what}: {found:?}"
    );
    let cost = plan["Total Cost"].as_f64().unwrap();
    assert!(cost < most, "{what} costs {cost}: {plan:#}");
}

/// The parameters that the document has of the list at `path`.
pub fn parameters(path: &str) -> Vec<Value> {
    let document = serde_json::to_value(crate::router::document()).unwrap();
    let parameters = document["paths"][path]["get"]["parameters"].as_array();
    parameters.cloned().unwrap_or_default()
}

/// Asserts that `queries`, as clients write them, use every parameter that the document has of the list at
/// `path`, and no other: one that is new needs its plans looked at.
pub fn asks_for_all(path: &str, queries: &[String]) {
    let parameters = parameters(path);
    let documented: BTreeSet<_> = parameters
        .iter()
        .filter(|parameter| parameter["in"] == "query")
        .map(|parameter| parameter["name"].as_str().unwrap())
        .collect();
    assert!(!documented.is_empty(), "{path} has no parameters");
    let pairs = queries.iter().flat_map(|query| query.split('&'));
    let asked: BTreeSet<_> = pairs
        .filter_map(|pair| Some(pair.split_once('=')?.0))
        .collect();
    assert_eq!(asked, documented, "{path}");
}
