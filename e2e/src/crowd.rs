//! People who work with the deployed API all the time.
//!
//! Owns a crowd of clerks, each with one session that is kept alive by refreshes as a browser does,
//! and what they do: reads, writes, refreshes and sign-ins on an open loop. A session that is refused a
//! refresh is lost and is counted. It sends to 127.0.0.1 alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::load::{Clients, answer};
use crate::{Api, Failure, Load, Session};

const CLERKS: usize = 10;
// More than any journey lasts: who begins a load also stops it.
const LONGEST: Duration = Duration::from_secs(3600);

/// The clerks, and one visitor who signs in again and again.
pub struct Crowd {
    api: Api,
    clients: Clients,
    clerks: Vec<Clerk>,
    visitor: Account,
    // Tells the products of one crowd from those of another.
    run: String,
    products: AtomicU64,
    lost: AtomicU64,
}

struct Account {
    email: String,
    password: String,
}

struct Clerk {
    account: Account,
    access: RwLock<String>,
    // Held during a refresh: a browser does not refresh twice at once.
    refresh: Mutex<Refresh>,
}

struct Refresh {
    token: String,
    since: Instant,
}

/// What one request is.
#[derive(Clone, Copy)]
enum Work {
    Read,
    Write,
    Refresh,
    SignIn,
}

impl Crowd {
    /// Creates the users as `admin` and signs them in.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn gather(api: Api, admin: &Session) -> Result<Arc<Self>> {
        let run = seconds().to_string();
        let role = json!({"name": format!("crowd {run}"), "permissions": ["products.read", "products.write"]});
        let role = created(&api, admin, "/api/v1/roles", role).await?;
        let mut clerks = Vec::new();
        for number in 0..CLERKS {
            let account = hire(&api, admin, &role, &format!("clerk-{number}-{run}")).await?;
            let session = account.sign_in(&api).await?;
            clerks.push(Clerk::new(account, session));
        }
        let visitor = hire(&api, admin, &role, &format!("visitor-{run}")).await?;
        Ok(Arc::new(Self {
            clients: Clients::new()?,
            products: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            api,
            clerks,
            visitor,
            run,
        }))
    }

    /// Sends at `per_second` until the load is stopped: of 300 requests 2 sign in, 10 refresh, 30
    /// write and the rest read.
    #[must_use]
    pub fn work(self: &Arc<Self>, per_second: u32) -> Load {
        let crowd = Arc::clone(self);
        Load::of(per_second, LONGEST, move |index| {
            let crowd = Arc::clone(&crowd);
            async move { crowd.one(index).await }
        })
    }

    /// Sessions that were refused a refresh.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until every session holds tokens that were given after this call; the load or this call
    /// renews them.
    ///
    /// # Errors
    /// When a session is refused.
    pub async fn renew(&self) -> Result<()> {
        let begun = Instant::now();
        for (number, clerk) in self.clerks.iter().enumerate() {
            if clerk.refresh.lock().await.since < begun {
                let renewed = self.refresh(number).await;
                renewed
                    .map_err(|failure| anyhow::anyhow!("a session is lost: {}", failure.told))?;
            }
        }
        Ok(())
    }

    /// Signs everybody in once, which hashes their passwords with the current pepper.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn sign_in(&self) -> Result<()> {
        let clerks = self.clerks.iter().map(|clerk| &clerk.account);
        for account in clerks.chain([&self.visitor]) {
            account.sign_in(&self.api).await?;
        }
        Ok(())
    }

    /// Every token that is in use, for a search.
    pub async fn tokens(&self) -> Vec<String> {
        let mut tokens = Vec::new();
        for clerk in &self.clerks {
            tokens.push(clerk.token());
            tokens.push(clerk.refresh.lock().await.token.clone());
        }
        tokens
    }

    /// The passwords, for a search.
    #[must_use]
    pub fn passwords(&self) -> Vec<String> {
        let clerks = self.clerks.iter().map(|clerk| &clerk.account);
        let all = clerks.chain([&self.visitor]);
        all.map(|account| account.password.clone()).collect()
    }

    async fn one(&self, index: u32) -> Result<(), Failure> {
        let number = index as usize % self.clerks.len();
        let Some(clerk) = self.clerks.get(number) else {
            return Ok(());
        };
        match work(index) {
            Work::Refresh => self.refresh((index / 30) as usize).await,
            Work::SignIn => {
                let Account { email, password } = &self.visitor;
                let body = json!({"email": email, "password": password});
                let request = self.request(index, Method::POST, "/api/v1/auth/login");
                answer(request.json(&body)).await.map(drop)
            }
            Work::Read => {
                let request = self.request(index, Method::GET, "/api/v1/products?limit=1");
                answer(request.bearer_auth(clerk.token())).await.map(drop)
            }
            Work::Write => {
                let number = self.products.fetch_add(1, Ordering::Relaxed);
                let sku = format!("C-{}-{number}", self.run);
                let product =
                    json!({"sku": sku, "name": "Chair", "price": "9.90", "currency": "EUR"});
                let request = self.request(index, Method::POST, "/api/v1/products");
                let request = request.bearer_auth(clerk.token()).json(&product);
                answer(request).await.map(drop)
            }
        }
    }

    // `turn` counts refreshes, so that all sessions take turns.
    async fn refresh(&self, turn: usize) -> Result<(), Failure> {
        let Some(clerk) = self.clerks.get(turn % self.clerks.len()) else {
            return Ok(());
        };
        let mut kept = clerk.refresh.lock().await;
        let body = json!({"refresh_token": kept.token});
        let index = u32::try_from(turn).unwrap_or_default();
        let request = self.request(index, Method::POST, "/api/v1/auth/refresh");
        let answered = answer(request.json(&body)).await;
        if matches!(&answered, Err(failure) if failure.status == Some(401)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        let session = session(&answered?)?;
        clerk.put(session.access_token);
        *kept = Refresh {
            token: session.refresh_token,
            since: Instant::now(),
        };
        Ok(())
    }

    fn request(&self, index: u32, method: Method, path: &str) -> RequestBuilder {
        let client = self.clients.choose(index / 10);
        client.request(method, format!("{}{path}", self.api.base()))
    }
}

const fn work(index: u32) -> Work {
    if index.is_multiple_of(150) {
        Work::SignIn
    } else if index % 30 == 7 {
        Work::Refresh
    } else if index % 10 == 3 {
        Work::Write
    } else {
        Work::Read
    }
}

impl Clerk {
    fn new(account: Account, session: Session) -> Self {
        Self {
            account,
            access: RwLock::new(session.access_token),
            refresh: Mutex::new(Refresh {
                token: session.refresh_token,
                since: Instant::now(),
            }),
        }
    }

    fn token(&self) -> String {
        let held = self.access.read().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    fn put(&self, token: String) {
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = token;
    }
}

impl Account {
    async fn sign_in(&self, api: &Api) -> Result<Session> {
        api.login(&self.email, &self.password).await
    }
}

async fn hire(api: &Api, admin: &Session, role: &str, name: &str) -> Result<Account> {
    let account = Account {
        email: format!("{name}@example.org"),
        password: format!("quiet herons {}", uuid::Uuid::new_v4().simple()),
    };
    let user = json!({"email": account.email, "first_name": "Robin", "last_name": "Clerk", "password": account.password});
    let id = created(api, admin, "/api/v1/users", user).await?;
    let assignment = json!({"user_id": id, "role_id": role});
    let path = "/api/v1/roles/assign";
    let (status, body) = api
        .send(admin, Method::POST, path, Some(assignment))
        .await?;
    ensure!(status == 204, "the role was not assigned: {status}: {body}");
    Ok(account)
}

async fn created(api: &Api, admin: &Session, path: &str, body: Value) -> Result<String> {
    let (status, answer) = api.send(admin, Method::POST, path, Some(body)).await?;
    let id = answer["id"].as_str().map(str::to_owned);
    id.with_context(|| format!("{path} answered {status}: {answer}"))
}

fn session(body: &[u8]) -> Result<Session, Failure> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    Session::of(&body).map_err(|error| Failure {
        status: None,
        told: format!("a refresh was answered without tokens: {error:#}"),
    })
}

fn seconds() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
