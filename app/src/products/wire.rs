//! Products as JSON.
//!
//! Owns what comes in and what goes out. Unknown fields are refused, and a price is a string: a number
//! would have passed through a float in most clients.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ProductId;
use super::currency::Currency;
use super::domain::{Draft, Price, Product, Sku};
use crate::error::{Error, Result};
use crate::extract::page::Pagination;
use crate::users::domain::field;

/// A product.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductOut {
    /// Id.
    pub id: ProductId,
    /// SKU, which no other product has.
    #[schema(example = "CHAIR-01")]
    pub sku: String,
    /// Name.
    #[schema(example = "Chair")]
    pub name: String,
    /// Description.
    #[schema(example = "Oak, oiled; seat height 46 cm")]
    pub description: String,
    /// Price of one unit, a decimal.
    #[schema(example = "12.50")]
    pub price: String,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
    /// Whether it is for sale.
    pub active: bool,
    /// Grows with each change; the ETag is made from it.
    #[schema(example = 3)]
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl From<Product> for ProductOut {
    fn from(product: Product) -> Self {
        let Draft {
            sku,
            name,
            description,
            price,
            currency,
            active,
        } = product.state;
        Self {
            id: product.id,
            sku: sku.as_str().to_owned(),
            name: name.as_str().to_owned(),
            description: description.as_str().to_owned(),
            price: price.text(currency),
            currency: currency.to_string(),
            active,
            version: product.version,
            created_at: product.created_at,
            updated_at: product.updated_at,
        }
    }
}

/// A part of the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductList {
    /// The products.
    pub products: Vec<ProductOut>,
    /// Where the list goes on; null at its end, and absent when a page was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable, example = "bVJ4d2Vn…")]
    pub next_cursor: Option<Option<String>>,
    /// Where the page lies, when one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Pagination>,
}

/// A product to be created, or its new state.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductBody {
    #[schema(inline, value_type = Sku)]
    sku: String,
    #[schema(example = "Chair", min_length = 1, max_length = 200)]
    name: String,
    #[serde(default)]
    #[schema(example = "Oak, oiled; seat height 46 cm", max_length = 5000)]
    description: String,
    #[schema(inline, value_type = Price)]
    price: String,
    #[schema(inline, value_type = Currency)]
    currency: String,
    /// Whether it is for sale.
    #[serde(default = "yes")]
    #[schema(default = true)]
    active: bool,
}

fn yes() -> bool {
    true
}

impl ProductBody {
    pub(super) fn check(&self) -> Result<Draft> {
        let mut faults = Vec::new();
        let sku = field(&mut faults, "#/sku", &self.sku);
        let name = field(&mut faults, "#/name", &self.name);
        let description = field(&mut faults, "#/description", &self.description);
        let price = field(&mut faults, "#/price", &self.price);
        let currency = field(&mut faults, "#/currency", &self.currency);
        match (sku, name, description, price, currency) {
            (Some(sku), Some(name), Some(description), Some(price), Some(currency)) => Ok(Draft {
                sku,
                name,
                description,
                price,
                currency,
                active: self.active,
            }),
            _ => Err(Error::invalid(faults)),
        }
    }
}
