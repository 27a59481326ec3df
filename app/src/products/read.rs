//! GET /products/{id}.

use axum::extract::State;
use axum::response::Response;

use super::wire::ProductOut;
use super::{ProductId, ProductsRead, store};
use crate::auth::Authorized;
use crate::error::{Error, Result};
use crate::extract::ApiPath;
use crate::extract::etag::{ETag, IfNoneMatch, IfNoneMatchParam};
use crate::state::AppState;

/// Read a product.
#[utoipa::path(get, path = "/products/{id}", tag = "products",
    params(("id" = ProductId, Path, description = "Id of the product"),
        IfNoneMatchParam),
    security(("bearer" = ["products.read"])),
    responses(
        (status = 200, description = "The product", body = ProductOut,
            headers(("etag" = String, description = "Version, for if-match and if-none-match"))),
        (status = 304, description = "You have this version")))]
pub(super) async fn read_product(
    _: Authorized<ProductsRead>,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<ProductId>,
    known: IfNoneMatch,
) -> Result<Response> {
    let product = store::one(&state.products, id).await?;
    let product = product.ok_or_else(|| Error::not_found("product"))?;
    let tag = ETag::of(product.version);
    Ok(known.answer(tag, ProductOut::from(product)))
}
