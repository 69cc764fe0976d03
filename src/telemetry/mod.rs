//! Metrics, declared once, and logs with redaction.

mod labels;
mod line;
pub mod logs;
mod metrics;

pub use labels::{
    Availability, ConnectionRefusal, Decoy, IngressTimeout, InspectionVerdict, Labelled, Outcome, Phase, ReloadResult,
    UpstreamFault,
};
pub use metrics::{AuditMetrics, Metrics, RouteMetrics, TargetMetrics};

pub(crate) use line::{escape, write_json};
