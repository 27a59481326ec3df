//! Request lines and headers that are too long, too many, or of no protocol that is spoken here.

use bytes::Bytes;

use super::cases::{Case, METHOD, NOTHING_HERE, at_once, request};
use super::wire::Pace;

/// All of them.
pub fn all() -> Vec<Case> {
    [headers(), methods(), targets(), protocols(), pipelined()].concat()
}

fn headers() -> Vec<Case> {
    let get = |headers: &str| request("GET /nowhere HTTP/1.1", headers, b"");
    let many = |count: usize| {
        (0..count)
            .map(|n| format!("x-{n}: 1\r\n"))
            .collect::<String>()
    };
    let long = |bytes: usize| format!("x-long: {}\r\n", "x".repeat(bytes));
    at_once(vec![
        ("90 headers", get(&many(90)), NOTHING_HERE),
        ("101 headers", get(&many(101)), "431"),
        ("10 000 headers", get(&many(10_000)), "431"),
        ("a header of 32 KiB", get(&long(32 << 10)), NOTHING_HERE),
        ("a header of 200 000 bytes", get(&long(200_000)), "431"),
        ("a header of 8 MiB", get(&long(8 << 20)), "431"),
        ("a header without a colon", get("nonsense\r\n"), "400"),
        ("a header without a name", get(": x\r\n"), "400"),
        ("a space before the colon", get("x-a : x\r\n"), "400"),
        ("a folded header", get("x-a: x\r\n x\r\n"), "400"),
        ("a zero in a header", get("x-a: x\0x\r\n"), "400"),
        (
            "a lone carriage return in a header",
            get("x-a: x\rx-b: x\r\n"),
            "400",
        ),
    ])
}

fn methods() -> Vec<Case> {
    let by = |method: &str| request(&format!("{method} /api/v1/auth/login HTTP/1.1"), "", b"");
    let raw = |method: &[u8]| [method, b" / HTTP/1.1\r\nhost: x\r\n\r\n"].concat();
    at_once(vec![
        ("TRACE", by("TRACE"), METHOD),
        ("CONNECT to a path", by("CONNECT"), METHOD),
        (
            "CONNECT to elsewhere",
            request("CONNECT shop.example:443 HTTP/1.1", "", b""),
            NOTHING_HERE,
        ),
        ("a lower-case method", by("post"), METHOD),
        ("a method of 300 letters", by(&"X".repeat(300)), METHOD),
        (
            "a method of 200 000 letters",
            by(&"X".repeat(200_000)),
            "431",
        ),
        ("no method", raw(b""), "400"),
        ("a control character in the method", raw(b"G\x01T"), "400"),
        ("a zero in the method", raw(b"G\0T"), "400"),
        ("a parenthesis in the method", raw(b"G(T"), "400"),
        ("a method that is not ASCII", raw(b"G\xc3\x89T"), "400"),
    ])
}

fn targets() -> Vec<Case> {
    let get = |target: &str| request(&format!("GET {target} HTTP/1.1"), "", b"");
    let raw = |target: &[u8]| [b"GET /", target, b" HTTP/1.1\r\nhost: x\r\n\r\n"].concat();
    at_once(vec![
        (
            "an absolute target",
            get("http://shop.example/health/live"),
            "200",
        ),
        (
            "an absolute target that is not there",
            get("http://shop.example/nowhere"),
            NOTHING_HERE,
        ),
        ("a target without a slash", get("nowhere"), NOTHING_HERE),
        ("a star", get("*"), NOTHING_HERE),
        ("dots", get("/../../etc/passwd"), NOTHING_HERE),
        (
            "a target of 60 000 bytes",
            get(&format!("/{}", "x".repeat(60_000))),
            NOTHING_HERE,
        ),
        (
            "a target of 200 000 bytes",
            get(&format!("/{}", "x".repeat(200_000))),
            "431",
        ),
        (
            "a query of 60 000 bytes",
            get(&format!("/nowhere?{}", "x".repeat(60_000))),
            NOTHING_HERE,
        ),
        ("an encoded zero", get("/api/v1/%00"), NOTHING_HERE),
        (
            "an encoded byte that is not UTF-8",
            get("/api/v1/users/%ff"),
            "401 UNAUTHORIZED",
        ),
        ("a zero in the target", raw(b"\0"), "400"),
        ("a control character in the target", raw(b"\x1b[31m"), "400"),
        ("a space in the target", raw(b"a b"), "400"),
        ("a target that is not UTF-8", raw(b"\xff"), "400"),
    ])
}

fn protocols() -> Vec<Case> {
    let all_bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    at_once(vec![
        ("HTTP/0.9", b"GET /nowhere\r\n".to_vec(), "400"),
        ("HTTP/1.2", request("GET /nowhere HTTP/1.2", "", b""), "400"),
        (
            "HTTP/2",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
            "",
        ),
        (
            "a word for a version",
            request("GET /nowhere HTTP/one", "", b""),
            "400",
        ),
        (
            "TLS",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
            "400",
        ),
        ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), "400"),
        ("every byte", all_bytes, "400"),
        (
            "an upgrade",
            request("GET /nowhere HTTP/1.1", "upgrade: websocket\r\n", b""),
            NOTHING_HERE,
        ),
    ])
}

fn pipelined() -> Vec<Case> {
    let open = |line: &str| format!("{line}\r\nhost: x\r\n\r\n").into_bytes();
    let pair = [
        open("GET /health/live HTTP/1.1"),
        open("GET /nowhere HTTP/1.1"),
    ]
    .concat();
    let last = request("PUT /api/v1/auth/login HTTP/1.1", "", b"");
    let mut cases = at_once(vec![
        (
            "a request after the last",
            [&last[..], &pair].concat(),
            METHOD,
        ),
        (
            "nonsense after a request",
            [&pair[..], b"( \r\n\r\n"].concat(),
            "200, 404 NOT_FOUND, 400",
        ),
    ]);
    cases.push(Case {
        name: "many requests at once",
        head: [pair.repeat(100), last].concat().into(),
        rest: Bytes::new(),
        pace: Pace::AtOnce,
        told: format!("{}{METHOD}", "200, 404 NOT_FOUND, ".repeat(100)),
    });
    cases
}
