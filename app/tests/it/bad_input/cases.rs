//! Requests that are wrong in one way each, and what comes of them.
//!
//! Read the answers as [`super::wire::told`] writes them: "404 NOT_FOUND" is a problem, a bare status has
//! no body, nothing is a closed connection; after the last one the connection is always closed.

use bytes::Bytes;

use super::wire::Pace;

#[derive(Clone)]
pub struct Case {
    pub name: &'static str,
    pub head: Bytes,
    pub rest: Bytes,
    pub pace: Pace,
    pub told: String,
}

impl Case {
    /// Whether more may be sent than the program ever reads.
    pub fn is_cut_off(&self) -> bool {
        let endless = matches!(self.pace, Pace::Endless(_));
        endless || self.head.len() + self.rest.len() > 8_192
    }

    /// How many of its answers are problems with this status.
    pub fn refusals(&self, status: u16) -> usize {
        let answers = self.told.split(", ");
        let problem = format!("{status} ");
        answers
            .filter(|answer| answer.starts_with(&problem))
            .count()
    }
}

pub const LOGIN: &str = "POST /api/v1/auth/login HTTP/1.1";
const JSON: &str = "content-type: application/json\r\n";
pub const NOT_JSON: &str = "400 INVALID_JSON";
pub const TOO_LARGE: &str = "413 PAYLOAD_TOO_LARGE";
pub const MEDIA: &str = "415 UNSUPPORTED_MEDIA_TYPE";
pub const NOTHING_HERE: &str = "404 NOT_FOUND";
pub const METHOD: &str = "405 METHOD_NOT_ALLOWED";
const TOO_LATE: &str = "504 REQUEST_TIMEOUT";

pub fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{line}\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// A JSON body with its length.
pub fn sized(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let headers = format!("{JSON}content-length: {}\r\n{headers}", body.len());
    request(line, &headers, body)
}

pub fn login(headers: &str, body: &[u8]) -> Vec<u8> {
    request(LOGIN, &format!("{JSON}{headers}"), body)
}

pub fn in_chunks(line: &str, headers: &str, chunks: &[u8]) -> Vec<u8> {
    let headers = format!("{JSON}transfer-encoding: chunked\r\n{headers}");
    request(line, &headers, chunks)
}

/// `body` in chunks of `size` bytes, without the one that ends it.
pub fn chunks(body: &[u8], size: usize) -> Vec<u8> {
    let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    body.chunks(size).flat_map(chunk).collect()
}

pub fn at_once(rows: Vec<(&'static str, Vec<u8>, &str)>) -> Vec<Case> {
    let case = |(name, head, told): (&'static str, Vec<u8>, &str)| Case {
        name,
        head: head.into(),
        rest: Bytes::new(),
        pace: Pace::AtOnce,
        told: told.to_owned(),
    };
    rows.into_iter().map(case).collect()
}

/// One that is not done in the time that a request has.
pub fn too_late(name: &'static str, head: Vec<u8>, rest: Vec<u8>, pace: Pace) -> Case {
    Case {
        name,
        head: head.into(),
        rest: rest.into(),
        pace,
        told: TOO_LATE.to_owned(),
    }
}
