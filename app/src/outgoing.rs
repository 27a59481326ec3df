//! Calls to other services.
//!
//! Owns [`send`]: a span around each call, and the trace that it belongs to in its headers (R12.3). The
//! client's owner sets deadline and retries. Neither URL nor body is noted: either may carry a secret.

use tracing::{Instrument as _, field};

/// Sends `request` to the service called `peer`.
///
/// # Errors
/// Those of the client.
pub async fn send(
    peer: &'static str,
    request: reqwest::RequestBuilder,
) -> reqwest::Result<reqwest::Response> {
    let span = tracing::info_span!(
        "http.client",
        otel.kind = "client",
        otel.status_code = field::Empty,
        peer.service = peer,
        http.response.status_code = field::Empty,
    );
    let outcome = async {
        let request = match erpgo_telemetry::current_parent() {
            Some(parent) => request.header("traceparent", parent.to_string()),
            None => request,
        };
        request.send().await
    }
    .instrument(span.clone())
    .await;
    match &outcome {
        Ok(answer) => {
            span.record("http.response.status_code", answer.status().as_u16());
        }
        Err(_) => {
            span.record("otel.status_code", "ERROR");
        }
    }
    outcome
}
