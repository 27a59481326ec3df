//! One process of the API under the loads of the seed, with PostgreSQL, Redis and the generator beside it. It
//! fails when a goal is missed, after every figure.
//!
//! `bench-load [baseline|peak|spike|stress|storm|single|soak]...`, all of them unless some are named.
//!   LOAD_SECONDS=60       how long each load lasts; the seed's is 300
//!   LOAD_SOAK_SECONDS=60  how long the soak lasts; the goal is for an hour
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use erpgo_e2e::Process;
use erpgo_e2e::traffic::{Class, Ground, Report, Request, closed, open};
use erpgo_test_kit::verdicts::{Goal, Verdicts};
use tokio::process::Command;

/// Calm again: what a client does not notice.
const CALM: Duration = Duration::from_millis(100);
/// Within so many seconds after a rush.
const CALM_WITHIN: Goal = Goal::Below(5.0);
const NONE: Goal = Goal::AtMost(0.0);
const SOME: Goal = Goal::AtLeast(1.0);
/// Rates of a stress.
const CLIMB: [f64; 10] = [
    1_000.0, 2_000.0, 3_500.0, 5_000.0, 7_000.0, 10_000.0, 14_000.0, 20_000.0, 28_000.0, MOST,
];
const MOST: f64 = 40_000.0;
/// What 99 % of the answers of a load that is served do not exceed.
const TOO_LATE: Duration = Duration::from_millis(500);
const CLIENTS: u32 = 64;
/// Rows that single reads ask for, in turn.
const SINGLES: u32 = 128;
/// What the goal of the soak is meant for.
const HOUR: Duration = Duration::from_secs(3_600);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often calm and storm take turns: what else the machine does falls on both.
const STORMS: u32 = 10;
const ALL: [&str; 7] = [
    "baseline", "peak", "spike", "stress", "storm", "single", "soak",
];

#[tokio::main]
async fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let named: Vec<String> = std::env::args().skip(1).collect();
    let cores = std::thread::available_parallelism()?;
    println!(
        "load: {cores} cores, machine load {} before the run",
        machine()
    );
    if let Some(unknown) = named.iter().find(|name| !ALL.contains(&name.as_str())) {
        bail!("no load is called {unknown}; there are {}", ALL.join(", "));
    }
    let mut verdicts = Verdicts::default();
    size(&mut verdicts)?;
    for scenario in ALL {
        if named.is_empty() || named.iter().any(|name| name == scenario) {
            run(scenario, &mut verdicts).await?;
        }
    }
    verdicts.end()
}

/// Each on ground of its own.
async fn run(scenario: &str, verdicts: &mut Verdicts) -> Result<()> {
    let ground = Ground::start().await?;
    let ready = ground.ready_after.as_secs_f64();
    let told = format!("{scenario}: from the start until ready {ready:.2} s");
    println!("{}", verdicts.judge(&told, ready, Goal::Below(1.0)));
    let length = seconds("LOAD_SECONDS", 60);
    match scenario {
        "baseline" => steady(&ground, (scenario, 100.0), length, verdicts).await,
        "peak" => steady(&ground, (scenario, 1_000.0), length, verdicts).await,
        "spike" => spike(&ground, length / 3, verdicts).await,
        "stress" => stress(&ground, length / 6, verdicts).await,
        "storm" => storm(&ground, length, verdicts).await,
        "single" => single(&ground, length.min(Duration::from_secs(20)), verdicts).await,
        "soak" => soak(&ground, seconds("LOAD_SOAK_SECONDS", 60), verdicts).await,
        other => bail!("no load is called {other}; there are {}", ALL.join(", ")),
    }
}

fn size(verdicts: &mut Verdicts) -> Result<()> {
    let megabytes = f64::from(u32::try_from(Ground::program_bytes()?)?) / 1e6;
    let told = format!("image: the program in it has {megabytes:.1} MB");
    println!("{}", verdicts.judge(&told, megabytes, Goal::AtMost(40.0)));
    Ok(())
}

fn seconds(name: &str, default: u64) -> Duration {
    let set = std::env::var(name).ok().and_then(|text| text.parse().ok());
    Duration::from_secs(set.unwrap_or(default).max(1))
}

fn machine() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

async fn steady(
    ground: &Ground,
    (name, rate): (&str, f64),
    length: Duration,
    verdicts: &mut Verdicts,
) -> Result<()> {
    let mix = ground.mix().await?;
    open(
        ground.api,
        Duration::from_secs(3),
        |_| rate,
        |n| mix.request(n),
    )
    .await?;
    let mix = ground.mix().await?;
    let (before, begun) = (ground.usage().await?, Instant::now());
    let report = open(ground.api, length, |_| rate, |n| mix.request(n)).await?;
    let cost = ground
        .usage()
        .await?
        .since(before, report.count(), begun.elapsed());
    println!("{name}: {rate}/s for {length:?}: {}", report.line());
    println!("{name}: {cost}");
    ensure!(report.count() > 0, "{name}: nothing was sent");
    for (share, percent, most) in [(0.99, "99", 25.0), (0.999, "99.9", 100.0)] {
        let millis = report.quantile(share).as_secs_f64() * 1e3;
        let told = format!("{name}: p{percent} {millis:.1} ms");
        println!("{}", verdicts.judge(&told, millis, Goal::Below(most)));
    }
    // Who is turned away at a load that is meant to be served was not served.
    let failed = f64::from(u32::try_from(report.errors() + report.shed())?);
    let told = format!("{name}: {failed} requests without their answer");
    println!("{}", verdicts.judge(&told, failed, NONE));
    Ok(())
}

async fn spike(ground: &Ground, part: Duration, verdicts: &mut Verdicts) -> Result<()> {
    let mix = ground.mix().await?;
    let rate = |at: Duration| {
        if (part..part * 2).contains(&at) {
            2_000.0
        } else {
            100.0
        }
    };
    let report = open(ground.api, part * 3, rate, |n| mix.request(n)).await?;
    for (n, what) in [(0, "100/s before"), (1, "2000/s"), (2, "100/s after")] {
        println!(
            "spike: {what}: {}",
            report.between(part * n, part * (n + 1)).line()
        );
    }
    println!("{}", recovery("spike", &report, part * 2, verdicts));
    Ok(())
}

fn recovery(name: &str, report: &Report, from: Duration, verdicts: &mut Verdicts) -> String {
    match report.calm_after(from, CALM) {
        Some(time) => {
            let told = format!("{name}: calm {time:?} after it");
            verdicts.judge(&told, time.as_secs_f64(), CALM_WITHIN)
        }
        None => {
            let told = format!("{name}: not calm again to the end");
            verdicts.judge(&told, f64::INFINITY, CALM_WITHIN)
        }
    }
}

/// More and more, until not all are served, or not in time; then twice as many as that.
async fn stress(ground: &Ground, step: Duration, verdicts: &mut Verdicts) -> Result<()> {
    let Some(knee) = knee(ground, step).await? else {
        let told = format!("stress: {MOST}/s are all served in time: it must climb further");
        println!("{}", verdicts.judge(&told, MOST, Goal::Below(MOST)));
        return Ok(());
    };
    let mix = ground.mix().await?;
    let rate = |at: Duration| if at < step { knee * 2.0 } else { 100.0 };
    let report = open(ground.api, step * 3, rate, |n| mix.request(n)).await?;
    let beyond = report.between(Duration::ZERO, step);
    println!(
        "stress: twice the knee, {}/s: {}",
        knee * 2.0,
        beyond.line()
    );
    let failed = f64::from(u32::try_from(beyond.errors())?);
    let told = format!("stress: {failed} requests neither served nor turned away with 429 or 503");
    println!("{}", verdicts.judge(&told, failed, NONE));
    // Where all are served there was no stress, and what follows shows nothing.
    let shed = f64::from(u32::try_from(beyond.shed())?);
    let told = format!("stress: {shed} turned away");
    println!("{}", verdicts.judge(&told, shed, SOME));
    println!("{}", recovery("stress", &report, step, verdicts));
    Ok(())
}

/// The least of the rates that is too much for the API, however late the generator is.
async fn knee(ground: &Ground, step: Duration) -> Result<Option<f64>> {
    for rate in CLIMB {
        let mix = ground.mix().await?;
        let report = open(ground.api, step, |_| rate, |n| mix.request(n)).await?;
        println!("stress: {rate}/s: {}", report.line());
        let late = report.quantile(0.99).saturating_sub(report.lag(0.99));
        if late > TOO_LATE || report.errors() + report.shed() > 0 {
            return Ok(Some(rate));
        }
    }
    Ok(None)
}

/// Ten times as many sign-ins as can be hashed, and what becomes of everybody else.
async fn storm(ground: &Ground, length: Duration, verdicts: &mut Verdicts) -> Result<()> {
    let mix = ground.mix().await?;
    let signing_in = mix.clone();
    let hashing = Duration::from_secs(3);
    let report = closed(ground.api, hashing, 4, move |n| {
        signing_in.of(Class::SignIn, n)
    })
    .await;
    let hashed = report.only(|sample| sample.status == 401).count();
    let capacity = f64::from(u32::try_from(hashed)?) / hashing.as_secs_f64();
    let others = |n| mix.of(Class::Read, n);
    let (mut calm, mut during, mut logins) =
        (Report::default(), Report::default(), Report::default());
    let part = length / STORMS / 2;
    for storm in 1..=STORMS {
        calm.extend(open(ground.api, part, |_| 100.0, others).await?);
        let (beside, sent) = tokio::join!(
            open(ground.api, part, |_| 100.0, others),
            open(
                ground.api,
                part,
                |_| capacity * 10.0,
                |n| mix.of(Class::SignIn, n + storm * 100_000_000)
            )
        );
        during.extend(beside?);
        logins.extend(sent?);
    }
    let answered = calm.count() > 0 && during.count() > 0;
    ensure!(answered, "storm: nothing was sent beside it");
    println!(
        "storm: capacity {capacity:.0} sign-ins/s; the storm: {}",
        logins.line()
    );
    println!("storm: others without it: {}", calm.line());
    println!("storm: others beside it: {}", during.line());
    let moved = during.quantile(0.99).as_secs_f64() / calm.quantile(0.99).as_secs_f64().max(1e-6);
    let percent = (moved - 1.0) * 100.0;
    let told = format!("storm: p99 of the others moves by {percent:+.0} %");
    println!("{}", verdicts.judge(&told, percent, Goal::Below(10.0)));
    Ok(())
}

/// Authenticated reads of one row each, beside pgbench, which reads one by its key as the API did if it did not
/// gather them.
async fn single(ground: &Ground, length: Duration, verdicts: &mut Verdicts) -> Result<()> {
    let mix = ground.mix().await?;
    let id = mix.products.first().context("no product")?.clone();
    let bench = pgbench(ground, &id, length).await?;
    let requests: Vec<Request> = (0..SINGLES).map(|n| mix.of(Class::Read, n)).collect();
    let generator = Process::of_id(std::process::id());
    let (before, sending) = (ground.usage().await?, generator.cpu()?);
    // Each client begins elsewhere.
    let next = move |n: u32| (n / 1_000_000).wrapping_mul(37).wrapping_add(n) % SINGLES;
    let next = move |n| requests[usize::try_from(next(n)).unwrap_or(0)].clone();
    let report = closed(ground.api, length, CLIENTS, next).await;
    let sending = generator.cpu()?.saturating_sub(sending);
    let cost = ground.usage().await?.since(before, report.count(), length);
    let served = report.only(|sample| sample.status == 200).count();
    let reads = f64::from(u32::try_from(served)?) / length.as_secs_f64();
    println!("single: {reads:.0} reads/s of the API, {}", report.line());
    println!(
        "single: {bench:.0}/s of pgbench -M prepared, which reads a row by its key, with {CLIENTS} clients"
    );
    let percent = reads / bench * 100.0;
    let told = format!("single: {percent:.0} % of it");
    println!("{}", verdicts.judge(&told, percent, Goal::AtLeast(40.0)));
    let cores = f64::from(u32::try_from(std::thread::available_parallelism()?.get())?);
    let whole = 1e6 * cores / reads;
    let sending = sending.as_secs_f64() * 1e6 / f64::from(u32::try_from(report.count())?);
    println!(
        "single: of {whole:.0} µs of all cores for a read the API took {:.0}, the generator {sending:.0}; pgbench \
         and PostgreSQL had {:.0} for theirs",
        cost.cpu_micros,
        1e6 * cores / bench
    );
    Ok(())
}

/// Transactions a second, each a read of the same row: none is cheaper.
async fn pgbench(ground: &Ground, id: &str, length: Duration) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("read.sql");
    let statement = format!(
        "SELECT id, sku, name, description, price::text AS price, currency, active, version, \
         created_at, updated_at FROM products WHERE id = '{id}';\n"
    );
    std::fs::write(&script, statement)?;
    let output = Command::new(program()?)
        .args([
            "-n",
            "-M",
            "prepared",
            "-j",
            "2",
            "-c",
            &CLIENTS.to_string(),
        ])
        .args(["-T", &length.as_secs().to_string(), "-f"])
        .arg(script)
        .arg(ground.postgres.url())
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("tps = "));
    let number = line.and_then(|rest| rest.split(' ').next()?.parse().ok());
    number.with_context(|| format!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn program() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")?;
    let programs = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin/pgbench")));
    let newest = programs.filter(|path| path.is_file()).max();
    newest.context("pgbench is missing: apt-get install postgresql")
}

async fn soak(ground: &Ground, length: Duration, verdicts: &mut Verdicts) -> Result<()> {
    let begun = Instant::now();
    let mut points: Vec<(f64, f64)> = Vec::new();
    while begun.elapsed() < length {
        // A token is good for a quarter of an hour.
        let mix = ground.mix().await?;
        let part = (length - begun.elapsed().min(length)).min(Duration::from_secs(10));
        let (report, rss) = tokio::join!(
            open(ground.api, part, |_| 200.0, |n| mix.request(n)),
            floor(ground, part)
        );
        let report = report?;
        if report.errors() + report.shed() > 0 {
            println!("soak: {}", report.line());
        }
        let rss = u32::try_from(rss?)?;
        points.push((begun.elapsed().as_secs_f64() / 3_600.0, f64::from(rss)));
    }
    // What is allocated once is allocated by then.
    let settled = points.split_off(points.len() / 4);
    let (slope, mean) = slope(&settled);
    let percent = slope / mean * 100.0;
    let told = format!(
        "soak: 200/s for {length:?}: RSS {:.1} MiB on average, {percent:+.2} %/h",
        mean / 1024.0
    );
    if length < HOUR {
        println!("{told}: not judged, too short to tell (LOAD_SOAK_SECONDS=3600)");
    } else {
        println!("{}", verdicts.judge(&told, percent, Goal::Below(1.0)));
    }
    Ok(())
}

/// What resident memory falls back to within `part`: a hash takes 19 MiB for a moment.
async fn floor(ground: &Ground, part: Duration) -> Result<u64> {
    let begun = Instant::now();
    let mut least = ground.usage().await?.rss_kib;
    while begun.elapsed() < part {
        tokio::time::sleep(LOOK).await;
        least = least.min(ground.usage().await?.rss_kib);
    }
    Ok(least)
}

/// Slope and mean of a line of least squares.
fn slope(points: &[(f64, f64)]) -> (f64, f64) {
    let count = f64::from(u32::try_from(points.len()).unwrap_or(u32::MAX).max(1));
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let over: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let under: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (if under > 0.0 { over / under } else { 0.0 }, y)
}
