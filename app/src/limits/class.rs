//! Which limit a request falls under.
//!
//! Owns [`Class`], found from method and route alone, so that it is known before anybody is.

use http::Method;

/// What a route costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Everything there is of somebody or something, in one answer.
    Export,
    /// Guesses at a password or code; counted by [`super::LoginLimits`], which knows the name tried.
    SignIn,
}

/// Whoever may call these may guess.
const SIGN_IN: [&str; 4] = [
    "/api/v1/auth/login",
    "/api/v1/auth/login/second-factor",
    "/api/v1/auth/forgot-password",
    "/api/v1/auth/reset-password",
];

impl Class {
    /// The class of `method` on `route`, a template; nothing for probes, which are never refused.
    #[must_use]
    pub fn of(method: &Method, route: &str) -> Option<Self> {
        if route.starts_with("/health/") {
            return None;
        }
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        Some(match (reads, route) {
            (false, route) if SIGN_IN.contains(&route) => Self::SignIn,
            (true, route) if route.ends_with("/export") => Self::Export,
            (true, _) => Self::Read,
            (false, _) => Self::Write,
        })
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Export => "export",
            Self::SignIn => "sign-in",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_the_class_of_what_it_does() {
        let table = [
            (Method::GET, "/health/ready", None),
            (Method::GET, "/api/v1/products", Some(Class::Read)),
            (Method::GET, "/api/docs", Some(Class::Read)),
            (Method::POST, "/api/v1/products", Some(Class::Write)),
            (Method::POST, "/api/v1/auth/refresh", Some(Class::Write)),
            (Method::POST, "/api/v1/auth/login", Some(Class::SignIn)),
            (Method::GET, "/api/v1/auth/login", Some(Class::Read)),
            (
                Method::GET,
                "/api/v1/users/{id}/export",
                Some(Class::Export),
            ),
            (Method::GET, "unmatched", Some(Class::Read)),
        ];
        for (method, route, expected) in table {
            assert_eq!(Class::of(&method, route), expected, "{method} {route}");
        }
    }

    // A route that is renamed must not fall out of its class.
    #[test]
    fn every_route_of_sign_in_is_one_of_the_document() {
        let document = crate::router::document();
        for route in SIGN_IN {
            assert!(document.paths.paths.contains_key(route), "{route}");
        }
    }
}
