//! Settings of requests and responses.
//!
//! Owns [`HttpSettings`], [`CorsSettings`] and [`TrustedProxies`]; bounds every body and time (I-12).

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use super::reader::Reader;

/// Requests and responses.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Largest body that is read, in bytes.
    pub body_limit: usize,
    /// Longest time that a request may take.
    pub request_timeout: Duration,
    /// Most connections at once; the next one waits in the kernel's queue.
    pub max_connections: usize,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// Whether responses carry Strict-Transport-Security.
    pub hsts: bool,
}

/// Cross-origin requests; none are allowed unless an origin is named.
#[derive(Clone, Debug, Default)]
pub struct CorsSettings {
    /// Origins such as `https://shop.example`.
    pub allowed_origins: Vec<http::HeaderValue>,
}

/// Networks whose forwarding headers are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<Network>);

#[derive(Clone, Debug)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

impl HttpSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let networks = reader.list(
            "http.trusted_proxies",
            "an address or network such as 10.0.0.0/8",
        );
        Self {
            // Twice the longest way to write the largest valid body: every connection may hold one.
            body_limit: reader.number("http.body_limit", 131_072, 1_024..=67_108_864),
            request_timeout: reader.duration("http.request_timeout", 30, 1..=300),
            max_connections: reader.number("http.max_connections", 1_024, 1..=65_536),
            trusted_proxies: TrustedProxies(networks),
            hsts: reader.flag("http.hsts", true),
        }
    }
}

impl CorsSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let origins: Vec<Origin> = reader.list(
            "cors.allowed_origins",
            "an origin such as https://shop.example",
        );
        Self {
            allowed_origins: origins.into_iter().map(|origin| origin.0).collect(),
        }
    }
}

struct Origin(http::HeaderValue);

impl FromStr for Origin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = url::Url::parse(text).map_err(drop)?;
        let plain = url.origin().ascii_serialization() == text;
        if !plain || !matches!(url.scheme(), "http" | "https") {
            return Err(());
        }
        http::HeaderValue::from_str(text).map(Self).map_err(drop)
    }
}

impl TrustedProxies {
    /// Whether `address` lies in one of the networks.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0
            .iter()
            .any(|network| network.contains(address.to_canonical()))
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                same_prefix(a.to_bits().into(), b.to_bits().into(), 32, self.prefix)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                same_prefix(a.to_bits(), b.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

fn same_prefix(a: u128, b: u128, width: u8, prefix: u8) -> bool {
    (a ^ b).checked_shr(u32::from(width - prefix)).unwrap_or(0) == 0
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(drop)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(text) => text.parse().map_err(drop)?,
            None => width,
        };
        // Whoever comes from a mapped address of IPv4 is known by that of IPv4.
        let somebody_comes = prefix <= width && address == address.to_canonical();
        somebody_comes.then_some(Self { address, prefix }).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_own_addresses_and_no_other() {
        let table = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
        ];
        for (network, address, expected) in table {
            let proxies = TrustedProxies(vec![network.parse().unwrap()]);
            assert_eq!(
                proxies.contain(address.parse().unwrap()),
                expected,
                "{network} {address}"
            );
        }
        for bad in [
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "x",
            "10.0.0.0/-1",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_alone() {
        for good in ["https://shop.example", "http://localhost:3000"] {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for bad in [
            "*",
            "https://shop.example/",
            "shop.example",
            "file:///x",
            "https://a b",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
