//! An answer that is a file and is written as it is read.
//!
//! Owns [`attachment`]: neither side ever holds the whole of it. What fails on the way ends the connection without
//! the last chunk, which no client takes for the end. Its status was sent by then and nobody else hears of the
//! failure, so it is logged and counted here.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use erpgo_telemetry::chain;
use futures::{Stream, TryStreamExt as _};
use http::header;
use tracing::Span;

use crate::error::{Error, Result};
use crate::metrics::METRICS;

/// The answer with `parts` one after the other; `disposition` names the file.
pub(crate) fn attachment(
    media_type: &'static str,
    disposition: &'static str,
    parts: impl Stream<Item = Result<Vec<u8>>> + Send + 'static,
) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    // That of the request, which is over for everybody else before the parts are read.
    let span = Span::current();
    let parts = parts.inspect_err(move |error| span.in_scope(|| cut_off(error)));
    (headers, Body::from_stream(parts)).into_response()
}

fn cut_off(error: &Error) {
    METRICS.cut_off.inc();
    tracing::error!(
        code = error.code().as_str(),
        error = %chain(error),
        "an answer was cut off in its midst"
    );
}
