//! Rules for outgoing mail.
//!
//! Owns [`check`]: a server without credentials in its URL, none sent in clear, a sender that is one.

use erpgo_crds::ErpGoSpec;

use super::faults::Faults;
use super::syntax;

const FIELD: &str = "spec.mail";

pub(super) fn check(spec: &ErpGoSpec, faults: &mut Faults) {
    let Some(mail) = &spec.mail else { return };
    faults.unless(
        is_server(&mail.smtp_url),
        &format!("{FIELD}.smtpUrl"),
        "must be smtps://HOST[:PORT] or smtp://HOST[:PORT] without credentials: they belong into \
         spec.mail.credentialsSecretRef",
    );
    if let Some(secret) = &mail.credentials_secret_ref {
        let field = format!("{FIELD}.credentialsSecretRef");
        syntax::object_name(&format!("{field}.name"), &secret.name, faults);
        faults.unless(
            !mail.smtp_url.ends_with("?tls=none"),
            &field,
            "would be sent in clear: remove ?tls=none from spec.mail.smtpUrl",
        );
    }
    faults.unless(
        is_sender(&mail.from),
        &format!("{FIELD}.from"),
        "must be a sender: write one such as ERP of Example <erp@example.com>",
    );
    let public = mail.public_url.as_deref();
    faults.unless(
        public.is_none_or(is_web),
        &format!("{FIELD}.publicUrl"),
        "must be an http or https URL without credentials: write one such as https://erp.example.com/",
    );
}

// As the API reads it: crates of both sides parse, and neither guesses.
fn is_server(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else {
        return false;
    };
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let host = url.host_str().is_some_and(|host| !host.is_empty());
    let secure = matches!(
        (url.scheme(), url.query()),
        ("smtps", None) | ("smtp", None | Some("tls=required" | "tls=none"))
    );
    bare && host && secure && matches!(url.path(), "" | "/")
}

fn is_sender(text: &str) -> bool {
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    let plain = |part: &str| !part.is_empty() && !part.contains(['<', '>', '@', ' ']);
    text.chars().all(|c| !c.is_control())
        && address
            .split_once('@')
            .is_some_and(|(user, host)| plain(user) && plain(host))
}

fn is_web(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_senders_are_judged_as_the_api_judges_them() {
        for good in [
            "smtps://mx.example.org",
            "smtp://mx:2525/",
            "smtp://127.0.0.1?tls=none",
        ] {
            assert!(is_server(good), "{good}");
        }
        for bad in [
            "smtps://mx?tls=none",
            "smtp://ann:secret@mx",
            "https://mx",
            "smtp://mx/path",
            "mx",
        ] {
            assert!(!is_server(bad), "{bad}");
        }
        for good in ["erp@example.com", "ERP of Example <erp@example.com>"] {
            assert!(is_sender(good), "{good}");
        }
        for bad in [
            "",
            "erp",
            "a@b@c",
            "ERP <erp@example.com",
            "ERP <>",
            "a b@c",
        ] {
            assert!(!is_sender(bad), "{bad}");
        }
    }
}
