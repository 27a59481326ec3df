//! Calls to other services: three tries, a breaker, and an end to each wait.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use erpgo::outgoing::{Outgoing, OutgoingError, Patience};
use erpgo_test_kit::port;
use http::{Method, StatusCode};
use http_body_util::Full;
use reqwest::{RequestBuilder, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::spans::Recorder;

/// Long enough for whatever a busy machine does meanwhile.
const LONG: Duration = Duration::from_secs(30);
const WAIT: Duration = Duration::from_millis(40);
const PATIENCE: Patience = Patience {
    attempt: LONG,
    whole: LONG,
    waits: [WAIT, WAIT],
    rest: LONG,
};
/// What is waited at the least before a third try.
const BEFORE_THE_THIRD: Duration = Duration::from_millis(60);

const OK: &str = "204 No Content\r\n";
const DOWN: &str = "503 Service Unavailable\r\n";
const GATEWAY: &str = "502 Bad Gateway\r\n";
/// Takes the request and says nothing.
const SILENT: &str = "silent";
/// Closes the connection instead of an answer.
const GONE: &str = "gone";

/// A server that gives its answers in turn and the last one for ever, each on a connection of its own.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn answering(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
        };
        let connections = Arc::clone(&server.connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(stream, answers[number.min(answers.len() - 1)]));
            }
        });
        server
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn answer(mut stream: TcpStream, with: &str) {
    let mut request = [0; 4096];
    if with == GONE || !matches!(stream.read(&mut request).await, Ok(1..)) {
        return;
    }
    if with != SILENT {
        let text = format!("HTTP/1.1 {with}connection: close\r\ncontent-length: 0\r\n\r\n");
        let text = if with == OK {
            text.replace("content-length: 0\r\n", "")
        } else {
            text
        };
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
    // To the end of what is sent: whoever closes before that takes the answer back.
    while matches!(stream.read(&mut request).await, Ok(1..)) {}
}

fn service(patience: Patience) -> Outgoing {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    Outgoing::new("peer", client, patience)
}

fn request(service: &Outgoing, address: SocketAddr) -> RequestBuilder {
    let url = format!("http://{address}/secret-path").parse().unwrap();
    service.request(Method::POST, url)
}

async fn call(service: &Outgoing, address: SocketAddr) -> Result<Response, OutgoingError> {
    service.call(request(service, address)).await
}

async fn status(service: &Outgoing, server: &Server) -> StatusCode {
    call(service, server.address).await.unwrap().status()
}

async fn is_left_alone(service: &Outgoing, server: &Server) {
    let refused = call(service, server.address).await;
    assert!(
        matches!(refused, Err(OutgoingError::LeftAlone("peer"))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_may_pass_is_tried_three_times_and_each_try_has_its_span() {
    for first in [DOWN, GATEWAY, "504 Gateway Timeout\r\n", GONE] {
        let answers = vec![first, GATEWAY, OK].leak();
        let server = Server::answering(answers).await;
        let service = service(PATIENCE);
        let (recorder, begun) = (Recorder::default(), Instant::now());
        let _here = recorder.listen();
        assert_eq!(status(&service, &server).await, 204, "{first}");
        assert!(begun.elapsed() >= BEFORE_THE_THIRD, "{first}");
        assert_eq!(server.connections(), 3, "{first}");
        let tries = recorder.named("http.client");
        assert_eq!(tries.len(), 3, "{tries:#?}");
        let fields = &tries[2].fields;
        assert!(fields.contains("http.response.status_code=204"), "{fields}");
        for hidden in tries {
            assert!(!hidden.fields.contains("secret-path"), "{hidden:?}");
        }
    }
}

#[tokio::test]
async fn what_will_not_pass_is_tried_once() {
    for answer in [
        OK,
        "404 Not Found\r\n",
        "409 Conflict\r\n",
        "500 Internal Server Error\r\n",
        "429 Too Many Requests\r\n",
        "429 Too Many Requests\r\nretry-after: 3600\r\n",
        "503 Service Unavailable\r\nretry-after: 3600\r\n",
    ] {
        let server = Server::answering(vec![answer, OK].leak()).await;
        let status = status(&service(PATIENCE), &server).await;
        assert!(answer.starts_with(status.as_str()), "{status}: {answer}");
        assert_eq!(server.connections(), 1, "{answer}");
    }
}

#[tokio::test]
async fn who_says_when_is_asked_again_then() {
    let server = Server::answering(&["429 Too Many Requests\r\nretry-after: 1\r\n", OK]).await;
    let begun = Instant::now();
    assert_eq!(status(&service(PATIENCE), &server).await, 204);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.connections(), 2);
    // Not when there is no time for it: the answer stands.
    let patience = Patience {
        whole: Duration::from_secs(8),
        ..PATIENCE
    };
    let server = Server::answering(&["429 Too Many Requests\r\nretry-after: 9\r\n", OK]).await;
    assert_eq!(status(&service(patience), &server).await, 429);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_body_that_can_be_sent_once_only_is_tried_once() {
    let service = service(PATIENCE);
    let server = Server::answering(&[DOWN, OK]).await;
    let once = reqwest::Body::wrap(Full::new(Bytes::from_static(b"{}")));
    let request_once = request(&service, server.address).body(once);
    let answer = service.call(request_once).await.unwrap();
    assert_eq!((answer.status().as_u16(), server.connections()), (503, 1));

    let server = Server::answering(&[DOWN, OK]).await;
    let again = request(&service, server.address).body("{}");
    let answer = service.call(again).await.unwrap();
    assert_eq!((answer.status().as_u16(), server.connections()), (204, 2));
}

/// Five tries in a row: the second call has two, and those after it none.
#[tokio::test]
async fn a_service_that_always_fails_is_left_alone_and_others_are_not() {
    let service = service(PATIENCE);
    let server = Server::answering(&[DOWN]).await;
    for tries in [3, 5] {
        assert_eq!(status(&service, &server).await, 503);
        assert_eq!(server.connections(), tries);
    }
    let begun = Instant::now();
    for _ in 0..20 {
        is_left_alone(&service, &server).await;
    }
    assert!(begun.elapsed() < LONG / 2);
    assert_eq!(server.connections(), 5);
    let other = Server::answering(&[OK]).await;
    assert_eq!(status(&self::service(PATIENCE), &other).await, 204);
}

#[tokio::test]
async fn once_a_service_has_rested_one_try_decides_whether_it_is_back() {
    let rest = Duration::from_secs(3);
    let service = service(Patience { rest, ..PATIENCE });
    let server = Server::answering(&[DOWN, DOWN, DOWN, DOWN, DOWN, DOWN, OK]).await;
    for _ in 0..2 {
        assert_eq!(status(&service, &server).await, 503);
    }
    is_left_alone(&service, &server).await;
    tokio::time::sleep(rest).await;
    // It is not, and that took one try.
    assert_eq!(status(&service, &server).await, 503);
    assert_eq!(server.connections(), 6);
    is_left_alone(&service, &server).await;
    tokio::time::sleep(rest).await;
    for tries in 7..10 {
        assert_eq!(status(&service, &server).await, 204);
        assert_eq!(server.connections(), tries);
    }
}

/// Fails, by itself and for the reason given.
fn unanswered(outcome: Result<Response, OutgoingError>) -> reqwest::Error {
    match outcome {
        Err(error @ OutgoingError::Unanswered { .. }) => {
            let text = erpgo_telemetry::chain(&error).to_string();
            assert!(!text.contains("secret-path"), "{text}");
            let OutgoingError::Unanswered { source, .. } = error else {
                unreachable!()
            };
            assert!(source.url().is_none());
            source
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_service_that_says_nothing_costs_three_times_its_deadline() {
    let attempt = Duration::from_millis(200);
    let service = service(Patience {
        attempt,
        ..PATIENCE
    });
    let server = Server::answering(&[SILENT]).await;
    let begun = Instant::now();
    let error = unanswered(call(&service, server.address).await);
    let took = begun.elapsed();
    assert!(error.is_timeout(), "{error:?}");
    assert!(took >= 3 * attempt + BEFORE_THE_THIRD, "{took:?}");
    assert!(took < LONG / 2, "{took:?}");
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_call_ends_when_its_time_is_over_whatever_its_tries_may_take() {
    let whole = Duration::from_millis(300);
    let service = service(Patience { whole, ..PATIENCE });
    let server = Server::answering(&[SILENT]).await;
    let begun = Instant::now();
    let error = unanswered(call(&service, server.address).await);
    let took = begun.elapsed();
    assert!(error.is_timeout(), "{error:?}");
    assert!((whole..LONG / 2).contains(&took), "{took:?}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_tried_three_times_too() {
    let (service, nobody) = (service(PATIENCE), port::address());
    let recorder = Recorder::default();
    let _here = recorder.listen();
    let begun = Instant::now();
    let error = unanswered(call(&service, nobody).await);
    assert!(error.is_connect(), "{error:?}");
    assert!(begun.elapsed() >= BEFORE_THE_THIRD);
    let tries = recorder.named("http.client");
    assert_eq!(tries.len(), 3, "{tries:#?}");
}

/// What is no request says nothing of the service.
#[tokio::test]
async fn a_request_that_cannot_be_built_is_tried_once_and_counts_for_nothing() {
    let service = service(PATIENCE);
    let server = Server::answering(&[OK]).await;
    for _ in 0..6 {
        let invalid = request(&service, server.address).header("no header", "x");
        let error = unanswered(service.call(invalid).await);
        assert!(error.is_builder(), "{error:?}");
    }
    assert_eq!(server.connections(), 0);
    assert_eq!(status(&service, &server).await, 204);
}
