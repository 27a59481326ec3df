//! Vault's HTTP interface: its requests and what their answers mean.
//!
//! Owns the mapping from status codes and bodies to classes, pure and tested. A body is never quoted.

use std::time::Duration;

use erpgo_secret_set::{Secret, knows_no_active, retry_after};
use serde::Deserialize;

use crate::secrets::error::SecretsError;
use crate::secrets::place::{Look, Stored};
use crate::secrets::write::Revision;

/// A login that succeeded.
pub(super) struct Login {
    pub token: Secret,
    pub lasts: Duration,
}

#[derive(Deserialize)]
struct LoginBody {
    auth: AuthBody,
}

#[derive(Deserialize)]
struct AuthBody {
    client_token: Secret,
    lease_duration: u64,
}

#[derive(Deserialize)]
struct ReadBody {
    data: ReadData,
}

#[derive(Deserialize)]
struct ReadData {
    data: Fields,
    metadata: VersionBody,
}

#[derive(Deserialize)]
struct WriteBody {
    data: VersionBody,
}

#[derive(Deserialize)]
struct VersionBody {
    version: u64,
    created_time: String,
}

impl VersionBody {
    // A key that was deleted with its metadata counts from 1 again; the time tells them apart.
    fn revision(&self) -> Revision {
        Revision(format!("{}@{}", self.version, self.created_time))
    }
}

#[derive(Deserialize)]
struct Fields {
    document: Option<Secret>,
    #[serde(default)]
    write_id: Option<String>,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    errors: Vec<String>,
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], what: &'static str) -> Result<T, SecretsError> {
    serde_json::from_slice(body).map_err(|_| SecretsError::Malformed { what })
}

pub(super) fn login(status: u16, body: &[u8]) -> Result<Login, SecretsError> {
    // Vault answers 400 for a role or a token that it does not take.
    if matches!(status, 400 | 403 | 404) {
        return Err(SecretsError::Denied { doing: "the login" });
    }
    refuse(status, body, "the login")?;
    let LoginBody { auth } = parse(body, "login")?;
    Ok(Login {
        token: auth.client_token,
        lasts: Duration::from_secs(auth.lease_duration),
    })
}

/// What an answer of any kind says that asks for fewer requests; `wait` is its `Retry-After`.
pub(super) fn throttled(status: u16, wait: Option<&str>) -> Option<SecretsError> {
    let wait = wait.and_then(retry_after).unwrap_or_default();
    (status == 429).then_some(SecretsError::Throttled { wait: Some(wait) })
}

pub(super) fn read(status: u16, body: &[u8]) -> Result<Look, SecretsError> {
    if status == 404 {
        return not_found(body);
    }
    refuse(status, body, "reading the document")?;
    let ReadBody { data } = parse(body, "document")?;
    let revision = data.metadata.revision();
    let Some(text) = data.data.document else {
        return Ok(Look::Unreadable(
            "the key in Vault lacks the field `document`",
        ));
    };
    Ok(Look::Found(Stored {
        text,
        revision,
        written_by: data.data.write_id,
    }))
}

/// The version number that check-and-set takes; `None` for a revision of another backend.
pub(super) fn version(revision: &Revision) -> Option<u64> {
    revision.0.split('@').next()?.parse().ok()
}

// A key that never was answers `{"errors":[]}`; one whose last version was deleted answers with its
// metadata; a mount that is not there answers with a text.
fn not_found(body: &[u8]) -> Result<Look, SecretsError> {
    let value: serde_json::Value = parse(body, "not found")?;
    if value.get("data").is_some() {
        return Err(SecretsError::Deleted);
    }
    let errors = value.get("errors").and_then(|errors| errors.as_array());
    match errors.map(Vec::len) {
        None | Some(0) => Ok(Look::Nothing),
        Some(_) => Err(SecretsError::NoMount),
    }
}

/// The revision of a check-and-set write; `None` when another version was the newest.
pub(super) fn written(status: u16, body: &[u8]) -> Result<Option<Revision>, SecretsError> {
    if status == 400 {
        let ErrorBody { errors } = parse(body, "refused write")?;
        let raced = errors.iter().any(|text| text.contains("check-and-set"));
        return if raced {
            Ok(None)
        } else {
            Err(SecretsError::Malformed {
                what: "the write was refused",
            })
        };
    }
    if status == 404 {
        return Err(SecretsError::NoMount);
    }
    refuse(status, body, "writing the document")?;
    let WriteBody { data } = parse(body, "write")?;
    Ok(Some(data.revision()))
}

pub(super) fn configured(status: u16, body: &[u8]) -> Result<(), SecretsError> {
    if status == 404 {
        return Err(SecretsError::NoMount);
    }
    refuse(status, body, "setting how many versions are kept")
}

pub(super) fn deleted(status: u16, body: &[u8]) -> Result<(), SecretsError> {
    if status == 404 {
        return Ok(());
    }
    refuse(status, body, "deleting the document")
}

fn refuse(status: u16, body: &[u8], doing: &'static str) -> Result<(), SecretsError> {
    match status {
        200 | 204 => Ok(()),
        401 | 403 => Err(SecretsError::Denied { doing }),
        // 307 is how a standby sends on what it cannot hand on, during an election to the server that was
        // active before; 472 and 473 are standbys that hand on nothing.
        307 | 472 | 473 => Err(SecretsError::Standby),
        500 | 503 if knows_no_active(body) => Err(SecretsError::Standby),
        // 501 is not initialised.
        501 | 503 => Err(SecretsError::Sealed),
        500 | 502 | 504 => Err(SecretsError::Unreachable(None)),
        300..=399 => Err(SecretsError::Settings(
            "the address answers with a redirect: give the address of the active server",
        )),
        _ => Err(SecretsError::Malformed {
            what: "status code",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class<T>(result: Result<T, SecretsError>) -> &'static str {
        result.err().map_or("ok", |error| error.class())
    }

    #[test]
    fn r06_4_failures_are_told_apart() {
        assert_eq!(class(login(403, b"{}")), "denied");
        assert_eq!(
            class(login(400, b"{\"errors\":[\"invalid role name\"]}")),
            "denied"
        );
        assert_eq!(
            class(read(503, b"{\"errors\":[\"Vault is sealed\"]}")),
            "sealed"
        );
        assert_eq!(class(read(500, b"")), "unreachable");
        assert_eq!(class(read(302, b"")), "settings");
        assert_eq!(class(read(403, b"{}")), "denied");
        assert_eq!(class(read(200, b"<html>")), "malformed");
    }

    #[test]
    fn a_wish_for_fewer_requests_is_heard_with_or_without_a_time() {
        let wait = |status, text| match throttled(status, text) {
            Some(SecretsError::Throttled { wait }) => wait,
            Some(error) => panic!("{error:?}"),
            None => None,
        };
        assert_eq!(wait(429, Some("7")), Some(Duration::from_secs(7)));
        assert_eq!(wait(429, Some("soon")), Some(Duration::ZERO));
        assert_eq!(wait(429, None), Some(Duration::ZERO));
        assert_eq!(wait(503, Some("7")), None);
    }

    #[test]
    fn a_standby_without_an_active_server_is_waited_for_whatever_was_asked() {
        let elects = br#"{"errors":["local node not active but active cluster node not found"]}"#;
        let nobody = br#"{"errors":["no active Vault instance found"]}"#;
        let says: [(u16, &[u8]); 4] = [(307, b""), (472, b"{}"), (500, elects), (503, nobody)];
        for (status, body) in says {
            let errors = [
                login(status, body).err(),
                read(status, body).err(),
                written(status, body).err(),
                configured(status, body).err(),
                deleted(status, body).err(),
            ];
            for error in errors.map(Option::unwrap) {
                assert!(matches!(error, SecretsError::Standby), "{status} {error:?}");
                assert_eq!(error.class(), "unreachable");
                assert!(error.is_transient());
            }
        }
    }

    #[test]
    fn nothing_deleted_and_no_mount_are_three_answers() {
        assert!(matches!(read(404, b"{\"errors\":[]}"), Ok(Look::Nothing)));
        let deleted = br#"{"data":{"data":null,"metadata":{"version":3,"deletion_time":"2026-01-01T00:00:00Z"}}}"#;
        assert_eq!(class(read(404, deleted)), "deleted");
        assert_eq!(
            class(read(404, b"{\"errors\":[\"no handler for route\"]}")),
            "not_found"
        );
    }

    const METADATA: &str = r#"{"version":3,"created_time":"2026-11-24T10:00:00.5Z"}"#;

    #[test]
    fn a_read_gives_text_revision_and_the_id_of_its_write() {
        let body = format!(
            r#"{{"data":{{"data":{{"document":"{{}}","write_id":"abc"}},"metadata":{METADATA}}}}}"#
        );
        let Ok(Look::Found(stored)) = read(200, body.as_bytes()) else {
            panic!("not found");
        };
        assert_eq!(stored.text.expose_secret(), "{}");
        assert_eq!(stored.revision.0, "3@2026-11-24T10:00:00.5Z");
        assert_eq!(version(&stored.revision), Some(3));
        assert_eq!(stored.written_by.as_deref(), Some("abc"));
        let foreign = format!(r#"{{"data":{{"data":{{"other":1}},"metadata":{METADATA}}}}}"#);
        assert!(matches!(
            read(200, foreign.as_bytes()),
            Ok(Look::Unreadable(_))
        ));
    }

    #[test]
    fn a_write_that_comes_too_late_is_no_failure_and_writes_nothing() {
        let raced = br#"{"errors":["check-and-set parameter did not match the current version"]}"#;
        assert_eq!(written(400, raced).unwrap(), None);
        let done = format!(r#"{{"data":{METADATA}}}"#);
        let revision = written(200, done.as_bytes()).unwrap();
        assert_eq!(revision.unwrap().0, "3@2026-11-24T10:00:00.5Z");
        assert_eq!(
            class(written(400, b"{\"errors\":[\"no data\"]}")),
            "malformed"
        );
        assert_eq!(class(written(404, b"{}")), "not_found");
    }
}
