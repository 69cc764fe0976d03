//! The process's log on standard error: one event, one line.

use std::io::{self, IsTerminal, Write};
use std::time::SystemTime;

use jiff::Timestamp;
use log::kv::{self, Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::line::{escape, write_json};

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object: `time`, `level`, `target`, `message`, then the event's own keys under `fields`.
    Json,
    /// Text for people.
    Plain,
}

impl Format {
    /// What fits standard error: text on a terminal, JSON elsewhere.
    pub fn of_stderr() -> Self {
        if io::stderr().is_terminal() { Self::Plain } else { Self::Json }
    }
}

/// Starts the log: events from `level` up, unless the environment variable `RUST_LOG` says otherwise.
///
/// Neither can make the libraries that handle heads and bodies tell more than warnings: at DEBUG they print injected credentials, and at
/// TRACE the wire.
///
/// # Errors
/// When the process has a logger already.
pub fn init(level: LevelFilter, format: Format) -> Result<(), SetLoggerError> {
    let events = env_logger::Builder::new()
        .filter_level(level)
        .parse_env("RUST_LOG")
        .format(move |out, record| write_event(out, record, format, SystemTime::now()))
        .build();
    let most = events.filter();
    log::set_boxed_logger(Box::new(Capped(events)))?;
    log::set_max_level(most);
    Ok(())
}

/// What is written of these libraries ends at WARN. `tracing` stands for the spans of some of them.
const CAPPED: [&str; 7] = ["pingora", "h2", "hyper", "redis", "reqwest", "rustls", "tracing"];

/// What these say is about one client or one request, whom a record or a metric tells of: a client must not be able to write the log.
const MUTED: [&str; 5] = [
    "pingora_proxy",
    "pingora_core::apps",
    "pingora_core::protocols",
    "pingora_core::services::listening",
    // Each wait of a hand-over, whose end is told by whom it concerns.
    "pingora_core::server::transfer_fd",
];
/// But that no connection can be taken is for the operator.
const SPARED: &str = "Accept() failed";

/// A cap that no filter can lift: a directive for one module would beat another directive.
struct Capped<L>(L);

impl<L: Log> Log for Capped<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let may = metadata.level() <= Level::Warn || !CAPPED.iter().any(|prefix| metadata.target().starts_with(prefix));
        may && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let is_muted = MUTED.iter().any(|prefix| record.target().starts_with(prefix));
        let spared = || record.args().to_string().starts_with(SPARED);
        if self.enabled(record.metadata()) && (!is_muted || spared()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

fn write_event(out: &mut impl Write, record: &Record<'_>, format: Format, now: SystemTime) -> io::Result<()> {
    let event = Event { record, time: Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH) };
    match format {
        Format::Json => {
            write_json(&mut *out, &event)?;
            out.write_all(b"\n")
        }
        Format::Plain => event.write_plain(out),
    }
}

struct Event<'a> {
    record: &'a Record<'a>,
    time: Timestamp,
}

impl Event<'_> {
    fn write_plain(&self, out: &mut impl Write) -> io::Result<()> {
        let (level, target) = (self.record.level(), escape(self.record.target()));
        write!(out, "{:.3} {level:5} {target}: {}", self.time, escape(&self.record.args().to_string()))?;
        for (key, value) in fields(self.record) {
            write!(out, " {}={}", escape(&key), escape(&value.to_string()))?;
        }
        out.write_all(b"\n")
    }
}

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &format_args!("{:.3}", self.time))?;
        map.serialize_entry("level", self.record.level().as_str())?;
        map.serialize_entry("target", self.record.target())?;
        map.serialize_entry("message", self.record.args())?;
        let fields = fields(self.record);
        if !fields.is_empty() {
            map.serialize_entry("fields", &fields.into_iter().collect::<serde_json::Map<_, _>>())?;
        }
        map.end()
    }
}

/// The event's own keys; numbers and truth values stay what they are, everything else is text.
fn fields(record: &Record<'_>) -> Vec<(String, serde_json::Value)> {
    let mut fields = Fields(Vec::new());
    // The visitor below never fails, and a source that does has told what it could.
    let _ = record.key_values().visit(&mut fields);
    fields.0
}

struct Fields(Vec<(String, serde_json::Value)>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let number = || value.to_u64().map(serde_json::Value::from).or_else(|| value.to_i64().map(Into::into));
        let number = || number().or_else(|| value.to_f64().map(Into::into));
        let json = value.to_bool().map(Into::into).or_else(number).unwrap_or_else(|| value.to_string().into());
        self.0.push((key.as_str().to_owned(), json));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    fn written(format: Format, message: &str) -> String {
        let mut out = Vec::new();
        let fields: [(&str, Value<'_>); 4] =
            [("vault", "lo\ncal".into()), ("attempt", 3.into()), ("ratio", 0.5.into()), ("ok", true.into())];
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let args = format_args!("{message}");
        let record =
            Record::builder().level(Level::Warn).target("claviger::vault").args(args).key_values(&fields).build();
        write_event(&mut out, &record, format, now).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn an_event_is_one_line_of_json() {
        let want = r#"{"time":"2023-11-14T22:13:20.123Z","level":"WARN","target":"claviger::vault","message":"gone\r\nERROR forged","fields":{"attempt":3,"ok":true,"ratio":0.5,"vault":"lo\ncal"}}"#;
        assert_eq!(written(Format::Json, "gone\r\nERROR forged"), format!("{want}\n"));
    }

    #[test]
    fn an_event_is_one_line_of_text() {
        let line = written(Format::Plain, "gone\r\nERROR \u{1b}[2J");
        assert_eq!(line.matches('\n').count(), 1);
        assert!(!line.contains('\u{1b}'));
        assert!(line.starts_with("2023-11-14T22:13:20.123Z WARN  claviger::vault: gone\\u000d\\u000aERROR"), "{line}");
        assert!(line.trim_end().ends_with("attempt=3 ratio=0.5 ok=true"), "{line}");
    }

    struct Heard(Mutex<Vec<String>>);

    impl Log for Heard {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &Record<'_>) {
            self.0.lock().expect("lock").push(format!("{} {}", record.target(), record.level()));
        }

        fn flush(&self) {}
    }

    #[test]
    fn libraries_that_see_secrets_tell_no_more_than_warnings() {
        let log = Capped(Heard(Mutex::new(Vec::new())));
        for (target, level, want) in [
            ("pingora_proxy::proxy_h1", Level::Debug, false),
            ("pingora_core", Level::Info, false),
            ("pingora", Level::Warn, true),
            ("pingora_core::connectors", Level::Error, true),
            ("pingora_core::services::listening", Level::Error, false),
            ("pingora_proxy", Level::Error, false),
            ("h2::codec", Level::Trace, false),
            ("hyper_util::client", Level::Debug, false),
            ("reqwest::connect", Level::Debug, false),
            ("rustls::conn", Level::Trace, false),
            ("tracing::span", Level::Trace, false),
            ("claviger::proxy", Level::Trace, true),
        ] {
            log.log(&Record::builder().target(target).level(level).args(format_args!("")).build());
            let heard = log.0.0.lock().expect("lock").pop();
            assert_eq!(heard.is_some(), want, "{target} {level}");
        }
    }
}
