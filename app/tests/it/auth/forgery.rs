//! Tokens that are not ours, or not what they are presented as (R10.2).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use erpgo::auth::token::{self, Claims, Kind, Subject};
use erpgo::users::{SessionId, TokenId, UserId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::world::{ADMIN, World, access};

struct Forge {
    claims: Value,
    kid: String,
    secret: Vec<u8>,
}

impl Forge {
    async fn new(world: &World) -> Self {
        let answer = world.signed_in(ADMIN).await;
        let set = world.state.keyring.current();
        let token = access(&answer);
        let claims = token.split('.').nth(1).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(claims).unwrap();
        Self {
            claims: serde_json::from_slice(&claims).unwrap(),
            kid: set.keys.jwt.current.kid.to_string(),
            secret: set
                .keys
                .jwt
                .current
                .value
                .expose_secret()
                .as_bytes()
                .to_vec(),
        }
    }

    fn header(&self) -> Header {
        Header {
            typ: Some("at+jwt".into()),
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::HS256)
        }
    }

    fn sign(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(&self.secret)).unwrap()
    }

    fn with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        self.sign(&self.header(), &claims)
    }

    fn without(&self, name: &str) -> String {
        let mut claims = self.claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        self.sign(&self.header(), &claims)
    }

    fn unsigned(&self) -> String {
        let header = json!({"alg": "none", "typ": "at+jwt", "kid": self.kid});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(&header), part(&self.claims))
    }

    fn resigned(&self, header: Header, secret: &[u8]) -> String {
        jsonwebtoken::encode(&header, &self.claims, &EncodingKey::from_secret(secret)).unwrap()
    }
}

#[tokio::test]
async fn r10_2_every_forgery_is_refused_and_the_original_is_not() {
    let world = World::new().await;
    let forge = Forge::new(&world).await;
    let now = jiff::Timestamp::now().as_second();
    let genuine = forge.sign(&forge.header(), &forge.claims);
    let refresh = world.signed_in(ADMIN).await["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = |typ: &str| Header {
        typ: Some(typ.into()),
        ..forge.header()
    };
    let table = [
        ("empty", "x".to_owned(), "TOKEN_INVALID"),
        ("two parts", "a.b".to_owned(), "TOKEN_INVALID"),
        ("huge", "a".repeat(5_000), "TOKEN_INVALID"),
        ("alg none", forge.unsigned(), "TOKEN_INVALID"),
        (
            "signature cut",
            genuine[..genuine.len() - 2].to_owned(),
            "TOKEN_INVALID",
        ),
        (
            "other secret",
            forge.resigned(forge.header(), &[7; 64]),
            "TOKEN_INVALID",
        ),
        (
            "HS384",
            forge.resigned(
                Header {
                    alg: Algorithm::HS384,
                    ..forge.header()
                },
                &forge.secret,
            ),
            "TOKEN_INVALID",
        ),
        (
            "HS512",
            forge.resigned(
                Header {
                    alg: Algorithm::HS512,
                    ..forge.header()
                },
                &forge.secret,
            ),
            "TOKEN_INVALID",
        ),
        (
            "no kid",
            forge.resigned(
                Header {
                    kid: None,
                    ..forge.header()
                },
                &forge.secret,
            ),
            "TOKEN_INVALID",
        ),
        (
            "unknown kid",
            forge.resigned(
                Header {
                    kid: Some("jwt-9".into()),
                    ..forge.header()
                },
                &forge.secret,
            ),
            "TOKEN_INVALID",
        ),
        (
            "kid of the refresh key",
            forge.resigned(
                Header {
                    kid: Some("refresh-1".into()),
                    ..forge.header()
                },
                &forge.secret,
            ),
            "TOKEN_INVALID",
        ),
        (
            "kid that climbs",
            forge.resigned(
                Header {
                    kid: Some("../jwt.current".into()),
                    ..forge.header()
                },
                &forge.secret,
            ),
            "TOKEN_INVALID",
        ),
        (
            "typ JWT",
            forge.sign(&other("JWT"), &forge.claims),
            "TOKEN_INVALID",
        ),
        (
            "typ of a refresh token",
            forge.sign(&other("rt+jwt"), &forge.claims),
            "TOKEN_INVALID",
        ),
        (
            "critical extension",
            forge.sign(
                &Header {
                    crit: Some(vec!["exp".into()]),
                    ..forge.header()
                },
                &forge.claims,
            ),
            "TOKEN_INVALID",
        ),
        ("a refresh token", refresh, "TOKEN_INVALID"),
        (
            "other audience",
            forge.with("aud", json!("erpgo-refresh")),
            "TOKEN_INVALID",
        ),
        ("no audience", forge.without("aud"), "TOKEN_INVALID"),
        (
            "other issuer",
            forge.with("iss", json!("somebody")),
            "TOKEN_INVALID",
        ),
        ("no issuer", forge.without("iss"), "TOKEN_INVALID"),
        (
            "expired",
            forge.with("exp", json!(now - 1)),
            "TOKEN_EXPIRED",
        ),
        ("no expiry", forge.without("exp"), "TOKEN_INVALID"),
        (
            "expiry as text",
            forge.with("exp", json!("tomorrow")),
            "TOKEN_INVALID",
        ),
        (
            "not yet",
            forge.with("nbf", json!(now + 600)),
            "TOKEN_INVALID",
        ),
        ("no subject", forge.without("sub"), "TOKEN_INVALID"),
        (
            "subject is no id",
            forge.with("sub", json!("admin")),
            "TOKEN_INVALID",
        ),
        ("no session", forge.without("sid"), "TOKEN_INVALID"),
        (
            "another user's id",
            forge.with("sub", json!(UserId::new())),
            "TOKEN_REVOKED",
        ),
        (
            "session of nobody",
            forge.with("sid", json!(SessionId::new())),
            "TOKEN_REVOKED",
        ),
    ];
    for (what, forged, code) in table {
        let answer = world.get("/api/v1/profile", &forged).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            (401, code),
            "{what}: {}",
            answer.text
        );
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert_eq!(challenge, "Bearer error=\"invalid_token\"", "{what}");
    }
    world.get("/api/v1/profile", &genuine).await.expect(200);
}

#[tokio::test]
async fn an_access_token_is_no_refresh_token() {
    let world = World::new().await;
    let token = world.admin().await;
    world.refresh(&token).await.refused(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn no_token_at_all_is_answered_with_a_bare_challenge() {
    let world = World::new().await;
    let answer = world.get("/api/v1/profile", "").await;
    answer.refused(401, "UNAUTHORIZED");
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn r01_5_current_next_and_previous_kids_are_all_accepted_and_a_retired_one_is_not() {
    let world = World::new().await;
    let old = world.admin().await;
    let mut document = crate::world::document(&world.database.url(), None);
    let set = world.state.keyring.current();
    // Promote: the old key becomes the previous one.
    let mut fresh = document.keys.jwt.current;
    fresh.kid = "jwt-2".to_owned().try_into().unwrap();
    document.keys.jwt = erpgo_secret_set::RotatingKey {
        current: fresh,
        next: None,
        previous: Some(crate::world::version(&set.keys.jwt.current)),
    };
    document.keys.refresh.current = crate::world::version(&set.keys.refresh.current);
    document.keys.pepper.current = crate::world::version(&set.keys.pepper.current);
    world.state.keyring.replace(crate::world::set(document));
    world.get("/api/v1/profile", &old).await.expect(200);
    let new = world.admin().await;
    let header = jsonwebtoken::decode_header(&new).unwrap();
    assert_eq!(header.kid.as_deref(), Some("jwt-2"));

    // Retire: only the new key is left.
    let set = world.state.keyring.current();
    let mut document = crate::world::document(&world.database.url(), None);
    document.keys.jwt.current = crate::world::version(&set.keys.jwt.current);
    document.keys.refresh.current = crate::world::version(&set.keys.refresh.current);
    document.keys.pepper.current = crate::world::version(&set.keys.pepper.current);
    world.state.keyring.replace(crate::world::set(document));
    world
        .get("/api/v1/profile", &old)
        .await
        .refused(401, "TOKEN_INVALID");
    world.get("/api/v1/profile", &new).await.expect(200);
}

#[tokio::test]
async fn a_previous_key_is_refused_once_its_own_end_has_passed() {
    let world = World::new().await;
    let old = world.admin().await;
    let set = world.state.keyring.current();
    let mut document = crate::world::document(&world.database.url(), None);
    document.keys.jwt.current.kid = "jwt-2".to_owned().try_into().unwrap();
    let mut previous = crate::world::version(&set.keys.jwt.current);
    previous.not_after = Some(jiff::Timestamp::now() - Duration::from_secs(1));
    document.keys.jwt.previous = Some(previous);
    world.state.keyring.replace(crate::world::set(document));
    world
        .get("/api/v1/profile", &old)
        .await
        .refused(401, "TOKEN_INVALID");
}

#[tokio::test]
async fn a_token_says_nothing_but_ids_and_times() {
    let world = World::new().await;
    let set = world.state.keyring.current();
    let subject = Subject {
        user: UserId::new(),
        session: SessionId::new(),
    };
    let claims = Claims::new(
        Kind::Access,
        "erpgo",
        subject,
        jiff::Timestamp::now(),
        Duration::from_secs(60),
    );
    let issued = token::issue(Kind::Access, &set, claims).unwrap();
    let value = serde_json::to_value(&issued.claims).unwrap();
    let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["aud", "exp", "iat", "iss", "jti", "sid", "sub"]);
    assert_ne!(issued.claims.jti, TokenId::new());
}
