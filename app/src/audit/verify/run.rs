//! The subcommand: 0 and a sentence when the log is whole, 1 and the first break when it is not.

use std::str::FromStr;

use sqlx::Connection as _;

use super::{VerifyError, Whole, verify};
use crate::audit::seal::Head;
use crate::cli::{Exit, list_faults};
use crate::config::Settings;
use crate::migrate;
use crate::secrets::Source;
use crate::start;

/// Not a head of a chain.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an anchor is a position and 64 hex digits, such as 17:9f86…")]
pub struct NotAnAnchor;

impl FromStr for Head {
    type Err = NotAnAnchor;

    fn from_str(text: &str) -> Result<Self, NotAnAnchor> {
        let (position, hash) = text.split_once(':').ok_or(NotAnAnchor)?;
        let mut head = Self {
            position: position.parse().map_err(|_| NotAnAnchor)?,
            hash: [0; 32],
        };
        hex::decode_to_slice(hash, &mut head.hash).map_err(|_| NotAnAnchor)?;
        Ok(head)
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.position, hex::encode(self.hash))
    }
}

/// Runs `erpgo audit verify`.
#[must_use]
pub fn run(settings: &Settings, anchor: Option<Head>) -> Exit {
    match start::runtime() {
        Ok(runtime) => runtime.block_on(check(settings, anchor)),
        Err(exit) => exit,
    }
}

async fn check(settings: &Settings, anchor: Option<Head>) -> Exit {
    let source = Source::choose(&settings.secrets.dir);
    let set = match start::secret_set(&source, settings.secrets.wait).await {
        Ok(set) => set,
        Err(exit) => return exit,
    };
    let url = &set.keys.database.current.value;
    let mut connection = match migrate::connect(url, settings.database.acquire_timeout).await {
        Ok(connection) => connection,
        Err(error) => {
            list_faults("the audit log cannot be read", &[error.explain()]);
            return error.exit();
        }
    };
    let verdict = verify(&mut connection, anchor).await;
    // The verdict stands, however the connection ends.
    let _ = connection.close().await;
    tell(&verdict)
}

#[expect(clippy::print_stdout, reason = "the verdict is the output")]
fn tell(verdict: &Result<Whole, VerifyError>) -> Exit {
    match verdict {
        Ok(whole) => {
            println!(
                "the audit log is whole: {} links, {} events wait for their seal, head {}",
                whole.links, whole.pending, whole.head
            );
            Exit::Ok
        }
        Err(error) => {
            let fault = erpgo_telemetry::chain(error).to_string();
            list_faults("the audit log was not found whole", &[fault]);
            Exit::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_read_back_as_it_is_shown() {
        let head = Head {
            position: 17,
            hash: [0xab; 32],
        };
        assert_eq!(head.to_string().parse(), Ok(head));
        for bad in ["", "17", "17:", "17:abcd", "x:00", "17:zz"] {
            assert_eq!(bad.parse::<Head>(), Err(NotAnAnchor), "{bad}");
        }
    }
}
