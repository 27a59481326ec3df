//! Process ids of the machine, which its node may run short of.
//!
//! Owns the reading of how many are left, by the kubelet's own word, and threads that take some: they sleep,
//! cost little memory and go with their handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::Node;

/// What a thread needs that sleeps, with room to spare; it is taken when it is touched.
const STACK: usize = 64 << 10;
/// More than it takes where there are hundreds of cores.
const MOST: u64 = 15_000;
/// How far below its bound the node is brought: other tasks end meanwhile.
const BELOW: u64 = 400;

/// Process ids as the kubelet sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pids {
    left: u64,
    // With fewer the node is short of them.
    least: u64,
}

impl Pids {
    async fn of(node: &Node) -> Result<Self> {
        let name = node.object().await?.metadata.name.unwrap_or_default();
        let ask = |what: &str| -> Result<Value> {
            let path = format!("/api/v1/nodes/{name}/proxy/{what}");
            let answer = node.kubectl(&["get", "--raw", &path])?;
            serde_json::from_str(&answer).context(path)
        };
        Self::read(&ask("stats/summary")?, &ask("configz")?)
    }

    fn read(summary: &Value, config: &Value) -> Result<Self> {
        let limits = &summary["node"]["rlimit"];
        let number = |name: &str| {
            let number = limits[name].as_u64();
            number.with_context(|| format!("the kubelet tells no {name}: {limits}"))
        };
        let least = &config["kubeletconfig"]["evictionSoft"]["pid.available"];
        let least = least.as_str().and_then(|text| text.parse().ok());
        Ok(Self {
            left: number("maxpid")?.saturating_sub(number("curproc")?),
            least: least.context("the kubelet knows no shortage: run e2e/cluster/bin/up")?,
        })
    }

    /// How many more are to be taken.
    fn to_take(self) -> Result<usize> {
        let count = self.left.saturating_sub(self.least) + BELOW;
        ensure!(count <= MOST, "{self:?}: it takes {count} to be short");
        ensure!(
            self.left > count + BELOW,
            "{self:?}: the machine needs the rest"
        );
        Ok(usize::try_from(count)?)
    }
}

/// Threads that sleep until their handle goes.
#[derive(Default)]
pub struct Idlers {
    may_end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Idlers {
    /// As many as make `node` short of process ids.
    ///
    /// # Errors
    /// When the kubelet does not say how many that is, it is too many, or the machine lets no more run.
    pub async fn starve(node: &Node) -> Result<Self> {
        Self::call(Pids::of(node).await?.to_take()?)
    }

    fn call(count: usize) -> Result<Self> {
        let mut idlers = Self::default();
        for number in 0..count {
            let may_end = Arc::clone(&idlers.may_end);
            let sleep = move || {
                while !may_end.load(Ordering::Acquire) {
                    thread::park();
                }
            };
            let thread = thread::Builder::new().stack_size(STACK).spawn(sleep);
            let thread = thread.with_context(|| format!("no more than {number} threads run"))?;
            idlers.threads.push(thread);
        }
        Ok(idlers)
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.threads.len()
    }
}

impl Drop for Idlers {
    fn drop(&mut self) {
        self.may_end.store(true, Ordering::Release);
        for thread in &self.threads {
            thread.thread().unpark();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pids(left: u64, least: u64) -> Pids {
        Pids { left, least }
    }

    #[test]
    fn idlers_sleep_until_their_handle_goes() {
        let idlers = Idlers::call(50).unwrap();
        let may_end = Arc::clone(&idlers.may_end);
        assert_eq!(idlers.count(), 50);
        assert!(idlers.threads.iter().all(|thread| !thread.is_finished()));
        drop(idlers);
        assert_eq!(Arc::strong_count(&may_end), 1, "one still runs");
    }

    #[test]
    fn as_many_are_taken_as_make_the_node_short() {
        assert_eq!(pids(32_000, 28_000).to_take().unwrap(), 4_400);
        assert_eq!(pids(27_000, 28_000).to_take().unwrap(), 400);
        assert!(pids(200_000, 28_000).to_take().is_err(), "too many");
        assert!(pids(5_000, 1).to_take().is_err(), "nothing would be left");
    }

    #[test]
    fn the_kubelet_says_how_many_are_left_and_how_many_should_be() {
        let summary = json!({"node": {"rlimit": {"maxpid": 32768, "curproc": 768}}});
        let config = json!({"kubeletconfig": {"evictionSoft": {"pid.available": "28000"}}});
        let read = Pids::read(&summary, &config).unwrap();
        assert_eq!(read, pids(32_000, 28_000));
        assert!(Pids::read(&summary, &json!({"kubeletconfig": {}})).is_err());
        assert!(Pids::read(&json!({"node": {}}), &config).is_err());
    }
}
