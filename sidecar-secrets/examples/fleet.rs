//! Prints what a fleet of sidecars and its operator ask of their backend, and what AWS takes for it.
//!
//! `cargo run --release -p sidecar-secrets --example fleet`: simulated time, nothing is sent.

#![expect(
    clippy::print_stdout,
    reason = "printing is all that this program does"
)]
#![expect(dead_code, reason = "a part of each module is used here")]

#[path = "../src/fleet.rs"]
mod fleet;
#[path = "../src/schedule.rs"]
mod schedule;

use std::time::Duration;

use erpgo_secret_set::{OPERATOR_LOOKS_EVERY, OPERATOR_RECONCILES_EVERY};
use fleet::{Load, Reply, play};

const PODS: u32 = 10_000;
const DAY: usize = 86_400;
// AWS's list price, in dollars: a secret and month, and 10,000 calls.
const SECRET: f64 = 0.40;
const CALLS: f64 = 0.05 / 10_000.0;
// Care of the login at two thirds: a Vault token of 20 min, an assumed role of 1 h.
const VAULT_RENEWALS: f64 = 24.0 * 60.0 / (20.0 * 2.0 / 3.0);
const ROLES: f64 = 24.0 / (2.0 / 3.0);

fn main() {
    println!(
        "calls per pod and day at rest, for one secret; the price is with the operator's calls"
    );
    println!("interval  reads  Kubernetes  Vault   AWS  AWS $/month for 10 / 1,000 / 10,000 pods");
    for seconds in [5, 60, 300, 3600] {
        at_rest(seconds);
    }
    the_operator();
    println!("\n{PODS} pods, one poll a minute, busiest second of each part");
    under(None);
    under(Some(Duration::from_secs(30)));
}

fn at_rest(seconds: u64) {
    let pods = 100;
    let interval = Duration::from_secs(seconds);
    let load = play(pods, interval, DAY, |_, _| Reply::Unchanged);
    let reads = f64::from(load.total()) / f64::from(pods);
    // STS is free of charge.
    let month = |pods: f64| SECRET + (pods * reads + operator_reads()) * 30.0 * CALLS;
    println!(
        "{seconds:>7} s {reads:>6.0} {reads:>11.0} {:>6.0} {:>5.0}  {:.2} / {:.2} / {:.2}",
        reads + VAULT_RENEWALS,
        reads + ROLES,
        month(10.0),
        month(1_000.0),
        month(10_000.0),
    );
}

fn the_operator() {
    let reads = operator_reads();
    println!(
        "operator  {reads:>5.0} {reads:>11.0} {reads:>6.0} {reads:>5.0}  {:.2} of each, whatever the number of pods",
        reads * 30.0 * CALLS
    );
}

// A day, of one ErpGo that serves. Its logins are shared by these reads, and few.
fn operator_reads() -> f64 {
    let day = Duration::from_secs(86_400).as_secs_f64();
    day / OPERATOR_LOOKS_EVERY.as_secs_f64() + day / OPERATOR_RECONCILES_EVERY.as_secs_f64()
}

fn under(asked: Option<Duration>) {
    let (from, to, end) = (1800, 2400, 3600);
    let minute = Duration::from_secs(60);
    let load: Load = play(PODS, minute, end, |second, _| {
        if (from..to).contains(&second) {
            Reply::Throttled(asked)
        } else {
            Reply::Unchanged
        }
    });
    let asked = asked.map_or("without Retry-After".into(), |asked| {
        format!("with Retry-After {} s", asked.as_secs())
    });
    println!("ten minutes of 429 {asked}:");
    for (name, part) in [
        ("at rest before", 900..from),
        ("first 90 s", from..from + 90),
        ("the rest of it", from + 120..to),
        ("after it", to..end),
    ] {
        let (peak, mean) = (load.peak(part.clone()), load.mean(part));
        println!("  {name:<15} peak {peak:>5}/s  mean {mean:>5.0}/s");
    }
}
