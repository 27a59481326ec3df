//! What is done for a request first and last: its id, its span and metrics, the headers of its answer.
//!
//! Owns [`Around`]. It is one service and no chain of middlewares: each of those copies all that it surrounds,
//! and allocates twice, for every request. It calls what it surrounds before it waits, so nothing is copied.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures::future::BoxFuture;
use http::HeaderMap;
use tower::Service;

use super::observe::Observed;
use super::{headers, request_id};
use crate::shutdown::Lifecycle;

/// A service, and what is done around it.
#[derive(Clone)]
pub(super) struct Around<S> {
    lifecycle: Lifecycle,
    fixed: Arc<HeaderMap>,
    inner: S,
}

impl<S> Around<S> {
    /// `fixed` are the headers of every answer.
    pub(super) const fn new(lifecycle: Lifecycle, fixed: Arc<HeaderMap>, inner: S) -> Self {
        Self {
            lifecycle,
            fixed,
            inner,
        }
    }
}

impl<S> Service<Request> for Around<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let id = request_id::assign(&mut request);
        let observed = Observed::begin(&request);
        let answer = self.inner.call(request);
        let (lifecycle, fixed) = (self.lifecycle.clone(), Arc::clone(&self.fixed));
        Box::pin(async move {
            let answer = async {
                let Ok(mut response) = answer.await;
                headers::add(&fixed, response.headers_mut());
                response
            };
            let mut response = observed.until(&lifecycle, answer).await;
            request_id::echo(id, response.headers_mut());
            Ok(response)
        })
    }
}
