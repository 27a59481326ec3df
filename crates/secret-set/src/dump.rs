//! Core dumps of a process that holds secrets.
//!
//! Owns [`leave_no_dump`], which every binary calls before it reads the first value.

use rustix::process::{Resource, Rlimit, setrlimit};

/// A core dump would hold every secret in use (I-04), so from here on there is none. Where the limit
/// cannot be lowered, it was lower.
pub fn leave_no_dump() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
}
