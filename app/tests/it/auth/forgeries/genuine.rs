//! A genuine token, and what is put together from its parts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::Value;

use crate::world::{ADMIN, World, access};

/// What a genuine token is made of.
pub(super) struct Genuine {
    pub(super) token: String,
    pub(super) header: Value,
    pub(super) claims: Value,
    pub(super) secret: Vec<u8>,
    pub(super) refresh_secret: Vec<u8>,
    pub(super) pepper: Vec<u8>,
    pub(super) refresh_token: String,
}

pub(super) fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

pub(super) fn sign_as(
    algorithm: hmac::Algorithm,
    secret: &[u8],
    header: &str,
    claims: &str,
) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

pub(super) fn sign(secret: &[u8], header: &str, claims: &str) -> String {
    sign_as(hmac::HMAC_SHA256, secret, header, claims)
}

impl Genuine {
    pub(super) async fn new(world: &World) -> Self {
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

    pub(super) fn header(&self, name: &str, value: Value) -> String {
        let mut header = self.header.clone();
        header[name] = value;
        header.to_string()
    }

    pub(super) fn without(&self, name: &str) -> String {
        let mut header = self.header.clone();
        header.as_object_mut().unwrap().remove(name);
        header.to_string()
    }

    pub(super) fn claims(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        claims.to_string()
    }

    /// Signed with the right key: only what it says is wrong.
    pub(super) fn signed(&self, header: &str, claims: &str) -> String {
        sign(&self.secret, header, claims)
    }

    pub(super) fn with_header(&self, name: &str, value: Value) -> String {
        self.signed(&self.header(name, value), &self.claims.to_string())
    }

    pub(super) fn with_claim(&self, name: &str, value: Value) -> String {
        self.signed(&self.header.to_string(), &self.claims(name, value))
    }

    pub(super) fn by(&self, secret: &[u8]) -> String {
        sign(secret, &self.header.to_string(), &self.claims.to_string())
    }
}
