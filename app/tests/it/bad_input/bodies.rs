//! Bodies that are too large, too slow, cut, or written or framed wrongly.

use std::time::Duration;

use super::cases::{
    Case, LOGIN, MEDIA, NOT_JSON, NOTHING_HERE, TOO_LARGE, at_once, chunks, in_chunks, login,
    request, sized, too_late,
};
use super::wire::Pace;

/// Those that are sent at once, for a program that reads bodies of at most `limit` bytes.
pub fn quick(limit: usize) -> Vec<Case> {
    [large(limit), encoded(), framed()].concat()
}

fn large(limit: usize) -> Vec<Case> {
    let spaces = |count: usize| vec![b' '; count];
    let chunked = |body: &[u8]| [chunks(body, 4_096), b"0\r\n\r\n".to_vec()].concat();
    let nested = format!("{{\"email\":{}", "[".repeat(30_000));
    at_once(vec![
        (
            "as large as may be",
            sized(LOGIN, "", &spaces(limit)),
            NOT_JSON,
        ),
        (
            "one byte more",
            sized(LOGIN, "", &spaces(limit + 1)),
            TOO_LARGE,
        ),
        (
            "far too large",
            sized(LOGIN, "", &spaces(8 << 20)),
            TOO_LARGE,
        ),
        (
            "one byte more in chunks",
            in_chunks(LOGIN, "", &chunked(&spaces(limit + 1))),
            TOO_LARGE,
        ),
        (
            "far too large in chunks",
            in_chunks(LOGIN, "", &chunked(&spaces(8 << 20))),
            TOO_LARGE,
        ),
        (
            "far too large where none is read",
            sized("POST /nowhere HTTP/1.1", "", &spaces(8 << 20)),
            NOTHING_HERE,
        ),
        (
            "far too large without a token",
            sized("POST /api/v1/products HTTP/1.1", "", &spaces(8 << 20)),
            "401 UNAUTHORIZED",
        ),
        (
            "nested without end",
            sized(LOGIN, "", nested.as_bytes()),
            "400 VALIDATION_ERROR",
        ),
    ])
}

fn encoded() -> Vec<Case> {
    let credentials = r#"{"email":"ann@example.org","password":"x"}"#;
    let text = credentials.as_bytes();
    let utf16: Vec<u8> = credentials
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let of_kind = |kind: &str| {
        let headers = format!("content-type: {kind}\r\ncontent-length: {}\r\n", text.len());
        request(LOGIN, &headers, text)
    };
    at_once(vec![
        (
            "gzip",
            sized(
                LOGIN,
                "content-encoding: gzip\r\n",
                b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
            ),
            MEDIA,
        ),
        (
            "said to be gzip",
            sized(LOGIN, "content-encoding: gzip\r\n", text),
            MEDIA,
        ),
        ("UTF-16", sized(LOGIN, "", &utf16), NOT_JSON),
        (
            "not UTF-8",
            sized(LOGIN, "", b"{\"email\":\"\xff\xfe\",\"password\":\"x\"}"),
            NOT_JSON,
        ),
        (
            "Latin-1",
            sized(LOGIN, "", b"{\"email\":\"\xe9\",\"password\":\"x\"}"),
            NOT_JSON,
        ),
        (
            "half a surrogate pair",
            sized(LOGIN, "", br#"{"email":"\ud800","password":"x"}"#),
            NOT_JSON,
        ),
        (
            "a byte order mark",
            sized(LOGIN, "", "\u{feff}{}".as_bytes()),
            NOT_JSON,
        ),
        ("zeros", sized(LOGIN, "", &[0; 64]), NOT_JSON),
        ("nothing", login("", b""), NOT_JSON),
        (
            "no media type",
            request(LOGIN, "content-length: 2\r\n", b"{}"),
            MEDIA,
        ),
        (
            "a form",
            of_kind("application/x-www-form-urlencoded"),
            MEDIA,
        ),
        (
            "a media type of odd bytes",
            of_kind("application/json\u{e9}"),
            MEDIA,
        ),
    ])
}

fn framed() -> Vec<Case> {
    let chunked = |chunks: &str| in_chunks(LOGIN, "", chunks.as_bytes());
    let long = "x".repeat(40_000);
    let trailers = "x-trailer: x\r\n".repeat(4_000);
    // Whoever reads the length sees one request here; whoever reads the chunks sees two.
    let hidden = b"0\r\n\r\nGET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
    at_once(vec![
        (
            "a chunk size of no digits",
            chunked("zz\r\n{}\r\n0\r\n\r\n"),
            NOT_JSON,
        ),
        (
            "a negative chunk size",
            chunked("-1\r\n{}\r\n0\r\n\r\n"),
            NOT_JSON,
        ),
        (
            "a chunk size beyond 64 bits",
            chunked("ffffffffffffffffff\r\n{}"),
            NOT_JSON,
        ),
        (
            "a chunk longer than it says",
            chunked("1\r\n{}\r\n0\r\n\r\n"),
            NOT_JSON,
        ),
        (
            "a chunk size without an end",
            chunked(&format!("2;{long}")),
            NOT_JSON,
        ),
        (
            "trailers without an end",
            chunked(&format!("2\r\n{{}}\r\n0\r\n{trailers}")),
            NOT_JSON,
        ),
        (
            "two framings, length first",
            login(
                "content-length: 44\r\ntransfer-encoding: chunked\r\n",
                hidden,
            ),
            NOT_JSON,
        ),
        (
            "two framings, chunks first",
            login(
                "transfer-encoding: chunked\r\ncontent-length: 44\r\n",
                hidden,
            ),
            NOT_JSON,
        ),
        (
            "a coding that is no framing",
            login("transfer-encoding: gzip\r\n", b"{}"),
            "400",
        ),
        (
            "chunks in HTTP/1.0",
            request(
                "POST /api/v1/auth/login HTTP/1.0",
                "transfer-encoding: chunked\r\n",
                hidden,
            ),
            "400",
        ),
        (
            "two lengths",
            login("content-length: 2\r\ncontent-length: 3\r\n", b"{} "),
            "400",
        ),
        (
            "two lengths in one",
            login("content-length: 2, 3\r\n", b"{} "),
            "400",
        ),
        (
            "a negative length",
            login("content-length: -2\r\n", b"{}"),
            "400",
        ),
        (
            "a length beyond 64 bits",
            login("content-length: 99999999999999999999\r\n", b"{}"),
            "400",
        ),
    ])
}

/// Those that end when the time of a request does.
pub fn slow() -> Vec<Case> {
    let pace = Pace::Endless(Duration::from_millis(50));
    let sized = |length: u64| login(&format!("content-length: {length}\r\n"), b"{");
    let chunked = in_chunks(LOGIN, "", b"");
    let tiny = b"1\r\n \r\n".to_vec();
    let zeros = b"0".to_vec();
    vec![
        too_late("a body that trickles", sized(10_000), b" ".to_vec(), pace),
        too_late("chunks that trickle", chunked.clone(), tiny, pace),
        too_late("a chunk size that trickles", chunked, zeros, pace),
        too_late(
            "a body that never comes",
            sized(1 << 40),
            Vec::new(),
            Pace::AtOnce,
        ),
    ]
}
