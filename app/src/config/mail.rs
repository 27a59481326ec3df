//! Settings of outgoing mail.
//!
//! Owns [`MailSettings`]. The server's credentials are two files in a directory, never a setting (I-04).

use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use url::Url;

use super::reader::Reader;

/// Outgoing mail.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// Where mail is handed in; without one, mails wait in the outbox.
    pub server: Option<SmtpServer>,
    /// Directory with the files `username` and `password`; without one, no authentication.
    pub credentials_dir: Option<PathBuf>,
    /// The sender.
    pub from: Mailbox,
    /// Where the links in mails lead; without one they carry a code alone.
    pub public_url: Option<Url>,
    /// Longest time that a try may take.
    pub timeout: Duration,
    /// Wait before the second try; the third one waits four times as long.
    pub retry_after: Duration,
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpServer {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How it is spoken to.
    pub encryption: Encryption,
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// TLS from the first byte (`smtps://`).
    Tls,
    /// STARTTLS, required (`smtp://`).
    StartTls,
    /// In clear (`smtp://…?tls=none`), for a server on the same host.
    None,
}

const SENDER: &str = "ERPGo <erpgo@localhost>";
const FORM: &str = "must be smtps://host:port or smtp://host:port (STARTTLS), without credentials; \
                    ?tls=none speaks in clear";

impl MailSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            server: server(reader),
            credentials_dir: reader.optional("mail.credentials_dir", "a directory"),
            from: sender(reader),
            public_url: public_url(reader),
            timeout: reader.duration("mail.timeout", 20, 1..=60),
            retry_after: reader.duration("mail.retry_after", 30, 0..=3_600),
        }
    }
}

fn server(reader: &mut Reader) -> Option<SmtpServer> {
    // Read as text: a fault must not quote a URL that may hold a password.
    let text: String = reader.optional("mail.smtp_url", "a URL")?;
    let server = text.parse().ok().as_ref().and_then(understand);
    if server.is_none() {
        reader.fault("mail.smtp_url", FORM);
    }
    server
}

fn understand(url: &Url) -> Option<SmtpServer> {
    let plain = url.username().is_empty() && url.password().is_none();
    let place = matches!(url.path(), "" | "/") && url.fragment().is_none();
    let (encryption, port) = match (url.scheme(), url.query()) {
        ("smtps", None) => (Encryption::Tls, 465),
        ("smtp", None | Some("tls=required")) => (Encryption::StartTls, 587),
        ("smtp", Some("tls=none")) => (Encryption::None, 25),
        _ => return None,
    };
    let host = url.host_str().filter(|_| plain && place)?;
    Some(SmtpServer {
        host: host.to_owned(),
        port: url.port().unwrap_or(port),
        encryption,
    })
}

fn sender(reader: &mut Reader) -> Mailbox {
    let text = reader.text("mail.from", SENDER);
    match text.parse() {
        Ok(sender) => sender,
        Err(_) => {
            reader.fault(
                "mail.from",
                "must be a sender such as ERPGo <erp@example.org>",
            );
            nobody()
        }
    }
}

// Never sent from: the fault beside it ends the start.
#[expect(clippy::expect_used, reason = "the test below parses it")]
fn nobody() -> Mailbox {
    SENDER.parse().expect("the default sender is an address")
}

fn public_url(reader: &mut Reader) -> Option<Url> {
    const RULE: &str = "must be an http or https URL such as https://erp.example.org/";
    let url: Url = reader.optional("mail.public_url", "a URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        reader.fault("mail.public_url", RULE);
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_sender_is_an_address() {
        assert_eq!(nobody().email.to_string(), "erpgo@localhost");
    }

    #[test]
    fn a_server_is_spoken_to_by_tls_unless_told_otherwise() {
        let read = |text: &str| understand(&text.parse().unwrap());
        let server = |host: &str, port, encryption| {
            Some(SmtpServer {
                host: host.to_owned(),
                port,
                encryption,
            })
        };
        let table = [
            (
                "smtps://mx.example.org",
                server("mx.example.org", 465, Encryption::Tls),
            ),
            (
                "smtp://mx.example.org",
                server("mx.example.org", 587, Encryption::StartTls),
            ),
            ("smtp://mx:2525/", server("mx", 2525, Encryption::StartTls)),
            (
                "smtp://127.0.0.1?tls=none",
                server("127.0.0.1", 25, Encryption::None),
            ),
            ("smtps://mx?tls=none", None),
            ("smtp://mx?tls=opportunistic", None),
            ("smtp://ann:secret@mx", None),
            ("smtp://ann@mx", None),
            ("https://mx", None),
            ("smtp://mx/path", None),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
