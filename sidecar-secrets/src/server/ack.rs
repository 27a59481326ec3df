//! `POST /v1/ack` on loopback: the app's answer to a generation.
//!
//! Owns that one path. Only an answer to the rendered generation counts (I-03); it is kept beside
//! the set before it is shown, so that a restart does not take back what the operator has seen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use erpgo_secret_set::{Ack, Verdict};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::answer::{Answer, Refusal, empty};
use super::{guard, listen};
use crate::log;
use crate::shared::Shared;
use crate::sink::Tmpfs;

const MAX_BODY_BYTES: usize = 16 * 1024;
const BODY_DEADLINE: Duration = Duration::from_secs(5);
// What the operator shows in a condition; more than this helps nobody.
const MAX_REASONS: usize = 32;

/// Serves acks.
pub(crate) async fn ack(
    listener: TcpListener,
    sink: Arc<Tmpfs>,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
) {
    let counters = Arc::clone(&shared);
    let handle = move |request| {
        let (sink, shared) = (Arc::clone(&sink), Arc::clone(&shared));
        async move { receive(request, &sink, &shared).await }
    };
    listen::serve(listener, counters, stopped, handle).await;
}

async fn receive(request: Request<Incoming>, sink: &Tmpfs, shared: &Shared) -> Answer {
    match try_receive(request, sink, shared).await {
        Ok(()) => empty(),
        Err(refusal) => {
            shared.counters.refused_requests.add_one();
            refusal.into()
        }
    }
}

async fn try_receive(
    request: Request<Incoming>,
    sink: &Tmpfs,
    shared: &Shared,
) -> Result<(), Refusal> {
    if request.uri().path() != "/v1/ack" {
        return Err(Refusal::not_found());
    }
    if request.method() != Method::POST {
        return Err(Refusal::wrong_method());
    }
    guard::direct(request.headers())?;
    let body = tokio::time::timeout(BODY_DEADLINE, bounded(request.into_body()));
    let late = |_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body took longer than 5 s");
    let ack = parse(&body.await.map_err(late)??)?;
    record(ack, sink, shared)
}

async fn bounded(mut body: Incoming) -> Result<Bytes, Refusal> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the body ends early"))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if bytes.len() + data.len() > MAX_BODY_BYTES {
            return Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "an ack has at most 16 KiB",
            ));
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes.freeze())
}

fn parse(body: &[u8]) -> Result<Ack, Refusal> {
    // The parser's message may quote the text, so it is not passed on.
    let ack: Ack = serde_json::from_slice(body)
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the body is not an ack or nack"))?;
    if let Verdict::Nack { reasons } = &ack.verdict
        && reasons.len() > MAX_REASONS
    {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "a nack has at most 32 reasons",
        ));
    }
    Ok(ack)
}

fn record(ack: Ack, sink: &Tmpfs, shared: &Shared) -> Result<(), Refusal> {
    let (counter, word) = match &ack.verdict {
        Verdict::Ack { .. } => (&shared.counters.acks, "ack"),
        Verdict::Nack { .. } => (&shared.counters.nacks, "nack"),
    };
    let (generation, is_new) = (ack.generation, shared.status().acked() != Some(&ack));
    if shared.status().rendered() == Some(generation) && is_new {
        keep(&ack, sink);
    }
    match shared.update(|status| status.answered(ack, Instant::now())) {
        Some(Err(wrong)) => return Err(Refusal::new(StatusCode::CONFLICT, wrong.to_string())),
        Some(Ok(Some(latency))) => {
            counter.add_one();
            shared.counters.ack_latency.observe(latency);
        }
        Some(Ok(None)) | None => counter.add_one(),
    }
    if is_new {
        log::info(
            "the app answered",
            &[("generation", &generation), ("verdict", &word)],
        );
    }
    Ok(())
}

fn keep(ack: &Ack, sink: &Tmpfs) {
    // The answer counts all the same: what is lost is that it outlives this process.
    if let Err(error) = sink.keep_ack(ack) {
        log::warn(
            "the app's answer is held in memory only",
            &[("error", &log::chain(&error))],
        );
    }
}
