//! Ids of spans that do not leave the process.
//!
//! Owns [`Ids`], which stands in for the exporter's layer where there is no endpoint: logs and outgoing
//! calls carry a trace all the same. It keeps nothing else of a span.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use tracing::Subscriber;
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// Gives each span an id, and the trace of the span that it is within or one of its own.
pub(crate) struct Ids;

impl<S> Layer<S> for Ids
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let random = RandomIdGenerator::default();
        let outer = span.parent().and_then(|outer| {
            let extensions = outer.extensions();
            extensions.get::<SpanContext>().map(SpanContext::trace_id)
        });
        let trace = outer.unwrap_or_else(|| random.new_trace_id());
        let own = unsampled(trace, random.new_span_id());
        span.extensions_mut().insert(own);
    }
}

fn unsampled(trace: TraceId, span: SpanId) -> SpanContext {
    SpanContext::new(
        trace,
        span,
        TraceFlags::default(),
        false,
        TraceState::default(),
    )
}

/// Moves `span` into `trace`; whether it has ids from here.
pub(crate) fn adopt(span: &tracing::Span, trace: TraceId) -> bool {
    let moved = span.with_subscriber(|(id, dispatch)| {
        let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
        let mut extensions = span.extensions_mut();
        let own = extensions.get_mut::<SpanContext>()?;
        *own = unsampled(trace, own.span_id());
        Some(())
    });
    moved.flatten().is_some()
}

/// The ids of `span`, if it has them from here.
pub(crate) fn of(span: &tracing::Span) -> Option<SpanContext> {
    let found = span.with_subscriber(|(id, dispatch)| {
        let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
        let extensions = span.extensions();
        extensions.get::<SpanContext>().cloned()
    });
    found.flatten()
}
