//! Page and limit of a list.
//!
//! Owns [`Page`] and [`Pagination`] (R2.5: page ≥ 1, limit from 1 to 1000), and [`cursor`] and [`part`] for lists
//! that go on from where they were.

pub mod cursor;
pub mod part;

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{FromQuery, Params};
use crate::db::Total;

/// Entries that a numbered page may skip: PostgreSQL reads each of them.
const MAX_OFFSET: i64 = 100_000;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// Page, from 1.
    #[param(required = false, default = 1, minimum = 1)]
    pub page: u32,
    /// Entries a page.
    #[param(required = false, default = 20, minimum = 1, maximum = 1000)]
    pub limit: u32,
}

/// Which part of a list was returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pagination {
    /// Page, from 1.
    #[schema(example = 2)]
    pub page: u32,
    /// Entries a page.
    #[schema(example = 20)]
    pub limit: u32,
    /// Entries in all.
    #[schema(example = 57)]
    pub total: u64,
    /// Whether they were counted. Of very many the total is an estimate, and so are the pages in all.
    pub total_is_exact: bool,
    /// Pages in all.
    #[schema(example = 3)]
    pub total_pages: u64,
    /// Whether there is a page after this one.
    pub has_next: bool,
    /// Whether there is a page before this one.
    pub has_prev: bool,
}

impl FromQuery for Page {
    fn read(params: &mut Params) -> Self {
        let page = number(params).unwrap_or(1);
        let limit = limit(params);
        Self::within_reach(params, page, limit)
    }
}

/// Takes `page`.
pub fn number(params: &mut Params) -> Option<u32> {
    const RULE: &str = "must be a whole number from 1";
    let page = params.take_parsed("page", RULE);
    if page == Some(0) {
        params.fault("page", "out_of_range", RULE);
    }
    page
}

/// Takes `limit`.
pub fn limit(params: &mut Params) -> u32 {
    const RULE: &str = "must be a whole number from 1 to 1000";
    let limit = params.take_parsed("limit", RULE).unwrap_or(20);
    if !(1..=1000).contains(&limit) {
        params.fault("limit", "out_of_range", RULE);
    }
    limit
}

/// Leaves out the entry that [`Page::limit_and_one`] asked for beyond `limit`; whether there was one.
pub fn cut<T>(found: &mut Vec<T>, limit: u32) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    more
}

impl Page {
    /// The page of this number, of which not too much lies before it.
    pub fn within_reach(params: &mut Params, page: u32, limit: u32) -> Self {
        let page = Self { page, limit };
        if page.offset() > MAX_OFFSET {
            const RULE: &str = "lies beyond 100000 entries; follow next_cursor instead";
            params.fault("page", "out_of_range", RULE);
        }
        page
    }

    /// Rows before this page.
    #[must_use]
    pub fn offset(self) -> i64 {
        i64::from(self.page.saturating_sub(1)) * i64::from(self.limit)
    }

    /// One more than the entries of the page: whether there is a next one is seen, not reckoned.
    #[must_use]
    pub fn limit_and_one(self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// What to tell the client of a page that shows so many, and is followed by others or not ([`cut`]).
    #[must_use]
    pub fn pagination(self, shown: usize, has_next: bool, total: Total) -> Pagination {
        let total = self.corrected(shown, has_next, total);
        Pagination {
            page: self.page,
            limit: self.limit,
            total: total.rows,
            total_is_exact: total.is_exact,
            total_pages: total.rows.div_ceil(u64::from(self.limit.max(1))),
            has_next,
            has_prev: self.page > 1,
        }
    }

    /// An estimate, after a look at the page: it is no less than what was seen, and the last page ends it.
    fn corrected(self, shown: usize, has_next: bool, total: Total) -> Total {
        let shown = u64::try_from(shown).unwrap_or(u64::MAX);
        let seen = u64::try_from(self.offset())
            .unwrap_or(0)
            .saturating_add(shown);
        let last = !has_next && (shown > 0 || self.page == 1);
        match total.is_exact {
            true => total,
            false if last => Total {
                rows: seen,
                is_exact: true,
            },
            false => Total {
                rows: total.rows.max(seen + u64::from(has_next)),
                is_exact: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESTIMATE: Total = Total {
        rows: 1_000,
        is_exact: false,
    };

    fn closed(page: u32, found: usize, total: Total) -> (usize, Pagination) {
        let mut found = vec![(); found];
        let page = Page { page, limit: 20 };
        let more = cut(&mut found, page.limit);
        (found.len(), page.pagination(found.len(), more, total))
    }

    #[test]
    fn an_entry_beyond_the_page_is_seen_and_not_shown() {
        let total = Total {
            rows: 21,
            is_exact: true,
        };
        let (shown, first) = closed(1, 21, total);
        assert_eq!((shown, first.has_next, first.total_pages), (20, true, 2));
        let (shown, second) = closed(2, 1, total);
        assert_eq!((shown, second.has_next, second.total), (1, false, 21));
        assert!(second.has_prev && second.total_is_exact);
    }

    #[test]
    fn an_estimate_yields_to_what_was_seen() {
        let (_, first) = closed(1, 21, ESTIMATE);
        assert_eq!((first.total, first.total_is_exact), (1_000, false));
        let (_, far) = closed(100, 21, ESTIMATE);
        assert_eq!((far.total, far.has_next), (2_001, true));
        let (_, last) = closed(100, 7, ESTIMATE);
        assert_eq!((last.total, last.total_is_exact), (1_987, true));
        // A page beyond the end says nothing of where the end is.
        let (_, beyond) = closed(200, 0, ESTIMATE);
        assert!(!beyond.total_is_exact);
        let (_, none) = closed(1, 0, ESTIMATE);
        assert_eq!((none.total, none.total_is_exact), (0, true));
    }
}
