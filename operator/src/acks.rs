//! What pods say of the secret set that they hold.
//!
//! Owns the question `GET /v1/state` to each pod's sidecar, and the nudge that makes it read at once.
//! It decides nothing: a pod that does not answer within a second has said nothing. At most
//! sixteen pods are asked at once, beside as many that were silent, and answers are bounded (I-12).
//! Generation numbers come back, never values (I-04).

use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use erpgo_secret_set::{Ack, Generation, PodState, Secret, Verdict};
use futures::future::{Either, select};
use futures::{StreamExt as _, stream};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};

use crate::audience::Audience;
use crate::pod_port::{AT_ONCE, DEADLINE, PodPort, bounded};
use crate::reconcile::build::pod::CONTROL;

/// Where sidecars are asked.
pub const PORT: u16 = CONTROL.number;

/// The client for the control ports.
pub struct Acks {
    port: PodPort,
    deadline: Duration,
}

impl Acks {
    /// A client for control ports as pods have them.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new() -> Result<Self, reqwest::Error> {
        Self::with_port(PORT)
    }

    fn with_port(port: u16) -> Result<Self, reqwest::Error> {
        PodPort::new(port).map(|port| Self {
            port,
            deadline: DEADLINE,
        })
    }

    /// What each of `pods` says, in their order; none of one that does not answer.
    pub async fn states(&self, token: &Secret, pods: &[IpAddr]) -> Vec<Option<PodState>> {
        stream::iter(pods.iter().copied())
            .map(|pod| self.state(token, pod))
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    /// Tells `pods` to take up `generation` at once; comes back when each that was heard before has answered
    /// it, be it with a refusal, or their patience is over. One on a dead node costs the others nothing; where
    /// none was heard, all are waited for.
    pub async fn nudge(&self, token: &Secret, pods: &Audience, generation: Generation) {
        let silent = pin!(self.tell(token, &pods.silent, generation, pods.patience));
        if pods.heard.is_empty() {
            return silent.await;
        }
        let heard = pin!(self.tell(token, &pods.heard, generation, pods.patience));
        if let Either::Right(((), heard)) = select(heard, silent).await {
            heard.await;
        }
    }

    async fn tell(
        &self,
        token: &Secret,
        pods: &[IpAddr],
        generation: Generation,
        patience: Duration,
    ) {
        let seconds = patience.as_secs();
        let path = format!("/v1/generation/{generation}?timeout_seconds={seconds}");
        let limit = patience + self.deadline;
        stream::iter(pods.iter().copied())
            .for_each_concurrent(AT_ONCE, |pod| {
                let request = self.port.request(Method::PUT, pod, &path);
                let asked = ask(request.timeout(limit), token);
                async move { drop(asked.await) }
            })
            .await;
    }

    async fn state(&self, token: &Secret, pod: IpAddr) -> Option<PodState> {
        let request = self.port.request(Method::GET, pod, "/v1/state");
        let answer = ask(request.timeout(self.deadline), token).await?;
        if !answer.status().is_success() {
            return None;
        }
        serde_json::from_slice(&bounded(answer).await?).ok()
    }
}

async fn ask(request: RequestBuilder, token: &Secret) -> Option<Response> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
    bearer.set_sensitive(true);
    request.header(AUTHORIZATION, bearer).send().await.ok()
}

/// Whether the pod has acknowledged the very `generation`.
#[must_use]
pub fn holds(state: &PodState, generation: u64) -> bool {
    match &state.acked {
        Some(Ack {
            generation: Generation(acked),
            verdict: Verdict::Ack { .. },
        }) => *acked == generation,
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::HeaderMap;
    use axum::routing::get;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const ACKED: &str = r#"{"rendered_generation":3,"acked":{"generation":3,"verdict":"ack","accepted":[],"in_use":[]},"backend":{"healthy":true,"last_read_age_seconds":1,"stale_since":null,"error_class":null}}"#;
    const NACKED: &str = r#"{"rendered_generation":3,"acked":{"generation":3,"verdict":"nack","reasons":["x"]},"backend":{"healthy":true,"last_read_age_seconds":1,"stale_since":null,"error_class":null}}"#;

    async fn count(acks: &Acks, token: &Secret, pods: &[IpAddr], generation: u64) -> usize {
        let states = acks.states(token, pods).await;
        let held = states
            .iter()
            .flatten()
            .filter(|state| holds(state, generation));
        held.count()
    }

    async fn pod(answer: &'static str) -> (Acks, IpAddr) {
        let router = Router::new().route(
            "/v1/state",
            get(move |headers: HeaderMap| async move {
                let asked = headers.get("authorization").and_then(|v| v.to_str().ok());
                if asked == Some("Bearer right") {
                    answer
                } else {
                    "{}"
                }
            }),
        );
        serve(router).await
    }

    async fn serve(router: Router) -> (Acks, IpAddr) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut acks = Acks::with_port(address.port()).unwrap();
        // What is said counts here, and not how busy the machine is.
        acks.deadline = Duration::from_secs(30);
        (acks, address.ip())
    }

    /// Pods that count how many of them are asked at once.
    #[derive(Default)]
    struct Crowd {
        asked: AtomicUsize,
        open: AtomicUsize,
        greatest: AtomicUsize,
    }

    impl Crowd {
        // Client and server share one thread, and each turn of it takes in what is on its way. So nobody
        // goes before as many as are expected are there, nor before one more would have come.
        async fn answer(&self) -> &'static str {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
            self.greatest.fetch_max(open, Ordering::SeqCst);
            while self.greatest.load(Ordering::SeqCst) < AT_ONCE {
                tokio::task::yield_now().await;
            }
            for _ in 0..500 {
                tokio::task::yield_now().await;
            }
            self.open.fetch_sub(1, Ordering::SeqCst);
            ACKED
        }

        fn counted(&self) -> (usize, usize) {
            let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
            (count(&self.asked), count(&self.greatest))
        }
    }

    async fn crowd() -> (Acks, IpAddr, Arc<Crowd>) {
        let crowd = Arc::new(Crowd::default());
        let asked = Arc::clone(&crowd);
        let router = Router::new().fallback(move || {
            let asked = Arc::clone(&asked);
            async move { asked.answer().await }
        });
        let (acks, ip) = serve(router).await;
        (acks, ip, crowd)
    }

    #[tokio::test]
    async fn i12_no_more_pods_are_asked_or_nudged_at_once_than_are_meant() {
        const PODS: usize = 3 * AT_ONCE;
        let token = Secret::new("t".into());
        let (acks, ip, asked) = crowd().await;
        assert_eq!(count(&acks, &token, &[ip; PODS], 3).await, PODS);
        assert_eq!(asked.counted(), (PODS, AT_ONCE));
        let (acks, ip, nudged) = crowd().await;
        acks.nudge(&token, &audience(&[ip; PODS], &[]), Generation(3))
            .await;
        assert_eq!(nudged.counted(), (PODS, AT_ONCE));
    }

    // What is said counts here, and not how busy the machine is.
    fn audience(heard: &[IpAddr], silent: &[IpAddr]) -> Audience {
        Audience {
            heard: heard.to_vec(),
            silent: silent.to_vec(),
            patience: Duration::from_secs(60),
        }
    }

    #[tokio::test]
    async fn a_pod_that_was_not_heard_before_is_waited_for_only_while_others_are() {
        let token = Secret::new("right".into());
        let told = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&told);
        let router = Router::new().fallback(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async { ACKED }
        });
        let (acks, answers) = serve(router).await;
        // At the same port, and it accepts and says nothing.
        let nobody: IpAddr = "127.0.0.92".parse().unwrap();
        let _silent = std::net::TcpListener::bind((nobody, acks.port.number())).unwrap();
        let pods = audience(&[answers], &[nobody]);
        let nudge = acks.nudge(&token, &pods, Generation(3));
        let ended = tokio::time::timeout(Duration::from_secs(45), nudge).await;
        assert!(ended.is_ok(), "it waits for the one that is silent");
        assert_eq!(told.load(Ordering::SeqCst), 1);
        // Where there is nobody else, it may be slow and not gone.
        let pods = audience(&[], &[nobody]);
        let nudge = acks.nudge(&token, &pods, Generation(3));
        let ended = tokio::time::timeout(Duration::from_millis(300), nudge).await;
        assert!(ended.is_err(), "it is not waited for at all");
    }

    #[tokio::test]
    async fn only_an_ack_of_the_very_generation_counts() {
        let token = Secret::new("right".into());
        let (acks, ip) = pod(ACKED).await;
        assert_eq!(count(&acks, &token, &[ip], 3).await, 1);
        assert_eq!(count(&acks, &token, &[ip], 4).await, 0);
        assert_eq!(
            count(&acks, &Secret::new("wrong".into()), &[ip], 3).await,
            0
        );
        let (acks, ip) = pod(NACKED).await;
        assert_eq!(count(&acks, &token, &[ip], 3).await, 0);
    }

    #[tokio::test]
    async fn pods_that_do_not_answer_cost_one_deadline_together() {
        // A listener that accepts and says nothing.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let acks = Acks::with_port(address.port()).unwrap();
        let pods = vec![address.ip(); AT_ONCE];
        let mut fastest = Duration::MAX;
        for _ in 0..3 {
            let begun = std::time::Instant::now();
            assert_eq!(count(&acks, &Secret::new("t".into()), &pods, 1).await, 0);
            fastest = fastest.min(begun.elapsed());
        }
        // The best of three: a busy machine makes any one of them late.
        assert!(fastest < DEADLINE * 2, "{fastest:?}");
    }
}
