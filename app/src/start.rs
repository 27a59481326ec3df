//! What every subcommand that works begins with.
//!
//! Owns telemetry from settings and the first read of the secret set, with the exit code that each
//! failure is worth.

use std::time::{Duration, Instant};

use erpgo_secret_set::SecretSet;
use erpgo_telemetry::{Format, Options, Otlp, Telemetry, TelemetryError};

use crate::cli::{Exit, list_faults};
use crate::config::{LogFormat, Settings};
use crate::secrets::{Source, SourceError};

/// Installs logs and traces; needs a runtime around it.
///
/// # Errors
/// When the exporter cannot be built.
pub fn telemetry(settings: &Settings) -> Result<Telemetry, TelemetryError> {
    let telemetry = erpgo_telemetry::install(&Options {
        service: "erpgo",
        version: crate::VERSION,
        format: match settings.log_format {
            LogFormat::Json => Format::Json,
            LogFormat::Text => Format::Text,
        },
        filter: settings.live.log_level.clone(),
        otlp: settings.tracing.otlp_endpoint.as_ref().map(|url| Otlp {
            endpoint: url.to_string(),
            sample_ratio: settings.tracing.sample_ratio,
        }),
    })?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(telemetry)
}

// Where, and not what: a panic's text may hold whatever was at hand (I-04).
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    tracing::error!(location, "panic");
}

/// Reads the secret set, waiting a while for the sidecar's first one.
///
/// # Errors
/// [`Exit::Config`], after every fault was listed.
pub async fn secret_set(source: &Source, wait: Duration) -> Result<SecretSet, Exit> {
    let begun = Instant::now();
    loop {
        match source.read() {
            Ok(set) => return Ok(set),
            Err(SourceError::Absent(_)) if begun.elapsed() < wait => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => {
                list_faults("the secret set is not valid", &error.faults());
                return Err(Exit::Config);
            }
        }
    }
}

/// What a subcommand that works begins with.
pub struct Begun {
    /// Where the secret set is.
    pub source: Source,
    /// The set as it is there now.
    pub set: SecretSet,
    /// Logs and traces.
    pub telemetry: Telemetry,
}

/// Reads the secret set and installs logs and traces.
///
/// # Errors
/// The exit code, after every fault was listed.
pub async fn begin(settings: &Settings) -> Result<Begun, Exit> {
    let source = Source::choose(&settings.secrets.dir);
    let set = secret_set(&source, settings.secrets.wait).await?;
    let telemetry =
        telemetry(settings).map_err(|error| failed("telemetry cannot be installed", &error))?;
    Ok(Begun {
        source,
        set,
        telemetry,
    })
}

/// Tells why a subcommand goes no further.
pub fn failed(headline: &str, error: &dyn std::error::Error) -> Exit {
    list_faults(headline, &[erpgo_telemetry::chain(error).to_string()]);
    Exit::Failed
}

/// The runtime that a subcommand runs on.
///
/// # Errors
/// [`Exit::Failed`] when the operating system gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime, Exit> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            list_faults("the runtime cannot be started", &[error.to_string()]);
            Exit::Failed
        })
}
