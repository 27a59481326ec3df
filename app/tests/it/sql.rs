//! What tests tell a database and ask of it by hand, beside the program.

use sqlx::{AssertSqlSafe, Decode, PgConnection, Postgres, Type};

use crate::world::World;

/// Runs what has no parameters.
pub async fn sql(connection: &mut PgConnection, text: &str) {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned()))
        .execute(connection)
        .await
        .unwrap();
}

/// The one value that `query` has.
pub async fn scalar<T>(connection: &mut PgConnection, query: &'static str) -> T
where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
{
    sqlx::query_scalar(query)
        .fetch_one(connection)
        .await
        .unwrap()
}

/// The one number that `query` has in the world's database.
pub async fn number(world: &World, query: &'static str) -> i64 {
    let pool = world.state.database.pool();
    sqlx::query_scalar(query).fetch_one(&pool).await.unwrap()
}

/// Runs what has no parameters in the world's database.
pub async fn execute(world: &World, sql: &'static str) {
    sqlx::raw_sql(sql)
        .execute(&world.state.database.pool())
        .await
        .unwrap();
}
