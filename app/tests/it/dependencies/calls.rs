//! Requests of every class of routes.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;

use crate::second_factor::{finish, switch_on};
use crate::world::{ADMIN, Answer, PASSWORD, World, access, refresh_token};

/// Requests of each class, to one process and with one session.
pub struct Calls<'a> {
    pub world: &'a World,
    pub token: &'a str,
}

/// What is answered, and how long that took.
pub async fn timed(asked: impl Future<Output = Answer>) -> (Answer, Duration) {
    let begun = Instant::now();
    (asked.await, begun.elapsed())
}

impl Calls<'_> {
    pub async fn read(&self) -> Answer {
        self.world.get("/api/v1/products", self.token).await
    }

    async fn write(&self) -> Answer {
        let sku = uuid::Uuid::new_v4().to_string();
        let body = json!({"sku": sku, "name": "Chair", "price": "1", "currency": "EUR"});
        self.world.post("/api/v1/products", self.token, body).await
    }

    async fn export(&self) -> Answer {
        self.world.get("/api/v1/profile/export", self.token).await
    }

    pub async fn document(&self) -> Answer {
        let path = "/api/docs/openapi.json";
        self.world.call(Method::GET, path, "", None).await
    }

    async fn sign_in(&self) -> Answer {
        self.world.login(ADMIN, PASSWORD).await
    }

    async fn sign_out(&self, token: &str) -> Answer {
        let path = "/api/v1/auth/logout";
        self.world.post(path, token, json!({})).await
    }

    async fn reset(&self, code: &str) -> Answer {
        let body = json!({"token": code, "new_password": PASSWORD});
        let path = "/api/v1/auth/reset-password";
        self.world.post(path, "", body).await
    }

    /// Switches the factor of whoever has `token` on, and signs them in by it.
    async fn in_two_steps(&self, email: &str, token: &str) -> Answer {
        let (_, codes) = switch_on(self.world, token).await;
        let half = self.world.login(email, PASSWORD).await.expect(202).json();
        let challenge = half["challenge_token"].as_str().unwrap();
        finish(self.world, challenge, &codes[0]).await
    }

    /// A code such as a mail brings: whether mails come is not asked here.
    async fn code(&self, email: &str) -> String {
        let code = uuid::Uuid::new_v4().to_string();
        sqlx::query(
            "INSERT INTO email_tokens (id, user_id, purpose, token_hash, address, created_at,
                                       expires_at)
             SELECT gen_random_uuid(), id, 'password_reset', sha256(convert_to($1, 'UTF8')), email,
                    now(), now() + interval '30 minutes'
             FROM users WHERE email = $2",
        )
        .bind(&code)
        .bind(email)
        .execute(&self.world.state.database.pool())
        .await
        .unwrap();
        code
    }

    /// By somebody new: what ends sessions and asks for more must not become the administrator's lot.
    async fn by_somebody_new(&self) -> [(Answer, u16); 5] {
        let email = format!("{}@example.org", uuid::Uuid::new_v4());
        let body =
            json!({"email": email, "first_name": "Kim", "last_name": "Doe", "password": PASSWORD});
        let made = self.world.post("/api/v1/users", self.token, body).await;
        let signed_in = self.world.signed_in(&email).await;
        let renewed = self.world.refresh(&refresh_token(&signed_in)).await;
        let finished = self.in_two_steps(&email, &access(&signed_in)).await;
        let forgot = self.world.forgot(&email).await;
        let reset = self.reset(&self.code(&email).await).await;
        [
            (made, 201),
            (renewed, 200),
            (finished, 200),
            (forgot, 202),
            (reset, 204),
        ]
    }

    async fn by_the_administrator(&self) -> [(Answer, u16); 6] {
        let token = self.world.admin().await;
        [
            (self.read().await, 200),
            (self.write().await, 201),
            (self.export().await, 200),
            (self.document().await, 200),
            (self.sign_in().await, 200),
            (self.sign_out(&token).await, 204),
        ]
    }

    pub async fn all_are_served(&self, trouble: &str) {
        for _ in 0..3 {
            let administrators = self.by_the_administrator().await;
            let somebodys = self.by_somebody_new().await;
            for (answer, status) in administrators.into_iter().chain(somebodys) {
                assert_eq!(answer.status, status, "{trouble}: {}", answer.text);
            }
        }
    }

    /// All at once. `renewal` is a refresh token; what is made up has to be looked up all the same.
    async fn without_the_database(&self, renewal: &str) -> [(Answer, Duration); 9] {
        tokio::join!(
            timed(self.read()),
            timed(self.write()),
            timed(self.export()),
            timed(self.sign_in()),
            timed(finish(self.world, "made-up", "000000")),
            timed(self.world.refresh(renewal)),
            timed(self.world.forgot(ADMIN)),
            timed(self.reset("made-up")),
            timed(self.sign_out(self.token)),
        )
        .into()
    }

    /// The shortest time that any of them took: all less than a request has where nothing ends its wait.
    pub async fn all_are_refused(&self, renewal: &str) -> Duration {
        let settings = &self.world.state.settings;
        let most = settings.http.request_timeout;
        assert!(settings.database.acquire_timeout * 4 < most, "{most:?}");
        let mut least = most;
        for (answer, took) in self.without_the_database(renewal).await {
            answer.refused(503, "SERVICE_UNAVAILABLE");
            let text = &answer.text;
            assert!(answer.headers.contains_key("retry-after"), "{text}");
            assert!(took < most, "{took:?}: {text}");
            least = least.min(took);
        }
        least
    }
}
