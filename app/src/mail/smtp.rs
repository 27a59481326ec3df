//! The one place that speaks SMTP.
//!
//! Owns [`Smtp`] and [`SendError`], and a span around each mail (R12.3). TLS is required unless the settings
//! say `tls=none`; credentials are read from files at each connection, so that they can be rotated, and
//! are in no error and no span, and neither is an address (I-04).

use std::path::Path;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tracing::{Instrument as _, field};
use uuid::Uuid;

use super::compose::Composed;
use crate::config::{Encryption, MailSettings, SmtpServer};

/// A username or password is not longer.
const MAX_BYTES: u64 = 4_096;

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The files with the credentials cannot be read, or TLS cannot be set up.
    #[error("the mail server cannot be used as it is set up")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The mail cannot be written; another try changes nothing.
    #[error("the mail cannot be written")]
    Unwritable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server will not take this mail, now or later.
    #[error("the mail server refuses the mail (status {0})")]
    Refused(String),
    /// The server is away, or does not want to now.
    #[error("the mail server cannot be reached")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("the mail server did not answer in time")]
    Deadline,
}

impl SendError {
    /// Whether the mail, not the server, is at fault.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Unwritable(_) | Self::Refused(_))
    }
}

/// A mail server and how to use it.
pub(super) struct Smtp<'a> {
    server: &'a SmtpServer,
    settings: &'a MailSettings,
}

impl<'a> Smtp<'a> {
    /// Nothing when no server is set.
    pub(super) fn new(settings: &'a MailSettings) -> Option<Self> {
        let server = settings.server.as_ref()?;
        Some(Self { server, settings })
    }

    /// Sends, within the deadline.
    pub(super) async fn send(&self, id: Uuid, mail: &Composed) -> Result<(), SendError> {
        let span = tracing::info_span!(
            "smtp.client",
            otel.kind = "client",
            otel.status_code = field::Empty,
            peer.service = "smtp",
            mail_id = %id,
        );
        let sent = self.hand_in(id, mail).instrument(span.clone()).await;
        if sent.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        sent
    }

    async fn hand_in(&self, id: Uuid, mail: &Composed) -> Result<(), SendError> {
        let message = self.message(id, mail)?;
        let transport = self.transport()?;
        let sent = tokio::time::timeout(self.settings.timeout, transport.send(message));
        match sent.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_permanent() => {
                let status = error.status().map(|status| status.to_string());
                Err(SendError::Refused(status.unwrap_or_default()))
            }
            Ok(Err(error)) => Err(SendError::Away(Box::new(error))),
            Err(_) => Err(SendError::Deadline),
        }
    }

    fn message(&self, id: Uuid, mail: &Composed) -> Result<Message, SendError> {
        let to: Mailbox = mail.to.parse().map_err(unwritable)?;
        let domain = self.settings.from.email.domain();
        Message::builder()
            .from(self.settings.from.clone())
            .to(to)
            .subject(mail.letter.subject)
            // The same at every try: whoever gets two copies can tell.
            .message_id(Some(format!("<{id}@{domain}>")))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.letter.body.clone())
            .map_err(unwritable)
    }

    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, SendError> {
        let parameters = || TlsParameters::new(self.server.host.clone()).map_err(setup);
        let tls = match self.server.encryption {
            Encryption::None => Tls::None,
            Encryption::StartTls => Tls::Required(parameters()?),
            Encryption::Tls => Tls::Wrapper(parameters()?),
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.server.host)
            .port(self.server.port)
            .tls(tls)
            .timeout(Some(half(self.settings.timeout)));
        let Some(directory) = &self.settings.credentials_dir else {
            return Ok(builder.build());
        };
        let credentials = Credentials::new(
            read(&directory.join("username"))?,
            read(&directory.join("password"))?,
        );
        Ok(builder.credentials(credentials).build())
    }
}

// For each command; the whole has the deadline.
fn half(timeout: Duration) -> Duration {
    timeout / 2
}

fn read(path: &Path) -> Result<String, SendError> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
        .map_err(setup)?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

fn setup(error: impl std::error::Error + Send + Sync + 'static) -> SendError {
    SendError::Setup(Box::new(error))
}

fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> SendError {
    SendError::Unwritable(Box::new(error))
}
