//! Sessions as JSON.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::users::SessionId;

/// One sign-in that has not ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionOut {
    /// Id.
    pub(super) id: SessionId,
    /// What the device called itself at sign-in or at the latest refresh.
    #[schema(example = "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0")]
    pub(super) user_agent: String,
    /// From which address, at sign-in or at the latest refresh.
    #[schema(example = "192.0.2.7")]
    pub(super) address: String,
    /// When the user signed in.
    pub(super) created_at: Timestamp,
    /// When the session was last used, to within a minute.
    pub(super) last_seen_at: Option<Timestamp>,
    /// When it ends unless it is refreshed.
    pub(super) expires_at: Timestamp,
    /// Whether this is the session that asks.
    pub(super) is_current: bool,
}

/// Your sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionList {
    /// Newest first.
    pub(super) sessions: Vec<SessionOut>,
}
