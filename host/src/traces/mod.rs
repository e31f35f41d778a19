//! Traces: the spans of this program, handed to a collector by OTLP where the set-up names one.
//!
//! Promises: nobody who works waits for the collector, or fails because of it. A thread of its own takes the spans that
//! have ended and sends them; what it cannot send is lost, and so is what comes faster than it sends. A trace begins
//! in this process, whatever a request says it belongs to, and nothing that is asked of a CRM or of APSIS One says that
//! it belongs to a trace.
//!
//! What a span says is left to whoever does the work. It may hold ids, counts, statuses and words of the program, and
//! nothing else: no personal data, no secret, no address of a request.

mod collector;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use tracing::{Span, warn};
use tracing_subscriber::{Layer, Registry};

use self::collector::Collector;
use crate::config::TracesConfig;
use crate::error::ErrorCode;

/// What the spans are said to be of.
const SERVICE: &str = "sluice";
/// Spans that wait to be sent; further ones are lost.
const WAITING: usize = 4_096;
/// Spans sent together.
const AT_ONCE: usize = 512;
/// How often they are sent, if they are fewer.
const SEND_EVERY: Duration = Duration::from_secs(2);
/// How long a collector may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long the last spans may take when the program ends: less than what a host that is told to stop has at last.
const FINISH_WITHIN: Duration = Duration::from_millis(1_500);

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent ({0}); mend that, or leave out `endpoint` of [traces]")]
pub struct TracesError(String);

impl TracesError {
    fn of(problem: impl ToString) -> Self {
        Self(problem.to_string())
    }
}

impl ErrorCode for TracesError {
    fn code(&self) -> &'static str {
        match self {
            Self(_) => "traces-not-started",
        }
    }
}

/// The traces of this process, on their way to a collector.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// As it is set up; none if nobody is to have them. Nothing is sent yet.
    ///
    /// # Errors
    /// When the system gives nothing to send them with.
    pub fn start(config: &TracesConfig) -> Result<Option<Self>, TracesError> {
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(ANSWER_WITHIN).map_err(TracesError::of)?)
            .with_endpoint(format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/')))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(ANSWER_WITHIN)
            // Meanwhile what comes after would be lost.
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .map_err(TracesError::of)?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING)
            .with_max_export_batch_size(AT_ONCE)
            .with_scheduled_delay(SEND_EVERY)
            .build();
        let resource = Resource::builder()
            .with_service_name(SERVICE)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample.ratio()))))
            .with_resource(resource)
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .build();
        Ok(Some(Self(provider)))
    }

    /// Takes up the spans that it is shown.
    pub fn layer(&self) -> impl Layer<Registry> + Send + Sync + use<> {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            // Nobody here asks OpenTelemetry where he is.
            .with_context_activation(false)
    }

    /// Sends what is left, unless that takes too long.
    pub fn finish(self) {
        if self.0.shutdown_with_timeout(FINISH_WITHIN).is_err() {
            warn!("the last spans were not sent in time, and are lost");
        }
    }
}

/// What is done under the current span failed, for a reason of this code. The span has to have the fields `code` and
/// `otel.status_code`.
pub fn failed(code: &str) {
    Span::current().record("code", code).record("otel.status_code", "ERROR");
}
