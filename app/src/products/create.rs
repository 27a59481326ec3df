//! POST /products.

use axum::extract::State;
use sqlx::PgConnection;

use super::domain::Draft;
use super::wire::{ProductBody, ProductOut};
use super::{ProductsWrite, store};
use crate::auth::Authorized;
use crate::error::{Problem, Result};
use crate::extract::ApiJson;
use crate::extract::etag::ETag;
use crate::extract::idempotency::{KeyParam, OptionalKey};
use crate::state::AppState;
use crate::tx::{self, Once, Reply, Work};

/// Create a product; with an Idempotency-Key at most once, however often the request is sent.
#[utoipa::path(post, path = "/products", tag = "products", request_body = ProductBody,
    params(KeyParam),
    security(("bearer" = ["products.write"])),
    responses(
        (status = 201, description = "The product", body = ProductOut,
            headers(("location" = String, description = "Path of the product"),
                    ("etag" = String, description = "Version, for if-match"),
                    ("idempotency-replayed" = String, description = "true when an earlier request had the effect"))),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`DUPLICATE_SKU`: The SKU is taken; `IDEMPOTENCY_IN_FLIGHT`: The same request is in progress"),
        (status = 422, body = Problem, content_type = "application/problem+json",
            description = "`IDEMPOTENCY_KEY_REUSED`: The key was used for another request")))]
pub(super) async fn create_product(
    caller: Authorized<ProductsWrite>,
    State(state): State<AppState>,
    OptionalKey(key): OptionalKey,
    ApiJson(body): ApiJson<ProductBody>,
) -> Result<Reply> {
    let draft = body.check()?;
    let once = key
        .map(|key| Once::new(caller.principal.user, "products.create", key, &body))
        .transpose()?;
    let work = Create { draft: &draft };
    tx::once(&state.database, "create a product", once.as_ref(), work).await
}

struct Create<'a> {
    draft: &'a Draft,
}

impl Work<Reply> for Create<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<Reply> {
        let product = store::insert(connection, self.draft).await?;
        let location = format!("/api/v1/products/{}", product.id);
        let etag = ETag::of(product.version);
        let reply = Reply::created(location, &ProductOut::from(product))?;
        Ok(reply.with_etag(etag.into()))
    }
}
