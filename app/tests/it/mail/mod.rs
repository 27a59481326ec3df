//! Mails, from their cause to a real mail server.

pub mod delivery;
mod email;
mod lockout;
mod passwords;
pub mod sink;

use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::sql::number;
use crate::world::{SETTINGS, World};
use sink::{Mood, Sink};

/// A world whose mails go to a sink; they are sent while the guard lives.
pub struct Post {
    pub world: World,
    pub sink: Sink,
    sending: Option<DropGuard>,
}

/// Settings that send to `port`, quickly, and give a server on a busy machine all the time it needs.
pub fn settings(port: u16) -> String {
    format!(
        "{SETTINGS}\nmail: {{ smtp_url: \"smtp://127.0.0.1:{port}?tls=none\", retry_after: 20ms, \
         timeout: 60s, from: \"ERPGo <erp@example.org>\", public_url: \"https://erp.example.org/\" }}"
    )
}

impl Post {
    pub async fn new(mood: Mood) -> Self {
        let sink = Sink::new(mood).await;
        let world = World::with(&settings(sink.port), None).await;
        let mut post = Self {
            world,
            sink,
            sending: None,
        };
        post.start();
        post
    }

    pub fn start(&mut self) {
        self.sending = Some(sending(&self.world));
    }

    pub fn stop(&mut self) {
        self.sending = None;
    }

    /// How many mails wait.
    pub async fn waiting(&self) -> i64 {
        waiting(&self.world).await
    }

    pub async fn nothing_waits(&self) {
        crate::world::until("nothing waits", || async { self.waiting().await == 0 }).await;
    }
}

/// The task that sends the mails of `world`, while the guard lives.
pub fn sending(world: &World) -> DropGuard {
    let stop = CancellationToken::new();
    tokio::spawn(erpgo::mail::run(world.state.clone(), stop.clone()));
    stop.drop_guard()
}

pub async fn waiting(world: &World) -> i64 {
    number(world, "SELECT count(*) FROM outbox WHERE failed_at IS NULL").await
}

/// How many mails of this kind wait.
pub async fn waiting_of(world: &World, kind: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM outbox WHERE failed_at IS NULL AND kind = $1")
        .bind(kind)
        .fetch_one(&world.state.database.pool())
        .await
        .unwrap()
}

/// What the audit log holds of `action`, as whoever has `token` sees it: who, on whom, and how it ended.
async fn noted(world: &World, token: &str, action: &str) -> Vec<[Value; 3]> {
    let found = crate::audit::events_for(world, token, &format!("action={action}")).await;
    let told = |event: &Value| ["actor", "target", "outcome"].map(|name| event[name].clone());
    found.iter().map(told).collect()
}

/// One success of `user` with their own account.
fn once(user: &str) -> Vec<[Value; 3]> {
    vec![[json!(user), json!(format!("user:{user}")), json!("success")]]
}
