//! What a request must pass on its way to its route, and the ends that it may come to there.
//!
//! Owns [`Guard`]: the time that a request may take, what becomes of a panic, the gate, the limits and the
//! parameters that no handler reads. It is one service for the reason that [`super::around`] is one.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tower::Service;

use super::parameters::Closed;
use super::{limits, rate};
use crate::state::AppState;

/// What it takes to judge a request.
pub(super) struct Rules {
    pub(super) state: AppState,
    pub(super) closed: Closed,
}

/// A service, and who may come to it.
#[derive(Clone)]
pub(super) struct Guard<S> {
    rules: Arc<Rules>,
    inner: S,
}

impl<S> Guard<S> {
    pub(super) const fn new(rules: Arc<Rules>, inner: S) -> Self {
        Self { rules, inner }
    }
}

impl<S> Service<Request> for Guard<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let rules = Arc::clone(&self.rules);
        // The one that was found ready answers; its copy waits for the next request.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let answer = AssertUnwindSafe(rules.answer(request, inner)).catch_unwind();
            let answer = async { answer.await.unwrap_or_else(|_| limits::panicked()) };
            let limit = rules.state.settings.http.request_timeout;
            Ok(limits::timeout(limit, answer).await)
        })
    }
}

impl Rules {
    async fn answer<S>(&self, request: Request, mut inner: S) -> Response
    where
        S: Service<Request, Response = Response, Error = Infallible>,
    {
        if let Some(refusal) = limits::gate(&self.state, &request) {
            return refusal;
        }
        rate::limit(&self.state, request, async |request| {
            match self.closed.refuse(&request) {
                Some(refusal) => refusal,
                None => {
                    let Ok(response) = inner.call(request).await;
                    response
                }
            }
        })
        .await
    }
}
