//! Probes (R8, P13).

mod generated;

use std::time::{Duration, Instant};

use axum::Router;
use erpgo::db::{self, Database};
use erpgo::secrets::Keyring;
use erpgo::shutdown::Phase;
use erpgo::state::AppState;
use erpgo_test_kit::{postgres, proxy};
use http::Method;
use proptest::prelude::*;

use crate::spans::Recorder;
use crate::world::{Answer, SETTINGS, World, call, document, set, settings, until};

/// r08_2: readiness asks the database.
#[tokio::test]
async fn r08_1_and_2_a_serving_process_is_live_started_and_ready() {
    let world = World::new().await;
    for path in ["/health/live", "/health/startup", "/health/ready"] {
        let health = world.get(path, "").await.expect(200).json();
        assert_eq!(health["status"], "healthy", "{path}");
        assert_eq!(health["version"], erpgo::VERSION, "{path}");
    }
    let ready = world.get("/health/ready", "").await.json();
    assert_eq!(ready["checks"]["database"]["status"], "healthy");
    assert_eq!(ready["checks"]["redis"]["status"], "disabled");
}

/// Who asks the database is seen like any other query (R6.4), and liveness asks nobody.
#[tokio::test]
async fn r12_2_the_question_of_readiness_has_a_span_of_its_own() {
    let world = World::new().await;
    let recorder = Recorder::default();
    let _here = recorder.listen();
    world.get("/health/live", "").await.expect(200);
    assert!(recorder.named("db.query").is_empty());
    world.get("/health/ready", "").await.expect(200);
    let queries = recorder.named("db.query");
    let [query] = &queries[..] else {
        panic!("{queries:#?}");
    };
    assert!(query.fields.contains("health.ready"), "{query:?}");
    assert!(query.parents.contains(&"http.request"), "{query:?}");
    assert!(query.closed, "{query:?}");
}

/// What a probe waits.
const SECOND: Duration = Duration::from_secs(1);

/// The answer of readiness and how long it took; and the longest that the machine took meanwhile for next to
/// nothing: a pause of 10 ms and an answer of liveness, on the same thread.
async fn timed(router: &Router) -> (Answer, Duration, Duration) {
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    let mut ready = std::pin::pin!(call(router, Method::GET, "/health/ready", "", None));
    loop {
        let asked = Instant::now();
        let next_to_nothing = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            call(router, Method::GET, "/health/live", "", None).await
        };
        tokio::select! {
            biased;
            answer = &mut ready => return (answer, begun.elapsed(), longest.max(asked.elapsed())),
            live = next_to_nothing => drop(live.expect(200)),
        }
        longest = longest.max(asked.elapsed());
    }
}

/// r08_5: the answer comes within a second, whether the database refuses or is silent: each time, but for what the
/// machine takes for itself, which others may have meanwhile; r08_3: it is 503 and says which check failed.
#[tokio::test]
async fn p13_no_database_no_readiness_and_back_again() {
    let database = crate::world::database().await;
    let proxy = proxy::tcp(database.address()).await;
    let url = proxy.url(&database.url());
    let settings = settings("database: { acquire_timeout: 1s, max_connections: 2 }");
    let set = set(document(&url, None));
    let pool = db::lazy_pool(&set.keys.database.current.value, &settings.database).unwrap();
    let state = AppState::new(settings, Keyring::new(set), Database::new(pool));
    state.lifecycle.advance(Phase::Serving);
    let router = erpgo::router::router(state);
    let ready = async || call(&router, Method::GET, "/health/ready", "", None).await;
    until("ready", || async { ready().await.status == 200 }).await;
    for outage in ["cut", "pause"] {
        if outage == "cut" {
            proxy.cut()
        } else {
            proxy.pause()
        }
        let mut fastest = Duration::MAX;
        for _ in 0..4 {
            let (answer, took, slack) = timed(&router).await;
            // Once for the deadline that is noticed, once for what follows from it.
            assert!(took < SECOND + 2 * slack, "{outage}: {took:?}, {slack:?}");
            fastest = fastest.min(took);
            let answer = answer.expect(503).json();
            assert_eq!(answer["status"], "unhealthy", "{outage}");
            let check = &answer["checks"]["database"];
            assert_eq!(check["status"], "unhealthy", "{outage}");
            assert!(check["reason"].is_string());
        }
        assert!(fastest < SECOND, "{outage}: {fastest:?}");
        call(&router, Method::GET, "/health/live", "", None)
            .await
            .expect(200);
        proxy.resume();
        until("ready again", || async { ready().await.status == 200 }).await;
    }
}

/// r08_5: what is asked of the database ends in time, and a part of the second is left for all else.
#[test]
fn r08_5_readiness_gives_up_on_the_database_well_within_a_second() {
    assert!(erpgo::health::DEADLINE <= SECOND * 9 / 10);
}

#[tokio::test]
async fn a_request_that_needs_the_absent_database_is_answered_503() {
    let database = postgres::database().await;
    let url = database.url();
    database.remove().await;
    let settings = settings("database: { acquire_timeout: 1s }");
    let set = set(document(&url, None));
    let pool = db::lazy_pool(&set.keys.database.current.value, &settings.database).unwrap();
    let state = AppState::new(settings, Keyring::new(set), Database::new(pool));
    state.lifecycle.advance(Phase::Serving);
    let router = erpgo::router::router(state);
    let body = serde_json::json!({"email": "a@b.org", "password": "x"});
    let answer = call(&router, Method::POST, "/api/v1/auth/login", "", Some(body)).await;
    answer.refused(503, "SERVICE_UNAVAILABLE");
    assert!(!answer.text.contains("postgres"), "{}", answer.text);
}

#[tokio::test]
async fn r08_4_shutdown_turns_readiness_off_at_once_and_liveness_stays() {
    let world = World::new().await;
    world.state.lifecycle.advance(Phase::Draining);
    world.get("/health/ready", "").await.expect(503);
    let live = world.get("/health/live", "").await.expect(200);
    assert_eq!(live.headers["connection"], "close");
}

#[tokio::test]
async fn i01_before_the_schema_is_known_only_health_is_answered() {
    let settings = settings(SETTINGS);
    let set = set(document("postgres://u:p@127.0.0.1:1/x", None));
    let pool = db::lazy_pool(&set.keys.database.current.value, &settings.database).unwrap();
    let state = AppState::new(settings, Keyring::new(set), Database::new(pool));
    let router = erpgo::router::router(state.clone());
    call(&router, Method::GET, "/health/startup", "", None)
        .await
        .expect(503);
    call(&router, Method::GET, "/health/ready", "", None)
        .await
        .expect(503);
    call(&router, Method::GET, "/api/v1/users", "", None)
        .await
        .refused(503, "SERVICE_UNAVAILABLE");
    state.lifecycle.advance(Phase::Serving);
    call(&router, Method::GET, "/health/startup", "", None)
        .await
        .expect(200);
    call(&router, Method::GET, "/api/v1/users", "", None)
        .await
        .refused(401, "UNAUTHORIZED");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn p13_readiness_follows_the_phase_alone_when_there_is_no_database(phases in proptest::collection::vec(0u8..3, 1..6)) {
        let runtime = crate::runtime::one_thread();
        runtime.block_on(async {
            let mut settings = settings("database: { acquire_timeout: 1s }");
            // Shorter than anybody may set it: the driver tries until then.
            settings.database.acquire_timeout = std::time::Duration::from_millis(20);
            let set = set(document("postgres://u:p@127.0.0.1:1/x", None));
            let pool = db::lazy_pool(&set.keys.database.current.value, &settings.database).unwrap();
            let state = AppState::new(settings, Keyring::new(set), Database::new(pool));
            let router = erpgo::router::router(state.clone());
            for phase in phases {
                state.lifecycle.advance([Phase::Starting, Phase::Serving, Phase::Draining][usize::from(phase)]);
                assert_eq!(call(&router, Method::GET, "/health/ready", "", None).await.status, 503);
                assert_eq!(call(&router, Method::GET, "/health/live", "", None).await.status, 200);
            }
        });
    }
}
