//! What a product is.
//!
//! Owns [`Product`], [`Draft`] and the newtypes of their fields. A price is decimal from the border to
//! the database and back, and never a float.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::currency::Currency;
use crate::text;

crate::ids! {
    /// A product.
    ProductId;
}

/// Stock keeping unit: 1 to 64 of letters, digits, `-`, `_`, `.` and `/`.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, example = "CHAIR-01", min_length = 1, max_length = 64,
    pattern = "^[A-Za-z0-9._/-]+$")]
pub struct Sku(String);

/// The text is not a SKU.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must have 1 to 64 characters of A-Z, a-z, 0-9, -, _, . and /")]
pub struct NotASku;

/// 1 to 200 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductName(String);

/// The text is not a name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must have 1 to 200 characters and no control characters")]
pub struct NotAName;

/// At most 5000 characters; of the control characters only tab and line breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(String);

/// The text is not a description.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must have at most 5000 characters and no control characters but tab and line breaks")]
pub struct NotADescription;

/// A decimal as a string: zero or more, at most fifteen digits before the point and four behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, example = "12.50", pattern = r"^[0-9]{1,15}(\.[0-9]{1,4})?$")]
pub struct Price(Decimal);

/// The text is not a price.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be a decimal such as \"12.50\": 1 to 15 digits, then at most 4 behind the point")]
pub struct NotAPrice;

/// A product's state as its owner sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// SKU, which no other product has.
    pub sku: Sku,
    /// Name.
    pub name: ProductName,
    /// Description.
    pub description: Description,
    /// Price of one unit.
    pub price: Price,
    /// What the price is in.
    pub currency: Currency,
    /// Whether it is for sale.
    pub active: bool,
}

/// A product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Id.
    pub id: ProductId,
    /// What its owner sets.
    pub state: Draft,
    /// Grows with each change.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Sku {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sku {
    type Err = NotASku;

    fn from_str(text: &str) -> Result<Self, NotASku> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        let good = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        good.then(|| Self(text.to_owned())).ok_or(NotASku)
    }
}

impl ProductName {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProductName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let name = text::name(text, 200);
        name.map(|name| Self(name.to_owned())).ok_or(NotAName)
    }
}

impl Description {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Description {
    type Err = NotADescription;

    fn from_str(text: &str) -> Result<Self, NotADescription> {
        let refused = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
        let good = text.chars().count() <= 5000 && !text.chars().any(refused);
        good.then(|| Self(text.to_owned())).ok_or(NotADescription)
    }
}

impl Price {
    /// As text, with at least the digits of the currency's smallest unit.
    #[must_use]
    pub fn text(self, currency: Currency) -> String {
        let mut decimal = self.0.normalize();
        if decimal.scale() < currency.digits() {
            decimal.rescale(currency.digits());
        }
        decimal.to_string()
    }
}

impl FromStr for Price {
    type Err = NotAPrice;

    fn from_str(text: &str) -> Result<Self, NotAPrice> {
        let digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
        };
        let good = match text.split_once('.') {
            None => digits(text, 15),
            Some((whole, part)) => digits(whole, 15) && digits(part, 4),
        };
        let decimal = good.then(|| text.parse().ok()).flatten();
        decimal.map(Self).ok_or(NotAPrice)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prices_show_the_smallest_unit_of_their_currency() {
        let table = [
            ("12.5", "EUR", "12.50"),
            ("12.5000", "EUR", "12.50"),
            ("0.0034", "EUR", "0.0034"),
            ("007", "JPY", "7"),
            ("7.0", "JPY", "7"),
            ("1", "KWD", "1.000"),
            ("999999999999999.9999", "USD", "999999999999999.9999"),
        ];
        for (text, currency, shown) in table {
            let price: Price = text.parse().unwrap();
            assert_eq!(price.text(currency.parse().unwrap()), shown);
        }
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "1.23456",
            "1000000000000000",
            " 1",
            "NaN",
            "１",
        ] {
            assert_eq!(bad.parse::<Price>(), Err(NotAPrice), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn p03_a_price_keeps_every_digit(whole in 0_u64..1_000_000_000_000_000, part in 0_u32..10_000) {
            let text = format!("{whole}.{part:04}");
            let price: Price = text.parse().unwrap();
            let shown = price.text("EUR".parse().unwrap());
            let again: Price = shown.parse().unwrap();
            prop_assert_eq!(price, again);
            let padded = format!("{shown:0<width$}", width = shown.find('.').unwrap() + 5);
            prop_assert_eq!(padded, text);
        }

        #[test]
        fn p03_what_is_accepted_is_bounded_and_plain(text in ".{0,300}") {
            if let Ok(sku) = text.parse::<Sku>() {
                prop_assert!(sku.as_str().len() <= 64 && sku.as_str().is_ascii());
            }
            if let Ok(name) = text.parse::<ProductName>() {
                prop_assert!(name.as_str().chars().count() <= 200 && !name.as_str().contains('\0'));
            }
            if let Ok(description) = text.parse::<Description>() {
                prop_assert!(!description.as_str().contains('\0'));
            }
        }
    }
}
