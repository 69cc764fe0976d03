//! What a sink has to know of a line: read again from its text, since the lines are all that outlives a process.

use serde_json::{Map, Value};

/// One line of the log, understood as far as sinks need it.
#[derive(Debug)]
pub(super) struct Told {
    /// Its members; none of a line that is no JSON object.
    members: Map<String, Value>,
}

/// How much a line asks for somebody to look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// Something was done as it should be.
    Info,
    /// Access was changed.
    Notice,
    /// Something was refused.
    Warning,
    /// Something failed, or is missing.
    Error,
}

impl Told {
    /// The line as it is.
    pub(super) fn read(line: &str) -> Self {
        Self { members: serde_json::from_str(line).unwrap_or_default() }
    }

    /// A member that is a text.
    pub(super) fn text(&self, member: &str) -> Option<&str> {
        self.members.get(member)?.as_str()
    }

    /// A member that is a number.
    pub(super) fn number(&self, member: &str) -> Option<u64> {
        self.members.get(member)?.as_u64()
    }

    /// What sort of record it is; `broken` where it is none.
    pub(super) fn kind(&self) -> &str {
        self.text("kind").unwrap_or("broken")
    }

    /// When it happened, in nanoseconds since 1970; zero where it does not say, and before.
    pub(super) fn nanos(&self) -> u64 {
        let time = self.text("time").and_then(|time| time.parse::<jiff::Timestamp>().ok());
        time.and_then(|time| u64::try_from(time.as_nanosecond()).ok()).unwrap_or(0)
    }

    /// How much it asks for somebody to look at it.
    pub(super) fn severity(&self) -> Severity {
        match (self.kind(), self.text("outcome").or_else(|| self.text("act"))) {
            ("exchange", Some("denied")) => Severity::Warning,
            ("exchange", Some("failed" | "panicked")) => Severity::Error,
            ("rotation", Some("rolled_back" | "failed" | "not_retired")) => Severity::Error,
            ("lost" | "dropped" | "skipped" | "broken", _) => Severity::Error,
            ("revocation" | "access" | "rotation" | "erasure", _) => Severity::Notice,
            _ => Severity::Info,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_its_time_and_how_much_it_matters() {
        for (line, severity, nanos) in [
            (
                r#"{"kind":"exchange","time":"2023-11-14T22:13:20.123456Z","outcome":"completed"}"#,
                Severity::Info,
                1_700_000_000_123_456_000,
            ),
            (
                r#"{"kind":"exchange","time":"2023-11-14T22:13:20.000000Z","outcome":"denied"}"#,
                Severity::Warning,
                1_700_000_000_000_000_000,
            ),
            (r#"{"kind":"exchange","time":"x","outcome":"panicked"}"#, Severity::Error, 0),
            (r#"{"kind":"rotation","act":"promoted"}"#, Severity::Notice, 0),
            (r#"{"kind":"rotation","act":"rolled_back"}"#, Severity::Error, 0),
            (r#"{"kind":"lost","count":7}"#, Severity::Error, 0),
            (r#"{"kind":"exch"#, Severity::Error, 0),
        ] {
            let told = Told::read(line);
            assert_eq!((told.severity(), told.nanos()), (severity, nanos), "{line}");
        }
    }
}
