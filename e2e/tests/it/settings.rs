//! A platform team changes settings of what runs: the pods take them up by themselves, and stay.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use erpgo_e2e::{Session, Stage, until};
use reqwest::Method;
use serde_json::json;

use crate::faults::{no_container_restarted, serves_as_before};
use crate::first_run::{READY, credentials};

/// The kubelet takes up to two minutes to change what it has mounted.
const TAKEN_UP: Duration = Duration::from_secs(300);
/// A sign-in is counted by one pod alone when Redis misses its deadline.
const REFUSED: Duration = Duration::from_secs(60);
/// Sign-ins of one address in 15 minutes, once the settings have changed.
const ATTEMPTS: u32 = 2;
const NOTED: &str = "/api/v1/audit?action=settings.changed&limit=100";

/// r15_4: fewer sign-ins of an address, and no page of the docs. Nobody can sign in from here afterwards.
pub(crate) async fn are_taken_up(stage: &Stage) -> Result<()> {
    let (pods, http) = (stage.ready_pods().await?, stage.http()?);
    let (email, password) = credentials(stage).await?;
    let session = http.login(&email, &password).await?;
    for _ in 0..ATTEMPTS {
        http.login(&email, &password).await?;
    }
    docs_answer(stage, 200).await?;
    let (_, before) = http.send(&session, Method::GET, NOTED, None).await?;
    ensure!(before["events"] == json!([]), "noted already: {before}");

    let settings =
        json!({"loginLimits": {"attemptsPerAddress": ATTEMPTS}, "features": {"docs": false}});
    let changed = stage.erpgo(json!({"replicas": 2, "settings": settings}));
    stage.apply(&changed).await?;
    stage.condition("Ready", "True", READY).await?;
    each_pod_notes_it(stage, &session, &pods).await?;
    a_sign_in_is_refused(stage, &email, &password).await?;
    docs_answer(stage, 404).await?;

    let (status, body) = http
        .send(&session, Method::GET, "/api/v1/products", None)
        .await?;
    ensure!(status == 200, "a read answered {status}: {body}");
    serves_as_before(stage, &pods).await?;
    no_container_restarted(stage)
}

async fn docs_answer(stage: &Stage, wanted: u16) -> Result<()> {
    let answer = stage.http()?.get("/api/docs/openapi.json").await?;
    let status = answer.status;
    ensure!(status == wanted, "the document answered {status}");
    Ok(())
}

/// Waits until each of `pods` has noted these two settings, once and by name; no other process has.
async fn each_pod_notes_it(stage: &Stage, session: &Session, pods: &[String]) -> Result<()> {
    let http = stage.http()?;
    let wanted: BTreeSet<_> = pods.iter().map(|pod| format!("process:{pod}")).collect();
    let events = until("every pod notes changed settings", TAKEN_UP, || async {
        let (_, body) = http.send(session, Method::GET, NOTED, None).await?;
        let events = body["events"].as_array().cloned().unwrap_or_default();
        let targets = events.iter().filter_map(|event| event["target"].as_str());
        let targets: BTreeSet<_> = targets.map(str::to_owned).collect();
        Ok(if targets == wanted {
            Ok(events)
        } else {
            Err(format!("{targets:?} of {wanted:?}: {body}"))
        })
    })
    .await?;
    let changed = json!({"changed": ["features.docs", "limits.login_per_ip"]});
    ensure!(
        events.len() == pods.len() && events.iter().all(|event| event["detail"] == changed),
        "each pod notes what has changed, once: {events:?}"
    );
    Ok(())
}

async fn a_sign_in_is_refused(stage: &Stage, email: &str, password: &str) -> Result<()> {
    let http = stage.http()?;
    let answer = until("a sign-in is refused", REFUSED, || async {
        let answer = http.try_login(email, password).await?;
        let status = answer.status;
        Ok(if status == 429 {
            Ok(answer)
        } else {
            Err(status.to_string())
        })
    })
    .await?;
    let (told, body) = (answer.headers.get("retry-after"), answer.json()?);
    ensure!(
        body["code"] == "RATE_LIMIT_EXCEEDED" && told.is_some(),
        "retry-after {told:?}: {body}"
    );
    Ok(())
}
