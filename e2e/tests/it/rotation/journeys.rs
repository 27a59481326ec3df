//! The same journey on each backend. Its load has a thread of its own: the other one waits for kubectl.

use anyhow::{Result, ensure};
use erpgo_e2e::{Backend, Stage};

use super::changer::Who;
use super::disturbances::Disturbance;
use super::evictions::limit_disk;
use super::{Play, Pods, RATE, rounds};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_key_turns_in_vault() -> Result<()> {
    let stage = Stage::set_alone("turn-vault", 30110).await?;
    let backend = Backend::vault(&stage).await?;
    let mut play = Play::begin(stage, backend, Who::Operator, Pods::Autoscaled(2)).await?;
    turn(&mut play, rounds(10, 2), in_vault).await?;
    play.sidecars_are_small(6).await?;
    play.a_deleted_document_comes_back("vault-undelete").await?;
    play.a_lost_document_is_restored("vault-backup", "vault-restore")
        .await?;
    play.a_sealed_vault_makes_it_wait().await?;
    play.an_edit_by_hand_is_refused("vault-rollback").await?;
    play.an_access_key_is_stolen().await?;
    play.a_refresh_key_is_stolen().await?;
    play.a_pod_that_hangs_is_deleted().await?;
    play.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_key_turns_in_aws() -> Result<()> {
    let stage = Stage::set_alone("turn-aws", 30111).await?;
    limit_disk(&stage).await?;
    let backend = Backend::aws(&stage).await?;
    let mut play = Play::begin(stage, backend, Who::Person, Pods::Fixed(2)).await?;
    turn(&mut play, rounds(3, 1), in_aws).await?;
    play.sidecars_are_small(12).await?;
    play.an_edit_by_hand_is_refused("aws-rollback").await?;
    play.a_deleted_document_comes_back("aws-undelete").await?;
    play.a_lost_document_is_restored("aws-backup", "aws-restore")
        .await?;
    play.an_evicted_pod_is_not_waited_for().await?;
    play.a_starved_node_ends_a_pod().await?;
    play.killed_processes_are_waited_for().await?;
    play.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_key_turns_in_a_secret() -> Result<()> {
    let stage = Stage::set_alone("turn-secret", 30112).await?;
    let mut play = Play::begin(stage, Backend::Kubernetes, Who::Person, Pods::Fixed(2)).await?;
    turn(&mut play, rounds(3, 1), in_a_secret).await?;
    play.a_grace_ends_by_itself().await?;
    play.a_refused_set_is_rolled_back().await?;
    play.a_lost_document_is_restored("backup", "restore")
        .await?;
    play.end().await
}

/// Planned rotations under load; `disturbances` says what happens in each.
async fn turn(
    play: &mut Play,
    rounds: usize,
    disturbances: fn(usize) -> &'static [Disturbance],
) -> Result<()> {
    let load = play.crowd.work(RATE);
    for round in 1..=rounds {
        play.rotate(round, disturbances(round)).await?;
    }
    let report = load.stop().await?;
    println!(
        "{}: {rounds} rotations of every key: {}",
        play.stage.namespace,
        report.told()
    );
    report.is_clean()?;
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

// Pods come or go in every rotation. Each disturbance is in the first rounds of one journey, which are
// all that a test run plays.
const fn in_vault(round: usize) -> &'static [Disturbance] {
    match round {
        1 => &[Disturbance::OperatorDies, Disturbance::PodGoes],
        _ if round.is_multiple_of(2) => &[Disturbance::AutoscalerScalesOut],
        _ => &[Disturbance::PodGoes],
    }
}

const fn in_aws(round: usize) -> &'static [Disturbance] {
    match round {
        1 => &[Disturbance::OperatorDies, Disturbance::PodComes],
        2 => &[Disturbance::PodGoes],
        _ => &[Disturbance::PodComes],
    }
}

// There is one upgrade: the way back would lead past the migration.
const fn in_a_secret(round: usize) -> &'static [Disturbance] {
    match round {
        1 => &[Disturbance::RollingUpdate],
        2 => &[Disturbance::OperatorDies, Disturbance::PodGoes],
        _ => &[Disturbance::PodComes],
    }
}
