//! Real PostgreSQL, Redis, Vault and kube-apiserver for the tests, moto for AWS, and a shell for what the
//! guides tell to type; what is logged, what the kernel tells of a process and a schema of its numbers, what an
//! OpenAPI document says of answers, and what the benchmarks judge their figures by.
//!
//! Every component here is the real program, started on loopback. What is slow to start is shared
//! by all test processes of one checkout (one PostgreSQL server, one kube-apiserver) and gives each
//! test its own database or namespace; what is quick, or what a test must break, is a process of
//! its own, killed when its handle is dropped. `cargo run -p erpgo-test-kit -- down` removes all.
//!
//! The functions without `Result` end the test with the whole error: a component that does not come
//! up is a failed test, and never a skipped one. Nothing here may fake a component, reach beyond
//! 127.0.0.1, or wait without a deadline.

pub mod apiserver;
pub mod capture;
pub mod conform;
pub mod development;
pub mod guide;
pub mod kernel;
pub mod log;
pub mod moto;
pub mod port;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod schema;
pub mod services;
pub mod tools;
pub mod vault;
pub mod verdicts;

mod fail;
mod private;
mod process;
mod python;
mod state;
mod wait;

pub use rustix::process::Signal;
