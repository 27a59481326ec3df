//! What a list of products may be asked for.
//!
//! Owns [`ListQuery`]: order, filter and part, each from a whitelist. The name of a column that reaches
//! SQL is one of [`Column`], whatever the client wrote (R2.2, P4).

use jiff::Timestamp;
use utoipa::IntoParams;

use super::ProductId;
use super::currency::Currency;
use super::domain::{Price, Product, Sku};
use crate::extract::moment::{self, Moment};
use crate::extract::page::cursor::{self, Cursor};
use crate::extract::page::{self, Page};
use crate::extract::sort::{Sort, SortColumn};
use crate::extract::{FromQuery, Params};

/// What a list may be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// SKU, byte by byte.
    Sku,
    /// Name.
    Name,
    /// Price, within one currency.
    Price,
    /// When it was created.
    CreatedAt,
    /// When it was last changed.
    UpdatedAt,
}

impl SortColumn for Column {
    const ALL: &'static [(&'static str, Self)] = &[
        ("sku", Self::Sku),
        ("name", Self::Name),
        ("price", Self::Price),
        ("created_at", Self::CreatedAt),
        ("updated_at", Self::UpdatedAt),
    ];
    const RULE: &'static str = "must be one of sku, name, price, created_at, updated_at, with - before it for largest first";
}

/// The value in the column of the order at which a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edge {
    /// SKU or name.
    Text(String),
    /// Price.
    Price(Price),
    /// A time.
    Time(Timestamp),
}

/// Where a list goes on: after this row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Its value in the column of the order.
    pub edge: Edge,
    /// Its id.
    pub id: ProductId,
}

/// Which products are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The one with this SKU.
    pub sku: Option<Sku>,
    /// Only those that are, or are not, for sale.
    pub active: Option<bool>,
    /// Only those with a price in this currency.
    pub currency: Option<Currency>,
    /// Only those that cost this or more.
    pub min_price: Option<Price>,
    /// Only those that cost this or less.
    pub max_price: Option<Price>,
    /// Only those created at this time or later.
    pub created_after: Option<Timestamp>,
    /// Only those created before this time.
    pub created_before: Option<Timestamp>,
}

/// Which part of the list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// So many, from the beginning or after a position.
    Window {
        /// Entries.
        limit: u32,
        /// After this row.
        after: Option<Position>,
    },
    /// A numbered page.
    Page(Page),
}

/// One question for a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Which products.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort<Column>,
    /// Which part.
    pub part: Part,
}

impl FromQuery for ListQuery {
    fn read(params: &mut Params) -> Self {
        let filter = Filter::read(params);
        let default = Sort {
            column: Column::CreatedAt,
            descending: false,
        };
        let sort = Sort::read(params, default);
        if sort.column == Column::Price && filter.currency.is_none() {
            params.fault(
                "sort",
                "needs_currency",
                "prices compare within one currency; add currency",
            );
        }
        let part = part(params, &list(&filter, sort), sort.column);
        Self { filter, sort, part }
    }
}

impl FromQuery for Filter {
    fn read(params: &mut Params) -> Self {
        const PRICE: &str = "must be a decimal such as 12.50";
        let filter = Self {
            sku: params.take_parsed("sku", "must be a SKU"),
            active: params.take_parsed("active", "must be true or false"),
            currency: params.take_parsed("currency", "must be a currency such as EUR"),
            min_price: params.take_parsed("min_price", PRICE),
            max_price: params.take_parsed("max_price", PRICE),
            created_after: moment::take(params, "created_after"),
            created_before: moment::take(params, "created_before"),
        };
        let bounded = [
            ("min_price", filter.min_price),
            ("max_price", filter.max_price),
        ];
        for (name, bound) in bounded {
            if bound.is_some() && filter.currency.is_none() {
                params.fault(
                    name,
                    "needs_currency",
                    "prices compare within one currency; add currency",
                );
            }
        }
        filter
    }
}

fn part(params: &mut Params, list: &str, column: Column) -> Part {
    let limit = page::limit(params);
    let cursor = params.take("cursor");
    let Some(page) = page::number(params) else {
        let after = cursor
            .as_ref()
            .and_then(|text| position(list, column, text));
        if cursor.is_some() && after.is_none() {
            params.fault("cursor", "invalid_value", page::part::OF_THE_SAME_LIST);
        }
        return Part::Window { limit, after };
    };
    if cursor.is_some() {
        params.fault("cursor", "not_allowed", "give either cursor or page");
    }
    Part::Page(Page::within_reach(params, page, limit))
}

/// Names the list that a cursor belongs to.
fn list(filter: &Filter, sort: Sort<Column>) -> String {
    format!("products {} {filter:?}", sort.text())
}

fn position(list: &str, column: Column, text: &str) -> Option<Position> {
    let values = cursor::decode(list, text)?;
    let [edge, id] = values.as_slice() else {
        return None;
    };
    let edge = match column {
        // Anybody can make a cursor: what no product has may be in it.
        Column::Sku | Column::Name if edge.contains('\0') => return None,
        Column::Sku | Column::Name => Edge::Text(edge.clone()),
        Column::Price => Edge::Price(edge.parse().ok()?),
        Column::CreatedAt | Column::UpdatedAt => Edge::Time(edge.parse::<Moment>().ok()?.into()),
    };
    let id = id.parse().ok()?;
    Some(Position { edge, id })
}

impl ListQuery {
    /// The cursor after `last`.
    #[must_use]
    pub fn cursor_after(&self, last: &Product) -> String {
        let edge = match self.sort.column {
            Column::Sku => last.state.sku.as_str().to_owned(),
            Column::Name => last.state.name.as_str().to_owned(),
            Column::Price => last.state.price.to_string(),
            Column::CreatedAt => last.created_at.to_string(),
            Column::UpdatedAt => last.updated_at.to_string(),
        };
        cursor::encode(&list(&self.filter, self.sort), &[edge, last.id.to_string()])
    }
}

/// Parameters of the list, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what ListQuery reads")]
pub(super) struct ListParams {
    /// Entries.
    #[param(default = 20, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The next_cursor of the answer before; the list goes on after it.
    #[param(inline)]
    cursor: Option<Cursor>,
    /// A numbered page instead of a cursor, with the total; from 1.
    #[param(minimum = 1)]
    page: Option<u32>,
    /// One of sku, name, price, created_at, updated_at; with - before it the largest first.
    #[param(
        default = "created_at",
        pattern = "^-?(sku|name|price|created_at|updated_at)$"
    )]
    sort: Option<String>,
    /// The one with this SKU.
    #[param(inline)]
    sku: Option<Sku>,
    /// Only those that are, or are not, for sale.
    active: Option<bool>,
    /// Only those with a price in this currency; needed where prices are compared.
    #[param(inline)]
    currency: Option<Currency>,
    /// Only those that cost this or more.
    #[param(inline)]
    min_price: Option<Price>,
    /// Only those that cost this or less.
    #[param(inline)]
    max_price: Option<Price>,
    /// Only those created at this time or later.
    #[param(format = DateTime)]
    created_after: Option<String>,
    /// Only those created before this time.
    #[param(format = DateTime)]
    created_before: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a cursor goes on that somebody made by themselves.
    fn made(column: Column, edge: &str) -> Option<Position> {
        let id = ProductId::new().to_string();
        let cursor = cursor::encode("list", &[edge.to_owned(), id]);
        position("list", column, &cursor)
    }

    #[test]
    fn p03_a_made_cursor_holds_only_what_the_database_can_take() {
        for (column, good, bad) in [
            (Column::Sku, "A-1", "A\0"),
            (Column::Name, "Chair, \u{e9}", "\0"),
            (Column::Price, "12.50", "NaN"),
            (
                Column::CreatedAt,
                "2026-01-31T00:00:00Z",
                "-009000-01-01T00:00:00Z",
            ),
            (
                Column::UpdatedAt,
                "2026-01-31T00:00:00.000001Z",
                "0000-12-31T23:59:59Z",
            ),
        ] {
            assert!(made(column, good).is_some(), "{column:?} {good:?}");
            assert_eq!(made(column, bad), None, "{column:?} {bad:?}");
        }
    }
}
