//! SQL of lists.
//!
//! Owns [`statement`]: conditions only where they are asked for, so that PostgreSQL plans for what is
//! there; each order ends with the id and has an index. Where rows are passed over, the ids of a part are
//! found first, in an index alone, and only those products are read. Values are parameters, always.

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::domain::Product;
use super::query::{Column, Edge, Filter, ListQuery, Part, Position};
use super::store::{COLUMNS, product};
use crate::db::{self, DbTime, QueryType, Total, observed};
use crate::error::{Error, Result};
use crate::extract::sort::Sort;

impl Column {
    const fn sql(self) -> &'static str {
        match self {
            Self::Sku => "sku",
            Self::Name => "name",
            Self::Price => "products.price",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
        }
    }
}

/// The products of one part of the list, and one more when it is not the last.
pub(super) async fn list(connection: &mut PgConnection, query: &ListQuery) -> Result<Vec<Product>> {
    let fail = |error| Error::database("list products", error);
    let mut statement = statement("", query);
    let rows = statement.build().fetch_all(connection);
    let rows = observed(QueryType::Select, "products.list", rows)
        .await
        .map_err(fail)?;
    rows.iter()
        .map(product)
        .collect::<Result<_, _>>()
        .map_err(fail)
}

/// How many products match.
pub(super) async fn count(connection: &mut PgConnection, filter: &Filter) -> Result<Total> {
    let statement = |select: &'static str| {
        let mut sql = QueryBuilder::new(select);
        sql.push(" FROM products WHERE true");
        matching(&mut sql, filter);
        sql
    };
    db::count(connection, "products.count", statement)
        .await
        .map_err(|error| Error::database("count products", error))
}

fn statement(prefix: &'static str, query: &ListQuery) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(prefix);
    let (limit, offset) = match &query.part {
        Part::Window { limit, .. } => (i64::from(*limit) + 1, 0),
        Part::Page(page) => (page.limit_and_one(), page.offset()),
    };
    let direction = if query.sort.descending { "DESC" } else { "ASC" };
    let order = format!(
        " ORDER BY {} {direction}, id {direction}",
        query.sort.column.sql()
    );
    // Where every row that is read is shown, finding the ids first would only cost.
    let passes_over = offset > 0 || query.filter != Filter::default();
    if passes_over {
        sql.push("WITH part AS (SELECT id");
    } else {
        sql.push("SELECT ").push(COLUMNS);
    }
    sql.push(" FROM products WHERE true");
    matching(&mut sql, &query.filter);
    if let Part::Window {
        after: Some(after), ..
    } = &query.part
    {
        beyond(&mut sql, query.sort, after);
    }
    sql.push(&order).push(" LIMIT ").push_bind(limit);
    sql.push(" OFFSET ").push_bind(offset);
    if passes_over {
        sql.push(") SELECT ").push(COLUMNS);
        sql.push(" FROM products WHERE id IN (SELECT id FROM part)");
        sql.push(&order);
    }
    sql
}

fn matching(sql: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if let Some(sku) = &filter.sku {
        sql.push(" AND sku = ").push_bind(sku.as_str().to_owned());
    }
    if let Some(active) = filter.active {
        sql.push(" AND active = ").push_bind(active);
    }
    if let Some(currency) = filter.currency {
        sql.push(" AND currency = ").push_bind(currency.code());
    }
    let prices = [(">=", filter.min_price), ("<=", filter.max_price)];
    for (operator, price) in prices {
        if let Some(price) = price {
            sql.push(format_args!(" AND products.price {operator} "));
            sql.push_bind(price.to_string()).push("::text::numeric");
        }
    }
    let times = [(">=", filter.created_after), ("<", filter.created_before)];
    for (operator, time) in times {
        if let Some(time) = time {
            sql.push(format_args!(" AND created_at {operator} "));
            sql.push_bind(DbTime::truncated(time));
        }
    }
}

/// Rows after `position` in the order `sort`, which the id makes total.
fn beyond(sql: &mut QueryBuilder<Postgres>, sort: Sort<Column>, position: &Position) {
    let operator = if sort.descending { "<" } else { ">" };
    sql.push(format_args!(
        " AND ({}, id) {operator} (",
        sort.column.sql()
    ));
    match &position.edge {
        Edge::Text(text) => sql.push_bind(text.clone()),
        Edge::Price(price) => sql.push_bind(price.to_string()).push("::text::numeric"),
        Edge::Time(time) => sql.push_bind(DbTime::truncated(*time)),
    };
    sql.push(", ").push_bind(position.id).push(")");
}

#[cfg(test)]
mod plan;
