//! A URL that leads to another database: only one with the whole schema is taken (I-01).

use erpgo::migrate::{Options, Runner, embedded};
use erpgo::users::bootstrap::{Bootstrap, bootstrap_admin};
use erpgo_secret_set::KeyName::Database;
use erpgo_secret_set::{Generation, Secret};
use erpgo_test_kit::postgres::{self, TestDatabase};
use sqlx::{Connection as _, PgConnection};

use super::pod::{Pod, promote, stage, url, user};
use crate::sql::{scalar, sql};
use crate::world::{ADMIN, PASSWORD};

const LACKS: &str = "the database lacks migrations of this version: another database is another ErpGo; restore it there first";

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

fn runner() -> Runner {
    Runner::new(embedded().unwrap(), Options::default())
}

async fn pod() -> Pod {
    let pod = Pod::new().await;
    pod.hears("the first set", |said| said.reasons.is_empty())
        .await;
    pod
}

/// The pod works as it did before anything was staged.
async fn goes_on(pod: &Pod) {
    assert_eq!(pod.generation(), Generation(1), "the old set stays");
    pod.world.signed_in(ADMIN).await;
}

/// Brings the schema and the administrator to `database`.
async fn restore(pod: &Pod, database: &TestDatabase) {
    let mut connection = connect(&database.url()).await;
    runner()
        .run(&mut connection, &mut Vec::new())
        .await
        .unwrap();
    let state = &pod.world.state;
    let made = bootstrap_admin(
        &mut connection,
        state.keyring.current(),
        &state.hasher,
        ADMIN,
        Secret::new(PASSWORD.to_owned()),
    )
    .await
    .unwrap();
    assert_eq!(made, Bootstrap::Created);
}

async fn refresh_tokens(database: &TestDatabase) -> i64 {
    let mut connection = connect(&database.url()).await;
    scalar(&mut connection, "SELECT count(*) FROM refresh_tokens").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_a_database_without_the_schema_is_refused_until_the_schema_is_there() {
    let pod = pod().await;
    let other = postgres::database().await;
    let reason = pod
        .refusal(|keys| stage(keys, Database, url("database-2", &other.url())))
        .await;
    assert_eq!(reason, format!("database (next): {LACKS}"));
    goes_on(&pod).await;

    // Nor does it go into use where it is current already.
    let reason = pod.refusal(|keys| promote(keys, Database)).await;
    assert_eq!(reason, format!("database (current): {LACKS}"));
    goes_on(&pod).await;

    // The same generation is tried again: nobody has to write it once more.
    restore(&pod, &other).await;
    let said = pod
        .hears("the same generation does now", |said| {
            said.generation == Generation(3) && said.reasons.is_empty()
        })
        .await;
    assert_eq!(said.uses(Database), "database-2");
    assert_eq!(refresh_tokens(&other).await, 0);
    pod.world.signed_in(ADMIN).await;
    assert_eq!(refresh_tokens(&other).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_a_database_that_lacks_the_last_migration_is_refused() {
    let pod = pod().await;
    let short = crate::world::database().await;
    let before_last = embedded().unwrap().iter().nth_back(1).unwrap().version;
    let reverted = runner()
        .revert_to(&mut connect(&short.url()).await, before_last)
        .await
        .unwrap();
    assert_eq!(reverted.len(), 1, "{reverted:?}");
    let reason = pod
        .refusal(|keys| stage(keys, Database, url("database-2", &short.url())))
        .await;
    assert_eq!(reason, format!("database (next): {LACKS}"));
    goes_on(&pod).await;
}

/// While a newer version is rolled out, pods of the one before take part in rotations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_more_than_the_schema_is_accepted() {
    let pod = pod().await;
    let newer = crate::world::database().await;
    sqlx::query(
        "INSERT INTO schema_migrations VALUES (9999, '9999_newer', repeat('a', 64), now(), 1, '9')",
    )
    .execute(&mut connect(&newer.url()).await)
    .await
    .unwrap();
    let said = pod
        .turn(|keys| stage(keys, Database, url("database-2", &newer.url())))
        .await;
    assert!(said.accepts("database-2") && said.uses(Database) == "database-1");
    let said = pod.turn(|keys| promote(keys, Database)).await;
    assert_eq!(said.uses(Database), "database-2");
    // It is this one that answers: nobody is known in it.
    pod.world
        .login(ADMIN, PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_not_read_which_migrations_there_are_is_told_what_it_lacks() {
    let pod = pod().await;
    let stranger = pod.world.database.role().await;
    let may = format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON users TO {}",
        user(&stranger)
    );
    sql(&mut connect(&pod.world.database.admin_url()).await, &may).await;
    let reason = pod
        .refusal(|keys| stage(keys, Database, url("database-2", &stranger)))
        .await;
    assert_eq!(
        reason,
        "database (next): the role may not use the tables; make it a member of the role that owns them"
    );
    goes_on(&pod).await;
}
