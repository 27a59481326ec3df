//! Hooks by priority.
//!
//! Owns [`Hooks`].

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

type Run = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

struct Hook {
    priority: u8,
    name: &'static str,
    deadline: Duration,
    run: Run,
}

/// What is to be done at the end.
#[derive(Default)]
pub struct Hooks(Vec<Hook>);

impl Hooks {
    /// Adds a hook; lower priorities run first, equal ones in the order in which they were added.
    pub fn add<F, Fut>(&mut self, priority: u8, name: &'static str, deadline: Duration, run: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.push(Hook {
            priority,
            name,
            deadline,
            run: Box::new(move || Box::pin(run())),
        });
    }

    /// Runs every hook; true when each kept its deadline.
    pub async fn run(mut self) -> bool {
        self.0.sort_by_key(|hook| hook.priority);
        let mut clean = true;
        for hook in self.0 {
            clean &= hook.run().await;
        }
        clean
    }
}

impl Hook {
    async fn run(self) -> bool {
        let begun = Instant::now();
        let finished = tokio::time::timeout(self.deadline, (self.run)())
            .await
            .is_ok();
        let seconds = begun.elapsed().as_secs_f64();
        if finished {
            tracing::info!(
                hook = self.name,
                duration_seconds = seconds,
                "shutdown hook done"
            );
        } else {
            tracing::warn!(
                hook = self.name,
                duration_seconds = seconds,
                "shutdown hook overran its deadline and is left behind"
            );
        }
        finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[tokio::test]
    async fn r09_5_hooks_run_by_priority_and_an_overrun_stops_nothing() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut hooks = Hooks::default();
        for (priority, name) in [(30, "last"), (10, "first"), (20, "second")] {
            let order = Arc::clone(&order);
            hooks.add(priority, name, Duration::from_secs(5), move || async move {
                order.lock().unwrap().push(name);
            });
        }
        hooks.add(15, "stuck", Duration::from_millis(10), std::future::pending);
        assert!(!hooks.run().await);
        assert_eq!(*order.lock().unwrap(), ["first", "second", "last"]);
    }
}
