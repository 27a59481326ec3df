//! GET /products.

use axum::Json;
use axum::extract::State;

use super::query::{ListParams, ListQuery, Part};
use super::wire::{ProductList, ProductOut};
use super::{ProductsRead, select};
use crate::auth::Authorized;
use crate::error::Result;
use crate::extract::{ApiQuery, page};
use crate::state::AppState;

/// List products: by `cursor`, which neither skips nor repeats one while others are added, or by `page`.
#[utoipa::path(get, path = "/products", tag = "products", params(ListParams),
    security(("bearer" = ["products.read"])),
    responses((status = 200, description = "A part of the list", body = ProductList)))]
pub(super) async fn list_products(
    _: Authorized<ProductsRead>,
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<ProductList>> {
    let mut connection = state.database.acquire().await?;
    let mut products = select::list(&mut connection, &query).await?;
    let (next_cursor, pagination) = match &query.part {
        Part::Window { limit, .. } => {
            let more = page::cut(&mut products, *limit);
            let last = products.last().filter(|_| more);
            (Some(last.map(|last| query.cursor_after(last))), None)
        }
        Part::Page(page) => {
            let total = select::count(&mut connection, &query.filter).await?;
            let more = page::cut(&mut products, page.limit);
            (None, Some(page.pagination(products.len(), more, total)))
        }
    };
    connection.done();
    Ok(Json(ProductList {
        products: products.into_iter().map(ProductOut::from).collect(),
        next_cursor,
        pagination,
    }))
}
