//! What spans a thread opens, as a subscriber sees them.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::log::LOG;

/// The spans of one thread: each with its parents' names and its fields.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Recorded>>>);

#[derive(Clone, Debug)]
pub struct Recorded {
    pub name: &'static str,
    pub parents: Vec<&'static str>,
    pub fields: String,
    pub begun: Instant,
    pub closed: bool,
    id: u64,
}

impl Recorder {
    /// Records what this thread does while the guard lives.
    pub fn listen(&self) -> DefaultGuard {
        LazyLock::force(&LOG);
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }

    /// Every span so far, in the order in which they began.
    pub fn all(&self) -> Vec<Recorded> {
        self.0.lock().unwrap().clone()
    }

    /// Those of this name.
    pub fn named(&self, name: &str) -> Vec<Recorded> {
        let mut spans = self.all();
        spans.retain(|span| span.name == name);
        spans
    }

    /// Numbers of spans come again once they are closed: the newest is meant.
    fn with(&self, id: &tracing::Id, mut change: impl FnMut(&mut Recorded)) {
        let mut spans = self.0.lock().unwrap();
        let found = spans.iter_mut().rev();
        let mut found = found.filter(|span| span.id == id.into_u64() && !span.closed);
        found.next().into_iter().for_each(&mut change);
    }
}

struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl<S> tracing_subscriber::Layer<S> for Recorder
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        id: &tracing::Id,
        context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let mut fields = Fields(String::new());
        attributes.record(&mut fields);
        let scope = context.span_scope(id).into_iter().flatten();
        let mut names: Vec<_> = scope.map(|span| span.name()).collect();
        let name = names.remove(0);
        self.0.lock().unwrap().push(Recorded {
            name,
            parents: names,
            fields: fields.0,
            begun: Instant::now(),
            closed: false,
            id: id.into_u64(),
        });
    }

    fn on_record(
        &self,
        id: &tracing::Id,
        values: &tracing::span::Record<'_>,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let mut fields = Fields(String::new());
        values.record(&mut fields);
        self.with(id, |span| span.fields += &fields.0);
    }

    fn on_close(&self, id: tracing::Id, _: tracing_subscriber::layer::Context<'_, S>) {
        self.with(&id, |span| span.closed = true);
    }
}
