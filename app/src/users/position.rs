//! Where a list of users goes on.
//!
//! Owns [`Position`] and its cursor, which belongs to one search in one order. Anybody can make a cursor: what no
//! user has must not reach the database by one.

use jiff::Timestamp;

use super::UserId;
use super::domain::User;
use super::list::{Filter, SortColumn};
use crate::extract::moment::Moment;
use crate::extract::page::cursor;

/// A row's value in the column of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// E-mail, whatever its case.
    Email(String),
    /// First or last name.
    Name(String),
    /// A time.
    Time(Timestamp),
}

/// The place of a row in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Its value in the column of the order.
    pub(super) edge: Edge,
    /// Its id.
    pub(super) id: UserId,
}

impl Position {
    /// The place that `cursor` names, if it is one of this list.
    pub(super) fn read(filter: &Filter, cursor: &str) -> Option<Self> {
        let values = cursor::decode(&list(filter), cursor)?;
        let [edge, id] = values.as_slice() else {
            return None;
        };
        let edge = match filter.sort {
            SortColumn::CreatedAt => Edge::Time(edge.parse::<Moment>().ok()?.into()),
            _ if edge.contains('\0') => return None,
            SortColumn::Email => Edge::Email(edge.clone()),
            SortColumn::FirstName | SortColumn::LastName => Edge::Name(edge.clone()),
        };
        let id = id.parse().ok()?;
        Some(Self { edge, id })
    }
}

/// The cursor after `last`.
pub(super) fn cursor_after(filter: &Filter, last: &User) -> String {
    let edge = match filter.sort {
        SortColumn::Email => last.email.clone(),
        SortColumn::FirstName => last.first_name.clone(),
        SortColumn::LastName => last.last_name.clone(),
        SortColumn::CreatedAt => last.created_at.to_string(),
    };
    cursor::encode(&list(filter), &[edge, last.id.to_string()])
}

/// Names the list that a cursor belongs to.
fn list(filter: &Filter) -> String {
    format!("users {filter:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::query::parse;

    #[test]
    fn p03_a_made_cursor_holds_only_what_the_database_can_take() {
        for (column, good, bad) in [
            ("email", "ann@example.org", "\0"),
            ("first_name", "\u{c9}va", "A\0"),
            ("last_name", "", "\0"),
            ("created_at", "2026-01-31T00:00:00Z", "0000-12-31T23:59:59Z"),
        ] {
            let filter: Filter = parse(&format!("sort_by={column}")).unwrap();
            let made = |edge: &str, id: &str| {
                let values = [edge.to_owned(), id.to_owned()];
                Position::read(&filter, &cursor::encode(&list(&filter), &values))
            };
            let id = UserId::new().to_string();
            assert!(made(good, &id).is_some(), "{column} {good:?}");
            assert_eq!(made(bad, &id), None, "{column} {bad:?}");
            assert_eq!(made(good, "7"), None, "{column}");
        }
    }
}
