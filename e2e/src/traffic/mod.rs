//! Load on one process of the API with PostgreSQL and Redis beside it, without a node.
//!
//! [`Ground`] starts the parts, [`Mix`] says what is asked, `drive` sends it on a schedule whatever the
//! answers do, and [`Report`] judges. It never sends to another address than 127.0.0.1.

mod drive;
mod ground;
mod mix;
mod report;
mod wire;

pub use drive::{closed, open};
pub use ground::{Cost, Ground, Usage};
pub use mix::{Class, Mix, Request};
pub use report::{Goals, Report, Sample};
