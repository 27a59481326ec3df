//! How many connections there are.
//!
//! Owns [`of_server`], which the operator compares with what the pods may ask for. No migration fails
//! for it.

use sqlx::PgConnection;

// `reserved_connections` is there since PostgreSQL 16.
const FOR_ALL_ROLES: &str = "SELECT current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0)";

/// Connections that the server keeps for roles without privileges; none when it does not say, as a
/// pooler before it may not.
pub(super) async fn of_server(connection: &mut PgConnection) -> Option<i32> {
    let asked = sqlx::query_scalar::<_, i32>(FOR_ALL_ROLES).fetch_one(connection);
    asked
        .await
        .inspect_err(
            |error| tracing::debug!(%error, "the server does not say how many connections it has"),
        )
        .ok()
}
