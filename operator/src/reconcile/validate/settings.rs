//! Rules for the settings of the API.
//!
//! Owns [`check`]: what passes it the API takes, which does not start with a setting that it refuses.

use erpgo_crds::{Cors, LoginLimits, RequestLimits, Settings};

use super::faults::Faults;

const FIELD: &str = "spec.settings";

pub(super) fn check(settings: &Settings, faults: &mut Faults) {
    login_limits(&settings.login_limits, faults);
    request_limits(&settings.request_limits, faults);
    cors(&settings.cors, faults);
}

fn login_limits(limits: &LoginLimits, faults: &mut Faults) {
    for (name, value, most) in [
        ("attemptsPerAddress", limits.attempts_per_address, 10_000),
        ("windowSeconds", limits.window_seconds.unwrap_or(1), 86_400),
        ("failuresBeforeLock", limits.failures_before_lock, 100),
        ("lockSeconds", limits.lock_seconds.unwrap_or(1), 86_400),
    ] {
        faults.range(&format!("{FIELD}.loginLimits.{name}"), value, 1, most);
    }
}

fn request_limits(limits: &RequestLimits, faults: &mut Faults) {
    for (kind, limit) in [
        ("reads", &limits.reads),
        ("writes", &limits.writes),
        ("exports", &limits.exports),
    ] {
        for (whose, requests) in [
            ("perAddress", limit.per_address),
            ("perUser", limit.per_user),
        ] {
            let field = format!("{FIELD}.requestLimits.{kind}.{whose}");
            faults.range(&field, requests.unwrap_or(0), 0, 10_000_000);
        }
    }
}

fn cors(cors: &Cors, faults: &mut Faults) {
    for (index, origin) in cors.allowed_origins.iter().enumerate() {
        faults.unless(
            is_origin(origin),
            &format!("{FIELD}.cors.allowedOrigins[{index}]"),
            "is no origin: write one such as https://erp.example.com, lower case, without a path, \
             a trailing slash or the scheme's own port",
        );
    }
}

// As browsers send it: the app compares byte for byte.
fn is_origin(origin: &str) -> bool {
    url::Url::parse(origin).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == origin
    })
}
