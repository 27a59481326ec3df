//! Products.
//!
//! Owns the noun: routes, JSON, domain and SQL. No write is lost to another (If-Match), and none is made
//! twice (Idempotency-Key).

mod create;
pub mod currency;
mod delete;
pub mod domain;
mod list;
pub mod query;
mod read;
mod select;
mod store;
mod update;
pub(crate) mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub use domain::ProductId;
pub(crate) use store::{Products, products};

crate::permissions! {
    /// See products.
    ProductsRead = "products.read";
    /// Create and change products.
    ProductsWrite = "products.write";
    /// Delete products.
    ProductsDelete = "products.delete";
}

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_products, create::create_product))
        .routes(routes!(
            read::read_product,
            update::update_product,
            delete::delete_product
        ))
}
