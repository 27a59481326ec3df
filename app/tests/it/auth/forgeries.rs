//! The public lists of JWT attacks, put together byte by byte: none in all spellings, key confusion,
//! kid injection, keys in the header, crit, duplicate keys, wrong types, signatures that are empty,
//! cut, longer or written otherwise, other audiences.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};

use crate::world::{ADMIN, World, access};

/// What a genuine token is made of.
struct Genuine {
    token: String,
    header: Value,
    claims: Value,
    secret: Vec<u8>,
    refresh_secret: Vec<u8>,
    pepper: Vec<u8>,
    refresh_token: String,
}

fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn sign_as(algorithm: hmac::Algorithm, secret: &[u8], header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn sign(secret: &[u8], header: &str, claims: &str) -> String {
    sign_as(hmac::HMAC_SHA256, secret, header, claims)
}

impl Genuine {
    async fn new(world: &World) -> Self {
        let answer = world.signed_in(ADMIN).await;
        let token = access(&answer);
        let decode = |index: usize| -> Value {
            let text = token.split('.').nth(index).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        let set = world.state.keyring.current();
        let bytes = |key: &erpgo_secret_set::RotatingKey| {
            key.current.value.expose_secret().as_bytes().to_vec()
        };
        Self {
            header: decode(0),
            claims: decode(1),
            secret: bytes(&set.keys.jwt),
            refresh_secret: bytes(&set.keys.refresh),
            pepper: bytes(&set.keys.pepper),
            refresh_token: answer["refresh_token"].as_str().unwrap().to_owned(),
            token,
        }
    }

    fn header(&self, name: &str, value: Value) -> String {
        let mut header = self.header.clone();
        header[name] = value;
        header.to_string()
    }

    fn without(&self, name: &str) -> String {
        let mut header = self.header.clone();
        header.as_object_mut().unwrap().remove(name);
        header.to_string()
    }

    fn claims(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        claims.to_string()
    }

    /// Signed with the right key: only what it says is wrong.
    fn signed(&self, header: &str, claims: &str) -> String {
        sign(&self.secret, header, claims)
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        self.signed(&self.header(name, value), &self.claims.to_string())
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        self.signed(&self.header.to_string(), &self.claims(name, value))
    }

    fn by(&self, secret: &[u8]) -> String {
        sign(secret, &self.header.to_string(), &self.claims.to_string())
    }
}

type Forgeries = Vec<(String, String)>;

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

fn none(genuine: &Genuine) -> Forgeries {
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

fn algorithms(genuine: &Genuine) -> Forgeries {
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

fn keys(genuine: &Genuine) -> Forgeries {
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

fn kids(genuine: &Genuine) -> Forgeries {
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

fn keys_in_the_header(genuine: &Genuine) -> Forgeries {
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

fn headers(genuine: &Genuine) -> Forgeries {
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

fn claims(genuine: &Genuine) -> Forgeries {
    let header = genuine.header.to_string();
    let exp = &genuine.claims["exp"];
    let table = [
        (
            "aud",
            json!([
                "erpgo-refresh",
                "other",
                "ERPGO-API",
                "erpgo-api ",
                "",
                null,
                1,
                {},
                [],
                ["erpgo-refresh"],
                ["erpgo-api"]
            ]),
        ),
        (
            "iss",
            json!(["other", "ERPGO", "erpgo ", "", null, 1, {}, [], ["erpgo"]]),
        ),
        (
            "exp",
            json!([
                "tomorrow",
                exp.to_string(),
                null,
                true,
                [],
                {},
                [exp],
                1e300,
                "Infinity"
            ]),
        ),
        (
            "sub",
            json!([
                null,
                1,
                "",
                "admin",
                "*",
                [],
                {},
                [genuine.claims["sub"]],
                "' OR 1=1 --"
            ]),
        ),
        ("sid", json!([null, 1, "", "x", [], {}])),
        ("jti", json!([null, 1, "", "x", [], {}])),
        ("iat", json!([null, "now", [], {}, true])),
        ("nbf", json!([9_999_999_999_i64])),
    ];
    let mut found = Vec::new();
    for (name, values) in table {
        for value in values.as_array().unwrap() {
            found.push((
                format!("{name} {value}"),
                genuine.with_claim(name, value.clone()),
            ));
        }
        if name != "nbf" {
            let mut less = genuine.claims.clone();
            less.as_object_mut().unwrap().remove(name);
            found.push((
                format!("no {name}"),
                genuine.signed(&header, &less.to_string()),
            ));
        }
    }
    let body = genuine.claims.to_string();
    let inner = body.trim_start_matches('{').trim_end_matches('}');
    for name in ["sub", "aud", "exp", "iss", "sid"] {
        let twice = format!(r#"{{"{name}":{},{inner}}}"#, genuine.claims[name]);
        found.push((format!("{name} twice"), genuine.signed(&header, &twice)));
        let other = format!(r#"{{{inner},"{name}":"other"}}"#);
        found.push((
            format!("{name} and another {name}"),
            genuine.signed(&header, &other),
        ));
    }
    for text in ["{}", "null", "[]", "\"x\"", "", "{", &format!("{body}{{}}")] {
        found.push((format!("claims {text}"), genuine.signed(&header, text)));
    }
    found
}

fn shapes(genuine: &Genuine) -> Forgeries {
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

#[tokio::test]
async fn r10_2_no_forgery_of_the_public_lists_is_accepted() {
    let world = World::new().await;
    let genuine = Genuine::new(&world).await;
    let classes = [
        ("none", none(&genuine), 40),
        ("algorithms", algorithms(&genuine), 25),
        ("keys", keys(&genuine), 15),
        ("kids", kids(&genuine), 100),
        ("keys in the header", keys_in_the_header(&genuine), 6),
        ("headers", headers(&genuine), 20),
        ("claims", claims(&genuine), 60),
        ("shapes", shapes(&genuine), 40),
    ];
    let mut tried = std::collections::HashSet::new();
    let mut accepted = Vec::new();
    for (class, forgeries, least) in classes {
        assert!(forgeries.len() >= least, "{class}: {}", forgeries.len());
        for (what, token) in forgeries {
            assert_ne!(token, genuine.token, "{what} is no forgery");
            let answer = world.get("/api/v1/profile", &token).await;
            if answer.status != 401 || answer.code() != "TOKEN_INVALID" {
                accepted.push(format!("{class}: {what}: {}", answer.text));
            }
            tried.insert(token);
        }
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
    assert!(tried.len() >= 300, "{}", tried.len());
    // Put together by the same hands, the genuine one passes: the forgeries fail for their own sake.
    let rebuilt = genuine.signed(&genuine.header.to_string(), &genuine.claims.to_string());
    world.get("/api/v1/profile", &rebuilt).await.expect(200);
    world
        .get("/api/v1/profile", &genuine.token)
        .await
        .expect(200);
}
