//! Threads that hash and do nothing else.
//!
//! Owns [`Workers`]. A hash takes 19 MiB, and an allocator keeps what a thread freed for that thread's
//! next need. On the threads that the runtime has for work that blocks, each of them would come to keep
//! some, more than a pod may have; on threads of their own it stays at what is needed at once. They step
//! back behind all other threads, so that a storm of sign-ins leaves other requests alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// How far the threads step back, as a niceness: where a core is wanted by another, it gets nine tenths.
const NICENESS: i32 = 10;

/// A fixed number of threads; they end with their handle.
pub(super) struct Workers(Sender<Job>);

impl Workers {
    pub(super) fn new(count: usize) -> Self {
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..count {
            let queue = Arc::clone(&queue);
            let thread = std::thread::Builder::new().name("hash".into());
            if let Err(error) = thread.spawn(move || work(&queue)) {
                tracing::error!(%error, "a thread for password hashes could not be started");
            }
        }
        Self(jobs)
    }

    /// Runs `work` on one of them; nothing when it panicked or there is no thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let job = move || {
            // Whoever asked may have given up.
            let _ = answer.send(work());
        };
        self.0.send(Box::new(job)).ok()?;
        answered.await.ok()
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    // To step back is allowed to everybody; where it is not, hashes are as urgent as all else.
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!(%error, "password hashes compete with requests on equal terms");
    }
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else {
            return;
        };
        // The asker sees that there is no answer; the thread goes on.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[tokio::test]
    async fn work_is_done_on_no_more_threads_than_there_are_and_outlives_a_panic() {
        let workers = Workers::new(2);
        assert!(workers.run(|| panic!("on purpose")).await.is_none());
        let mut threads = HashSet::new();
        for _ in 0..20 {
            threads.extend(workers.run(|| std::thread::current().id()).await);
        }
        assert!((1..=2).contains(&threads.len()), "{threads:?}");
        assert!(Workers::new(0).run(|| ()).await.is_none());
    }

    #[tokio::test]
    async fn they_step_back_and_nobody_else_does() {
        // On Linux each thread has its own.
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let (mine, workers) = (niceness(), Workers::new(1));
        let theirs = workers.run(niceness).await;
        assert_eq!(theirs, Some((mine + NICENESS).min(19)));
        assert_eq!(niceness(), mine);
    }
}
