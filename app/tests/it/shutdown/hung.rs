//! The end of the real program while requests hang: on a lock, and on a body that never ends.

use std::time::{Duration, Instant};

use erpgo_test_kit::Signal;
use http::{Method, header};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Begun;
use crate::locks::{products_locked, waits_for_locks};
use crate::program::{HOOKS, LIMIT, Program, get, heard, served};
use crate::sql::{scalar, sql};
use crate::world::{Answer, until};

/// A tenth of it is what kept-alive connections have.
const DRAIN: Duration = Duration::from_secs(20);
/// What all of the end may take beside it, as docs/guides/dependencies.md has it.
const BESIDE: Duration = Duration::from_secs(10);
/// For a machine that is busy with other tests.
const LATE: Duration = Duration::from_secs(3);
const CONFIG: &str = "
auth: { hash_memory_kib: 8, hash_iterations: 1 }
shutdown: { drain: 20s }
http: { request_timeout: 120s }
";

/// Waits until the program works on this many requests, by its own count.
async fn works_on(program: &Program, count: usize) {
    let line = format!("http_requests_in_flight {count}\n");
    until("all requests are in flight", || async {
        let metrics = get(program.metrics, "/metrics").await;
        metrics.is_some_and(|(_, text)| text.contains(&line))
    })
    .await;
}

async fn asked(probe: &mut TcpStream) -> Answer {
    let request = b"GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut answer = vec![0; 4_096];
    probe.write_all(request).await.unwrap();
    let read = probe.read(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer[..read]);
    let heard = heard((&Method::GET, "/health/ready"), &text);
    heard.unwrap_or_else(|| panic!("not answered: {text:?}"))
}

/// Whether its connection ends with it.
fn is_last(answer: &Answer) -> bool {
    let said = answer.headers.get(header::CONNECTION);
    said.is_some_and(|said| said == "close")
}

/// Asks over and over until readiness is gone; the answer that says so. The end may begin between an answer
/// that is well and the word to close its connection, so there is a second one.
async fn not_ready(probes: [TcpStream; 2]) -> Answer {
    for mut probe in probes {
        loop {
            let answer = asked(&mut probe).await;
            if answer.status != 200 {
                return answer;
            }
            if is_last(&answer) {
                break;
            }
        }
    }
    panic!("it ends and is ready")
}

/// The log tells of every hook in its turn, and of what was cut off. A request that went on would keep its
/// connection, and the database's hook would overrun.
fn ended_in_order(program: &Program) {
    let messages = program.messages();
    let told = |text: &'static str| messages.iter().filter(move |line| line["message"] == text);
    assert_eq!(program.hooks_done(), HOOKS, "{}", program.process.tail());
    let cut = told("requests were still in flight at the deadline and are cut off");
    assert_eq!(cut.count(), 1, "{}", program.process.tail());
}

/// r09_2, r09_4 and p14 in one end of the program.
#[tokio::test]
async fn r09_4_and_p14_what_hangs_is_cut_off_at_the_deadline_and_what_ends_in_time_is_answered() {
    let database = crate::world::database().await;
    let mut program = served(&database, CONFIG).await;
    let token = program.signed_in().await;
    let mut holder = products_locked(&database).await;

    let product = json!({"sku": "S-1", "name": "Chair", "price": "1", "currency": "EUR"});
    let role = |name: &str| json!({"name": name, "permissions": ["products.read"]}).to_string();
    let (product, slow, endless) = (product.to_string(), role("slow"), role("endless"));
    let [products, roles] = ["/api/v1/products", "/api/v1/roles"].map(|path| (Method::POST, path));
    let on_a_lock = Begun::new(program.api, &token, products, &product, 0).await;
    let slow = Begun::new(program.api, &token, roles.clone(), &slow, 9).await;
    let endless = Begun::new(program.api, &token, roles, &endless, 9).await;
    works_on(&program, 3).await;
    waits_for_locks(&database, 1).await;
    let probe = async || TcpStream::connect(program.api).await.unwrap();
    let mut probes = [probe().await, probe().await];
    for probe in &mut probes {
        asked(probe).await.expect(200);
    }

    let told = Instant::now();
    program.process.signal(Signal::TERM).unwrap();
    let answer = tokio::time::timeout(LIMIT, not_ready(probes))
        .await
        .unwrap();
    assert!(is_last(&answer.expect(503)));
    until("new connections are refused", || async {
        TcpStream::connect(program.api).await.is_err()
    })
    .await;
    assert!(is_last(&slow.finish().await.expect(201)));
    assert!(told.elapsed() < DRAIN, "{:?}", told.elapsed());

    let (on_a_lock, endless) = tokio::join!(on_a_lock.end(), endless.end());
    for (answer, ended) in [on_a_lock, endless] {
        assert_eq!(answer, "");
        let after = ended - told;
        assert!((DRAIN..DRAIN + LATE).contains(&after), "{after:?}");
    }
    let status = program.process.wait(LIMIT).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", program.process.tail());
    let took = told.elapsed();
    assert!(took < DRAIN + BESIDE, "{took:?}");
    ended_in_order(&program);

    // The lock was held all the while: what waited for it has had no effect and will have none.
    sql(&mut holder, "ROLLBACK").await;
    let products = "SELECT count(*) FROM products";
    assert_eq!(scalar::<i64>(&mut holder, products).await, 0);
    let slow = "SELECT count(*) FROM roles WHERE name = 'slow'";
    assert_eq!(scalar::<i64>(&mut holder, slow).await, 1);
    let endless = "SELECT count(*) FROM roles WHERE name = 'endless'";
    assert_eq!(scalar::<i64>(&mut holder, endless).await, 0);
}
