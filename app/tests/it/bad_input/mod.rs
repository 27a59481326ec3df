//! Input that no client library would send, to the real program over TCP: each gets a problem or a closed
//! connection, and the process stays as small and as well as it was.

mod bodies;
mod cases;
mod heads;
mod silent;
mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use erpgo::server::Server;
use erpgo_test_kit::postgres::TestDatabase;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::program::{Program, get, served};
use crate::world::{World, settings, until};
use cases::{Case, LOGIN, chunks, in_chunks, request, sized, too_late};
use wire::{Pace, conforms, cut_off, exchange, hold, told};

const CONFIG: &str = "
auth: { hash_memory_kib: 8, hash_iterations: 1 }
limits: { login_per_ip: 0 }
database: { acquire_timeout: 20s, max_connections: 8 }
";

/// One bombardment after the other: each takes what the machine has.
static TURN: Mutex<()> = Mutex::const_new(());

const CREATE: &str = "POST /api/v1/products HTTP/1.1";

/// How often each case is sent at the same time.
const ROUNDS: usize = 4;

/// What the process may take at most, of the 256 MiB at which the kernel ends its container. A build for
/// tests begins with 60 and takes 110 here.
const MOST_KIB: u64 = 128 * 1024;

/// The process as the kernel sees it.
struct Seen(u32);

impl Seen {
    fn kib(&self, name: &str) -> u64 {
        erpgo_test_kit::kernel::status(self.0, name).unwrap()
    }

    fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.0))
            .unwrap()
            .count()
    }
}

fn product(sku: &str) -> Value {
    json!({"sku": sku, "name": "Chair", "price": "1", "currency": "EUR"})
}

fn body_limit() -> usize {
    settings("").http.body_limit
}

async fn products(database: &TestDatabase) -> i64 {
    let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
    let count = sqlx::query_scalar("SELECT count(*) FROM products");
    let count = count.fetch_one(&pool).await.unwrap();
    pool.close().await;
    count
}

async fn run(api: SocketAddr, case: Case) {
    let answers = exchange(api, &case.head, &case.rest, case.pace).await;
    let told = told(&answers);
    // The end of a connection that is still being written to can overtake the answer (RFC 9112 §9.6).
    let overtaken = told.is_empty() && case.is_cut_off();
    assert!(overtaken || told == case.told, "{}: {told}", case.name);
    conforms(&case.head, &answers);
}

/// Writes that end before they say they do, even where what has come would be a write.
fn cut_short(token: &str) -> Vec<Vec<u8>> {
    let authorization = format!("authorization: Bearer {token}\r\n");
    let body = product("CUT").to_string();
    let whole = sized(CREATE, &authorization, body.as_bytes());
    let longer = sized(CREATE, &authorization, format!("{body} ").as_bytes());
    let chunked = in_chunks(CREATE, &authorization, &chunks(body.as_bytes(), 7));
    vec![
        whole[..whole.len() / 2].to_vec(),
        whole[..whole.len() - body.len() / 2].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        longer[..longer.len() - 1].to_vec(),
        chunked[..chunked.len() - body.len() / 2].to_vec(),
        chunked,
    ]
}

async fn cut(api: SocketAddr, bytes: Vec<u8>) {
    let told = told(&cut_off(api, &bytes).await);
    let shown = String::from_utf8_lossy(&bytes);
    let known = ["", "400 INVALID_JSON", "503 OVERLOADED"].contains(&&*told);
    assert!(known, "{told}: {shown}");
    // And one who does not wait for an answer.
    drop(hold(api, &bytes).await);
}

/// Bodies that never end: as large as may be in one piece, in the smallest chunks, and in the smallest
/// packets.
fn filling(limit: usize) -> Vec<Case> {
    let almost = vec![b' '; limit - 1];
    let length = format!("content-type: application/json\r\ncontent-length: {limit}\r\n");
    let sized = request(LOGIN, &length, b"");
    let chunked = in_chunks(LOGIN, "", b"");
    let tiny = chunks(&almost, 1);
    let pause = Pace::Endless(Duration::from_millis(10));
    [
        vec![too_late("in one piece", sized.clone(), almost, Pace::AtOnce); 100],
        vec![too_late("in tiny chunks", chunked, tiny, Pace::AtOnce); 50],
        vec![too_late("in tiny packets", sized, b" ".to_vec(), pause); 150],
    ]
    .concat()
}

/// Heads that are almost as large as may be and never end.
async fn endless_heads(api: SocketAddr) -> Vec<TcpStream> {
    let head = format!("GET / HTTP/1.1\r\nx-long: {}", "x".repeat(65_000));
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(hold(api, head.as_bytes()).await);
    }
    held
}

/// Waits for all of them, and names every one that failed.
async fn all_end(mut running: JoinSet<()>) {
    let mut failed = Vec::new();
    while let Some(done) = running.join_next().await {
        failed.extend(done.err().map(|error| format!("{error:?}")));
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The program before it is sent what it should not be.
struct Target {
    database: TestDatabase,
    program: Program,
    token: String,
    seen: Seen,
    files: usize,
    kib: u64,
}

impl Target {
    async fn new(config: &str) -> Self {
        let database = crate::world::database().await;
        let program = served(&database, config).await;
        let token = program.signed_in().await;
        let seen = Seen(program.process.id().unwrap());
        Self {
            files: seen.open_files(),
            kib: seen.kib("VmRSS"),
            database,
            program,
            token,
            seen,
        }
    }

    /// The same process serves as ever, never took more memory than it may, kept nothing of what was sent
    /// and wrote none of it.
    async fn is_well(&self) {
        let (before, peak) = (self.kib, self.seen.kib("VmHWM"));
        assert!(peak < MOST_KIB, "{before} KiB before, at most {peak} KiB");
        self.nothing_is_left().await;
        assert_eq!(products(&self.database).await, 0);
        the_largest_body_is_taken(self.program.api, &self.token).await;
        assert_eq!(products(&self.database).await, 1);
        assert_eq!(self.program.process.id(), Some(self.seen.0));
        self.log_is_clean();
    }

    async fn nothing_is_left(&self) {
        let metrics = || async { get(self.program.metrics, "/metrics").await.unwrap().1 };
        until("no request is in flight", || async {
            metrics().await.contains("http_requests_in_flight 0")
        })
        .await;
        // The pool of the database may have grown.
        until("the connections are closed", || async {
            self.seen.open_files() <= self.files + 10
        })
        .await;
        no_word_of_a_client_is_a_label(&metrics().await);
    }

    /// Every one of `cases` that the program itself refuses with `status` was refused, whether or not its
    /// client has heard of it.
    async fn refused(&self, cases: &[Case], status: u16) {
        let expected: usize = cases.iter().map(|case| case.refusals(status)).sum();
        let metrics = get(self.program.metrics, "/metrics").await.unwrap().1;
        let ending = format!("status=\"{status}\"}} ");
        let counts = metrics.lines().filter_map(|line| {
            let (series, count) = line.split_once(&ending)?;
            let count = count.parse::<usize>().unwrap();
            series.starts_with("http_requests_total").then_some(count)
        });
        assert_eq!(counts.sum::<usize>(), expected, "{metrics}");
    }

    fn log_is_clean(&self) {
        let log = self.program.process.stdout();
        let is = |line: &str, level: &str| line.contains(&format!("\"level\":\"{level}\""));
        // One of the first lines is still there, so that none was dropped.
        assert!(
            log.iter()
                .any(|line| is(line, "INFO") && line.contains("\"ready\""))
        );
        let faults: Vec<_> = log.iter().filter(|line| is(line, "ERROR")).collect();
        assert!(faults.is_empty(), "a panic, too, is one: {faults:?}");
        assert_eq!(self.program.process.stderr(), Vec::<String>::new());
    }
}

fn no_word_of_a_client_is_a_label(metrics: &str) {
    let requests = metrics
        .lines()
        .filter(|line| line.starts_with("http_requests_total{"));
    let mut labels = 0;
    for line in requests {
        let quoted: Vec<_> = line.split('"').collect();
        let (method, path) = (quoted[1], quoted[3]);
        assert!(["GET", "POST", "PUT", "OTHER"].contains(&method), "{line}");
        let known = ["unmatched", "/health/live", "/health/ready"].contains(&path);
        assert!(known || path.starts_with("/api/v1/"), "{line}");
        labels += 1;
    }
    assert!((1..50).contains(&labels), "{labels}");
}

/// The largest body that is valid, with every character written as long as JSON allows.
async fn the_largest_body_is_taken(api: SocketAddr, token: &str) {
    let crabs = |count: usize| "\\ud83e\\udd80".repeat(count);
    let sku = "S".repeat(64);
    let body = format!(
        r#"{{"sku":"{sku}","name":"{}","description":"{}","price":"1","currency":"EUR"}}"#,
        crabs(200),
        crabs(5_000)
    );
    let authorization = format!("authorization: Bearer {token}\r\n");
    let request = sized(CREATE, &authorization, body.as_bytes());
    let answers = exchange(api, &request, b"", Pace::AtOnce).await;
    assert_eq!(told(&answers), "201");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_requests_get_a_problem_or_a_closed_connection_and_leave_nothing_behind() {
    let _turn = TURN.lock().await;
    let target = Target::new(CONFIG).await;
    let api = target.program.api;
    let cases = [bodies::quick(body_limit()), heads::all()].concat();
    let cases = vec![cases; ROUNDS].concat();
    let mut running = JoinSet::new();
    for case in &cases {
        running.spawn(run(api, case.clone()));
    }
    for bytes in vec![cut_short(&target.token); ROUNDS].concat() {
        running.spawn(cut(api, bytes));
    }
    assert!(running.len() > 300, "{}", running.len());
    all_end(running).await;
    for status in [404, 405, 413, 415] {
        target.refused(&cases, status).await;
    }
    target.is_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_requests_are_cut_off_in_time_and_take_little_memory() {
    let _turn = TURN.lock().await;
    let target = Target::new(&format!("{CONFIG}http: {{ request_timeout: 5s }}\n")).await;
    let api = target.program.api;
    let held = endless_heads(api).await;
    let slow = vec![bodies::slow(); ROUNDS].concat();
    let cases = [slow, filling(body_limit())].concat();
    let mut running = JoinSet::new();
    for case in &cases {
        running.spawn(run(api, case.clone()));
    }
    assert!(running.len() > 250, "{}", running.len());
    all_end(running).await;
    drop(held);
    target.refused(&cases, 504).await;
    target.is_well().await;
}

/// The time runs from the first byte and no later one renews it; a client that is not done is not waited
/// for. The program gives 75 s.
#[tokio::test]
async fn a_head_that_never_ends_is_closed_in_time() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = listener.local_addr().unwrap();
    let server = Server {
        listener,
        router: world.router.clone(),
        max_connections: 16,
        patience: Duration::from_secs(2),
        wind_down: Duration::ZERO,
        drain: Duration::ZERO,
    };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.run(stop.clone()));
    let pace = Pace::Endless(Duration::from_millis(50));
    let begun = std::time::Instant::now();
    let trickling = [
        exchange(api, b"", b"GET", pace),
        exchange(api, b"GET /", b"x", pace),
        exchange(api, b"GET / HTTP/1.1\r\n", b"x: y\r\n", pace),
        exchange(api, b"GET / HTTP/1.1\r\n", b"", Pace::AtOnce),
        exchange(api, b"", b"\r\n", pace),
        exchange(api, b"", b"", Pace::AtOnce),
    ];
    for answers in futures::future::join_all(trickling).await {
        assert_eq!(told(&answers), "");
    }
    let took = begun.elapsed();
    assert!((2..10).contains(&took.as_secs()), "{took:?}");
    // Whoever is done in time is answered as ever.
    assert_eq!(get(api, "/health/live").await.unwrap().0, 200);
    stop.cancel();
    serving.await.unwrap();
}
