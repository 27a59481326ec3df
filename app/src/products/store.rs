//! SQL of single products; lists are in [`super::select`].
//!
//! Owns every statement that changes `products`. Prices travel as text, which PostgreSQL and the
//! decimal type both read exactly.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use super::ProductId;
use super::domain::{Draft, Product};
use crate::db::gather::{Found, Gather};
use crate::db::{Database, DbTime, QueryType, measured, observed, traced};
use crate::error::{Code, DatabaseFailure, Error, Result, classify, constraint};

const NAME: &str = "products.find";

pub(super) const COLUMNS: &str = "id, sku, name, description, price::text AS price, currency, \
                                  active, version, created_at, updated_at";

// How many keys there are is hidden from the planner: else it would think few of them cheaper than the plan that
// it keeps, and make one anew for each statement, which takes longer than to run it.
pub(super) static FIND: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT {COLUMNS} FROM products WHERE id = ANY((SELECT $1::uuid[])::uuid[])")
});

static LOCK: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {COLUMNS} FROM products WHERE id = $1 FOR UPDATE"));

/// Reads of single products.
pub(crate) type Products = Gather<ProductId, Product>;

/// Reads of single products from `database`, none of which takes longer than `deadline`.
pub(crate) fn products(database: &Database, deadline: Duration) -> Products {
    Gather::new(database.clone(), "read a product", find, deadline)
}

pub(super) fn product(row: &PgRow) -> Result<Product, sqlx::Error> {
    Ok(Product {
        id: row.try_get("id")?,
        state: Draft {
            sku: parsed(row, "sku")?,
            name: parsed(row, "name")?,
            description: parsed(row, "description")?,
            price: parsed(row, "price")?,
            currency: parsed(row, "currency")?,
            active: row.try_get("active")?,
        },
        version: row.try_get("version")?,
        created_at: row.try_get::<DbTime, _>("created_at")?.0,
        updated_at: row.try_get::<DbTime, _>("updated_at")?.0,
    })
}

fn parsed<T>(row: &PgRow, column: &str) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: Box::new(error),
    })
}

fn find<'c>(
    connection: &'c mut PgConnection,
    ids: &'c [ProductId],
) -> BoxFuture<'c, Result<Found<ProductId, Product>, sqlx::Error>> {
    Box::pin(async move {
        let query = sqlx::query(FIND.as_str()).bind(ids).fetch_all(connection);
        let rows = measured(QueryType::Select, NAME, query).await?;
        let found = rows
            .iter()
            .map(|row| Ok((row.try_get("id")?, product(row).map_err(Arc::new))));
        found.collect()
    })
}

/// The product called `id`.
pub(super) async fn one(products: &Products, id: ProductId) -> Result<Option<Product>> {
    traced(QueryType::Select, NAME, products.one(id)).await
}

/// The product called `id`, which nobody else changes until the transaction ends.
pub(super) async fn lock(connection: &mut PgConnection, id: ProductId) -> Result<Option<Product>> {
    let fail = |error| Error::database("read a product", error);
    let query = sqlx::query(LOCK.as_str())
        .bind(id)
        .fetch_optional(connection);
    let row = observed(QueryType::Select, NAME, query)
        .await
        .map_err(fail)?;
    row.as_ref().map(product).transpose().map_err(fail)
}

fn refused(operation: &'static str, error: sqlx::Error) -> Error {
    match constraint(&error) {
        Some("products_sku_key") => Error::refused(
            Code::DuplicateSku,
            "another product has this SKU; choose another one",
        ),
        _ => Error::database(operation, error),
    }
}

/// Adds a product.
///
/// # Errors
/// DUPLICATE_SKU when another product has the SKU.
pub(super) async fn insert(connection: &mut PgConnection, draft: &Draft) -> Result<Product> {
    let fail = |error| refused("create a product", error);
    let sql = format!(
        "INSERT INTO products (id, sku, name, description, price, currency, active, created_at,
                               updated_at)
         VALUES ($1, $2, $3, $4, $5::text::numeric, $6, $7, $8, $8) RETURNING {COLUMNS}"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(ProductId::new())
        .bind(draft.sku.as_str())
        .bind(draft.name.as_str())
        .bind(draft.description.as_str())
        .bind(draft.price.to_string())
        .bind(draft.currency.code())
        .bind(draft.active)
        .bind(DbTime::now())
        .fetch_one(connection);
    let row = observed(QueryType::Insert, "products.insert", query)
        .await
        .map_err(fail)?;
    product(&row).map_err(fail)
}

/// Replaces the state of the product called `id`, which the caller has locked.
///
/// # Errors
/// DUPLICATE_SKU when another product has the SKU.
pub(super) async fn update(
    connection: &mut PgConnection,
    id: ProductId,
    draft: &Draft,
) -> Result<Product> {
    let fail = |error| refused("change a product", error);
    let sql = format!(
        "UPDATE products SET sku = $2, name = $3, description = $4, price = $5::text::numeric,
                currency = $6, active = $7, version = version + 1, updated_at = $8
         WHERE id = $1 RETURNING {COLUMNS}"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(id)
        .bind(draft.sku.as_str())
        .bind(draft.name.as_str())
        .bind(draft.description.as_str())
        .bind(draft.price.to_string())
        .bind(draft.currency.code())
        .bind(draft.active)
        .bind(DbTime::now())
        .fetch_one(connection);
    let row = observed(QueryType::Update, "products.update", query)
        .await
        .map_err(fail)?;
    product(&row).map_err(fail)
}

/// Removes the product called `id`.
pub(super) async fn delete(connection: &mut PgConnection, id: ProductId) -> Result<()> {
    let query = sqlx::query("DELETE FROM products WHERE id = $1")
        .bind(id)
        .execute(connection);
    observed(QueryType::Delete, "products.delete", query)
        .await
        .map(drop)
        .map_err(|error| match classify(&error) {
            DatabaseFailure::Constraint(_) => Error::refused(
                Code::InUse,
                "records refer to this product; set active to false instead",
            ),
            _ => Error::database("delete a product", error),
        })
}
