//! SQL of lists of users.
//!
//! Owns [`list`] and [`count`]: conditions only where they are asked for, so that PostgreSQL plans for
//! what is there. The ids of a part are found first, in an index alone where it can be, and only those
//! users are read. Columns of a sort come from an enum, never from text (R2.2).

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::domain::User;
use super::list::{Filter, ListQuery, Order, SortColumn};
use super::position::{Edge, Position};
use super::store::{SELECT, user};
use crate::db::{self, DbTime, QueryType, Total, observed};
use crate::error::{Error, Result};

/// The users of one part of the list, and one more when it is not the last.
pub(super) async fn list(connection: &mut PgConnection, query: &ListQuery) -> Result<Vec<User>> {
    let fail = |error| Error::database("list users", error);
    let mut statement = statement("", query);
    let rows = statement.build().fetch_all(connection);
    let rows = observed(QueryType::Select, "users.list", rows)
        .await
        .map_err(fail)?;
    rows.iter()
        .map(user)
        .collect::<Result<_, _>>()
        .map_err(fail)
}

/// How many users match.
pub(super) async fn count(connection: &mut PgConnection, filter: &Filter) -> Result<Total> {
    let statement = |select: &'static str| {
        let mut sql = QueryBuilder::new(select);
        sql.push(" FROM users u WHERE true");
        matching(&mut sql, filter);
        sql
    };
    db::count(connection, "users.count", statement)
        .await
        .map_err(|error| Error::database("count users", error))
}

fn statement(prefix: &'static str, query: &ListQuery) -> QueryBuilder<Postgres> {
    let ListQuery { filter, part } = query;
    let mut sql = QueryBuilder::new(prefix);
    let (column, direction) = (filter.sort.column(), filter.order.keyword());
    let order = format!(" ORDER BY {column} {direction}, u.id {direction}");
    sql.push("WITH part AS (SELECT u.id FROM users u WHERE true");
    matching(&mut sql, filter);
    if let Some(position) = part.after() {
        beyond(&mut sql, filter, position);
    }
    sql.push(&order).push(" LIMIT ");
    sql.push_bind(part.limit_and_one()).push(" OFFSET ");
    sql.push_bind(part.offset()).push(")").push(SELECT);
    sql.push(" WHERE u.id IN (SELECT id FROM part) GROUP BY u.id");
    sql.push(&order);
    sql
}

fn matching(sql: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if let Some(search) = &filter.search {
        let pattern = contains(search);
        let columns = [" AND (u.email", " OR u.first_name", " OR u.last_name"];
        for column in columns {
            sql.push(column).push(" ILIKE ").push_bind(pattern.clone());
        }
        sql.push(")");
    }
    if let Some(is_active) = filter.is_active {
        sql.push(" AND u.is_active = ").push_bind(is_active);
    }
}

/// Rows after `position` in the order of `filter`, which the id makes total.
fn beyond(sql: &mut QueryBuilder<Postgres>, filter: &Filter, position: &Position) {
    let operator = match filter.order {
        Order::Ascending => ">",
        Order::Descending => "<",
    };
    let column = filter.sort.column();
    sql.push(format_args!(" AND ({column}, u.id) {operator} ("));
    match &position.edge {
        Edge::Email(text) => sql.push("lower(").push_bind(text.clone()).push(")"),
        Edge::Name(text) => sql.push_bind(text.clone()),
        Edge::Time(time) => sql.push_bind(DbTime::truncated(*time)),
    };
    sql.push(", ").push_bind(position.id).push(")");
}

impl SortColumn {
    const fn column(self) -> &'static str {
        match self {
            Self::Email => "lower(u.email)",
            Self::FirstName => "u.first_name",
            Self::LastName => "u.last_name",
            Self::CreatedAt => "u.created_at",
        }
    }
}

// The wildcards of LIKE are ordinary characters to whoever searches (R2.4).
fn contains(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    format!("%{escaped}%")
}

#[cfg(test)]
mod plan;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r02_4_wildcards_are_searched_for_as_they_are() {
        assert_eq!(contains(r"50%_\"), r"%50\%\_\\%");
    }
}
