//! Codes of an authenticator app (RFC 6238): six digits, 30 seconds, HMAC-SHA-1.
//!
//! Owns what this program takes from the algorithm's many choices: those that every app knows. A code of
//! the step before or after is taken, for clocks that differ.

use jiff::Timestamp;
use totp_rs::{Builder, Secret, Totp};
use url::form_urlencoded::byte_serialize;

use crate::error::{Error, Result};

/// As long as the hash, as RFC 4226 asks.
pub(super) const SECRET_BYTES: usize = 20;
/// What apps show beside the account.
const ISSUER: &str = "ERPGo";

fn totp(secret: &[u8]) -> Result<Totp> {
    Builder::new()
        .with_secret(Secret::from(secret.to_vec()))
        .build()
        .map_err(|error| Error::internal("use a second factor", error.to_string()))
}

/// The step of which `code` is, near `now`.
pub(super) fn matching_step(secret: &[u8], code: &str, now: Timestamp) -> Result<Option<i64>> {
    let Ok(seconds) = u64::try_from(now.as_second()) else {
        return Ok(None);
    };
    let digits = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return Ok(None);
    }
    let step = totp(secret)?.check(code, seconds);
    Ok(step.and_then(|step| i64::try_from(step).ok()))
}

/// The secret as people type it, and the URL that apps read from a QR code.
pub(super) fn enrolment(secret: &[u8], account: &str) -> (String, String) {
    let text = Secret::from(secret.to_vec()).to_base32();
    let account: String = byte_serialize(account.as_bytes()).collect();
    let url = format!("otpauth://totp/{ISSUER}:{account}?secret={text}&issuer={ISSUER}");
    (text, url)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RFC: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = matching_step(RFC, code, at(seconds)).unwrap();
            assert_eq!(step, Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_one_step_early_or_late_and_no_more() {
        let code = "005924";
        let step = 1_234_567_890 / 30;
        for (steps, good) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let found = matching_step(RFC, code, at((step + steps) * 30)).unwrap();
            assert_eq!(found, good.then_some(step), "{steps}");
        }
    }

    #[test]
    fn what_is_no_code_matches_nothing() {
        for text in [
            "",
            "00592",
            "0059240",
            "005 924",
            "00592a",
            "٠٠٥٩٢٤",
            "-05924",
        ] {
            assert_eq!(
                matching_step(RFC, text, at(1_234_567_890)).unwrap(),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn an_app_can_read_the_url() {
        let (text, url) = enrolment(RFC, "ann@example.org");
        assert_eq!(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            url,
            format!("otpauth://totp/ERPGo:ann%40example.org?secret={text}&issuer=ERPGo")
        );
    }
}
