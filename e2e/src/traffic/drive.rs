//! Sends requests on a schedule, or as fast as they are answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Request;
use super::report::{Report, Sample};
use super::wire::{Answer, Wire};
use crate::open_loop::{ANSWER_WITHIN, open_loop};

/// More are not open at once: a request beyond waits, and its wait counts.
const MAX_IN_FLIGHT: usize = 1_000;

struct Shared {
    to: SocketAddr,
    idle: Mutex<Vec<Wire>>,
    samples: Mutex<Vec<Sample>>,
}

impl Shared {
    fn new(to: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            to,
            idle: Mutex::default(),
            samples: Mutex::default(),
        })
    }

    async fn one(&self, request: &Request, begun: Instant, due: Instant) {
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.exchange(&request.bytes));
        let status = answer.await.ok().and_then(Result::ok).unwrap_or(0);
        let sample = Sample {
            class: request.class,
            due: due.duration_since(begun),
            took: due.elapsed(),
            status,
        };
        locked(&self.samples).push(sample);
    }

    async fn exchange(&self, bytes: &[u8]) -> anyhow::Result<u16> {
        let idle = locked(&self.idle).pop();
        if let Some(mut wire) = idle {
            match wire.exchange(bytes).await {
                // It was ended while it was idle, which every client has to live with.
                Err(_) if wire.is_untouched() => {}
                Err(error) => return Err(error),
                Ok(answer) => return Ok(self.keep(wire, &answer)),
            }
        }
        let mut wire = Wire::connect(self.to).await?;
        let answer = wire.exchange(bytes).await?;
        Ok(self.keep(wire, &answer))
    }

    fn keep(&self, wire: Wire, answer: &Answer) -> u16 {
        if answer.stays {
            locked(&self.idle).push(wire);
        }
        answer.status
    }

    fn report(&self, lags: Vec<Duration>) -> Report {
        Report::new(std::mem::take(&mut *locked(&self.samples)), lags)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends for `length` at the rate that `rate` says for each moment, whatever the answers do.
///
/// # Errors
/// When the kernel has no timer for it.
pub async fn open(
    to: SocketAddr,
    length: Duration,
    rate: impl Fn(Duration) -> f64,
    request: impl Fn(u32) -> Request,
) -> anyhow::Result<Report> {
    let (shared, begun) = (Shared::new(to), Instant::now());
    let rate = |due: Duration| (due < length).then(|| rate(due));
    let lags = open_loop(begun, MAX_IN_FLIGHT, rate, |n, at| {
        let (request, shared) = (request(n), Arc::clone(&shared));
        async move { shared.one(&request, begun, at).await }
    });
    Ok(shared.report(lags.await?))
}

/// Sends over `clients` connections, on each the next request after the answer to the one before.
pub async fn closed(
    to: SocketAddr,
    length: Duration,
    clients: u32,
    request: impl Fn(u32) -> Request + Send + Sync + 'static,
) -> Report {
    let (shared, request) = (Shared::new(to), Arc::new(request));
    let begun = Instant::now();
    let clients: Vec<_> = (0..clients)
        .map(|client| {
            let (shared, request) = (Arc::clone(&shared), Arc::clone(&request));
            tokio::spawn(async move {
                let mut n = client * 1_000_000;
                while begun.elapsed() < length {
                    let due = Instant::now();
                    shared.one(&request(n), begun, due).await;
                    n += 1;
                }
            })
        })
        .collect();
    for client in clients {
        // A client that panicked has sent nothing more, which the count shows.
        let _ = client.await;
    }
    shared.report(Vec::new())
}
