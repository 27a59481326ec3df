//! The end of a process, seen from outside (R9, P14).

mod collector;
mod generated;
mod hung;
mod queued;

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use erpgo::server::Server;
use erpgo::shutdown::{Hooks, Phase};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::program::heard;
use crate::world::{Answer, World, until};

/// For what has to come, on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(60);

struct Running {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<bool>,
}

async fn serve(router: Router, drain: Duration) -> Running {
    serve_and_wind_down(router, Duration::ZERO, drain).await
}

async fn serve_and_wind_down(router: Router, wind_down: Duration, drain: Duration) -> Running {
    serve_patiently(router, Duration::from_secs(10), wind_down, drain).await
}

async fn serve_patiently(
    router: Router,
    patience: Duration,
    wind_down: Duration,
    drain: Duration,
) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = Server {
        listener,
        router,
        max_connections: 64,
        patience,
        wind_down,
        drain,
    };
    Running {
        address,
        task: tokio::spawn(server.run(stop.clone())),
        stop,
    }
}

async fn ask(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    // Ends because the server closes the connection after the answer.
    let _ = tokio::time::timeout(LIMIT, stream.read_to_string(&mut text)).await;
    text
}

/// Counts the requests whose handler was entered: from then on they are in flight.
#[derive(Clone)]
struct Entered(watch::Sender<usize>);

impl Entered {
    fn none() -> Self {
        Self(watch::Sender::new(0))
    }

    fn one_more(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// Waits until there were `count` of them.
    async fn reach(&self, count: usize) {
        let mut seen = self.0.subscribe();
        let reached = tokio::time::timeout(LIMIT, seen.wait_for(|seen| *seen >= count));
        reached.await.expect("all are in flight").unwrap();
    }
}

/// A request on a connection of its own, of which the last part is kept back.
struct Begun {
    stream: TcpStream,
    place: (Method, &'static str),
    rest: String,
}

impl Begun {
    /// Sends the request but for the last `kept` bytes of its body.
    async fn new(
        address: std::net::SocketAddr,
        token: &str,
        (method, path): (Method, &'static str),
        body: &str,
        kept: usize,
    ) -> Self {
        let (sent, rest) = body.split_at(body.len() - kept);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{sent}",
            body.len()
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        Self {
            stream,
            place: (method, path),
            rest: rest.to_owned(),
        }
    }

    /// The answer to all of it, which is the last on its connection.
    async fn finish(mut self) -> Answer {
        self.stream.write_all(self.rest.as_bytes()).await.unwrap();
        let (ended, text) = self.read().await;
        ended.unwrap();
        let heard = heard((&self.place.0, self.place.1), &text);
        heard.unwrap_or_else(|| panic!("{:?}: not answered: {text:?}", self.place))
    }

    /// What comes until the connection ends, and when that was. A reset is an end, too.
    async fn end(mut self) -> (String, Instant) {
        let (_, text) = self.read().await;
        (text, Instant::now())
    }

    async fn read(&mut self) -> (std::io::Result<usize>, String) {
        let mut text = String::new();
        let read = self.stream.read_to_string(&mut text);
        let ended = tokio::time::timeout(LIMIT, read).await;
        (ended.expect("never cut off"), text)
    }
}

/// A handler that does not end before `open`.
fn held(world: &World, entered: &Entered, open: &CancellationToken) -> Router {
    let (entered, open) = (entered.clone(), open.clone());
    let routes = Router::new().route(
        "/slow",
        get(move || async move {
            entered.one_more();
            open.cancelled().await;
            "finished"
        }),
    );
    erpgo::layers::apply(routes, Default::default(), &world.state).with_state(world.state.clone())
}

async fn accepts_no_more(running: &Running) {
    until("new connections are refused", || async {
        TcpStream::connect(running.address).await.is_err()
    })
    .await;
}

fn slow(world: &World, millis: u64) -> Router {
    let routes = Router::new().route(
        "/slow",
        get(move || async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            "finished"
        }),
    );
    erpgo::layers::apply(routes, Default::default(), &world.state).with_state(world.state.clone())
}

#[tokio::test]
async fn p14_a_request_in_flight_finishes_and_no_other_is_accepted() {
    let world = World::new().await;
    let (entered, open) = (Entered::none(), CancellationToken::new());
    let running = serve(held(&world, &entered, &open), LIMIT).await;
    let in_flight = tokio::spawn(ask(running.address, "/slow"));
    entered.reach(1).await;
    // An idle connection must not hold the end up.
    let _idle = TcpStream::connect(running.address).await.unwrap();
    world.state.lifecycle.advance(Phase::Draining);
    running.stop.cancel();
    accepts_no_more(&running).await;
    assert!(!running.task.is_finished(), "the request was given up");
    open.cancel();
    let answer = in_flight.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
    assert!(answer.ends_with("finished"), "{answer}");
    assert!(running.task.await.unwrap(), "nothing had to be cut off");
}

#[tokio::test]
async fn p14_a_kept_alive_connection_is_used_once_more_and_told_to_close() {
    let world = World::new().await;
    let (wind_down, drain) = (Duration::from_secs(60), Duration::from_secs(70));
    let running = serve_and_wind_down(slow(&world, 1), wind_down, drain).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 4096];
    let read = stream.read(&mut first).await.unwrap();
    assert!(!String::from_utf8_lossy(&first[..read]).contains("connection: close"));

    world.state.lifecycle.advance(Phase::Draining);
    running.stop.cancel();
    accepts_no_more(&running).await;
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut second = String::new();
    stream.read_to_string(&mut second).await.unwrap();
    assert!(second.starts_with("HTTP/1.1 200"), "{second}");
    assert!(second.contains("connection: close"), "{second}");
    // With its last client gone it ends before the time is up.
    let ended = tokio::time::timeout(Duration::from_secs(40), running.task).await;
    assert!(ended.unwrap().unwrap());
}

#[tokio::test]
async fn r09_4_what_is_left_at_the_deadline_is_cut_off() {
    let world = World::new().await;
    let drain = Duration::from_millis(300);
    let (entered, never) = (Entered::none(), CancellationToken::new());
    let running = serve(held(&world, &entered, &never), drain).await;
    let in_flight = tokio::spawn(ask(running.address, "/slow"));
    entered.reach(1).await;
    let begun = Instant::now();
    running.stop.cancel();
    assert!(!running.task.await.unwrap());
    // It is not left to run on until the process ends.
    assert_eq!(in_flight.await.unwrap(), "");
    let took = begun.elapsed();
    assert!((drain..Duration::from_secs(20)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn hooks_of_equal_priority_keep_their_order() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut hooks = Hooks::default();
    for name in ["a", "b", "c"] {
        let sender = sender.clone();
        hooks.add(1, name, Duration::from_secs(1), move || async move {
            sender.send(name).unwrap()
        });
    }
    assert!(hooks.run().await);
    let mut order = Vec::new();
    while let Ok(name) = receiver.try_recv() {
        order.push(name);
    }
    assert_eq!(order, ["a", "b", "c"]);
}

async fn ask_on(stream: &mut TcpStream) -> String {
    let request = b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut answer = vec![0; 4_096];
    let asked = async {
        stream.write_all(request).await.unwrap();
        stream.read(&mut answer).await.unwrap()
    };
    let read = tokio::time::timeout(LIMIT, asked).await;
    String::from_utf8_lossy(&answer[..read.unwrap()]).into_owned()
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_longer_than_proxies_keep_theirs_and_ends_all_the_same() {
    assert!(erpgo::server::PATIENCE > Duration::from_secs(60));
    let world = World::new().await;
    world.state.lifecycle.advance(Phase::Serving);
    let patience = Duration::from_secs(2);
    let none = Duration::ZERO;
    let running = serve_patiently(slow(&world, 0), patience, none, none).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let mut begun = Instant::now();
    for _ in 0..3 {
        // The server counts from its answer, which is later.
        begun = Instant::now();
        let answer = ask_on(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    // Nothing but its patience ends it.
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut [0; 16])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    assert!(begun.elapsed() >= patience, "after {:?}", begun.elapsed());
}
