//! Threads that hash and do nothing else.
//!
//! Owns [`Workers`]. They step behind all other threads, so that a storm of sign-ins leaves other requests
//! alone: a hash runs where a core is idle. When none is, it gets a share of them instead. Threads of their own,
//! since a thread that stepped back may not step forward again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

mod rank;

use rank::{Beat, Rank};

type Job = Box<dyn FnOnce() + Send>;

/// How long a core may take to become idle: as long as a hash.
const MOMENT: Duration = Duration::from_millis(20);

/// A fixed number of threads of each rank; they end with their handle.
pub(super) struct Workers {
    idle: Sender<Job>,
    sharing: Sender<Job>,
    asked: Arc<AtomicBool>,
}

impl Workers {
    /// As many threads of each rank; who asks sees to it that no more hashes run at once.
    pub(super) fn new(count: usize) -> Self {
        Self {
            idle: threads(count, Rank::Idle),
            sharing: threads(count, Rank::Sharing),
            asked: Arc::default(),
        }
    }

    /// Runs `work` on one of them; nothing when it panicked or there is no thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let threads = if self.has_idle_core().await {
            &self.idle
        } else {
            &self.sharing
        };
        done_by(threads, work)?.await.ok()
    }

    /// Whether a thread that runs where a core is idle runs at all. One question is open at a time: where none
    /// is idle for long, they do not pile up.
    async fn has_idle_core(&self) -> bool {
        if self.asked.swap(true, Ordering::Relaxed) {
            return false;
        }
        let asked = Arc::clone(&self.asked);
        let Some(answer) = done_by(&self.idle, move || asked.store(false, Ordering::Relaxed))
        else {
            return false;
        };
        matches!(tokio::time::timeout(MOMENT, answer).await, Ok(Ok(())))
    }
}

/// What `work` comes to, once one of the threads has done it.
fn done_by<T: Send + 'static>(
    threads: &Sender<Job>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<oneshot::Receiver<T>> {
    let (answer, answered) = oneshot::channel();
    let job = move || {
        // Whoever asked may have given up.
        let _ = answer.send(work());
    };
    threads.send(Box::new(job)).ok()?;
    Some(answered)
}

fn threads(count: usize, rank: Rank) -> Sender<Job> {
    let (jobs, queue) = mpsc::channel();
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..count {
        let queue = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("hash".into());
        if let Err(error) = thread.spawn(move || work(&queue, rank)) {
            tracing::error!(%error, "a thread for password hashes could not be started");
        }
    }
    jobs
}

fn work(queue: &Mutex<Receiver<Job>>, rank: Rank) {
    rank.take();
    let mut beat = Beat::of_this_thread();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else {
            return;
        };
        // The asker sees that there is no answer; the thread goes on.
        let _ = beat.during(|| catch_unwind(AssertUnwindSafe(job)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::time::Instant;

    #[tokio::test]
    async fn work_is_done_on_no_more_threads_than_there_are_and_outlives_a_panic() {
        let workers = Workers::new(2);
        assert!(workers.run(|| panic!("on purpose")).await.is_none());
        for rank in [&workers.idle, &workers.sharing] {
            let mut threads = HashSet::new();
            for _ in 0..20 {
                let id = done_by(rank, || std::thread::current().id()).unwrap();
                threads.insert(id.await.unwrap());
            }
            assert!((1..=2).contains(&threads.len()), "{threads:?}");
        }
        assert!(Workers::new(0).run(|| ()).await.is_none());
    }

    #[tokio::test]
    async fn a_hash_gets_a_share_while_no_core_is_idle_and_none_afterwards() {
        let workers = Workers::new(1);
        let of = || std::thread::current().id();
        let idle = done_by(&workers.idle, of).unwrap().await.ok();
        let (go, wait) = mpsc::channel::<()>();
        // As if it never got a core.
        let held = done_by(&workers.idle, move || wait.recv());
        let (first, second) = (workers.run(of).await, workers.run(of).await);
        assert!(first.is_some() && first != idle && first == second);
        go.send(()).unwrap();
        held.unwrap().await.unwrap().unwrap();
        let limit = Instant::now() + Duration::from_secs(10);
        while workers.run(of).await != idle {
            assert!(Instant::now() < limit, "no core is idle");
        }
    }
}
