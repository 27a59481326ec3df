//! From a raw request to what a handler may rely on.
//!
//! Owns the extractors. Each refuses with a problem, field by field where there are fields (R2); a
//! handler's parameter list is its contract.

mod client;
mod device;
pub mod etag;
pub mod idempotency;
mod json;
pub mod moment;
mod origin;
pub mod page;
mod path;
pub mod query;
pub mod sort;
mod target;

pub use client::ClientIp;
pub use device::Device;
pub use json::ApiJson;
pub use origin::Origin;
pub use path::ApiPath;
pub use query::{ApiQuery, FromQuery, Params};
pub use target::Target;
