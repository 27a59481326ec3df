//! Spans that only an exporter would show.
//!
//! Owns [`Unexported`], which leaves out the spans of calls to a database or cache where there is no endpoint:
//! there are several for each request, and a line written during one then stands in the span of its
//! request. It leaves out no event.

use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// What marks such a span, by OpenTelemetry's convention.
const MARK: &str = "db.system";

/// Leaves them out.
pub(crate) struct Unexported;

fn is_wanted(about: &Metadata<'_>) -> bool {
    about.is_event() || about.fields().field(MARK).is_none()
}

impl<S: Subscriber> Layer<S> for Unexported {
    fn register_callsite(&self, about: &'static Metadata<'static>) -> Interest {
        if is_wanted(about) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, about: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_wanted(about)
    }
}
