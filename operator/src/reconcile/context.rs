//! What a reconcile needs beside the object.
//!
//! Owns [`Context`]: handles and settings, made once. It decides nothing.

use std::sync::Arc;

use kube::Client;
use kube::runtime::events::Reporter;
use tokio::sync::watch;

use super::children::Children;
use super::config::Config;
use super::memory::Memory;
use super::names::FIELD_MANAGER;
use super::observed::ApiPresence;
use crate::acks::Acks;
use crate::complaints::Complaints;
use crate::runtime::health::Health;
use crate::secrets::Secrets;

/// Handles and settings.
pub struct Context {
    /// The cluster.
    pub client: Client,
    /// Settings that shape what is built.
    pub config: Config,
    /// The secret backends.
    pub secrets: Secrets,
    /// The control ports of pods.
    pub acks: Acks,
    /// The readiness of pods.
    pub complaints: Complaints,
    /// Counters and the state of the queue.
    pub health: Arc<Health>,
    /// In whose name Events are told.
    pub reporter: Reporter,
    /// Which optional APIs the cluster serves.
    pub apis: watch::Receiver<ApiPresence>,
    /// What is remembered from one reconcile to the next.
    pub memory: Memory,
    /// What the watches tell of children.
    pub children: Children,
}

impl Context {
    /// Makes the context of one process.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(
        client: Client,
        config: Config,
        health: Arc<Health>,
        apis: watch::Receiver<ApiPresence>,
    ) -> Result<Self, reqwest::Error> {
        let reporter = Reporter {
            controller: FIELD_MANAGER.into(),
            instance: None,
        };
        Ok(Self {
            secrets: Secrets::new(client.clone()),
            acks: Acks::new()?,
            complaints: Complaints::new()?,
            reporter,
            memory: Memory::default(),
            children: Children::default(),
            client,
            config,
            health,
            apis,
        })
    }
}
