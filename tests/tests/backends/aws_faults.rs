//! What the operator makes of an AWS that throttles or whose reads lag behind its writes: the right word,
//! one version for each write, and no label left behind.

use erpgo_operator::secrets::{Revision, WriteId, Written};
use serde_json::json;

use super::aws::{Aws, ByAccessKey, NAME};
use super::bench::Setting;
use super::suite::{Backend, created, done, successor, text};
use super::unruly::FOR_LONG;

// Read, write under AWSPENDING, move AWSCURRENT, take AWSPENDING away.
const REQUESTS_OF_A_WRITE: usize = 4;

// AWS, and the operator who asks it through the proxy.
struct Unsteady {
    aws: Aws<ByAccessKey>,
    here: Setting,
}

impl Unsteady {
    async fn start() -> Self {
        let aws = Aws::<ByAccessKey>::start().await;
        let here = aws.setting_at(&aws.proxy.url(), &aws.server.url());
        Self { aws, here }
    }

    // Deprecated ones too.
    async fn versions(&self) -> usize {
        let wanted = json!({"SecretId": NAME, "IncludeDeprecated": true});
        let listed = self.aws.server.secrets("ListSecretVersionIds", &wanted);
        listed.await["Versions"].as_array().unwrap().len()
    }

    async fn holds(&self, revision: &Revision, text_of_it: &str, versions: usize) {
        let held = self.here.held().await;
        assert_eq!(held.revision, *revision);
        assert_eq!(text(&held.document), text_of_it);
        assert_eq!(self.versions().await, versions);
        assert!(self.aws.is_tidy().await);
    }
}

#[tokio::test]
async fn i10_a_write_that_is_throttled_at_any_request_is_done_once_by_the_next_try() {
    let unsteady = Unsteady::start().await;
    let (_, mut held) = created(&unsteady.aws).await;
    for through in 0..REQUESTS_OF_A_WRITE {
        let id = WriteId::derive("r1", &format!("step {through}"));
        let first = successor(&held.document, "first");
        unsteady.aws.proxy.throttle_after(through, FOR_LONG);
        let here = &unsteady.here;
        here.is_throttled(&held.revision, &first, &id).await;
        unsteady.aws.proxy.calm();
        // The next try may draw other values; those that were written first count.
        let again = successor(&held.document, "again");
        let revision = done(here.write(&held.revision, &again, &id).await);
        let expected = text(if through < 2 { &again } else { &first });
        unsteady.holds(&revision, &expected, through + 2).await;
        held = here.held().await;
    }
}

#[tokio::test]
async fn a_throttle_that_passes_is_not_even_told() {
    let unsteady = Unsteady::start().await;
    let (_, held) = created(&unsteady.aws).await;
    let second = successor(&held.document, "second");
    let id = WriteId::derive("r1", "stage");
    unsteady.aws.proxy.throttle_after(1, 2);
    let written = unsteady.here.write(&held.revision, &second, &id).await;
    assert_eq!(unsteady.aws.proxy.throttled(), 2);
    unsteady.holds(&done(written), &text(&second), 2).await;
}

#[tokio::test]
async fn a_write_that_was_throttled_and_then_overtaken_leaves_no_label_behind() {
    let unsteady = Unsteady::start().await;
    let (_, held) = created(&unsteady.aws).await;
    let late = successor(&held.document, "late");
    let id = WriteId::derive("r1", "stage");
    unsteady.aws.proxy.throttle_after(2, FOR_LONG);
    let here = &unsteady.here;
    here.is_throttled(&held.revision, &late, &id).await;
    assert!(!unsteady.aws.is_tidy().await, "AWSPENDING is there");
    unsteady.aws.proxy.calm();
    let by_hand = successor(&held.document, "by-hand");
    unsteady.aws.by_hand(&text(&by_hand)).await;
    let written = here.write(&held.revision, &late, &id).await;
    assert_eq!(written, Written::Conflict);
    assert_eq!(text(&here.held().await.document), text(&by_hand));
    assert!(unsteady.aws.is_tidy().await);
}

#[tokio::test]
async fn i10_a_read_that_lags_behind_makes_no_second_version_and_no_conflict() {
    let unsteady = Unsteady::start().await;
    let (_, first) = created(&unsteady.aws).await;
    // Through the proxy, so that it knows what to replay.
    unsteady.here.held().await;
    let second = successor(&first.document, "second");
    let stage = WriteId::derive("r1", "stage");
    let revision = done(unsteady.here.write(&first.revision, &second, &stage).await);

    // The same write again, of an operator that saw neither its end nor its effect: one old answer
    // before its own write is refused, and one after it too.
    for lags in [1, 2] {
        unsteady.aws.proxy.lag(lags);
        let redrawn = successor(&first.document, "redrawn");
        let again = unsteady.here.write(&first.revision, &redrawn, &stage).await;
        assert_eq!(done(again), revision);
        assert_eq!(unsteady.aws.proxy.lags(), 0, "every old answer was read");
        unsteady.holds(&revision, &text(&second), 2).await;
    }
    unsteady.aws.proxy.lag(1);
    let again = unsteady.here.write(&revision, &second, &stage).await;
    assert_eq!(done(again), revision);
    unsteady.holds(&revision, &text(&second), 2).await;

    // The next write, made from what the last one said of itself.
    unsteady.aws.proxy.lag(1);
    let third = successor(&second, "third");
    let promote = WriteId::derive("r1", "promote");
    let next = done(unsteady.here.write(&revision, &third, &promote).await);
    assert_eq!(unsteady.aws.proxy.lags(), 0);
    unsteady.holds(&next, &text(&third), 3).await;
}

#[tokio::test]
async fn a_conflict_behind_a_read_that_lags_is_one_and_changes_nothing() {
    let unsteady = Unsteady::start().await;
    let (_, first) = created(&unsteady.aws).await;
    unsteady.here.held().await;
    let second = successor(&first.document, "second");
    let id = WriteId::derive("r1", "stage");
    let revision = done(unsteady.here.write(&first.revision, &second, &id).await);
    unsteady.aws.proxy.lag(1);
    let late = successor(&first.document, "late");
    let id = WriteId::derive("r2", "stage");
    let written = unsteady.here.write(&first.revision, &late, &id).await;
    assert_eq!(written, Written::Conflict);
    assert_eq!(unsteady.aws.proxy.lags(), 0);
    let held = unsteady.here.held().await;
    assert_eq!(
        (held.revision, text(&held.document)),
        (revision, text(&second))
    );
    assert!(unsteady.aws.is_tidy().await);
}

#[tokio::test]
async fn conflicts_before_and_after_a_write_are_doubted_for_one_time_together() {
    let unsteady = Unsteady::start().await;
    let (_, first) = created(&unsteady.aws).await;
    let second = successor(&first.document, "second");
    let stage = WriteId::derive("r1", "stage");
    let from = done(unsteady.here.write(&first.revision, &second, &stage).await);
    let third = successor(&second, "third");
    let promote = WriteId::derive("r1", "promote");
    let newest = done(unsteady.here.write(&from, &third, &promote).await);

    // Reads show what was before both, then what the late write is made from, then the truth.
    unsteady.aws.proxy.lag_from_the_first();
    assert_eq!(unsteady.aws.proxy.lags(), 2);
    let before = unsteady.aws.proxy.reads();
    let late = successor(&second, "late");
    let id = WriteId::derive("r2", "stage");
    let written = unsteady.here.write(&from, &late, &id).await;
    assert_eq!(written, Written::Conflict);
    assert_eq!(unsteady.aws.proxy.lags(), 0);
    // One pause before its own write was refused, and the other one after.
    assert_eq!(unsteady.aws.proxy.reads() - before, 4);
    let held = unsteady.here.held().await;
    assert_eq!(
        (held.revision, text(&held.document)),
        (newest, text(&third))
    );
    assert!(unsteady.aws.is_tidy().await);
}
