//! What mails say, in plain text.
//!
//! Owns [`write`] (pure). A token stands in its own line, so that it can be copied without a link.

use url::Url;

use super::Message;

/// Subject and body.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) subject: &'static str,
    pub(super) body: String,
}

/// Writes `message`; `token` is what it proves with, `site` where the links lead.
pub(super) fn write(message: &Message, token: Option<&str>, site: Option<&Url>) -> Letter {
    let (subject, body) = match message {
        Message::PasswordReset => (
            "Set a new password",
            format!(
                "Somebody asked to set a new password for your account.\n\n{}\n\
                 This works once, for 30 minutes. If it was not you, ignore this mail: nothing has \
                 changed.\n",
                proof("reset-password", token, site)
            ),
        ),
        Message::PasswordChanged => (
            "Your password was changed",
            "The password of your account was changed, and every other sign-in was ended.\n\n\
             If it was not you, set a new password at once and tell your administrator.\n"
                .to_owned(),
        ),
        Message::EmailVerification => (
            "Confirm your e-mail address",
            format!(
                "Confirm that this address is yours.\n\n{}\n\
                 This works once, for 24 hours. If you know nothing of it, ignore this mail.\n",
                proof("verify-email", token, site)
            ),
        ),
        Message::EmailChanged => (
            "The e-mail address of your account was changed",
            "Your account has another e-mail address now: no more mails about it come to this one.\n\n\
             If you know nothing of it, tell your administrator at once.\n"
                .to_owned(),
        ),
        Message::Lockout { unlock_at, address } => (
            "Sign-in to your account is paused",
            format!(
                "Too many sign-ins to your account have failed, the last one from {address}.\n\
                 Sign-in opens again at {unlock_at}.\n\n\
                 If it was not you, your password is being guessed: choose a long one, and switch the \
                 second factor on.\n"
            ),
        ),
        Message::SecondFactor { enabled } => (
            "Your second factor was changed",
            format!(
                "The second factor of your account was switched {}.\n\n\
                 If it was not you, change your password at once and tell your administrator.\n",
                if *enabled { "on" } else { "off" }
            ),
        ),
    };
    Letter { subject, body }
}

fn proof(page: &str, token: Option<&str>, site: Option<&Url>) -> String {
    let token = token.unwrap_or_default();
    let link = site.and_then(|site| {
        let mut link = site.join(page).ok()?;
        // In the fragment: it reaches neither the server's log nor a Referer.
        link.set_fragment(Some(&format!("token={token}")));
        Some(link)
    });
    match link {
        Some(link) => format!("{link}\n\nOr enter this code:\n{token}\n"),
        None => format!("Enter this code:\n{token}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_carries_the_token_where_no_server_logs_it() {
        let site: Url = "https://shop.example/erp/".parse().unwrap();
        let letter = write(&Message::PasswordReset, Some("t0ken"), Some(&site));
        assert!(
            letter
                .body
                .contains("https://shop.example/erp/reset-password#token=t0ken\n")
        );
        let letter = write(&Message::EmailVerification, Some("t0ken"), None);
        assert!(letter.body.contains("\nt0ken\n") && !letter.body.contains("http"));
    }

    #[test]
    fn r05_3_the_notice_of_a_lock_says_when_it_opens() {
        let unlock_at = "2026-01-01T10:15:00Z".parse().unwrap();
        let address = "192.0.2.7".to_owned();
        let letter = write(&Message::Lockout { unlock_at, address }, None, None);
        assert!(letter.body.contains("2026-01-01T10:15:00Z") && letter.body.contains("192.0.2.7"));
    }
}
