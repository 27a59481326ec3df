//! How many statements each operation sends, whatever the size of what it works on: no N+1.
//!
//! The bounds are the table of the guide, so that neither drifts from the other. An operation of the
//! document that has no row there, or no call here, fails.

mod account;
pub mod counter;
mod people;
mod stage;
mod things;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use counter::Counter;
use http::Method;
use stage::{Call, Stage};

use crate::spans::Recorder;
use crate::world::call_with;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guides/speed.md");
const MANY: usize = 50;

/// `METHOD /path` of each operation of the document.
fn operations() -> Vec<String> {
    let document = serde_json::to_value(erpgo::router::document()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation.get("responses").is_some() {
                found.push(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    found.sort();
    found
}

/// The guide's table: `| METHOD /path | statements |`.
fn bounds() -> BTreeMap<String, usize> {
    let guide = std::fs::read_to_string(GUIDE).unwrap();
    let rows = guide.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split("` | ");
        let (operation, bound) = (cells.next()?, cells.next()?);
        let bound = bound.trim_end_matches(" |").parse().ok()?;
        Some((operation.to_owned(), bound))
    });
    rows.collect()
}

async fn prepared(stage: &Stage, operation: &str) -> Call {
    if let Some(call) = things::call(stage, operation).await {
        return call;
    }
    if let Some(call) = people::call(stage, operation).await {
        return call;
    }
    let call = account::call(stage, operation).await;
    call.unwrap_or_else(|| panic!("{operation} has no call here: its statements are not counted"))
}

/// The statements of one call that succeeds; each of them has a span of its own.
async fn statements(stage: &Stage, call: &Call) -> Vec<String> {
    // Nothing known of the caller: the most that a request can need.
    stage.world.state.sessions.forget_all();
    // Nor is the minute over after which it is noted that they were seen, however long the stage took.
    sqlx::query("UPDATE sessions SET last_seen_at = now() WHERE last_seen_at IS NOT NULL")
        .execute(&stage.world.state.database.pool())
        .await
        .unwrap();
    let headers: Vec<_> = call.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let (counter, recorder) = (Counter::default(), Recorder::default());
    let answer = {
        let _counting = counter.beside(&recorder);
        let place = (call.method.clone(), &*call.path);
        call_with(
            &stage.world.router,
            place,
            &call.token,
            &headers,
            call.body.as_ref(),
        )
        .await
    };
    assert!(
        answer.status.is_success(),
        "{} {} answers {}: {}",
        call.method,
        call.path,
        answer.status,
        answer.text
    );
    let sent = counter.statements();
    // Those of an operation, not what the pool and a transaction say: BEGIN and COMMIT have none.
    let spans = recorder.named("db.query");
    let ended = spans.iter().filter(|span| span.closed).count();
    assert_eq!(
        ended,
        sent.len(),
        "{} {}: {spans:#?}\n{sent:#?}",
        call.method,
        call.path
    );
    sent
}

#[test]
fn every_operation_of_the_document_has_a_bound_and_no_other() {
    let bounds = bounds();
    let listed: Vec<_> = bounds.keys().cloned().collect();
    assert_eq!(listed, operations(), "the table of docs/guides/speed.md");
}

/// r10_1: every operation there is, to its success; every error code has its own test. r12_2: each of
/// the statements has a span.
#[tokio::test]
async fn each_operation_sends_as_many_statements_for_fifty_as_for_one_and_no_more_than_its_bound() {
    let (one, many) = (Stage::new(1).await, Stage::new(MANY).await);
    let bounds = bounds();
    let (mut faults, mut measured) = (String::new(), String::new());
    for operation in operations() {
        let few = statements(&one, &prepared(&one, &operation).await).await;
        let more = statements(&many, &prepared(&many, &operation).await).await;
        writeln!(measured, "| `{operation}` | {} |", more.len()).unwrap();
        if few.len() != more.len() {
            let what = "grows with what it works on";
            writeln!(faults, "{operation} {what}:\n {few:?}\n {more:?}").unwrap();
        }
        let bound = bounds.get(&operation).copied().unwrap_or(0);
        if more.len() > bound {
            writeln!(faults, "{operation} sends more than {bound}: {more:?}").unwrap();
        }
    }
    assert!(faults.is_empty(), "{faults}\nmeasured:\n{measured}");
}

/// One statement reads a user and every role of theirs.
#[tokio::test]
async fn r06_3_the_roles_of_a_user_come_in_one_join() {
    let stage = Stage::new(MANY).await;
    let person = stage.person().await;
    let path = format!("/api/v1/users/{}", person.id);
    let user = stage.world.get(&path, &stage.admin).await.expect(200);
    assert_eq!(user.json()["roles"].as_array().unwrap().len(), MANY);
    let call = Call::new(Method::GET, path, &stage.admin);
    let sent = statements(&stage, &call).await;
    let of_users: Vec<_> = sent
        .iter()
        .filter(|sql| sql.contains("FROM users u"))
        .collect();
    let [read] = of_users[..] else {
        panic!("{sent:?}");
    };
    assert!(read.contains("JOIN roles"), "{read}");
}

/// The counter sees what it is there for: a loop over rows is counted row by row.
#[tokio::test]
async fn a_query_for_each_row_would_be_noticed() {
    let stage = Stage::new(3).await;
    let counter = Counter::default();
    {
        let _counting = counter.here();
        let mut connection = stage.world.state.database.acquire().await.unwrap();
        for role in &stage.roles {
            sqlx::query("SELECT name FROM roles WHERE id = $1::uuid")
                .bind(role)
                .fetch_one(&mut *connection)
                .await
                .unwrap();
        }
    }
    assert_eq!(counter.statements().len(), 3);
}
