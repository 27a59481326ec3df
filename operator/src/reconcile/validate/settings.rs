//! Rules for the settings of the API.
//!
//! Owns [`check`]: what passes it the API takes, which does not start with a setting that it refuses.

use std::net::IpAddr;

use erpgo_crds::{Cors, Http, LoginLimits, RequestLimits, Settings};

use super::faults::Faults;

const FIELD: &str = "spec.settings";

pub(super) fn check(settings: &Settings, faults: &mut Faults) {
    login_limits(&settings.login_limits, faults);
    request_limits(&settings.request_limits, faults);
    cors(&settings.cors, faults);
    http(&settings.http, faults);
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

fn http(http: &Http, faults: &mut Faults) {
    for (index, proxy) in http.trusted_proxies.iter().enumerate() {
        faults.unless(
            is_network(proxy),
            &format!("{FIELD}.http.trustedProxies[{index}]"),
            "is neither an address nor a network: write one such as 10.244.0.0/16, and IPv4 without \
             ::ffff: before it",
        );
    }
    for (name, value, least, most) in [
        ("maxBodyBytes", http.max_body_bytes, 1_024, 67_108_864),
        (
            "requestTimeoutSeconds",
            http.request_timeout_seconds,
            1,
            300,
        ),
        ("maxConnections", http.max_connections, 1, 65_536),
    ] {
        let field = format!("{FIELD}.http.{name}");
        faults.range(&field, value.unwrap_or(least), least, most);
    }
}

// As the API server judges it, and the app: from a mapped address of IPv4 nobody comes.
fn is_network(text: &str) -> bool {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    address == address.to_canonical() && length.is_none_or(|length| is_length(length, most))
}

fn is_length(text: &str, most: u8) -> bool {
    let length = text.parse::<u8>().ok();
    length.is_some_and(|length| length <= most && length.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields at fault.
    fn fields(settings: &Settings) -> Vec<String> {
        let mut faults = Faults::default();
        check(settings, &mut faults);
        let faults = faults.into_list().into_iter();
        faults.map(|fault| fault.field).collect()
    }

    #[test]
    fn addresses_and_networks_are_proxies_and_nothing_else_is() {
        for good in [
            "192.0.2.7",
            "0.0.0.0/0",
            "10.244.0.0/16",
            "10.1.2.3/8",
            "192.0.2.7/32",
            "::1",
            "::/0",
            "fd00::/8",
            "2001:DB8::1/128",
            "64:ff9b::192.0.2.33",
        ] {
            assert!(is_network(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "proxy.example.com",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "010.0.0.0/8",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/",
            "10.0.0.0/8/8",
            "10.0.0.0/255.0.0.0",
            "10.0.0.1:8080",
            "[::1]",
            "fe80::1%eth0",
            " 10.0.0.1",
            "10.0.0.1,10.0.0.2",
            "::ffff:10.0.0.1",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(!is_network(bad), "{bad}");
        }
    }

    #[test]
    fn each_origin_and_proxy_at_fault_is_named_by_its_place() {
        let texts = |list: [&str; 2]| list.map(str::to_owned).to_vec();
        let mut settings = Settings::default();
        settings.cors.allowed_origins = texts(["https://erp.example.com", "http://localhost:3000"]);
        settings.http.trusted_proxies = texts(["10.244.0.0/16", "::1"]);
        assert_eq!(fields(&settings), Vec::<String>::new());
        settings.cors.allowed_origins = texts(["https://erp.example.com", "https://shop/"]);
        settings.http.trusted_proxies = texts(["ingress", "::1"]);
        let at_fault = [
            "spec.settings.cors.allowedOrigins[1]",
            "spec.settings.http.trustedProxies[0]",
        ];
        assert_eq!(fields(&settings), at_fault);
    }
}
