//! What the journeys share: a stage of their own on the real node, an API client, a load generator.
//!
//! A journey is a story a platform team or an end user would tell, on real parts. It owns a
//! namespace, a database and a NodePort, waits on conditions with deadlines and says what it saw
//! when one passes. Load goes to 127.0.0.1 alone.

mod alarm;
mod api;
mod backend;
mod canary;
mod crowd;
mod demo;
mod guide;
mod load;
mod node;
mod open_loop;
mod operator;
mod pair;
mod pids;
mod pod_logs;
mod pods;
mod process;
mod quantile;
mod roles;
mod rotation;
mod silence;
mod stage;
mod terminal;
mod traces;
pub mod traffic;
mod turns;
mod users;
mod wait;

pub use api::{Api, Heard, Session};
pub use backend::{Backend, Deletion};
pub use canary::{Canaries, Found, Since};
pub use crowd::Crowd;
pub use demo::{Advice, Demo};
pub use guide::Guide;
pub use load::{Failure, Load, LoadReport};
pub use node::{Node, services, smoke};
pub use operator::{Metrics, OPERATOR, OPERATOR_NAMESPACE};
pub use pids::Idlers;
pub use pod_logs::Ballast;
pub use pods::{Answer, Shown};
pub use process::Process;
pub use roles::Roles;
pub use rotation::Kids;
pub use silence::Silence;
pub use stage::{Alone, Beside, READY, Stage, alone, beside};
pub use traces::Collector;
pub use turns::{Credentials, Turns};
pub use users::Users;
pub use wait::until;
