//! The same journey on each backend.

use anyhow::{Result, ensure};
use erpgo_e2e::{Backend, Stage};

use super::planned::Disturbance;
use super::{Play, RATE, rounds};

#[tokio::test]
async fn every_key_turns_in_vault() -> Result<()> {
    let stage = Stage::set_alone("turn-vault", 30110).await?;
    let backend = Backend::vault(&stage).await?;
    let mut play = Play::begin(stage, backend).await?;
    turn(&mut play, rounds(10, 2)).await?;
    play.a_sealed_vault_makes_it_wait().await?;
    play.an_access_key_is_stolen().await?;
    play.a_refresh_key_is_stolen().await?;
    play.end().await
}

#[tokio::test]
async fn every_key_turns_in_aws() -> Result<()> {
    let stage = Stage::set_alone("turn-aws", 30111).await?;
    let backend = Backend::aws(&stage).await?;
    let mut play = Play::begin(stage, backend).await?;
    turn(&mut play, rounds(3, 1)).await?;
    play.an_edit_by_hand_is_refused().await?;
    play.killed_processes_are_waited_for().await?;
    play.end().await
}

#[tokio::test]
async fn every_key_turns_in_a_secret() -> Result<()> {
    let stage = Stage::set_alone("turn-secret", 30112).await?;
    let mut play = Play::begin(stage, Backend::Kubernetes).await?;
    turn(&mut play, rounds(3, 1)).await?;
    play.a_refused_set_is_rolled_back().await?;
    play.a_lost_document_is_restored().await?;
    play.end().await
}

/// Planned rotations under load; in the first the operator dies.
async fn turn(play: &mut Play, rounds: usize) -> Result<()> {
    let load = play.crowd.work(RATE);
    for round in 1..=rounds {
        play.rotate(round, &disturbances(round)).await?;
    }
    let report = load.stop().await?;
    println!(
        "{}: {rounds} rotations of every key: {}",
        play.stage.namespace,
        report.told()
    );
    ensure!(
        report.failed == 0,
        "{} of {} requests failed: {:?}",
        report.failed,
        report.sent,
        report.examples
    );
    ensure!(
        play.crowd.lost() == 0,
        "{} sessions were lost",
        play.crowd.lost()
    );
    play.crowd.renew().await?;
    ensure!(
        play.stage.restarts().await? == 0,
        "a container was restarted"
    );
    Ok(())
}

// Pods come and go in every rotation.
fn disturbances(round: usize) -> Vec<Disturbance> {
    let pods = if round.is_multiple_of(2) {
        Disturbance::PodComes
    } else {
        Disturbance::PodGoes
    };
    if round == 1 {
        vec![Disturbance::OperatorDies, pods]
    } else {
        vec![pods]
    }
}
