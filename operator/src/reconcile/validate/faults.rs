//! What is wrong with a spec, field by field.
//!
//! Owns [`Invalid`] and the list into which every rule writes. It stops nothing: all faults are told
//! at once.

use std::fmt;

/// One thing that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Path of the field, for example `spec.database.pool.minConnections`.
    pub field: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.message)
    }
}

/// Faults found so far.
#[derive(Default)]
pub(super) struct Faults(Vec<Invalid>);

impl Faults {
    pub(super) fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Invalid {
            field: field.into(),
            message: message.into(),
        });
    }

    pub(super) fn unless(&mut self, holds: bool, field: &str, message: &str) {
        if !holds {
            self.add(field, message);
        }
    }

    pub(super) fn range(&mut self, field: &str, value: i32, least: i32, most: i32) {
        if value < least || value > most {
            self.add(
                field,
                format!("is {value}: write a number from {least} to {most}"),
            );
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_list(self) -> Vec<Invalid> {
        self.0
    }
}
