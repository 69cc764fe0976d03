//! The line that an exchange becomes. Written by hand: a library's serializer costs more for each request than proving who sent it.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use crate::domain::Name;
use crate::telemetry::write_json;

use super::record::{Outcome, Protocol};
use super::{Act, Deed, Record};

/// Writes lines, each with its end. The order of their members is part of the format.
#[derive(Debug)]
pub(super) struct Lines {
    node: Option<Name>,
    /// The second that was last written, and its text up to the fraction.
    second: Option<(i64, String)>,
    step: i64,
}

impl Lines {
    /// Lines of this node.
    pub(super) fn new(node: Option<Name>) -> Self {
        Self { node, second: None, step: 0 }
    }

    /// Says by how many seconds the clock by which the next lines are is set forward, or back; none where it is right.
    pub(super) fn stepped(&mut self, seconds: i64) {
        self.step = seconds;
    }

    /// The line of one exchange.
    pub(super) fn exchange(&mut self, out: &mut Vec<u8>, record: &Record) {
        let mut line = Object::begin(out, "exchange");
        self.time(&mut line, record.time);
        line.plain("id", record.id.encode(&mut [0; 36]));
        line.plain_if("node", self.node.as_ref().map(Name::as_str));
        line.number("config", record.config);
        line.plain("listener", record.listener.as_str());
        line.address("client", record.client, None);
        line.plain("protocol", protocol(record.protocol));
        line.text_if("method", record.method.as_ref().map(http::Method::as_str));
        line.text_if("host", record.host.as_deref());
        line.text_if("path", record.path.as_deref());
        line.raw("query", if record.query { "true" } else { "false" });
        line.plain_if("route", record.route.as_ref().map(Name::as_str));
        if let Some(principal) = &record.principal {
            line.plain("authenticator", principal.authenticator.as_str());
            line.text("principal", &principal.id);
            line.plain("principal_kind", principal.kind.text());
            line.text_if("key", principal.key.as_deref());
            line.text_if("actor", principal.actor.as_deref());
            line.plain_if("session", principal.session.as_ref().map(|session| session.id.to_string()).as_deref());
        }
        line.text_if("role", record.role.as_deref());
        line.text_if("rule", record.rule.as_deref());
        line.plain_if("grant", record.grant.map(|grant| grant.to_string()).as_deref());
        line.plain("outcome", outcome(record.outcome));
        if let Some(denial) = &record.denial {
            line.plain("code", denial.code());
            line.plain_if("detail", Some(denial.detail()).filter(|detail| !detail.is_empty()));
        }
        if let Some(inspection) = &record.inspection {
            line.raw("inspection", inspection);
        }
        self.sent(&mut line, record);
        line.end();
    }

    /// Where an exchange went, and what it took.
    fn sent(&self, line: &mut Object<'_>, record: &Record) {
        line.plain_if("target", record.target.as_ref().map(Name::as_str));
        if let Some(backend) = record.backend {
            line.address("backend", backend.ip(), Some(backend));
        }
        line.number("attempts", u64::from(record.attempts));
        line.plain_if("credential", record.credential.as_ref().map(Name::as_str));
        line.number_if("status", record.status.map(u64::from));
        if record.reflected > 0 {
            line.number("reflected", record.reflected);
        }
        line.counts_if("leaks", &record.leaks);
        line.number("request_bytes", record.request_bytes);
        line.number("response_bytes", record.response_bytes);
        line.number_if("authenticate_us", record.timings.authenticate.map(micros));
        line.number_if("authorize_us", record.timings.authorize.map(micros));
        line.number_if("acquire_us", record.timings.acquire.map(micros));
        line.number_if("upstream_us", record.timings.upstream.map(micros));
        line.number("total_us", micros(record.timings.total));
    }

    /// The line of one act.
    pub(super) fn act(&mut self, out: &mut Vec<u8>, act: &Act) {
        let kind = match act.deed {
            Deed::Revoked | Deed::Lifted => "revocation",
            Deed::Access(_) => "access",
            Deed::Rotation(_) => "rotation",
        };
        let mut line = Object::begin(out, kind);
        self.time(&mut line, act.time);
        line.plain("id", &act.id);
        line.plain_if("node", self.node.as_ref().map(Name::as_str));
        line.plain("act", deed(act.deed));
        line.text("of", &act.of);
        line.plain_if("approval", act.approval.as_ref().map(Name::as_str));
        line.text("reason", &act.reason);
        line.text_if("ticket", act.ticket.as_deref());
        line.text("by", &act.by);
        line.plain("since", &format!("{:.3}", stamp(act.since)));
        line.plain_if("until", act.until.map(|until| format!("{:.3}", stamp(until))).as_deref());
        line.end();
    }

    /// The line of exchanges that have none of their own: the log took none, so that they were refused, or its queue was full.
    pub(super) fn lost(&mut self, out: &mut Vec<u8>, count: u64, now: SystemTime) {
        let mut line = Object::begin(out, "lost");
        self.time(&mut line, now);
        line.plain_if("node", self.node.as_ref().map(Name::as_str));
        line.number("count", count);
        line.end();
    }

    /// RFC 3339 with six digits always, so that lines sort by their text. A clock outside what a timestamp can hold must not keep a record
    /// from being written.
    fn time(&mut self, line: &mut Object<'_>, time: SystemTime) {
        self.moment(line, time);
        if self.step != 0 {
            line.raw("clock_step", itoa::Buffer::new().format(self.step));
        }
    }

    fn moment(&mut self, line: &mut Object<'_>, time: SystemTime) {
        let time = stamp(time);
        let (second, nanos) = (time.as_second(), time.subsec_nanosecond());
        if nanos < 0 {
            // Before 1970, where the fraction counts backwards.
            return line.plain("time", &format!("{time:.6}"));
        }
        if self.second.as_ref().is_none_or(|(written, _)| *written != second) {
            let text = format!("{time:.0}");
            self.second = Some((second, text.trim_end_matches('Z').to_owned()));
        }
        let text = self.second.as_ref().map_or("", |(_, text)| text);
        let mut digits = itoa::Buffer::new();
        // With a digit in front that is left out, zeros that lead are written.
        let fraction = digits.format(1_000_000 + nanos / 1000);
        line.key("time");
        line.0.push(b'"');
        line.0.extend_from_slice(text.as_bytes());
        line.0.push(b'.');
        line.0.extend_from_slice(&fraction.as_bytes()[1..]);
        line.0.extend_from_slice(b"Z\"");
    }
}

/// A JSON object under way.
struct Object<'a>(&'a mut Vec<u8>);

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>, kind: &str) -> Self {
        out.extend_from_slice(b"{\"kind\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.push(b'"');
        Self(out)
    }

    fn end(self) {
        self.0.extend_from_slice(b"}\n");
    }

    #[inline]
    fn key(&mut self, key: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    /// A value that is JSON already.
    fn raw(&mut self, key: &str, value: &str) {
        self.key(key);
        self.0.extend_from_slice(value.as_bytes());
    }

    /// A text of ours, in which nothing has to be escaped.
    fn plain(&mut self, key: &str, text: &str) {
        debug_assert!(is_plain(text), "{text:?}");
        self.key(key);
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
    }

    fn plain_if(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.plain(key, text);
        }
    }

    /// A text that may hold anything.
    fn text(&mut self, key: &str, text: &str) {
        if is_plain(text) {
            return self.plain(key, text);
        }
        self.key(key);
        // Into memory, a text can always be written.
        let _ = write_json(&mut *self.0, &text);
    }

    fn text_if(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    fn number(&mut self, key: &str, number: u64) {
        self.raw(key, itoa::Buffer::new().format(number));
    }

    fn number_if(&mut self, key: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.number(key, number);
        }
    }

    /// Numbers by names of ours, where there are any.
    fn counts_if(&mut self, key: &str, counts: &[(&'static str, u32)]) {
        for (nth, (name, count)) in counts.iter().enumerate() {
            if nth == 0 {
                self.key(key);
            }
            self.0.extend_from_slice(if nth == 0 { b"{\"" } else { b",\"" });
            self.0.extend_from_slice(name.as_bytes());
            self.0.extend_from_slice(b"\":");
            self.0.extend_from_slice(itoa::Buffer::new().format(*count).as_bytes());
        }
        if !counts.is_empty() {
            self.0.push(b'}');
        }
    }

    /// An address, with its port where it is a socket's.
    fn address(&mut self, key: &str, ip: IpAddr, socket: Option<SocketAddr>) {
        self.key(key);
        self.0.push(b'"');
        match (ip, socket) {
            (IpAddr::V4(ip), socket) => {
                let mut digits = itoa::Buffer::new();
                for (nth, part) in ip.octets().into_iter().enumerate() {
                    self.0.extend_from_slice(if nth == 0 { b"" } else { b"." });
                    self.0.extend_from_slice(digits.format(part).as_bytes());
                }
                if let Some(socket) = socket {
                    self.0.push(b':');
                    self.0.extend_from_slice(digits.format(socket.port()).as_bytes());
                }
            }
            // Into memory, they can always be written.
            (IpAddr::V6(_), Some(socket)) => drop(write!(self.0, "{socket}")),
            (IpAddr::V6(ip), None) => drop(write!(self.0, "{ip}")),
        }
        self.0.push(b'"');
    }
}

/// Whether a text stands in JSON as it is, on one line: printable ASCII without quotes and backslashes. Written so that the compiler can look
/// at many bytes at once.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |plain, b| plain & matches!(b, b' '..=b'~') & (b != b'"') & (b != b'\\'))
}

fn stamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn deed(deed: Deed) -> &'static str {
    match deed {
        Deed::Revoked => "revoked",
        Deed::Lifted => "lifted",
        Deed::Access(deed) => deed.text(),
        Deed::Rotation(deed) => deed.text(),
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Denied => "denied",
        Outcome::Failed => "failed",
        Outcome::Aborted => "aborted",
        Outcome::Panicked => "panicked",
    }
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http10 => "HTTP/1.0",
        Protocol::Http11 => "HTTP/1.1",
        Protocol::Http2 => "HTTP/2",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::record::tests::{bare, full};
    use super::*;
    use crate::domain::{AuthnFault, Denial};

    fn name(text: &str) -> Name {
        Name::parse(text).expect("name")
    }

    fn line(record: &Record, node: Option<Name>) -> String {
        let mut line = Vec::new();
        Lines::new(node).exchange(&mut line, record);
        let line = String::from_utf8(line).expect("text");
        line.strip_suffix('\n').expect("an end").to_owned()
    }

    #[test]
    fn fields_stand_in_their_documented_order() {
        let record = full("svc-refunds");
        let want = format!(
            r#"{{"kind":"exchange","time":"2023-11-14T22:13:20.123456Z","id":"{}","node":"n1","config":1,"listener":"public","client":"192.0.2.7","protocol":"HTTP/1.1","method":"POST","host":"api.example.com","path":"/v1/refunds","query":true,"route":"stripe","authenticator":"corp","principal":"svc-refunds","principal_kind":"service","actor":"agent-7","role":"billing","rule":"route.stripe.allow[1]","outcome":"completed","target":"stripe","backend":"203.0.113.9:443","attempts":1,"credential":"stripe","status":201,"request_bytes":120,"response_bytes":4096,"authenticate_us":12,"authorize_us":0,"acquire_us":1,"upstream_us":8000,"total_us":8100}}"#,
            record.id
        );
        assert_eq!(line(&record, Some(name("n1"))), want);
    }

    #[test]
    fn fields_that_say_nothing_are_left_out() {
        let denial = Denial::Unauthenticated(AuthnFault::Expired);
        let record = Record { denial: Some(denial), outcome: Outcome::Denied, status: Some(401), ..bare() };
        let want = format!(
            r#"{{"kind":"exchange","time":"2023-11-14T22:13:20.123456Z","id":"{}","config":1,"listener":"public","client":"192.0.2.7","protocol":"HTTP/2","query":false,"outcome":"denied","code":"credential_invalid","detail":"expired","attempts":0,"status":401,"request_bytes":0,"response_bytes":0,"total_us":0}}"#,
            record.id
        );
        assert_eq!(line(&record, None), want);
    }

    #[test]
    fn what_was_found_is_told_by_kind() {
        let told = line(&Record { leaks: vec![("token", 2), ("card", 1)], ..full("x") }, None);
        assert!(told.contains(r#""status":201,"leaks":{"token":2,"card":1},"request_bytes":120"#), "{told}");
    }

    #[test]
    fn an_act_is_told_with_who_did_it_and_why() {
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let (of, reason, by) = ("principal:corp:ada".into(), "a \"lost\" laptop".into(), "uid:0".into());
        let (deed, id) = (Deed::Revoked, "0f".into());
        let act = Act { time: since, deed, id, of, reason, by, since, until: None, approval: None, ticket: None };
        let mut out = Vec::new();
        Lines::new(None).act(&mut out, &act);
        let want = concat!(
            r#"{"kind":"revocation","time":"2023-11-14T22:13:20.000000Z","id":"0f","act":"revoked","of":"principal:corp:ada","#,
            r#""reason":"a \"lost\" laptop","by":"uid:0","since":"2023-11-14T22:13:20.000Z"}"#,
            "\n"
        );
        assert_eq!(String::from_utf8_lossy(&out), want);
    }

    #[test]
    fn a_clock_that_is_far_off_is_no_reason_to_lose_a_record() {
        for time in [SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 40), SystemTime::UNIX_EPOCH + Duration::MAX / 4]
        {
            assert!(line(&Record { time, ..bare() }, None).contains(r#""time":""#));
        }
    }

    proptest! {
        #[test]
        fn whatever_was_sent_stays_on_one_line(id in any::<String>(), path in any::<String>(), host in any::<String>()) {
            let record = Record { path: Some(path.clone()), host: Some(host), ..full(&id) };
            let line = line(&record, None);
            prop_assert!(!line.contains(char::is_control));
            let back: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            prop_assert_eq!(back["principal"].as_str(), Some(id.as_str()));
            prop_assert_eq!(back["path"].as_str(), Some(path.as_str()));
        }
    }

    #[test]
    fn addresses_and_moments_are_as_the_library_would_write_them() {
        let mut lines = Lines::new(None);
        for (client, backend, nanos) in [
            ("192.0.2.7", "203.0.113.9:443", 1_700_000_000_000_000_001),
            ("0.0.0.0", "[2001:db8::1]:8443", 1_700_000_000_999_999_999),
            ("2001:db8::7", "127.0.0.1:1", 1_700_000_001_000_100_000),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
            let (client, backend) = (client.parse().expect("address"), Some(backend.parse().expect("address")));
            let mut out = Vec::new();
            lines.exchange(&mut out, &Record { time, client, backend, ..bare() });
            let back: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
            let stamp = Timestamp::try_from(time).expect("in range");
            assert_eq!(back["time"], format!("{stamp:.6}"));
            assert_eq!(back["client"], client.to_string());
            assert_eq!(back["backend"], backend.expect("one").to_string());
        }
    }
}
