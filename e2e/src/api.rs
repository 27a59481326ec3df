//! An end user of the deployed API, on 127.0.0.1.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

/// The API at one NodePort.
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: String,
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
    /// When no answer comes.
    pub async fn get(&self, path: &str) -> Result<Response> {
        Ok(self
            .client
            .get(format!("{}{path}", self.base))
            .send()
            .await?)
    }

    /// Logs in.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn login(&self, email: &str, password: &str) -> Result<Session> {
        let response = self.try_login(email, password).await?;
        let status = response.status();
        let body: Value = response.json().await?;
        ensure!(status == 200, "login answered {status}: {body}");
        Session::of(&body)
    }

    /// Asks to be logged in, whatever the answer.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn try_login(&self, email: &str, password: &str) -> Result<Response> {
        let body = json!({"email": email, "password": password});
        let url = format!("{}/api/v1/auth/login", self.base);
        Ok(self.client.post(url).json(&body).send().await?)
    }

    /// Sends JSON as `session`; returns status and body.
    ///
    /// # Errors
    /// When no answer comes, or one that is not JSON.
    pub async fn send(
        &self,
        session: &Session,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value)> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&session.access_token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)?
        };
        Ok((status, body))
    }
}
