//! The operator is killed after every single write of a rotation, each time in a rotation of its own.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use erpgo_test_kit::apiserver::{self, TestCluster};
use erpgo_tests::cluster;
use futures::future::try_join_all;

use super::play::{Play, Run};

/// Shops whose keys turn beside each other, which takes less time: one has the first death, the next the
/// second, and so on in turn.
const SHOPS: usize = 4;

/// The rotations of one shop, to the first that has fewer writes than the operator is allowed.
async fn rotations(cluster: TestCluster, first: usize) -> Result<Vec<Run>> {
    let mut play = Play::begin(cluster).await?;
    let mut runs = Vec::new();
    for death in (first..).step_by(SHOPS) {
        let run = play.rotation(death).await;
        let run = run.with_context(|| format!("a death after write {death}"))?;
        let died = run.died;
        runs.push(run);
        if !died {
            break;
        }
    }
    Ok(runs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_a_death_after_any_write_changes_neither_the_end_nor_the_count() {
    // Of its own: tens of thousands of requests would swell the audit log of the shared one.
    let cluster = apiserver::private().await;
    cluster::define(&cluster).await.unwrap();
    let all = (1..=SHOPS).map(|first| rotations(TestCluster::clone(&cluster), first));
    let runs = try_join_all(all).await.unwrap().into_iter().flatten();
    let (broken, whole): (Vec<_>, Vec<_>) = runs.partition(|run| run.died);
    let without = &whole[0];
    let (end, writes) = (&without.end, &without.writes);
    assert_eq!(end.generations, end.of_document, "{writes:#?}");
    assert!(
        end.of_document >= 4 && writes.len() > 2 * end.of_document,
        "{writes:#?}"
    );
    assert_eq!((end.of_jobs, end.of_verifiers), (4, 2), "{writes:#?}");
    assert!(
        end.is_other_role && end.is_other_user && end.prepared.is_empty(),
        "{end:?}"
    );
    assert!(end.versions.iter().all(|(_, _, drawn)| drawn.is_some()));

    let fewest = whole.iter().map(|run| run.writes.len()).min();
    let deaths: BTreeSet<usize> = broken.iter().map(|run| run.death).collect();
    assert!((1..=fewest.unwrap()).all(|write| deaths.contains(&write)));
    let last_words = broken.iter().map(|run| &run.writes[run.death - 1]);
    let last_words: BTreeSet<_> = last_words.collect();
    for write in writes {
        assert!(last_words.contains(write), "no death after {write}");
    }
    for run in broken.iter().chain(&whole) {
        let what = format!("a death after write {} of {:#?}", run.death, run.writes);
        assert_eq!(run.end, *end, "{what}");
    }
}
