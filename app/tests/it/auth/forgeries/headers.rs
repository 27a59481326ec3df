//! Headers that say another algorithm or another key, or what no header says.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::json;

use super::Forgeries;
use super::genuine::{Genuine, part, sign, sign_as};

fn spellings_of_none() -> Vec<String> {
    let cases = (0..16_u32).map(|bits| {
        let letter = |(index, c): (usize, char)| match bits >> index & 1 {
            1 => c.to_ascii_uppercase(),
            _ => c,
        };
        "none".chars().enumerate().map(letter).collect()
    });
    let odd = [
        "",
        " none",
        "none ",
        "none\0",
        "null",
        "nonE\n",
        "n\u{43e}ne",
    ];
    cases.chain(odd.map(str::to_owned)).collect()
}

pub(super) fn none(genuine: &Genuine) -> Forgeries {
    let mut found = Vec::new();
    for alg in spellings_of_none() {
        let header = genuine.header("alg", json!(alg));
        let claims = genuine.claims.to_string();
        let bare = format!("{}.{}", part(&header), part(&claims));
        found.push((format!("alg {alg:?}, no signature"), format!("{bare}.")));
        found.push((
            format!("alg {alg:?}, signed"),
            genuine.signed(&header, &claims),
        ));
    }
    found
}

pub(super) fn algorithms(genuine: &Genuine) -> Forgeries {
    let others = json!([
        "HS384",
        "HS512",
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "ES256K",
        "EdDSA",
        "hs256",
        "Hs256",
        "HS256 ",
        "HS-256",
        ["HS256"],
        256,
        true,
        {},
        null,
        "dir",
        "A256KW",
        "RSA-OAEP"
    ]);
    let mut found: Forgeries = others
        .as_array()
        .unwrap()
        .iter()
        .map(|alg| {
            (
                format!("alg {alg}"),
                genuine.with_header("alg", alg.clone()),
            )
        })
        .collect();
    let claims = genuine.claims.to_string();
    for (name, algorithm) in [("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
        let header = genuine.header("alg", json!(name));
        let token = sign_as(algorithm, &genuine.secret, &header, &claims);
        found.push((format!("{name}, truly so signed"), token));
    }
    found.push((
        "no alg".into(),
        genuine.signed(&genuine.without("alg"), &claims),
    ));
    found
}

pub(super) fn kids(genuine: &Genuine) -> Forgeries {
    let own = genuine.header["kid"].as_str().unwrap();
    let values = json!([
        "../../../../../../dev/null", "/dev/null", "/proc/sys/kernel/randomize_va_space", "../jwt.current",
        "' OR '1'='1", "'; DROP TABLE users; --", "x' UNION SELECT 'key' --", "\") or (\"1\"=\"1",
        "http://127.0.0.1:1/key", "file:///etc/passwd", "${jndi:ldap://127.0.0.1/x}", "|id", "$(id)", "`id`",
        "", " ", "refresh-1", "pepper-1", "database-1", "jwt-0", "jwt-99", "current", "*", "jwt-*",
        null, 1, 1.5, true, [], {}, [own], {"kid": own}, "k".repeat(500)
    ]);
    let mut found = Vec::new();
    for kid in values.as_array().unwrap() {
        let header = genuine.header("kid", kid.clone());
        let claims = genuine.claims.to_string();
        // As the attacks go: with what the injected place would give as a key.
        found.push((format!("kid {kid}, empty key"), sign(b"", &header, &claims)));
        found.push((format!("kid {kid}, key"), sign(b"key", &header, &claims)));
        found.push((
            format!("kid {kid}, right key"),
            genuine.signed(&header, &claims),
        ));
    }
    for kid in [
        format!("{own} "),
        format!(" {own}"),
        format!("{own}\0"),
        own.to_uppercase(),
        format!("./{own}"),
    ] {
        found.push((
            format!("kid {kid:?}"),
            genuine.with_header("kid", json!(kid)),
        ));
    }
    found
}

pub(super) fn keys_in_the_header(genuine: &Genuine) -> Forgeries {
    let mine = b"0123456789abcdef0123456789abcdef";
    let jwk = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(mine), "kid": genuine.header["kid"], "alg": "HS256"});
    [
        ("jwk", jwk),
        ("jku", json!("http://127.0.0.1:1/jwks.json")),
        ("x5u", json!("http://127.0.0.1:1/cert.pem")),
        ("x5c", json!([STANDARD.encode(mine)])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
    ]
    .into_iter()
    .map(|(name, value)| {
        let header = genuine.header(name, value);
        (
            format!("{name} in the header"),
            sign(mine, &header, &genuine.claims.to_string()),
        )
    })
    .collect()
}

pub(super) fn headers(genuine: &Genuine) -> Forgeries {
    let claims = genuine.claims.to_string();
    let mut found: Forgeries = [
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!(["urn:example:unknown"])),
        ("crit", json!([])),
        ("crit", json!("exp")),
        ("crit", json!({})),
        ("typ", json!("JWT")),
        ("typ", json!("rt+jwt")),
        ("typ", json!("AT+JWT")),
        ("typ", json!("at+jwt ")),
        ("typ", json!(null)),
        ("typ", json!(1)),
        ("typ", json!(["at+jwt"])),
    ]
    .into_iter()
    .map(|(name, value)| (format!("{name} {value}"), genuine.with_header(name, value)))
    .collect();
    found.push((
        "no typ".into(),
        genuine.signed(&genuine.without("typ"), &claims),
    ));
    let kid = &genuine.header["kid"];
    for text in [
        format!(r#"{{"alg":"none","alg":"HS256","typ":"at+jwt","kid":{kid}}}"#),
        format!(r#"{{"alg":"HS256","alg":"none","typ":"at+jwt","kid":{kid}}}"#),
        format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"x","kid":{kid}}}"#),
        format!(r#"{{"alg":"HS256","typ":"rt+jwt","typ":"at+jwt","kid":{kid}}}"#),
        format!(r#"["HS256","at+jwt",{kid}]"#),
        "{}".to_owned(),
        "null".to_owned(),
        "\"HS256\"".to_owned(),
        String::new(),
        "{".to_owned(),
        format!("{}x", genuine.header),
    ] {
        found.push((format!("header {text}"), genuine.signed(&text, &claims)));
    }
    found
}
