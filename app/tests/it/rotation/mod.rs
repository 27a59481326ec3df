//! A rotation of each of the five keys, seen by the app: no request and no honest session is lost.

mod credentials;
mod database;
mod job;
mod keys;
mod pepper;
pub mod pod;
mod redis;
mod redis_credentials;
mod schema;
mod sequences;
