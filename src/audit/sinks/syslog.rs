//! Lines as syslog messages (RFC 5424), each in a frame with its length in front (RFC 6587 §3.4.1, RFC 5425 §4.3).

use std::io::Write as _;

use super::told::{Severity, Told};

/// What stands in the head of every message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyslogHead {
    /// The facility, 0 to 23.
    pub facility: u8,
    /// The machine: printable ASCII without blanks.
    pub host: String,
    /// The process id.
    pub process: u32,
}

/// The names of the facilities, by their numbers (RFC 5424 §6.2.1).
pub const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

impl SyslogHead {
    /// Adds a line as one framed message. The line is the message as it is: without the mark that UTF-8 would want in front, which receivers
    /// hand on as a part of it.
    pub(super) fn frame(&self, out: &mut Vec<u8>, message: &mut Vec<u8>, line: &str) {
        let told = Told::read(line);
        let priority = u32::from(self.facility) * 8 + severity(told.severity());
        // A record's time is one of syslog's too; who cannot tell has none.
        let time = if told.nanos() == 0 { "-" } else { told.text("time").unwrap_or("-") };
        message.clear();
        // Into memory, they can always be written.
        let _ = write!(message, "<{priority}>1 {time} {} claviger {} {} - ", self.host, self.process, kind(&told));
        message.extend_from_slice(line.as_bytes());
        let _ = write!(out, "{} ", message.len());
        out.extend_from_slice(message);
    }
}

/// A message id is printable ASCII without spaces, at most 32 of them.
fn kind(told: &Told) -> &str {
    let kind = told.kind();
    let is_id = (1..=32).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_graphic());
    if is_id { kind } else { "-" }
}

fn severity(severity: Severity) -> u32 {
    match severity {
        Severity::Error => 3,
        Severity::Warning => 4,
        Severity::Notice => 5,
        Severity::Info => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_frame_whatever_is_in_it() {
        let head = SyslogHead { facility: 16, host: "gateway-1".to_owned(), process: 42 };
        let mut out = Vec::new();
        let first = r#"{"kind":"exchange","time":"2023-11-14T22:13:20.123456Z","outcome":"denied","path":"/é 7 "}"#;
        head.frame(&mut out, &mut Vec::new(), first);
        head.frame(&mut out, &mut Vec::new(), "{\"half");
        let want = format!("<132>1 2023-11-14T22:13:20.123456Z gateway-1 claviger 42 exchange - {first}");
        let rest = "<131>1 - gateway-1 claviger 42 broken - {\"half";
        let framed = format!("{} {want}{} {rest}", want.len(), rest.len());
        assert_eq!(String::from_utf8(out).expect("text"), framed);
        assert_eq!(FACILITIES[16], "local0");
    }
}
