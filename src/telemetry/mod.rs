//! Metrics, declared once, and logs with redaction.

mod labels;
mod limits;
mod line;
pub mod logs;
mod metrics;
mod monitor;
mod sinks;
mod vaults;

pub use labels::{
    Availability, ConnectionRefusal, Decoy, IngressTimeout, InspectionVerdict, Labelled, Limited, Outcome, Phase,
    ReloadResult, SpanResult, UpstreamFault,
};
pub use limits::LimitMetrics;
pub use metrics::{AuditMetrics, Metrics, RouteMetrics, TargetMetrics};
pub use monitor::{MonitorMetrics, Notified};
pub use sinks::SinkMetrics;
pub use vaults::{VaultMetrics, VaultState};

pub(crate) use line::{escape, write_json};
