//! DELETE /products/{id}.

use axum::extract::State;
use http::StatusCode;
use sqlx::PgConnection;

use super::{ProductId, ProductsDelete, store};
use crate::auth::Authorized;
use crate::error::{Error, Problem, Result};
use crate::extract::ApiPath;
use crate::extract::etag::{ETag, IfMatch, IfMatchParam};
use crate::state::AppState;
use crate::tx::{self, Work};

/// Delete a product, unless somebody changed it since it was read.
#[utoipa::path(delete, path = "/products/{id}", tag = "products",
    params(("id" = ProductId, Path, description = "Id of the product"),
        IfMatchParam),
    security(("bearer" = ["products.delete"])),
    responses(
        (status = 204, description = "The product is gone"),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`IN_USE`: The resource is in use"),
        (status = 412, body = Problem, content_type = "application/problem+json",
            description = "`PRECONDITION_FAILED`: The resource has changed"),
        (status = 428, body = Problem, content_type = "application/problem+json",
            description = "`PRECONDITION_REQUIRED`: If-Match is required")))]
pub(super) async fn delete_product(
    _: Authorized<ProductsDelete>,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<ProductId>,
    expected: IfMatch,
) -> Result<StatusCode> {
    let work = Delete {
        id,
        expected: &expected,
    };
    tx::transaction(&state.database, "delete a product", work).await?;
    Ok(StatusCode::NO_CONTENT)
}

struct Delete<'a> {
    id: ProductId,
    expected: &'a IfMatch,
}

impl Work<()> for Delete<'_> {
    async fn run(&mut self, connection: &mut PgConnection) -> Result<()> {
        let current = store::lock(connection, self.id).await?;
        let current = current.ok_or_else(|| Error::not_found("product"))?;
        self.expected.check(&ETag::of(current.version))?;
        store::delete(connection, self.id).await
    }
}
