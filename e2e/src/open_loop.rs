//! The open loop of every load.
//!
//! Owns [`open_loop`]: requests leave on a schedule whatever the answers do, so that a stall shows as
//! latency of every request behind it. What is sent, and what is kept of it, is its caller's affair.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};

use crate::alarm::Alarm;

/// How long one answer is waited for.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Sends from `begun` on, as often a second as `rate` says for each moment until it says nothing, and waits
/// for what is under way. `send` is given the number of its request and when that was to leave. More than
/// `most` are not open at once: one beyond waits, and its wait counts. Answers how late each left.
///
/// # Errors
/// When the kernel has no timer for it.
pub(crate) async fn open_loop<Sent>(
    begun: Instant,
    most: usize,
    rate: impl Fn(Duration) -> Option<f64>,
    send: impl Fn(u32, Instant) -> Sent,
) -> io::Result<Vec<Duration>>
where
    Sent: Future<Output = ()> + Send + 'static,
{
    let (alarm, places) = (Alarm::new()?, Arc::new(Semaphore::new(most)));
    // Closed once nobody holds the other end any more.
    let (under_way, mut all_ended) = mpsc::channel::<()>(1);
    let (mut due, mut lags) = (Duration::ZERO, Vec::new());
    for n in 0.. {
        let Some(rate) = rate(due) else { break };
        let at = begun + due;
        alarm.until(at).await?;
        lags.push(at.elapsed());
        let (sent, places, under_way) = (send(n, at), Arc::clone(&places), under_way.clone());
        tokio::spawn(async move {
            let place = places.acquire().await;
            sent.await;
            drop((place, under_way));
        });
        due += Duration::from_secs_f64(1.0 / rate.max(0.1));
    }
    drop(under_way);
    let _ = tokio::time::timeout(ANSWER_WITHIN * 2, all_ended.recv()).await;
    Ok(lags)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[tokio::test]
    async fn all_leave_whatever_the_answers_do_few_are_open_and_the_last_is_waited_for() {
        let [left, open, widest, ended] = [0; 4].map(|n| Arc::new(AtomicUsize::new(n)));
        let answers = Arc::new(Semaphore::new(0));
        let rate = |due: Duration| (due < Duration::from_millis(20)).then_some(1_000.0);
        let load = open_loop(Instant::now(), 3, rate, |_, _| {
            left.fetch_add(1, SeqCst);
            let [open, widest, ended] = [&open, &widest, &ended].map(Arc::clone);
            let answers = Arc::clone(&answers);
            async move {
                widest.fetch_max(open.fetch_add(1, SeqCst) + 1, SeqCst);
                let answer = answers.acquire().await;
                open.fetch_sub(1, SeqCst);
                ended.fetch_add(1, SeqCst);
                drop(answer);
            }
        });
        // Nothing is answered until all have left.
        let server = async {
            while left.load(SeqCst) < 20 || open.load(SeqCst) < 3 {
                tokio::task::yield_now().await;
            }
            answers.add_permits(1);
        };
        let both = async { tokio::join!(load, server) };
        let (lags, ()) = tokio::time::timeout(ANSWER_WITHIN, both).await.unwrap();
        assert_eq!(lags.unwrap().len(), 20);
        assert_eq!((ended.load(SeqCst), widest.load(SeqCst)), (20, 3));
    }
}
