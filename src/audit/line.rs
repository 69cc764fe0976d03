//! What a line says of an exchange or an act, but for how it is linked. Written by hand: a library's serializer costs more for each request than proving who sent it.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use crate::domain::{Denial, Name, hex};
use crate::telemetry::write_json;

use super::pseudonyms::{Field, Names};
use super::queue::Lost;
use super::record::Protocol;
use super::writer::Process;
use super::{Act, Deed, Record, Skipped};

/// Writes the members of lines, each with a comma in front. Their order is part of the format.
#[derive(Debug)]
pub(super) struct Lines {
    node: Option<Name>,
    /// What makes pseudonyms; none where people are named.
    names: Option<Names>,
    /// The second that was last written, and its text up to the fraction.
    second: Option<(i64, String)>,
    step: i64,
}

impl Lines {
    /// Lines of this node, with pseudonyms by these.
    pub(super) fn new(node: Option<Name>, names: Option<Names>) -> Self {
        Self { node, names, second: None, step: 0 }
    }

    /// Says by how many seconds the clock by which the next lines are is set forward, or back; none where it is right.
    pub(super) fn stepped(&mut self, seconds: i64) {
        self.step = seconds;
    }

    /// Those of an exchange that is about to be forwarded.
    pub(super) fn decision(&mut self, out: &mut Vec<u8>, record: &Record) {
        let mut line = Object(out);
        self.asked(&mut line, record);
        line.plain_if("target", record.target.as_ref().map(Name::as_str));
        line.plain_if("credential", record.credential.as_ref().map(Name::as_str));
    }

    /// Those of an exchange that ended.
    pub(super) fn exchange(&mut self, out: &mut Vec<u8>, record: &Record) {
        let mut line = Object(out);
        self.asked(&mut line, record);
        line.plain("outcome", record.outcome.text());
        if let Some(denial) = &record.denial {
            line.plain("code", denial.code());
            line.plain_if("detail", Some(denial.detail()).filter(|detail| !detail.is_empty()));
        }
        if let Some(inspection) = &record.inspection {
            line.raw("inspection", inspection);
        }
        self.sent(&mut line, record);
    }

    /// Who asked for what, and by which rule it was allowed.
    fn asked(&mut self, line: &mut Object<'_>, record: &Record) {
        self.time(line, record.time);
        line.plain("id", record.id.encode(&mut [0; 36]));
        line.plain_if("node", self.node.as_ref().map(Name::as_str));
        self.period(line);
        line.number("config", record.config);
        line.plain("listener", record.listener.as_str());
        line.plain_if("trace", record.trace.map(|trace| hex(trace.bytes())).as_deref());
        self.told_address(line, "client", record.client);
        line.plain("protocol", protocol(record.protocol));
        line.text_if("method", record.method.as_ref().map(http::Method::as_str));
        line.text_if("host", record.host.as_deref());
        line.text_if("path", record.path.as_deref());
        if record.query {
            line.raw("query", "true");
        }
        line.plain_if("route", record.route.as_ref().map(Name::as_str));
        if let Some(principal) = &record.principal {
            line.plain("authenticator", principal.authenticator.as_str());
            self.told(line, "principal", Field::Principal, Some(&principal.id));
            line.plain("principal_kind", principal.kind.text());
            self.told(line, "key", Field::Principal, principal.key.as_deref());
            self.told(line, "actor", Field::Actor, principal.actor.as_deref());
            let session = principal.session.as_ref().map(|session| session.id.to_string());
            self.told(line, "session", Field::Session, session.as_deref());
        }
        line.text_if("role", record.role.as_deref());
        line.text_if("rule", record.rule.as_deref());
        line.plain_if("grant", record.grant.map(|grant| grant.to_string()).as_deref());
        line.plain_if("shadow_code", record.shadow.as_ref().map(Denial::code));
    }

    /// Where an exchange went, and what it took.
    fn sent(&self, line: &mut Object<'_>, record: &Record) {
        line.plain_if("target", record.target.as_ref().map(Name::as_str));
        if let Some(backend) = record.backend {
            line.address("backend", backend.ip(), Some(backend));
        }
        if record.attempts > 1 {
            line.number("attempts", u64::from(record.attempts));
        }
        line.plain_if("credential", record.credential.as_ref().map(Name::as_str));
        line.number_if("status", record.status.map(u64::from));
        line.count("reflected", record.reflected);
        line.counts_if("leaks", &record.leaks);
        line.count("request_bytes", record.request_bytes);
        line.count("response_bytes", record.response_bytes);
        line.count("authenticate_us", record.timings.authenticate.map_or(0, micros));
        line.count("authorize_us", record.timings.authorize.map_or(0, micros));
        line.count("acquire_us", record.timings.acquire.map_or(0, micros));
        line.count("upstream_us", record.timings.upstream.map_or(0, micros));
        line.number("total_us", micros(record.timings.total));
    }

    /// Those of one act.
    pub(super) fn act(&mut self, out: &mut Vec<u8>, act: &Act) {
        let mut line = Object(out);
        self.time(&mut line, act.time);
        line.plain("id", &act.id);
        line.plain_if("node", self.node.as_ref().map(Name::as_str));
        self.period(&mut line);
        line.plain("act", deed(act.deed));
        line.text("of", &self.phrase(&act.of));
        line.plain_if("approval", act.approval.as_ref().map(Name::as_str));
        line.text("reason", &self.written(&act.reason, act));
        line.text_if("ticket", act.ticket.as_ref().map(|ticket| self.written(ticket, act)).as_deref());
        line.text_if("terms", act.terms.as_ref().map(|terms| self.written(terms, act)).as_deref());
        line.text("by", &self.phrase(&act.by));
        line.plain("since", &format!("{:.3}", stamp(act.since)));
        line.plain_if("until", act.until.map(|until| format!("{:.3}", stamp(until))).as_deref());
    }

    /// Those of exchanges that have no line of their own: they were refused since the log took none, or there was no room for them.
    pub(super) fn lost(&mut self, out: &mut Vec<u8>, lost: Lost, now: SystemTime) {
        let mut line = Object(out);
        self.time(&mut line, now);
        line.plain_if("node", self.node.as_ref().map(Name::as_str));
        line.number("count", lost.count());
        line.number("refused", lost.refused);
    }

    /// Those of records that a sink's receiver will never have.
    pub(super) fn skipped(&mut self, out: &mut Vec<u8>, skipped: &Skipped) {
        let mut line = Object(out);
        self.time(&mut line, skipped.time);
        line.plain_if("node", self.node.as_ref().map(Name::as_str));
        line.plain("sink", skipped.sink.as_str());
        line.number("count", skipped.count);
        line.plain("reason", skipped.reason.text());
    }

    /// Those of a process that begins to write.
    pub(super) fn opened(&mut self, out: &mut Vec<u8>, process: &Process, now: SystemTime) {
        let mut line = self.of_process(out, process, now);
        line.plain("version", env!("CARGO_PKG_VERSION"));
        line.plain("durability", process.durability.text());
        line.plain("on_full", process.on_full.text());
        line.plain_if("missed_chain", process.missed.as_ref().map(|missed| missed.chain.as_str()));
        line.number_if("missed_seq", process.missed.map(|missed| missed.seq));
    }

    /// Those of a process that has written everything.
    pub(super) fn closed(&mut self, out: &mut Vec<u8>, process: &Process, now: SystemTime) {
        self.of_process(out, process, now);
    }

    /// Those of a checkpoint, up to what proves it.
    pub(super) fn checkpoint(&mut self, out: &mut Vec<u8>, process: &Process, now: SystemTime) {
        let mut line = self.of_process(out, process, now);
        if let Some((number, digest)) = process.config {
            line.number("config", number);
            line.plain("config_digest", &hex(&digest));
        }
    }

    fn of_process<'a>(&mut self, out: &'a mut Vec<u8>, process: &Process, now: SystemTime) -> Object<'a> {
        let mut line = Object(out);
        self.time(&mut line, now);
        line.plain_if("node", self.node.as_ref().map(Name::as_str));
        line.plain("process", process.id.as_str());
        line
    }

    /// RFC 3339 with six digits always, so that lines sort by their text. A clock outside what a timestamp can hold must not keep a record
    /// from being written.
    fn time(&mut self, line: &mut Object<'_>, time: SystemTime) {
        self.write_moment(line, time);
        if self.step != 0 {
            line.raw("clock_step", itoa::Buffer::new().format(self.step));
        }
    }

    fn write_moment(&mut self, line: &mut Object<'_>, time: SystemTime) {
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

/// The members of a JSON object.
struct Object<'a>(&'a mut Vec<u8>);

impl Object<'_> {
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

    /// How many, where there are any.
    fn count(&mut self, key: &str, count: u64) {
        if count > 0 {
            self.number(key, count);
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

/// A moment as lines have it.
pub(super) fn moment(time: SystemTime) -> String {
    format!("{:.6}", stamp(time))
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
        Deed::Erased => "erased",
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http10 => "HTTP/1.0",
        Protocol::Http11 => "HTTP/1.1",
        Protocol::Http2 => "HTTP/2",
    }
}

mod alert;
mod named;
#[cfg(test)]
mod tests;
