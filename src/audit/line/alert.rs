//! The members of an alert's line.

use super::{Lines, Object, stamp};
use crate::audit::AlertRecord;
use crate::domain::Name;

impl Lines {
    /// Those of an alert that was raised or cleared.
    pub(in crate::audit) fn alert(&mut self, out: &mut Vec<u8>, alert: &AlertRecord) {
        let mut line = Object(out);
        self.time(&mut line, alert.time);
        line.plain("id", &alert.id);
        line.plain_if("node", self.node.as_ref().map(Name::as_str));
        self.period(&mut line);
        line.plain("act", alert.act);
        line.plain("detection", alert.detection);
        line.plain("severity", alert.severity);
        line.text("of", &self.phrase(&alert.of));
        line.raw("evidence", &alert.evidence);
        line.number("times", alert.times);
        line.plain("since", &format!("{:.3}", stamp(alert.since)));
        line.plain_if("action", alert.action);
        let records: Vec<_> = alert.records.iter().map(|id| format!("\"{id}\"")).collect();
        if !records.is_empty() {
            line.raw("records", &format!("[{}]", records.join(",")));
        }
    }
}
