//! Open-loop load on 127.0.0.1, at a fixed rate.
//!
//! Owns the load of the journeys. Half of the requests use kept-alive connections, half a new one each. It
//! never sends to another address.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use reqwest::{Client, RequestBuilder};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::Api;
use crate::open_loop::{ANSWER_WITHIN, open_loop};
use crate::quantile::quantile;

// A server that answers nothing for 10 s at 500/s has 5000 requests open; more is lost anyway.
const MAX_IN_FLIGHT: usize = 5000;
// As proxies do, and less than the API keeps a connection: of two ends that close an idle one at the same
// time, one may lose a request.
const IDLE: Duration = Duration::from_secs(60);
// More than are in use at once while all goes well. Without a bound the thousands that one stall opened
// would stay open for a minute, and count at the API as much as those in use.
const MOST_IDLE: usize = 8;

/// A load under way.
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    driver: JoinHandle<LoadReport>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct LoadReport {
    /// Requests sent.
    pub sent: u64,
    /// Requests without a 2xx answer.
    pub failed: u64,
    /// Those of them that were answered with 401.
    pub refused: u64,
    /// The first few failures.
    pub examples: Vec<String>,
    /// Greatest delay of a departure behind its schedule.
    pub generator_lag: Duration,
    /// Latency from the intended departure.
    pub latencies: Vec<Duration>,
}

impl LoadReport {
    /// All of it in one line.
    #[must_use]
    pub fn told(&self) -> String {
        format!(
            "{} requests, {} failed, p50 {:?}, p99 {:?}, generator lag {:?}",
            self.sent,
            self.failed,
            self.quantile(0.5),
            self.quantile(0.99),
            self.generator_lag
        )
    }

    /// There were requests, and not one failed.
    ///
    /// # Errors
    /// When there was none, or one failed; the first failures are told.
    pub fn is_clean(&self) -> Result<()> {
        ensure!(self.sent > 0, "nothing was sent: {:?}", self.examples);
        ensure!(
            self.failed == 0,
            "{} of {} requests failed: {:?}",
            self.failed,
            self.sent,
            self.examples
        );
        Ok(())
    }

    /// What it comes to with all that was sent, once the schedule has ended.
    fn ended(mut self, sent: u64, lags: io::Result<Vec<Duration>>) -> Self {
        let answered = u64::try_from(self.latencies.len()).unwrap_or(u64::MAX);
        self.sent = sent;
        // Those that were given up have no answer either.
        self.failed += sent.saturating_sub(answered);
        match lags {
            Ok(lags) => self.generator_lag = lags.into_iter().max().unwrap_or_default(),
            // What should have left from then on has not.
            Err(error) => {
                self.failed += 1;
                self.examples.push(format!("the timer: {error}"));
            }
        }
        self
    }

    /// The latency that `share` (0 to 1) of the requests did not exceed.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        quantile(self.latencies.clone(), share)
    }
}

/// A request without a 2xx answer.
#[derive(Debug)]
pub struct Failure {
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// What happened.
    pub told: String,
}

struct Shared<F> {
    request: F,
    sent: Arc<AtomicU64>,
    report: Mutex<LoadReport>,
}

impl Load {
    /// Starts sending `GET path` at `per_second` until [`Load::stop`] or `limit`.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn start(
        api: &Api,
        path: &str,
        token: Option<&str>,
        per_second: u32,
        limit: Duration,
    ) -> Result<Self> {
        let clients = Clients::new()?;
        let url = format!("{}{path}", api.base());
        let token = token.map(str::to_owned);
        Ok(Self::of(per_second, limit, move |index| {
            let mut request = clients.choose(index).get(&url);
            if let Some(token) = &token {
                request = request.bearer_auth(token);
            }
            async move { answer(request).await.map(drop) }
        }))
    }

    /// Starts `request` at `per_second` until [`Load::stop`] or `limit`; it is given its number.
    pub fn of<F, Fut>(per_second: u32, limit: Duration, request: F) -> Self
    where
        F: Fn(u32) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let shared = Arc::new(Shared {
            request,
            sent: Arc::clone(&sent),
            report: Mutex::default(),
        });
        let driver = tokio::spawn(drive(shared, per_second, limit, Arc::clone(&stop)));
        Self { stop, sent, driver }
    }

    /// Requests sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits for the end of the schedule and reports.
    ///
    /// # Errors
    /// When the driver panicked.
    pub async fn wait(self) -> Result<LoadReport> {
        Ok(self.driver.await?)
    }

    /// Stops, waits for the answers under way and reports.
    ///
    /// # Errors
    /// When the driver panicked.
    pub async fn stop(self) -> Result<LoadReport> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.driver.await?)
    }
}

/// One client that keeps its connections, and one that makes each anew.
pub(crate) struct Clients {
    kept: Client,
    fresh: Client,
}

impl Clients {
    pub(crate) fn new() -> Result<Self> {
        let client = |idle| {
            let builder = Client::builder().pool_max_idle_per_host(idle);
            let builder = builder.pool_idle_timeout(IDLE);
            builder.timeout(ANSWER_WITHIN).build()
        };
        Ok(Self {
            kept: client(MOST_IDLE)?,
            fresh: client(0)?,
        })
    }

    pub(crate) const fn choose(&self, index: u32) -> &Client {
        if index.is_multiple_of(2) {
            &self.kept
        } else {
            &self.fresh
        }
    }
}

async fn drive<F, Fut>(
    shared: Arc<Shared<F>>,
    per_second: u32,
    limit: Duration,
    stop: Arc<AtomicBool>,
) -> LoadReport
where
    F: Fn(u32) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let rate = |due: Duration| {
        let goes_on = !stop.load(Ordering::Relaxed) && due < limit;
        goes_on.then(|| f64::from(per_second.max(1)))
    };
    let lags = open_loop(Instant::now(), MAX_IN_FLIGHT, rate, |index, due| {
        let shared = Arc::clone(&shared);
        shared.sent.fetch_add(1, Ordering::Relaxed);
        async move {
            let answer = (shared.request)(index).await;
            note_answer(&shared.report, due, answer).await;
        }
    });
    let lags = lags.await;
    let report = std::mem::take(&mut *shared.report.lock().await);
    report.ended(shared.sent.load(Ordering::Relaxed), lags)
}

async fn note_answer(report: &Mutex<LoadReport>, due: Instant, answer: Result<(), Failure>) {
    let mut report = report.lock().await;
    report.latencies.push(due.elapsed());
    let Err(failure) = answer else {
        return;
    };
    report.failed += 1;
    if failure.status == Some(401) {
        report.refused += 1;
    }
    if report.examples.len() < 10 {
        report.examples.push(failure.told);
    }
}

/// Sends `request` and reads the whole answer: a body that breaks off is a lost request, too.
pub(crate) async fn answer(request: RequestBuilder) -> Result<Vec<u8>, Failure> {
    let lost = |error: reqwest::Error| Failure {
        status: None,
        told: format!("{error:?}"),
    };
    let response = request.send().await.map_err(lost)?;
    let (status, url) = (response.status(), response.url().path().to_owned());
    let body = response.bytes().await.map_err(lost)?;
    if status.is_success() {
        return Ok(body.into());
    }
    let start = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
    Err(Failure {
        status: Some(status.as_u16()),
        told: format!("{url}: {status}: {start}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(count: usize) -> LoadReport {
        LoadReport {
            latencies: vec![Duration::from_millis(1); count],
            ..LoadReport::default()
        }
    }

    /// What makes it unclean, if anything does.
    fn fault(report: &LoadReport) -> String {
        let clean = report.is_clean();
        clean
            .err()
            .map(|fault| fault.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn a_load_is_clean_when_something_was_sent_and_all_of_it_answered() {
        let lags = || Ok(vec![Duration::from_millis(2), Duration::from_millis(3)]);
        let clean = answered(2).ended(2, lags());
        assert_eq!(fault(&clean), "");
        assert_eq!(clean.generator_lag, Duration::from_millis(3));
        let given_up = answered(1).ended(2, lags());
        assert!(fault(&given_up).starts_with("1 of 2 requests failed"));
        let nothing = answered(0).ended(0, Ok(Vec::new()));
        assert!(fault(&nothing).starts_with("nothing was sent"));
    }

    #[test]
    fn a_load_whose_timer_fails_is_not_clean_and_says_so() {
        for sent in [0, 2] {
            let failing = || Err(io::Error::other("no timer for us"));
            let report = answered(sent).ended(sent.try_into().unwrap(), failing());
            let fault = fault(&report);
            assert!(fault.contains("no timer for us"), "{sent}: {fault}");
            assert_eq!(report.failed, 1, "{sent}");
        }
    }
}
