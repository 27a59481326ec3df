//! What a pod says of the set that it holds.
//!
//! Owns [`Ack`] (app to sidecar) and [`PodState`] (sidecar to operator): numbers, kids and reasons,
//! never a value (I-04). An ack is what allows an old version to be removed (I-03).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Generation, KeyName, Kid, ToldClass};

/// The app's answer to one generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The generation that was read.
    pub generation: Generation,
    /// Whether it is in use.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// In use, or refused with reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// The set is in use.
    Ack {
        /// Every version that is accepted from now on.
        accepted: Vec<AcceptedKid>,
        /// One version a key: what signs, hashes and connects from now on.
        in_use: Vec<AcceptedKid>,
        /// Versions that are in use no longer and still have work of before, such as connections.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        draining: Vec<AcceptedKid>,
        /// How many password hashes each pepper of the set holds; empty until they were counted.
        /// A pepper that holds none is listed with 0: only that says that it may go.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pepper_hashes: Vec<PepperHashes>,
    },
    /// The set was refused and the one before it stays in use.
    Nack {
        /// One sentence a fault, free of values.
        reasons: Vec<String>,
    },
}

/// One version that is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedKid {
    /// Which key.
    pub key: KeyName,
    /// Which version.
    pub kid: Kid,
}

/// How many password hashes one pepper holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PepperHashes {
    /// Which pepper.
    pub kid: Kid,
    /// How many hashes in the database were made with it.
    pub count: u64,
}

/// What one pod's sidecar knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodState {
    /// The generation on the tmpfs, once there is one.
    pub rendered_generation: Option<Generation>,
    /// The app's last answer.
    pub acked: Option<Ack>,
    /// How the backend is.
    pub backend: BackendState,
}

/// The sidecar's view of its backend. By default none was read yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendState {
    /// Whether the last read succeeded.
    pub healthy: bool,
    /// Seconds since the last read that succeeded, if there was one.
    pub last_read_age_seconds: Option<u64>,
    /// Since when the set is the last good one rather than a fresh one.
    pub stale_since: Option<Timestamp>,
    /// Class of the last failure, if the last read was one.
    pub error_class: Option<ToldClass>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_shapes_are_as_documented() {
        let ack = r#"{"generation":3,"verdict":"ack","accepted":[{"key":"jwt","kid":"jwt-a"}],"in_use":[{"key":"jwt","kid":"jwt-a"}]}"#;
        let full = r#"{"generation":3,"verdict":"ack","accepted":[],"in_use":[],"draining":[{"key":"database","kid":"database-a"}],"pepper_hashes":[{"kid":"pepper-a","count":0}]}"#;
        let nack = r#"{"generation":4,"verdict":"nack","reasons":["jwt is missing"]}"#;
        for text in [ack, full, nack] {
            let parsed: Ack = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&parsed).unwrap(), text);
        }
    }

    #[test]
    fn a_state_is_read_and_written_alike_whatever_the_word_for_a_failure() {
        for class in ["null", "\"denied\"", "\"of another version\""] {
            let text = format!(
                r#"{{"rendered_generation":3,"acked":null,"backend":{{"healthy":false,"last_read_age_seconds":1,"stale_since":null,"error_class":{class}}}}}"#
            );
            let parsed: PodState = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&parsed).unwrap(), text);
        }
    }
}
