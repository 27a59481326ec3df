//! PUT /products/{id}.

use axum::Json;
use axum::extract::State;
use http::{HeaderName, header};
use sqlx::PgConnection;

use super::domain::{Draft, Product};
use super::wire::{ProductBody, ProductOut};
use super::{ProductId, ProductsWrite, store};
use crate::auth::Authorized;
use crate::error::{Error, Problem, Result};
use crate::extract::etag::{ETag, IfMatch, IfMatchParam};
use crate::extract::{ApiJson, ApiPath};
use crate::state::AppState;
use crate::tx::{self, Work};

/// Replace a product's state, unless somebody else did so since it was read.
#[utoipa::path(put, path = "/products/{id}", tag = "products", request_body = ProductBody,
    params(("id" = ProductId, Path, description = "Id of the product"),
        IfMatchParam),
    security(("bearer" = ["products.write"])),
    responses(
        (status = 200, description = "The product", body = ProductOut,
            headers(("etag" = String, description = "Version, for if-match"))),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`DUPLICATE_SKU`: The SKU is taken"),
        (status = 412, body = Problem, content_type = "application/problem+json",
            description = "`PRECONDITION_FAILED`: The resource has changed"),
        (status = 428, body = Problem, content_type = "application/problem+json",
            description = "`PRECONDITION_REQUIRED`: If-Match is required")))]
pub(super) async fn update_product(
    _: Authorized<ProductsWrite>,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<ProductId>,
    expected: IfMatch,
    ApiJson(body): ApiJson<ProductBody>,
) -> Result<([(HeaderName, String); 1], Json<ProductOut>)> {
    let draft = body.check()?;
    let work = Update {
        id,
        expected: &expected,
        draft: &draft,
    };
    let product = tx::transaction(&state.database, "change a product", work).await?;
    let headers = [(header::ETAG, ETag::of(product.version).into())];
    Ok((headers, Json(product.into())))
}

struct Update<'a> {
    id: ProductId,
    expected: &'a IfMatch,
    draft: &'a Draft,
}

impl Work<Product> for Update<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Product> {
        let current = store::lock(connection, self.id).await?;
        let current = current.ok_or_else(|| Error::not_found("product"))?;
        self.expected.check(&ETag::of(current.version))?;
        store::update(connection, self.id, self.draft).await
    }
}
