//! The trace that a request came with, and the one that it leaves with.
//!
//! Owns [`TraceParent`], the W3C `traceparent` header. A malformed header is ignored, as the
//! standard asks: the request then begins a trace of its own.

use std::fmt;
use std::str::FromStr;

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::ids;

/// A valid `traceparent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(SpanContext);

/// The header is not one that we understand.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("traceparent is not of the form 00-<32 hex>-<16 hex>-<2 hex>")]
pub struct NotATraceParent;

impl TraceParent {
    /// The trace's id in hexadecimal.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.0.trace_id().to_string()
    }
}

impl FromStr for TraceParent {
    type Err = NotATraceParent;

    fn from_str(text: &str) -> Result<Self, NotATraceParent> {
        let fields: Vec<&str> = text.trim().split('-').collect();
        let ["00", trace, span, flags] = fields[..] else {
            return Err(NotATraceParent);
        };
        let lower = |s: &str| {
            s.bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
        };
        let widths = (trace.len(), span.len(), flags.len()) == (32, 16, 2);
        if !widths || ![trace, span, flags].into_iter().all(lower) {
            return Err(NotATraceParent);
        }
        let context = SpanContext::new(
            TraceId::from_hex(trace).map_err(|_| NotATraceParent)?,
            SpanId::from_hex(span).map_err(|_| NotATraceParent)?,
            TraceFlags::new(u8::from_str_radix(flags, 16).map_err(|_| NotATraceParent)?),
            true,
            TraceState::default(),
        );
        context
            .is_valid()
            .then_some(Self(context))
            .ok_or(NotATraceParent)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (self.0.trace_id(), self.0.span_id());
        write!(f, "00-{trace}-{span}-{:02x}", self.0.trace_flags().to_u8())
    }
}

/// Makes `span` a child of the caller's span.
pub fn adopt(span: &tracing::Span, parent: &TraceParent) {
    if ids::adopt(span, parent.0.trace_id()) {
        return;
    }
    // Fails only where no exporter layer is installed, and then there is nothing to connect.
    let _ = span.set_parent(Context::new().with_remote_span_context(parent.0.clone()));
}

/// The trace id of `span`, if spans have one in this process.
#[must_use]
pub fn trace_id(span: &tracing::Span) -> Option<String> {
    context(span).map(|context| context.trace_id().to_string())
}

/// The `traceparent` to send with a call made within the current span (R12.3).
#[must_use]
pub fn current_parent() -> Option<TraceParent> {
    context(&tracing::Span::current()).map(TraceParent)
}

fn context(span: &tracing::Span) -> Option<SpanContext> {
    ids::of(span).or_else(|| {
        let context = span.context();
        let context = context.span().span_context().clone();
        context.is_valid().then_some(context)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_formed_header_survives_the_way_in_and_out() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent: TraceParent = text.parse().unwrap();
        assert_eq!(parent.to_string(), text);
        assert_eq!(parent.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(bad.parse::<TraceParent>(), Err(NotATraceParent), "{bad}");
        }
    }
}
