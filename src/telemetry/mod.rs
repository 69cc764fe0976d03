//! Metrics, declared once, and logs with redaction.

mod labels;
mod line;
pub mod logs;
mod metrics;
mod monitor;

pub use labels::{
    Availability, ConnectionRefusal, Decoy, IngressTimeout, InspectionVerdict, Labelled, Outcome, Phase, ReloadResult,
    UpstreamFault,
};
pub use metrics::{AuditMetrics, Metrics, RouteMetrics, TargetMetrics};
pub use monitor::{MonitorMetrics, Notified};

pub(crate) use line::{escape, write_json};
