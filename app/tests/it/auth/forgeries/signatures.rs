//! Signatures by other keys, and tokens that are cut, longer or written otherwise.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::json;

use super::Forgeries;
use super::genuine::{Genuine, part};

pub(super) fn keys(genuine: &Genuine) -> Forgeries {
    let secret = &genuine.secret;
    let encoded = [
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        hex::encode(secret),
    ];
    let kid = genuine.header["kid"].as_str().unwrap();
    let guesses = [
        "",
        "secret",
        "password",
        "your-256-bit-secret",
        "erpgo",
        "\0",
        kid,
        "HS256",
    ];
    let mut keys: Vec<Vec<u8>> = encoded
        .iter()
        .map(|text| text.clone().into_bytes())
        .collect();
    keys.extend(guesses.map(|text| text.as_bytes().to_vec()));
    keys.push(genuine.refresh_secret.clone());
    keys.push(genuine.pepper.clone());
    keys.push(secret[..32].to_vec());
    keys.push(secret[..secret.len() - 1].to_vec());
    keys.push([secret, &b"\n"[..]].concat());
    keys.push(secret.iter().rev().copied().collect());
    keys.push(b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n".to_vec());
    let token = |(index, key): (usize, Vec<u8>)| (format!("key {index}"), genuine.by(&key));
    keys.into_iter().enumerate().map(token).collect()
}

pub(super) fn shapes(genuine: &Genuine) -> Forgeries {
    let token = &genuine.token;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, body) = signed.split_once('.').unwrap();
    let tag = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mine = genuine.claims("sub", json!(uuid::Uuid::now_v7()));
    let again = |tag: &[u8]| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
    // The last letter holds four bits of the signature and two that must be zero.
    let last = signature.chars().last().unwrap();
    let next = char::from(last as u8 + 1);
    let mut found: Forgeries = [
        ("empty signature", format!("{signed}.")),
        ("no signature", signed.to_owned()),
        ("signature of zeros", again(&[0; 32])),
        ("signature cut", again(&tag[..31])),
        ("signature cut to half", again(&tag[..16])),
        ("one byte of signature", again(&tag[..1])),
        (
            "signature with a byte more",
            again(&[&tag[..], &[0]].concat()),
        ),
        ("signature twice", again(&[&tag[..], &tag[..]].concat())),
        (
            "padded signature",
            format!("{signed}.{}", URL_SAFE.encode(&tag)),
        ),
        (
            "signature of another alphabet",
            format!("{signed}.{}==", signature),
        ),
        (
            "another spelling of the signature",
            format!("{}{next}", &token[..token.len() - 1]),
        ),
        ("trailing letter", format!("{token}A")),
        ("trailing dot", format!("{token}.")),
        ("trailing part", format!("{token}.{signature}")),
        ("trailing garbage", format!("{token} x")),
        ("trailing percent", format!("{token}%00")),
        ("leading dot", format!(".{token}")),
        (
            "five parts",
            format!("{header}.{body}.{signature}.{body}.{signature}"),
        ),
        ("parts swapped", format!("{body}.{header}.{signature}")),
        ("only dots", "..".to_owned()),
        ("more dots", "....".to_owned()),
        ("one dot", ".".to_owned()),
        ("no header", format!(".{body}.{signature}")),
        ("no claims", format!("{header}..{signature}")),
        ("padded header", format!("{header}=.{body}.{signature}")),
        ("padded claims", format!("{header}.{body}==.{signature}")),
        (
            "space in the claims",
            format!("{header}. {body}.{signature}"),
        ),
        (
            "other claims, old signature",
            format!("{header}.{}.{signature}", part(&mine)),
        ),
        (
            "JSON form",
            json!({"protected": header, "payload": body, "signature": signature}).to_string(),
        ),
        ("quoted", format!("\"{token}\"")),
        ("a refresh token", genuine.refresh_token.clone()),
        ("twice as one", format!("{token},{token}")),
        ("huge", format!("{token}{}", "A".repeat(4_000))),
    ]
    .into_iter()
    .map(|(what, text)| (what.to_owned(), text))
    .collect();
    for bit in [0, 7, 8, 100, 127, 128, 200, 255] {
        let mut flipped = tag.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        found.push((format!("signature with bit {bit} flipped"), again(&flipped)));
    }
    found
}
