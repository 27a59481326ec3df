//! The operator beside an API server alone: no node, no pods.
//!
//! Owns which case is measured: an operator with many `ErpGo` objects, or, as `foreign`, one beside objects of
//! others.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

mod foreign;
mod many;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use erpgo_test_kit::Signal;
use erpgo_test_kit::verdicts::Verdicts;
use erpgo_tests::operator::Operator;

/// Resident memory that the operator may take while there is little or nothing to look after.
const IDLE_MIB: f64 = 15.0;
const END: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<()> {
    let mut verdicts = Verdicts::default();
    match std::env::args().nth(1).as_deref() {
        None => many::measure(&mut verdicts).await?,
        Some("foreign") => foreign::measure(&mut verdicts).await?,
        Some(other) => {
            bail!("no case is called {other}; there is foreign, and the one without a name")
        }
    }
    verdicts.end()
}

fn number(name: &str, usual: usize) -> Result<usize> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is no number")),
        Err(_) => Ok(usual),
    }
}

fn rss_mib(operator: &Operator) -> Result<f64> {
    memory_mib(operator, "VmRSS:")
}

/// What the kernel says of the process under this name.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn memory_mib(operator: &Operator, name: &str) -> Result<f64> {
    let pid = operator.process.id().context("the operator has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: u64 = line
        .and_then(|rest| rest.split_whitespace().next())
        .with_context(|| format!("no {name}"))?
        .parse()?;
    Ok(kib as f64 / 1024.0)
}

// One that is told to end gives its lease up, as in an upgrade; that of one that is killed has to expire.
async fn end(operator: &mut Operator) -> Result<()> {
    operator.process.signal(Signal::TERM)?;
    operator.process.wait(END).await?;
    Ok(())
}
