//! `/metrics`, on a port of its own that no Ingress reaches.

use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::get;
use http::{StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::server::{PATIENCE, Server};
use crate::state::AppState;

/// Scrapers and people; nobody else has a reason to come here.
const MAX_CONNECTIONS: usize = 16;

pub(super) async fn serve(listener: TcpListener, state: AppState) {
    let router = Router::new().route(
        "/metrics",
        get(move || {
            state.database.publish();
            state.sessions.publish();
            state.redis.publish();
            std::future::ready(match metrics::encode() {
                Ok(text) => {
                    let kind = [(
                        header::CONTENT_TYPE,
                        "text/plain; version=0.0.4; charset=utf-8",
                    )];
                    (kind, text).into_response()
                }
                Err(error) => {
                    tracing::error!(%error, "metrics cannot be encoded");
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
            })
        }),
    );
    let server = Server {
        listener,
        router,
        max_connections: MAX_CONNECTIONS,
        patience: PATIENCE,
        wind_down: std::time::Duration::ZERO,
        drain: std::time::Duration::ZERO,
    };
    // Until the process ends: the end is when its metrics matter most.
    server.run(CancellationToken::new()).await;
}
