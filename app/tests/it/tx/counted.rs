//! How transactions end, as they are counted.

use erpgo_test_kit::proxy;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::killed::CONFIG;
use crate::locks::{locked, waits_for_locks};
use crate::program::{Program, administrator, post, start};
use crate::sql::sql;
use crate::world::{ADMIN, Answer, PASSWORD};

/// What the sku asks for comes to pass at the commit, when all of the work went well.
const AT_COMMIT: &str = "
    CREATE TABLE gate (n int);
    CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.sku = 'REFUSED' THEN
            RAISE EXCEPTION 'no' USING ERRCODE = '23514';
        ELSIF NEW.sku = 'CONFLICT' THEN
            RAISE EXCEPTION 'not now' USING ERRCODE = '40001';
        ELSIF NEW.sku = 'FULL' THEN
            RAISE EXCEPTION 'full' USING ERRCODE = '53100';
        ELSIF NEW.sku = 'LOST' THEN
            PERFORM count(*) FROM gate;
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON products DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION at_commit();";

/// How they end.
const RESULTS: [&str; 4] = ["committed", "conflict", "rolled_back", "unknown"];

/// How many ended in each way.
async fn counted(program: &Program) -> [i64; 4] {
    let mut counts = [0; 4];
    for (count, result) in counts.iter_mut().zip(RESULTS) {
        let series = format!("erpgo_db_transactions_total{{result=\"{result}\"}}");
        *count = program.metric(&series).await;
    }
    counts
}

async fn product(program: &Program, token: &str, sku: &str) -> Answer {
    let headers = format!("authorization: Bearer {token}\r\n");
    let body = json!({"sku": sku, "name": "Chair", "price": "1", "currency": "EUR"});
    let answer = post(program.api, "/api/v1/products", &headers, &body).await;
    answer.unwrap()
}

/// What the making of the product answers, and how many of each more there are afterwards.
async fn made(program: &Program, token: &str, sku: &str) -> (u16, [i64; 4]) {
    let before = counted(program).await;
    let answer = product(program, token, sku).await;
    let after = counted(program).await;
    let more = std::array::from_fn(|n| after[n] - before[n]);
    (answer.status.as_u16(), more)
}

/// Nothing but requests counts here, and there is one at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r11_1_a_commit_that_fails_is_counted_as_what_it_is() {
    let database = crate::world::database().await;
    administrator(&database.url(), ADMIN, PASSWORD).await;
    let way = proxy::tcp(database.address()).await;
    let program = start(&way.url(&database.url()), CONFIG);
    program.is_ready().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    sql(&mut connection, AT_COMMIT).await;
    let token = program.signed_in().await;
    for (sku, status, more) in [
        ("KEPT", 201, [1, 0, 0, 0]),
        // A duplicate, before anything is to be committed.
        ("KEPT", 409, [0, 0, 1, 0]),
        ("REFUSED", 500, [0, 0, 1, 0]),
        // To be tried again later, and refused all the same.
        ("FULL", 503, [0, 0, 1, 0]),
        // Each of four tries.
        ("CONFLICT", 503, [0, 4, 0, 0]),
    ] {
        assert_eq!(made(&program, &token, sku).await, (status, more), "{sku}");
    }
    let mut gate = locked(&database, "gate").await;
    let cut = async {
        waits_for_locks(&database, 1).await;
        way.cut();
    };
    let (lost, ()) = tokio::join!(made(&program, &token, "LOST"), cut);
    assert_eq!(lost, (503, [0, 0, 0, 1]));
    sql(&mut gate, "ROLLBACK").await;
}
