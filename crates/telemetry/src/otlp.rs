//! The exporter of traces.
//!
//! Owns [`provider`]: spans leave the process only when an endpoint is set; where none is, they have their
//! ids from `ids`. The queue is bounded; a collector that is away costs spans, never requests.

use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::runtime::Tokio;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

use crate::subscriber::{Options, Otlp, TelemetryError};

pub(crate) fn provider(options: &Options) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", options.service),
            KeyValue::new("service.version", options.version),
        ])
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let builder = match &options.otlp {
        None => builder.with_sampler(Sampler::AlwaysOff),
        Some(otlp) => builder
            .with_sampler(sampler(otlp))
            .with_span_processor(BatchSpanProcessor::builder(exporter(otlp)?, Tokio).build()),
    };
    Ok(builder.build())
}

// The caller's decision stands; the ratio decides for traces that begin here.
fn sampler(otlp: &Otlp) -> Sampler {
    Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(otlp.sample_ratio)))
}

fn exporter(otlp: &Otlp) -> Result<SpanExporter, TelemetryError> {
    // The exporter's client takes the process's TLS back end; whoever installed one before stands.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let base = otlp.endpoint.trim_end_matches('/');
    SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{base}/v1/traces"))
        .with_timeout(std::time::Duration::from_secs(5))
        .build()
        .map_err(TelemetryError::Exporter)
}
