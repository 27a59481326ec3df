//! Transactions on real PostgreSQL (R4, P7, P8) and writes that happen once.

mod cancelled;
mod conflict;
mod counted;
pub mod killed;
mod relay;
mod rollback;
mod wire;
mod writes;

use erpgo::db::{self, Database};
use erpgo::error::Result;
use erpgo::tx::Work;
use erpgo_secret_set::Secret;
use erpgo_test_kit::postgres::TestDatabase;
use futures::future::BoxFuture;
use sqlx::PgConnection;

/// A closure as the work of a transaction.
struct Do<F>(F);

impl<T, F> Work<T> for Do<F>
where
    T: Send,
    F: for<'a> FnMut(&'a mut PgConnection) -> BoxFuture<'a, Result<T>> + Send,
{
    async fn run(&mut self, connection: &mut PgConnection) -> Result<T> {
        (self.0)(connection).await
    }
}

/// `run` as work; naming the bound lets the compiler see its lifetimes.
fn work<T, F>(run: F) -> Do<F>
where
    F: for<'a> FnMut(&'a mut PgConnection) -> BoxFuture<'a, Result<T>> + Send,
{
    Do(run)
}

pub fn handle(database: &TestDatabase, connections: u32) -> Database {
    let yaml = format!("database: {{ max_connections: {connections}, acquire_timeout: 30s }}");
    let settings = crate::world::settings(&yaml);
    let url = Secret::new(database.url());
    Database::new(db::lazy_pool(&url, &settings.database).unwrap())
}
