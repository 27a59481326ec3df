//! How many rows match, at a bounded price.
//!
//! Owns [`count`]. PostgreSQL counts by reading; where that would take long, the number that the planner
//! expects stands in its place, and the answer says so. It never reads more than [`MOST`] allows.

use serde_json::Value;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row as _};

use super::{QueryType, observed};

/// What a count may cost, in the planner's units: tens of milliseconds, some 300 000 short rows.
const MOST: f64 = 10_000.0;

/// Rows that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// How many.
    pub rows: u64,
    /// Whether they were counted, not estimated.
    pub is_exact: bool,
}

/// Counts the rows of `SELECT <what it is given> FROM …`, which `statement` builds after the text before
/// and between.
pub async fn count(
    connection: &mut PgConnection,
    name: &'static str,
    statement: impl Fn(&'static str) -> QueryBuilder<Postgres>,
) -> Result<Total, sqlx::Error> {
    let mut explain = statement("EXPLAIN (FORMAT JSON) SELECT 1");
    let planned = explain.build().fetch_one(&mut *connection);
    let row = observed(QueryType::Select, name, planned).await?;
    let expected = Expected::of(&row.try_get(0)?);
    if expected.cost > MOST {
        return Ok(Total {
            rows: expected.rows,
            is_exact: false,
        });
    }
    let mut counted = statement("SELECT count(*)");
    let counted = counted.build_query_scalar::<i64>().fetch_one(connection);
    let rows = observed(QueryType::Select, name, counted).await?;
    Ok(Total {
        rows: u64::try_from(rows).unwrap_or(0),
        is_exact: true,
    })
}

/// What the planner expects of a query.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Expected {
    rows: u64,
    cost: f64,
}

impl Expected {
    /// A plan that is not understood is taken for a dear one: a count without bound is worse.
    fn of(plan: &Value) -> Self {
        let plan = &plan[0]["Plan"];
        Self {
            rows: plan["Plan Rows"].as_u64().unwrap_or(0),
            cost: plan["Total Cost"].as_f64().unwrap_or(f64::INFINITY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_planner_says_is_read() {
        let plan =
            json!([{"Plan": {"Node Type": "Seq Scan", "Plan Rows": 12, "Total Cost": 34.5}}]);
        let expected = Expected::of(&plan);
        assert_eq!((expected.rows, expected.cost), (12, 34.5));
        assert!(Expected::of(&json!({})).cost > MOST);
    }
}
