//! Counts what the database driver sends on this thread.

use std::sync::{Arc, LazyLock, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::spans::Recorder;

/// Every statement that the driver reports, however it was sent. BEGIN, COMMIT and ROLLBACK are not
/// among them, nor what the driver asks for itself, once for each type and connection.
#[derive(Clone, Default)]
pub struct Counter(Arc<Mutex<Vec<String>>>);

impl Counter {
    /// Counts on this thread while the guard lives.
    pub fn here(&self) -> DefaultGuard {
        // While nobody else listens, tests that begin and end beside this one can switch events off.
        LazyLock::force(&crate::log::LOG);
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }

    /// As [`Self::here`], and `recorder` sees the spans of the same time.
    pub fn beside(&self, recorder: &Recorder) -> DefaultGuard {
        LazyLock::force(&crate::log::LOG);
        let registry = tracing_subscriber::registry().with(self.clone());
        tracing::subscriber::set_default(registry.with(recorder.clone()))
    }

    /// The text of each, in one line.
    pub fn statements(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Default)]
struct Statement {
    summary: String,
    text: String,
}

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        let words = value.split_whitespace().collect::<Vec<_>>().join(" ");
        match field.name() {
            "summary" => self.summary = words,
            "db.statement" => self.text = words,
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

impl<S: tracing::Subscriber> Layer<S> for Counter {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::query" {
            return;
        }
        let mut statement = Statement::default();
        event.record(&mut statement);
        let whole = match statement.text.is_empty() {
            true => statement.summary,
            false => statement.text,
        };
        let of_the_driver =
            whole.contains("FROM pg_catalog.pg_type") || whole.contains("JOIN pg_catalog.pg_type");
        if !of_the_driver && !["BEGIN", "COMMIT", "ROLLBACK"].contains(&&*whole) {
            self.0.lock().unwrap().push(whole);
        }
    }
}
