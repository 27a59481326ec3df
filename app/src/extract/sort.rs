//! Sort order from a whitelist of columns (R2.2, P4).
//!
//! Owns [`Sort`] and [`SortColumn`]. What a client writes is compared with the list and then forgotten:
//! only the enum goes on, and SQL is made from that alone.

use super::Params;

/// Columns that a list may be sorted by.
pub trait SortColumn: Copy + Eq + 'static {
    /// Each with the name that clients use.
    const ALL: &'static [(&'static str, Self)];
    /// What a client is told when it names another.
    const RULE: &'static str;

    /// The name that clients use.
    #[must_use]
    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, column)| *column == self);
        found.map_or("", |(name, _)| name)
    }
}

/// A column and a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort<C> {
    /// The column.
    pub column: C,
    /// Largest first.
    pub descending: bool,
}

impl<C: SortColumn> Sort<C> {
    /// Takes `sort` (`name`, or `-name` for the largest first).
    pub fn read(params: &mut Params, default: Self) -> Self {
        let Some(text) = params.take("sort") else {
            return default;
        };
        let parsed = Self::parse(&text);
        if parsed.is_none() {
            params.fault("sort", "not_allowed", C::RULE);
        }
        parsed.unwrap_or(default)
    }

    /// The order that `text` names, if it is on the list.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let (_, column) = C::ALL.iter().find(|(listed, _)| *listed == name)?;
        Some(Self {
            column: *column,
            descending,
        })
    }

    /// As a client writes it.
    #[must_use]
    pub fn text(self) -> String {
        let sign = if self.descending { "-" } else { "" };
        format!("{sign}{}", self.column.name())
    }
}
