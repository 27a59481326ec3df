//! A standby that hands on nothing, since there is no active server for now.
//!
//! Owns by which words operator and sidecar both know it: a server that is sealed and one with a fault of its own
//! answer with the same statuses, and only a person mends those. A body is never quoted.

use serde::Deserialize;

const SAYS: [&str; 2] = ["no active ", "active cluster node not found"];

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    errors: Vec<String>,
}

/// Whether a 500 or 503 with this body is that of a standby which reaches no active server.
#[must_use]
pub fn knows_no_active(body: &[u8]) -> bool {
    let Refusal { errors } = serde_json::from_slice(body).unwrap_or_default();
    let says = |text: &String| SAYS.iter().any(|part| text.contains(part));
    errors.iter().any(says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_is_told_from_a_server_that_is_sealed_or_at_fault() {
        let of = |text: &str| knows_no_active(format!("{{\"errors\":[\"{text}\"]}}").as_bytes());
        assert!(of("no active Vault instance found"));
        assert!(of("no active cluster member"));
        assert!(of(
            "local node not active but active cluster node not found"
        ));
        assert!(!of("Vault is sealed") && !of("internal error"));
    }

    #[test]
    fn who_is_no_vault_is_no_standby() {
        for body in [
            "",
            "{}",
            "<html>no active server</html>",
            "[\"no active \"]",
        ] {
            assert!(!knows_no_active(body.as_bytes()), "{body}");
        }
    }
}
