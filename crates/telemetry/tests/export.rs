//! Spans leave by OTLP, and the filter changes while the process runs (R12.4, R15.4).
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use erpgo_telemetry::{Format, Options, Otlp, build};
use erpgo_test_kit::log::Log;

fn options(otlp: Option<Otlp>) -> Options {
    Options {
        service: "the-service",
        version: "1",
        format: Format::Json,
        filter: "info".into(),
        otlp,
    }
}

/// A collector that takes one request and hands it over, head and body.
fn collector() -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        sender.send(request(stream)).unwrap();
    });
    (url, receiver)
}

fn request(mut stream: TcpStream) -> Vec<u8> {
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).unwrap_or(0);
        received.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&received).to_lowercase();
        let length = text
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next())
            .and_then(|length| length.parse::<usize>().ok());
        let head = received.windows(4).position(|end| end == b"\r\n\r\n");
        let complete = matches!((head, length), (Some(head), Some(length)) if received.len() >= head + 4 + length);
        if complete || count == 0 {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            return received;
        }
    }
}

/// What a call from within `span` carries on, once `span` was made a child of a caller's.
fn adopted(span: &tracing::Span) -> String {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let caller = format!("00-{trace}-00f067aa0ba902b7-01");
    erpgo_telemetry::adopt(span, &caller.parse().unwrap());
    assert_eq!(erpgo_telemetry::trace_id(span).as_deref(), Some(trace));
    let outer = span.in_scope(|| erpgo_telemetry::current_parent().unwrap().to_string());
    let inner = span.in_scope(|| tracing::info_span!("within"));
    let inner = inner.in_scope(|| erpgo_telemetry::current_parent().unwrap().to_string());
    for carried in [&outer, &inner] {
        assert!(carried.starts_with(&format!("00-{trace}-")), "{carried}");
        assert!(!carried.contains("00f067aa0ba902b7"), "{carried}");
    }
    assert_ne!(outer, inner);
    inner
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_4_spans_are_exported_with_the_services_name() {
    let (endpoint, received) = collector();
    let otlp = Otlp {
        endpoint,
        sample_ratio: 1.0,
    };
    let (subscriber, telemetry) = build(&options(Some(otlp)), io::sink).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        let span = tracing::info_span!("the-span");
        let inner = adopted(&span);
        assert!(inner.ends_with("-01"), "{inner}");
        let _within = span.enter();
        let query = tracing::info_span!("the-query", db.system = "postgresql");
        assert!(!query.is_disabled());
    });
    let flushed = tokio::task::spawn_blocking(move || telemetry.shutdown());
    let sent = tokio::task::spawn_blocking(move || received.recv_timeout(Duration::from_secs(10)));
    let sent = String::from_utf8_lossy(&sent.await.unwrap().unwrap()).into_owned();
    flushed.await.unwrap().unwrap();
    assert!(sent.starts_with("POST /v1/traces HTTP/1.1"), "{sent}");
    for part in [
        "application/x-protobuf",
        "the-service",
        "the-span",
        "the-query",
    ] {
        assert!(sent.contains(part), "{part} is missing in {sent}");
    }
}

#[test]
fn r15_4_the_filter_changes_and_a_bad_one_does_not() {
    let log = Log::default();
    let (subscriber, telemetry) = build(&options(None), log.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        tracing::debug!("before");
        assert!(telemetry.set_filter("nonsense=??").is_err());
        tracing::debug!("still before");
        telemetry.set_filter("debug").unwrap();
        tracing::debug!(answer = 42, "after");
    });
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("\"message\":\"after\"") && lines[0].contains("\"answer\":42"),
        "{lines:?}"
    );
}

#[test]
fn r12_3_without_an_endpoint_a_callers_trace_is_carried_on() {
    let (subscriber, _telemetry) = build(&options(None), io::sink).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        let inner = adopted(&tracing::info_span!("the-span"));
        assert!(inner.ends_with("-00"), "{inner}");
    });
}

#[test]
fn a_span_within_another_is_of_its_trace() {
    let (subscriber, _telemetry) = build(&options(None), io::sink).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        let outer = tracing::info_span!("outer");
        let inner = outer.in_scope(|| tracing::info_span!("inner"));
        let apart = tracing::info_span!("apart");
        let [outer, inner, apart] =
            [outer, inner, apart].map(|span| erpgo_telemetry::trace_id(&span).unwrap());
        assert_eq!(outer, inner);
        assert_ne!(outer, apart);
    });
}

#[test]
fn without_an_endpoint_spans_have_ids_all_the_same() {
    let (subscriber, _telemetry) = build(&options(None), io::sink).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        let (one, other) = (tracing::info_span!("a"), tracing::info_span!("b"));
        let (one, other) = (
            erpgo_telemetry::trace_id(&one),
            erpgo_telemetry::trace_id(&other),
        );
        assert!(one.is_some() && one != other, "{one:?} {other:?}");
    });
}

#[test]
fn without_an_endpoint_a_line_in_mid_query_stands_in_the_span_of_its_request() {
    let log = Log::default();
    let (subscriber, _telemetry) = build(&options(None), log.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        let request = tracing::info_span!("request", request_id = "one");
        let query = request.in_scope(|| tracing::info_span!("query", db.system = "postgresql"));
        assert!(query.is_disabled() && !request.is_disabled());
        request.in_scope(|| query.in_scope(|| tracing::info!(db.system = "postgresql", "told")));
    });
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(line["span"]["request_id"], "one");
    assert_eq!(line["db.system"], "postgresql");
}
