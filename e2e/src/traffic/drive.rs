//! Sends requests on a schedule, or as fast as they are answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::Request;
use super::report::{Report, Sample};
use super::wire::{Answer, Wire};

/// More are not open at once: a request beyond waits, and its wait counts.
const MAX_IN_FLIGHT: usize = 1_000;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

struct Shared {
    to: SocketAddr,
    idle: Mutex<Vec<Wire>>,
    samples: Mutex<Vec<Sample>>,
    places: Arc<Semaphore>,
}

impl Shared {
    fn new(to: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            to,
            idle: Mutex::default(),
            samples: Mutex::default(),
            places: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
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
pub async fn open(
    to: SocketAddr,
    length: Duration,
    rate: impl Fn(Duration) -> f64,
    request: impl Fn(u32) -> Request,
) -> Report {
    let shared = Shared::new(to);
    let (begun, mut due, mut lags) = (Instant::now(), Duration::ZERO, Vec::new());
    for n in 0.. {
        if due >= length {
            break;
        }
        let at = begun + due;
        tokio::time::sleep_until(at.into()).await;
        lags.push(at.elapsed());
        let (request, shared) = (request(n), Arc::clone(&shared));
        tokio::spawn(async move {
            let place = shared.places.acquire().await;
            shared.one(&request, begun, at).await;
            drop(place);
        });
        due += Duration::from_secs_f64(1.0 / rate(due).max(0.1));
    }
    let all = u32::try_from(MAX_IN_FLIGHT).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(ANSWER_WITHIN * 2, shared.places.acquire_many(all)).await;
    shared.report(lags)
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
