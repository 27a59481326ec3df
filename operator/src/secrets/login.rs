//! The login in the URL of a database or of Redis.
//!
//! Owns reading it and putting another in its place. The text is spliced and not parsed into parts, so
//! that no copy of a password is left in memory that nobody overwrites (I-04).

use erpgo_secret_set::Secret;

use super::error::SecretsError;
use super::generate;

/// A URL without a login in its authority, or with one in its query, where it would win.
const NO_LOGIN: &str = "the URL has no login of the form //user:password@: two logins cannot take turns \
                        with it";

struct Parts<'a> {
    scheme: &'a str,
    user: &'a str,
    password: &'a str,
    rest: &'a str,
}

fn parts(url: &Secret) -> Option<Parts<'_>> {
    let (scheme, rest) = url.expose_secret().split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let at = rest.get(..end)?.rfind('@')?;
    let (login, rest) = rest.split_at(at);
    let (user, password) = login.split_once(':')?;
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let overrides = |pair: &str| pair.starts_with("user=") || pair.starts_with("password=");
    (!query.split('&').any(overrides)).then_some(Parts {
        scheme,
        user,
        password,
        rest,
    })
}

/// Whom `url` logs in as.
#[must_use]
pub fn user(url: &Secret) -> Option<String> {
    parts(url).map(|parts| parts.user.to_owned())
}

/// The password in `url`, as it stands there: those that this operator drew need no escapes.
pub(super) fn password(url: &Secret) -> Option<Secret> {
    parts(url).map(|parts| Secret::new(parts.password.to_owned()))
}

/// `url` with `login` and a password of 256 random bits as its login.
///
/// # Errors
/// When the system has no randomness, or `url` has no login to be replaced.
pub fn with_new_password(url: &Secret, login: &str) -> Result<Secret, SecretsError> {
    let Some(parts) = parts(url) else {
        return Err(SecretsError::Invalid {
            reasons: vec![NO_LOGIN.into()],
        });
    };
    let password = generate::token()?;
    let pieces = [
        parts.scheme,
        "://",
        login,
        ":",
        password.expose_secret(),
        parts.rest,
    ];
    // Exact capacity: growing would leave copies of the value behind.
    let mut text = String::with_capacity(pieces.iter().map(|piece| piece.len()).sum());
    for piece in pieces {
        text.push_str(piece);
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Secret {
        Secret::new(text.into())
    }

    #[test]
    fn only_the_login_is_replaced() {
        for (from, before, after) in [
            (
                "postgres://erp_a:p@db:5432/erp",
                "postgres://erp_b:",
                "@db:5432/erp",
            ),
            (
                "postgresql://u:a%40b@[::1]/d?sslmode=verify-full",
                "postgresql://erp_b:",
                "@[::1]/d?sslmode=verify-full",
            ),
            ("postgres://u:a@b@h", "postgres://erp_b:", "@h"),
            ("redis://:p@cache:6379/0", "redis://erp_b:", "@cache:6379/0"),
            (
                "rediss://erp_a:p@[::1]/0?protocol=resp3#insecure",
                "rediss://erp_b:",
                "@[::1]/0?protocol=resp3#insecure",
            ),
        ] {
            let made = with_new_password(&url(from), "erp_b").unwrap();
            let text = made.expose_secret();
            assert!(text.starts_with(before) && text.ends_with(after), "{from}");
            let drawn = password(&made).unwrap();
            assert_eq!(drawn.len(), 43);
            assert_eq!(text.len(), before.len() + drawn.len() + after.len());
            assert_eq!(user(&made).unwrap(), "erp_b");
            let again = with_new_password(&url(from), "erp_b").unwrap();
            assert!(!again.ct_eq(text.as_bytes()), "the same password twice");
        }
    }

    #[test]
    fn a_url_whose_login_is_elsewhere_is_refused_and_not_shown() {
        for text in [
            "postgres://db/erp",
            "postgres://canary@db/erp",
            "postgres://a:canary@db/erp?sslmode=require&user=other",
            "postgres://a:canary@db/erp?password=canary",
            "canary",
            "postgres://db/erp@canary:x",
            "redis://cache:6379/0",
            "redis://canary@cache:6379/0",
        ] {
            assert_eq!(user(&url(text)), None, "{text}");
            let Err(error) = with_new_password(&url(text), "erp_b") else {
                panic!("taken: {text}");
            };
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }
}
