//! The metrics of limits.

use prometheus::IntCounter;

use super::labels::{Labelled, Limited};

/// `claviger_limited_total{limit,kind}` of one limit, found once; cheap to clone.
#[derive(Debug, Clone)]
pub struct LimitMetrics(pub(super) Labelled<Limited, IntCounter>);

impl LimitMetrics {
    /// Counts a request that was refused.
    pub fn refused(&self, kind: Limited) {
        self.0.of(kind).inc();
    }
}
