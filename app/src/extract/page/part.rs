//! A numbered page of a list, or what comes after a row of it.
//!
//! Owns [`Part`], for lists that begin with a page and its numbers, and of which each part tells where they go
//! on. What a position is, each list says itself.

use utoipa::IntoParams;

use super::cursor::Cursor;
use super::{Page, cut, limit, number};
use crate::extract::{FromQuery as _, Params};

/// What a cursor must be.
pub const OF_THE_SAME_LIST: &str =
    "must be the next_cursor of the same list; leave it out to begin";

/// Which part is asked for; `P` is a row's place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<P> {
    /// A numbered page, the first one unless told.
    Page(Page),
    /// So many, after a row.
    After {
        /// Entries.
        limit: u32,
        /// The row's place.
        position: P,
    },
}

/// How a list goes on, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what Part reads")]
pub struct CursorParam {
    /// The next_cursor of the answer before, in place of a page; the list goes on after it, and is not counted.
    #[param(inline)]
    cursor: Option<Cursor>,
}

impl<P> Part<P> {
    /// Takes `limit`, and `page` or `cursor`, which `position` reads.
    pub fn read(params: &mut Params, position: impl FnOnce(&str) -> Option<P>) -> Self {
        let Some(cursor) = params.take("cursor") else {
            return Self::Page(Page::read(params));
        };
        let limit = limit(params);
        if number(params).is_some() {
            params.fault("cursor", "not_allowed", "give either cursor or page");
        }
        let Some(position) = position(&cursor) else {
            params.fault("cursor", "invalid_value", OF_THE_SAME_LIST);
            return Self::Page(Page { page: 1, limit });
        };
        Self::After { limit, position }
    }

    /// The numbers of a page.
    #[must_use]
    pub const fn page(&self) -> Option<Page> {
        match self {
            Self::Page(page) => Some(*page),
            Self::After { .. } => None,
        }
    }

    /// The place after which it begins.
    #[must_use]
    pub const fn after(&self) -> Option<&P> {
        match self {
            Self::Page(_) => None,
            Self::After { position, .. } => Some(position),
        }
    }

    /// Rows to read: one more than are shown, so that it is seen whether there are more.
    #[must_use]
    pub fn limit_and_one(&self) -> i64 {
        i64::from(self.limit()) + 1
    }

    /// Rows to pass over.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.page().map_or(0, Page::offset)
    }

    /// Leaves out the row beyond the part; whether there was one.
    pub fn cut<T>(&self, found: &mut Vec<T>) -> bool {
        cut(found, self.limit())
    }

    const fn limit(&self) -> u32 {
        match self {
            Self::Page(page) => page.limit,
            Self::After { limit, .. } => *limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::query::parse;

    #[derive(Debug)]
    struct Query(Part<u32>);

    impl crate::extract::FromQuery for Query {
        fn read(params: &mut Params) -> Self {
            Self(Part::read(params, |text| text.parse().ok()))
        }
    }

    #[test]
    fn a_part_is_a_page_or_what_comes_after_a_row() {
        let Query(first) = parse("limit=5").unwrap();
        assert_eq!(first, Part::Page(Page { page: 1, limit: 5 }));
        let Query(third) = parse("page=3&limit=5").unwrap();
        assert_eq!((third.offset(), third.limit_and_one()), (10, 6));
        let Query(after) = parse("cursor=7&limit=5").unwrap();
        assert_eq!((after.after(), after.offset()), (Some(&7), 0));
        assert!(after.page().is_none());
        for refused in ["cursor=7&page=1", "cursor=x", "cursor=7&limit=0", "cursor="] {
            assert!(parse::<Query>(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_row_beyond_the_part_is_seen_and_not_shown() {
        for text in ["limit=2", "cursor=7&limit=2"] {
            let Query(part) = parse(text).unwrap();
            let mut found = vec![1, 2, 3];
            assert!(part.cut(&mut found), "{text}");
            assert_eq!(found, [1, 2], "{text}");
            assert!(!part.cut(&mut found), "{text}");
        }
    }
}
