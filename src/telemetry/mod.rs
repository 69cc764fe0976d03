//! Metrics, declared once, and logs with redaction.

mod histogram;
mod labels;
mod line;
pub mod logs;
mod metrics;

pub use histogram::Histogram;
pub use labels::{
    Availability, ConnectionRefusal, IngressTimeout, Labelled, Outcome, Phase, ReloadResult, UpstreamFault,
};
pub use metrics::{AuditMetrics, Metrics, RouteMetrics, TargetMetrics};

pub(crate) use line::write_json;
