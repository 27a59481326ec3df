//! All writes of a transaction or none (R4.1, R4.2, R4.4, P7).

use erpgo::error::{Code, Error};
use erpgo::tx::transaction;
use erpgo_test_kit::postgres;
use futures::FutureExt as _;
use proptest::prelude::*;

use super::{handle, work};
use crate::runtime::one_thread;
use crate::sql::sql;

/// What ends the work after its writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Commit,
    Refusal,
    SqlError,
    /// The constraint is checked at the commit only.
    CommitError,
    /// The server ends the connection.
    Killed,
    Panic,
    /// The client goes away while a statement runs.
    Dropped,
}

const ENDS: [End; 7] = [
    End::Commit,
    End::Refusal,
    End::SqlError,
    End::CommitError,
    End::Killed,
    End::Panic,
    End::Dropped,
];

async fn execute(connection: &mut sqlx::PgConnection, text: String) -> Result<(), Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(text))
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| Error::database("write", error))
}

async fn write(
    connection: &mut sqlx::PgConnection,
    case: i32,
    writes: &[i32],
    end: End,
) -> Result<(), Error> {
    for value in writes {
        let text = format!("INSERT INTO entries (run, value) VALUES ({case}, {value})");
        execute(connection, text).await?;
    }
    match end {
        End::Commit => Ok(()),
        End::Refusal => Err(Error::refused(Code::Conflict, "no")),
        End::SqlError => execute(connection, "SELECT 1/0".into()).await,
        End::CommitError => {
            let text = format!("INSERT INTO entries (run, value, parent) VALUES ({case}, 0, -1)");
            execute(connection, text).await
        }
        End::Killed => {
            execute(
                connection,
                "SELECT pg_terminate_backend(pg_backend_pid())".into(),
            )
            .await
        }
        End::Panic => panic!("in mid transaction"),
        End::Dropped => execute(connection, "SELECT pg_sleep(60)".into()).await,
    }
}

/// Also r04_1 and r04_4: several writes, one transaction, one commit.
#[test]
fn p07_all_writes_of_a_transaction_are_kept_or_none() {
    let runtime = one_thread();
    let (database, handle, pool) = runtime.block_on(async {
        let database = postgres::database().await;
        let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        sql(
            &mut connection,
            "CREATE TABLE entries (id bigserial PRIMARY KEY, run int NOT NULL, value int NOT NULL,
                 parent bigint REFERENCES entries (id) DEFERRABLE INITIALLY DEFERRED)",
        )
        .await;
        let handle = handle(&database, 2);
        (database, handle, pool)
    });
    let case = std::cell::Cell::new(0);
    let cases = (
        proptest::collection::vec(any::<i32>(), 1..6),
        proptest::sample::select(ENDS.to_vec()),
    );
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(140));
    runner
        .run(&cases, |(writes, end)| {
            case.set(case.get() + 1);
            let run = case.get();
            let expected = match end {
                End::Commit => writes.len() as i64,
                _ => 0,
            };
            let kept: i64 = runtime.block_on(async {
                let work = work(move |connection| {
                    let writes = writes.clone();
                    async move { write(connection, run, &writes, end).await }.boxed()
                });
                let handle = handle.clone();
                let task = tokio::spawn(async move { transaction(&handle, "test", work).await });
                if end == End::Dropped {
                    tokio::time::sleep(std::time::Duration::from_millis(15)).await;
                    task.abort();
                }
                match task.await {
                    Ok(outcome) => assert_eq!(outcome.is_ok(), end == End::Commit, "{outcome:?}"),
                    Err(_) => assert!(matches!(end, End::Panic | End::Dropped)),
                }
                sqlx::query_scalar("SELECT count(*) FROM entries WHERE run = $1")
                    .bind(run)
                    .fetch_one(&pool)
                    .await
                    .unwrap()
            });
            prop_assert_eq!(kept, expected, "{:?}", end);
            Ok(())
        })
        .unwrap();
    // Two connections served all of this: none was lost, and none came back in a transaction.
    runtime.block_on(async {
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut connection = handle.acquire().await.unwrap();
            sql(
                &mut connection,
                "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            )
            .await;
            let level: String = sqlx::query_scalar("SHOW transaction_isolation")
                .fetch_one(&mut *connection)
                .await
                .unwrap();
            assert_eq!(level, "read committed", "still in a transaction");
            held.push(connection);
        }
        drop(held);
        handle.pool().close().await;
        pool.close().await;
        drop(database);
    });
}

#[tokio::test]
async fn r04_2_the_error_says_what_was_being_done_and_what_failed() {
    let database = postgres::database().await;
    let handle = handle(&database, 2);
    let work = work(|connection| execute(connection, "SELECT * FROM nothing".into()).boxed());
    let error = transaction(&handle, "move stock", work).await.unwrap_err();
    assert_eq!(error.code(), Code::InternalError);
    let chain = erpgo_telemetry::chain(&error).to_string();
    assert!(
        chain.contains("write failed") && chain.contains("nothing"),
        "{chain}"
    );
}
