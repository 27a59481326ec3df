//! What every backend promises, in the operator's own words.

use erpgo_crds::ErpGo;
use erpgo_operator::secrets::{Ensured, Held, Revision, SecretsError, WriteId, Written};
use erpgo_secret_set::{Document, Generation, Secret};

use super::bench::{CANARY, Setting};

/// A backend that runs.
pub trait Backend: Sized {
    /// Starts it, without a document.
    async fn start() -> Self;
    /// Access with all the rights that the guide asks for.
    fn here(&self) -> Setting;
    /// The same at an address where nobody answers.
    fn away(&self) -> Setting;
    /// The same with a login or rights that do not suffice.
    async fn denied(&self) -> Setting;
    /// Writes this text in the document's place, as a person with the backend's own tools would.
    async fn by_hand(&self, text: &str);
    /// Whether the backend holds nothing but whole writes.
    async fn is_tidy(&self) -> bool;
}

macro_rules! conformance {
    ($name:ident, $backend:ty) => {
        suite::cases! {
            $name, $backend:
            what_is_absent_is_created_once_and_read_back,
            of_two_creators_one_wins,
            a_write_replaces_what_it_was_made_from,
            a_stale_write_is_a_conflict_and_changes_nothing,
            of_two_writers_one_wins,
            i10_the_same_write_twice_is_one,
            a_document_spoilt_by_hand_is_told_without_its_values,
            a_document_that_no_pod_would_accept_is_not_written,
            what_is_deleted_is_absent_again,
            a_backend_that_is_away_is_told_apart_and_tried_again,
            a_refusal_is_told_apart_and_nothing_to_wait_for,
        }
    };
}

macro_rules! cases {
    ($name:ident, $backend:ty: $($case:ident,)*) => {
        mod $name {
            use super::*;

            $(
                #[tokio::test]
                async fn $case() {
                    let backend = <$backend as suite::Backend>::start().await;
                    suite::$case(&backend).await;
                }
            )*
        }
    };
}

pub(super) use {cases, conformance};

pub(super) async fn created(backend: &impl Backend) -> (Setting, Held) {
    let here = backend.here();
    let ensured = here.secrets.ensure_first_generation(&here.erpgo).await;
    assert_eq!(ensured.unwrap(), Ensured::Created);
    let held = here.held().await;
    (here, held)
}

impl Setting {
    pub(super) async fn held(&self) -> Held {
        let read = self.secrets.read(&self.erpgo).await;
        read.unwrap().expect("a document")
    }

    pub(super) async fn write(
        &self,
        from: &Revision,
        document: &Document,
        id: &WriteId,
    ) -> Written {
        let written = self.secrets.replace(&self.erpgo, from, document, id).await;
        written.unwrap()
    }

    // The same where the backend throttles.
    pub(super) async fn is_throttled(&self, from: &Revision, document: &Document, id: &WriteId) {
        let tried = self.secrets.replace(&self.erpgo, from, document, id).await;
        let error = tried.unwrap_err();
        assert_eq!(error.class(), "throttled", "{id:?}: {error:?}");
        assert!(error.is_transient());
        assert!(!shown(&error).contains(CANARY), "{error:?}");
    }
}

// The document as another step would write it: one generation on, with a pepper that can be told.
pub(super) fn successor(of: &Document, pepper: &str) -> Document {
    let mut next = Document::parse(of.to_json().expose_secret().as_bytes()).unwrap();
    next.generation = Generation(of.generation.0 + 1);
    next.keys.pepper.current.value = Secret::new(format!("{pepper}-{CANARY}-b7VhK2sXw9Rf"));
    next
}

pub(super) fn text(document: &Document) -> String {
    document.to_json().expose_secret().to_owned()
}

pub(super) fn done(written: Written) -> Revision {
    match written {
        Written::Done(revision) => revision,
        Written::Conflict => panic!("a conflict"),
    }
}

// Every text that a person or a log may see of an error.
pub(super) fn shown(error: &SecretsError) -> String {
    let mut shown = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        shown += &format!(" {cause} {cause:?}");
        source = cause.source();
    }
    shown
}

pub async fn what_is_absent_is_created_once_and_read_back(backend: &impl Backend) {
    let here = backend.here();
    assert!(here.secrets.read(&here.erpgo).await.unwrap().is_none());
    let (here, held) = created(backend).await;
    assert_eq!(held.document.generation, Generation::FIRST);
    assert!(text(&held.document).contains(CANARY));
    let again = here.secrets.ensure_first_generation(&here.erpgo).await;
    assert_eq!(again.unwrap(), Ensured::Present);
    assert_eq!(text(&here.held().await.document), text(&held.document));
}

pub async fn of_two_creators_one_wins(backend: &impl Backend) {
    let (one, other) = (backend.here(), backend.here());
    let ensured = tokio::join!(
        one.secrets.ensure_first_generation(&one.erpgo),
        other.secrets.ensure_first_generation(&other.erpgo),
    );
    let ensured = [ensured.0.unwrap(), ensured.1.unwrap()];
    let winners = ensured.iter().filter(|made| **made == Ensured::Created);
    assert_eq!(winners.count(), 1, "{ensured:?}");
    assert_eq!(
        text(&one.held().await.document),
        text(&other.held().await.document)
    );
}

pub async fn a_write_replaces_what_it_was_made_from(backend: &impl Backend) {
    let (here, mut held) = created(backend).await;
    for step in ["stage", "promote", "retire"] {
        let next = successor(&held.document, step);
        let id = WriteId::derive("r1", step);
        let revision = done(here.write(&held.revision, &next, &id).await);
        assert_ne!(revision, held.revision);
        held = here.held().await;
        assert_eq!(held.revision, revision);
        assert_eq!(text(&held.document), text(&next));
    }
    assert!(backend.is_tidy().await);
}

pub async fn a_stale_write_is_a_conflict_and_changes_nothing(backend: &impl Backend) {
    let (here, first) = created(backend).await;
    let second = successor(&first.document, "second");
    let id = WriteId::derive("r1", "stage");
    let revision = done(here.write(&first.revision, &second, &id).await);
    let late = successor(&first.document, "late");
    let id = WriteId::derive("r2", "stage");
    assert_eq!(
        here.write(&first.revision, &late, &id).await,
        Written::Conflict
    );
    let held = here.held().await;
    assert_eq!(held.revision, revision);
    assert_eq!(text(&held.document), text(&second));
    assert!(backend.is_tidy().await);
}

pub async fn of_two_writers_one_wins(backend: &impl Backend) {
    let (one, first) = created(backend).await;
    let other = backend.here();
    let (mine, theirs) = (
        successor(&first.document, "mine"),
        successor(&first.document, "theirs"),
    );
    let ids = (
        WriteId::derive("r1", "stage"),
        WriteId::derive("r2", "stage"),
    );
    let (a, b) = tokio::join!(
        one.write(&first.revision, &mine, &ids.0),
        other.write(&first.revision, &theirs, &ids.1),
    );
    let (winner, document) = match (a, b) {
        (Written::Done(winner), Written::Conflict) => (winner, mine),
        (Written::Conflict, Written::Done(winner)) => (winner, theirs),
        both => panic!("{both:?}"),
    };
    let held = one.held().await;
    assert_eq!(held.revision, winner);
    assert_eq!(text(&held.document), text(&document));
}

pub async fn i10_the_same_write_twice_is_one(backend: &impl Backend) {
    let (here, first) = created(backend).await;
    let second = successor(&first.document, "second");
    let id = WriteId::derive("r1", "stage");
    let revision = done(here.write(&first.revision, &second, &id).await);
    // After a crash the values may be drawn anew, and the operator be another one.
    let redrawn = successor(&first.document, "redrawn");
    let other = backend.here();
    assert_eq!(
        done(other.write(&first.revision, &second, &id).await),
        revision
    );
    assert_eq!(
        done(other.write(&first.revision, &redrawn, &id).await),
        revision
    );
    assert_eq!(done(other.write(&revision, &redrawn, &id).await), revision);
    let held = here.held().await;
    assert_eq!(held.revision, revision);
    assert_eq!(text(&held.document), text(&second));
    assert!(backend.is_tidy().await);
}

pub async fn a_document_spoilt_by_hand_is_told_without_its_values(backend: &impl Backend) {
    let (here, held) = created(backend).await;
    let short = text(&held.document).replace("\"generation\":1", "\"generation\":\"one\"");
    let weak = {
        let mut weak = successor(&held.document, "weak");
        weak.keys.jwt.current.value = Secret::new(CANARY.into());
        text(&weak)
    };
    for spoilt in [short.as_str(), weak.as_str(), CANARY, "{}"] {
        backend.by_hand(spoilt).await;
        let read = here.secrets.read(&here.erpgo).await;
        let Err(error) = read else {
            panic!("accepted");
        };
        assert_eq!(error.class(), "invalid", "{error}");
        assert!(!error.is_transient());
        assert!(!shown(&error).contains(CANARY), "{error}");
        assert!(matches!(error, SecretsError::Invalid { reasons } if !reasons.is_empty()));
    }
    backend.by_hand(&text(&held.document)).await;
    assert_eq!(text(&here.held().await.document), text(&held.document));
}

pub async fn a_document_that_no_pod_would_accept_is_not_written(backend: &impl Backend) {
    let (here, held) = created(backend).await;
    let mut weak = successor(&held.document, "weak");
    weak.keys.refresh.current.value = Secret::new(CANARY.into());
    let id = WriteId::derive("r1", "stage");
    let written = here
        .secrets
        .replace(&here.erpgo, &held.revision, &weak, &id);
    let error = written.await.unwrap_err();
    assert_eq!(error.class(), "invalid");
    assert!(!shown(&error).contains(CANARY), "{error}");
    assert_eq!(here.held().await.revision, held.revision);
}

pub async fn what_is_deleted_is_absent_again(backend: &impl Backend) {
    let (here, held) = created(backend).await;
    here.secrets.delete(&here.erpgo).await.unwrap();
    assert!(here.secrets.read(&here.erpgo).await.unwrap().is_none());
    here.secrets.delete(&here.erpgo).await.unwrap();
    // What was read before is the successor of nothing now.
    let next = successor(&held.document, "late");
    let id = WriteId::derive("r1", "stage");
    let written = here.write(&held.revision, &next, &id).await;
    assert_eq!(written, Written::Conflict);
    assert!(here.secrets.read(&here.erpgo).await.unwrap().is_none());
}

pub async fn a_backend_that_is_away_is_told_apart_and_tried_again(backend: &impl Backend) {
    let (_, held) = created(backend).await;
    let away = backend.away();
    let next = successor(&held.document, "next");
    let id = WriteId::derive("r1", "stage");
    for error in failures(&away, &held, &next, &id).await {
        assert_eq!(error.class(), "unreachable", "{error:?}");
        assert!(error.is_transient(), "{error:?}");
        assert!(!shown(&error).contains(CANARY), "{error:?}");
    }
}

pub async fn a_refusal_is_told_apart_and_nothing_to_wait_for(backend: &impl Backend) {
    let (_, held) = created(backend).await;
    let denied = backend.denied().await;
    let next = successor(&held.document, "next");
    let id = WriteId::derive("r1", "stage");
    for error in failures(&denied, &held, &next, &id).await {
        assert_eq!(error.class(), "denied", "{error:?}");
        assert!(!error.is_transient(), "{error:?}");
        assert!(!shown(&error).contains(CANARY), "{error:?}");
    }
}

pub(super) async fn failures(
    setting: &Setting,
    held: &Held,
    next: &Document,
    id: &WriteId,
) -> [SecretsError; 3] {
    let (secrets, erpgo): (_, &ErpGo) = (&setting.secrets, &setting.erpgo);
    let Err(read) = secrets.read(erpgo).await else {
        panic!("read");
    };
    [
        read,
        secrets
            .replace(erpgo, &held.revision, next, id)
            .await
            .unwrap_err(),
        secrets.delete(erpgo).await.unwrap_err(),
    ]
}
