//! The end of the real program while the collector of its traces accepts connections and says nothing.

use erpgo_test_kit::Signal;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::program::{HOOKS, LIMIT, get, start};

/// Nothing hangs but the exporter of spans, which has the ten seconds of all hooks beside the drain; the
/// limit here is twice that, and less than a drain that had to run out.
#[tokio::test]
async fn r09_4_a_trace_collector_that_says_nothing_does_not_hold_the_end_up() {
    let database = crate::world::database().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = format!(
        "shutdown: {{ drain: 30s }}\n\
         tracing: {{ otlp_endpoint: 'http://{}', sample_ratio: 1.0 }}\n",
        listener.local_addr().unwrap()
    );
    let asked = std::sync::Arc::new(Notify::new());
    let told = asked.clone();
    let collector = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
            told.notify_one();
        }
    });
    let mut program = start(&database.url(), &config);
    program.is_ready().await;
    // The first spans are on their way, and those of this request wait behind them.
    tokio::time::timeout(LIMIT, asked.notified()).await.unwrap();
    assert_eq!(get(program.api, "/api/v1/users").await.unwrap().0, 401);
    program.process.signal(Signal::TERM).unwrap();
    let status = program.process.wait(LIMIT).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", program.process.tail());

    let messages = program.messages();
    let done = program.hooks_done();
    assert_eq!(done[..6], HOOKS[..6], "{}", program.process.tail());
    // One of the two, whichever of two equal times is over first.
    let overran: Vec<_> = messages
        .iter()
        .filter(|line| line["message"] == "shutdown hook overran its deadline and is left behind")
        .filter_map(|line| line["hook"].as_str())
        .collect();
    let lost = messages
        .iter()
        .filter(|line| line["message"] == "the last spans are lost");
    assert_eq!(
        overran.len() + lost.count(),
        1,
        "{}",
        program.process.tail()
    );
    assert!(
        overran.iter().all(|hook| *hook == "telemetry"),
        "{overran:?}"
    );
    collector.abort();
}
