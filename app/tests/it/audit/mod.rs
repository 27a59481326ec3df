//! The audit log (R18, P16).

mod append_only;
mod chain;
mod cut_off;
mod events;
mod every_action;
mod months;
mod profile;
mod refusals;
mod search;
mod settings;
mod vanished;

use erpgo::audit::keep::seal_all;
use erpgo::audit::seal::Head;
use erpgo::audit::verify::{VerifyError, Whole, verify};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use crate::world::World;

/// Every event, newest first, as an administrator sees it.
async fn events(world: &World, query: &str) -> Vec<Value> {
    let admin = world.admin().await;
    events_for(world, &admin, query).await
}

/// Every event, newest first, as whoever has `token` sees it.
pub async fn events_for(world: &World, token: &str, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/audit?limit=1000&{query}");
    let answer = world.get(&path, token).await.expect(200).json();
    answer["events"].as_array().unwrap().clone()
}

async fn sealed(world: &World) -> Head {
    seal_all(&world.state.database).await.unwrap().unwrap()
}

async fn superuser(world: &World) -> PgConnection {
    PgConnection::connect(&world.database.admin_url())
        .await
        .unwrap()
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<u64, sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .map(|done| done.rows_affected())
}

async fn verdict(world: &World, anchor: Option<Head>) -> Result<Whole, VerifyError> {
    let mut connection = PgConnection::connect(&world.database.url()).await.unwrap();
    let verdict = verify(&mut connection, anchor).await;
    connection.close().await.unwrap();
    verdict
}
