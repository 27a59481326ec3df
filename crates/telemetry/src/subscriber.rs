//! The process's one subscriber.
//!
//! Owns [`install`] and [`Telemetry`]: format, filter and exporter, and the two things that may
//! happen to them later, a new filter and the last flush.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry, reload};

use crate::ids::Ids;
use crate::line::{Fields, Line};
use crate::unexported::Unexported;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people at a terminal.
    Text,
}

/// Where traces go.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// Base URL of an OTLP/HTTP collector, such as `http://collector:4318`.
    pub endpoint: String,
    /// Share of traces that are kept when the caller did not decide, from 0 to 1.
    pub sample_ratio: f64,
}

/// What to install.
#[derive(Clone, Debug)]
pub struct Options {
    /// `service.name` of the traces.
    pub service: &'static str,
    /// `service.version` of the traces.
    pub version: &'static str,
    /// How lines are written.
    pub format: Format,
    /// Filter directive, such as `info` or `info,erpgo=debug`.
    pub filter: String,
    /// Where traces go; without it none leave the process.
    pub otlp: Option<Otlp>,
}

/// Why telemetry could not be installed or changed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter directive cannot be read.
    #[error("the log filter is not valid: use a level or a list such as info,erpgo=debug")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// The exporter cannot be built.
    #[error("the trace exporter cannot be built")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
    /// A subscriber is installed already.
    #[error("a log subscriber is installed already")]
    Installed(#[source] tracing::subscriber::SetGlobalDefaultError),
    /// The subscriber is gone.
    #[error("the log filter cannot be changed")]
    Reload(#[source] reload::Error),
    /// The last spans did not leave in time.
    #[error("the last spans could not be exported")]
    Flush(#[source] opentelemetry_sdk::error::OTelSdkError),
}

/// Handle on the installed subscriber.
#[derive(Clone)]
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
    provider: SdkTracerProvider,
}

impl Telemetry {
    /// Puts another filter in force (R15.4).
    ///
    /// # Errors
    /// When the directive cannot be read; the old filter then stays.
    pub fn set_filter(&self, directive: &str) -> Result<(), TelemetryError> {
        self.filter
            .reload(parse_filter(directive)?)
            .map_err(TelemetryError::Reload)
    }

    /// Exports what is left and ends the exporter. Blocks: call it where blocking is allowed.
    ///
    /// # Errors
    /// When the collector does not take the spans.
    pub fn shutdown(&self) -> Result<(), TelemetryError> {
        self.provider.shutdown().map_err(TelemetryError::Flush)
    }
}

/// Whether `directive` is a filter.
///
/// # Errors
/// When it is not.
pub fn check_filter(directive: &str) -> Result<(), TelemetryError> {
    parse_filter(directive).map(drop)
}

fn parse_filter(directive: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(directive)
        .map_err(TelemetryError::Filter)
}

/// Builds a subscriber that writes to `writer`, and the handle on it.
///
/// # Errors
/// When the filter or the exporter is not valid.
pub fn build<W>(
    options: &Options,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync, Telemetry), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(parse_filter(&options.filter)?);
    let provider = crate::otlp::provider(options)?;
    let subscriber = Registry::default()
        .with(filter)
        .with(options.otlp.is_none().then_some(Unexported))
        .with(traces(options, &provider))
        .with(lines(options.format, writer));
    let telemetry = Telemetry {
        filter: handle,
        provider,
    };
    Ok((subscriber, telemetry))
}

fn traces<S>(options: &Options, provider: &SdkTracerProvider) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a> + Send + Sync,
{
    if options.otlp.is_none() {
        return Ids.boxed();
    }
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(options.service))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        // Nothing here asks OpenTelemetry for its current context: the current span has it.
        .with_context_activation(false)
        .boxed()
}

fn lines<S, W>(format: Format, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        Format::Text => layer.boxed(),
        Format::Json => layer.fmt_fields(Fields).event_format(Line).boxed(),
    }
}

/// Installs the process's subscriber, which writes to standard output.
///
/// # Errors
/// When the options are not valid or a subscriber is installed already.
pub fn install(options: &Options) -> Result<Telemetry, TelemetryError> {
    let (subscriber, telemetry) = build(options, std::io::stdout)?;
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::Installed)?;
    Ok(telemetry)
}
