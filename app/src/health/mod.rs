//! Whether the process lives, has started, and can serve.
//!
//! Owns `/health/live`, `/health/ready` and `/health/startup`. Each answers within a second (R8.5)
//! and needs no credentials; a reason names a dependency, never its address or credentials (I-04).

mod checks;
mod routes;

pub use checks::DEADLINE;
pub use routes::routes;
