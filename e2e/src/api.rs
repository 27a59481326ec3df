//! An end user of the deployed API, on 127.0.0.1.
//!
//! Holds every answer that it reads against the OpenAPI document of this repository.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use erpgo_test_kit::conform::{self, Document};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

static DOCUMENT: LazyLock<serde_json::Result<Document>> = LazyLock::new(|| {
    let text = include_str!("../../docs/openapi.json");
    serde_json::from_str(text).map(Document::new)
});

/// The API at one NodePort.
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: String,
}

/// A whole answer, which is as the document says.
pub struct Heard {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub text: String,
}

impl Heard {
    /// The body, which is nothing where there is none.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> Result<Value> {
        match self.text.is_empty() {
            true => Ok(Value::Null),
            false => Ok(serde_json::from_str(&self.text)?),
        }
    }

    fn check(&self, method: &Method, path: &str) -> Result<()> {
        let document = DOCUMENT.as_ref();
        let document = document.map_err(|error| anyhow!("the OpenAPI document: {error}"))?;
        let answer = conform::Answer {
            status: self.status,
            headers: &self.headers,
            text: &self.text,
        };
        document
            .check(method, path, answer)
            .map_err(|fault| anyhow!(fault))
    }
}

/// Who is logged in.
pub struct Session {
    /// Access token.
    pub access_token: String,
    /// Refresh token.
    pub refresh_token: String,
}

impl Session {
    pub(crate) fn of(body: &Value) -> Result<Self> {
        let token = |name: &str| {
            body[name]
                .as_str()
                .map(str::to_owned)
                .context("a token is missing")
        };
        Ok(Self {
            access_token: token("access_token")?,
            refresh_token: token("refresh_token")?,
        })
    }
}

impl Api {
    pub(crate) fn new(port: u16) -> Result<Self> {
        let client = Client::builder().timeout(Duration::from_secs(10)).build()?;
        Ok(Self {
            client,
            base: format!("http://127.0.0.1:{port}"),
        })
    }

    /// Base URL.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request without a token.
    ///
    /// # Errors
    /// When no answer comes, or one that is not as documented.
    pub async fn get(&self, path: &str) -> Result<Heard> {
        self.answer(self.request(Method::GET, path)).await
    }

    /// Logs in.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn login(&self, email: &str, password: &str) -> Result<Session> {
        let answer = self.try_login(email, password).await?;
        let (status, body) = (answer.status, answer.json()?);
        ensure!(status == 200, "login answered {status}: {body}");
        Session::of(&body)
    }

    /// Asks to be logged in, whatever the answer.
    ///
    /// # Errors
    /// When no answer comes, or one that is not as documented.
    pub async fn try_login(&self, email: &str, password: &str) -> Result<Heard> {
        let body = json!({"email": email, "password": password});
        let request = self.request(Method::POST, "/api/v1/auth/login");
        self.answer(request.json(&body)).await
    }

    /// Sends JSON as `session`; returns status and body.
    ///
    /// # Errors
    /// When no answer comes, or one that is not JSON or not as documented.
    pub async fn send(
        &self,
        session: &Session,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value)> {
        let mut request = self
            .request(method, path)
            .bearer_auth(&session.access_token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = self.answer(request).await?;
        Ok((answer.status.as_u16(), answer.json()?))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Heard> {
        let request = request.build()?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = self.client.execute(request).await?;
        let answer = Heard {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await?,
        };
        answer.check(&method, &path)?;
        Ok(answer)
    }
}
