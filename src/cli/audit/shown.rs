//! Records as they are shown: a line each.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::query::Form;
use crate::telemetry::escape;

type Record = Map<String, Value>;

/// Where records are shown, and how.
pub(super) struct Shown<'a> {
    out: io::BufWriter<&'a mut dyn Write>,
    form: Form,
}

/// The columns of CSV: these members, as they are.
const COLUMNS: [&str; 42] = [
    "time",
    "kind",
    "id",
    "client",
    "authenticator",
    "principal",
    "principal_kind",
    "actor",
    "session",
    "method",
    "host",
    "path",
    "route",
    "role",
    "rule",
    "grant",
    "outcome",
    "code",
    "detail",
    "shadow_code",
    "target",
    "credential",
    "status",
    "response_bytes",
    "act",
    "of",
    "by",
    "reason",
    "detection",
    "severity",
    "action",
    "count",
    "inspection",
    "key",
    "approval",
    "ticket",
    "terms",
    "since",
    "until",
    "node",
    "config",
    "config_digest",
];

impl<'a> Shown<'a> {
    pub(super) fn new(out: &'a mut dyn Write, form: Form) -> io::Result<Self> {
        let mut out = io::BufWriter::new(out);
        if form == Form::Csv {
            writeln!(out, "{}", COLUMNS.join(","))?;
        }
        Ok(Self { out, form })
    }

    pub(super) fn record(&mut self, line: &[u8], record: &Record) -> io::Result<()> {
        match self.form {
            Form::Json => {
                self.out.write_all(line)?;
                self.out.write_all(b"\n")
            }
            Form::Csv => writeln!(self.out, "{}", COLUMNS.map(|column| value(record, column)).join(",")),
            Form::Table => writeln!(self.out, "{}", escape(&sentence(record))),
        }
    }

    /// Shows what is not shown yet.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What a record says in a column.
fn value(record: &Record, column: &str) -> String {
    let is_exchange = record.get("kind").and_then(Value::as_str) == Some("exchange");
    match (record.get(column), column) {
        // Left out where it is none.
        (None, "response_bytes") if is_exchange => "0".to_owned(),
        (Some(there), "inspection") => cell(inspection(there).map(Value::String).as_ref()),
        (there, _) => cell(there),
    }
}

/// A value for a spreadsheet (RFC 4180), which must not take it for a formula.
fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => return other.to_string(),
    };
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text };
    let is_plain = !text.contains([',', '"', '\n', '\r']);
    if is_plain { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// Who did what, in one line.
fn sentence(record: &Record) -> String {
    let text = |member: &str| record.get(member).and_then(Value::as_str);
    let time = text("time").unwrap_or("-");
    match text("kind") {
        Some("exchange" | "decision") => exchange(record, time),
        Some("lost") => {
            format!(
                "{time}  {} exchanges without a record",
                record.get("count").map_or(String::new(), Value::to_string)
            )
        }
        Some("alert") => {
            let part = |member| text(member).unwrap_or("-");
            let action = text("action").map_or(String::new(), |action| format!(": {action}"));
            format!("{time}  alert {} {} {} {}{action}", part("act"), part("severity"), part("detection"), part("of"))
        }
        kind => {
            let part = |before: &str, member| {
                let found = text(member).filter(|found| !found.is_empty());
                found.map_or(String::new(), |found| format!("{before}{found}"))
            };
            let of_access = [
                ("  approval ", "approval"),
                ("  ticket ", "ticket"),
                ("  ", "terms"),
                ("  until ", "until"),
                ("  id ", "id"),
            ];
            let more: String = of_access.into_iter().map(|(before, member)| part(before, member)).collect();
            let config = record.get("config").map_or(String::new(), |number| format!(" config {number}"));
            let (by, reason, digest) = (part(" by ", "by"), part(": ", "reason"), part(" sha256 ", "config_digest"));
            let (act, of, version) = (part(" ", "act"), part(" ", "of"), part(" version ", "version"));
            format!("{time}  {}{act}{of}{version}{config}{digest}{by}{reason}{more}", kind.unwrap_or("-"))
        }
    }
}

fn exchange(record: &Record, time: &str) -> String {
    let text = |member: &str| record.get(member).and_then(Value::as_str);
    let who = match (text("authenticator"), text("principal")) {
        (Some(authenticator), Some(id)) => format!("{authenticator}:{id}"),
        _ => "-".to_owned(),
    };
    let actor = text("actor").map_or(String::new(), |actor| format!(" (by {actor})"));
    let place = format!("{}{}", text("host").unwrap_or("-"), text("path").unwrap_or_default());
    let status = record.get("status").map_or("-".to_owned(), Value::to_string);
    let by = match (text("rule"), text("role")) {
        (Some(rule), Some(role)) => format!("  {rule} (role {role})"),
        (Some(rule), None) => format!("  {rule}"),
        (None, _) => text("shadow_code").map_or(String::new(), |code| format!("  shadowed {code}")),
    };
    let code = text("code").map_or(String::new(), |code| {
        format!("  {code}{}", text("detail").map_or(String::new(), |detail| format!(" ({detail})")))
    });
    let found =
        record.get("inspection").and_then(inspection).map_or(String::new(), |found| format!("  inspection {found}"));
    let target = text("target").map_or(String::new(), |target| format!("  -> {target}"));
    format!(
        "{time}  {who}{actor}  {}  {} {place}  {} {status}{code}{found}{target}{by}",
        text("client").unwrap_or("-"),
        text("method").unwrap_or("-"),
        text("outcome").unwrap_or("forwarded"),
    )
}

/// What was found in a request, and where: the first of each, and how many more there are.
fn inspection(told: &Value) -> Option<String> {
    let verdict = told.get("verdict")?.as_str()?;
    let finding = |one: &Value| Some(format!("{} at {}", one.get("rule")?.as_str()?, one.get("at")?.as_str()?));
    let fault = told.get("fault").and_then(Value::as_str).map(str::to_owned);
    let findings = told.get("findings").and_then(Value::as_array).into_iter().flatten().filter_map(finding);
    let mut all = fault.into_iter().chain(findings);
    let first = all.next().map_or(String::new(), |first| format!(": {first}"));
    let more = all.count();
    Some(format!("{verdict}{first}{}", if more > 0 { format!(" (and {more} more)") } else { String::new() }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(form: Form, record: &Value) -> String {
        let mut out = Vec::new();
        let line = record.to_string();
        let mut shown = Shown::new(&mut out, form).expect("begun");
        shown.record(line.as_bytes(), record.as_object().expect("an object")).expect("shown");
        shown.end().expect("shown");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn what_somebody_wrote_neither_steers_a_terminal_nor_is_a_formula() {
        let record = json!({"kind": "exchange", "time": "t", "authenticator": "corp", "principal": "=cmd\u{1b}[2J,\"x\"", "method": "GET",
            "host": "h", "path": "/a", "outcome": "completed", "status": 200, "rule": "route.r.allow[0]", "role": "x", "target": "a", "client": "192.0.2.1"});
        assert_eq!(
            shown(Form::Table, &record),
            "t  corp:=cmd\\u001b[2J,\"x\"  192.0.2.1  GET h/a  completed 200  -> a  route.r.allow[0] (role x)\n"
        );
        let csv = shown(Form::Csv, &record);
        let alert = json!({"kind": "alert", "time": "t", "act": "raised", "of": "corp:ada", "detection": "probing", "severity": "high"});
        assert!(
            shown(Form::Csv, &alert).ends_with(",raised,corp:ada,,,probing,high,,,,,,,,,,,,\n"),
            "{}",
            shown(Form::Csv, &alert)
        );
        assert!(csv.contains(",corp,\"'=cmd\u{1b}[2J,\"\"x\"\"\","), "{csv}");
        assert!(csv.contains(",200,0,,"), "what a record leaves out for being none is a number: {csv}");
        assert_eq!(shown(Form::Json, &record), format!("{record}\n"));
    }

    #[test]
    fn what_inspection_found_is_told() {
        let finding = json!({"rule": "sqli.stacked", "at": "body.note", "score": 5});
        for (told, want) in [
            (
                json!({"verdict": "shadowed", "findings": [finding, finding]}),
                "shadowed: sqli.stacked at body.note (and 1 more)",
            ),
            (
                json!({"verdict": "denied", "fault": "structure.contract at body.a: type", "findings": []}),
                "denied: structure.contract at body.a: type",
            ),
        ] {
            let record =
                json!({"kind": "exchange", "time": "t", "status": 200, "outcome": "completed", "inspection": told});
            let table = shown(Form::Table, &record);
            assert!(table.contains(&format!("  completed 200  inspection {want}\n")), "{table}");
            let csv = shown(Form::Csv, &record);
            assert!(csv.ends_with(&format!(",{want},,,,,,,,,\n")), "{csv}");
        }
    }

    #[test]
    fn acts_are_told_too() {
        let act = json!({"kind": "revocation", "time": "t", "act": "revoked", "of": "principal:corp:ada", "by": "uid:0", "reason": "stolen"});
        assert_eq!(shown(Form::Table, &act), "t  revocation revoked principal:corp:ada by uid:0: stolen\n");
        let alert = json!({"kind": "alert", "time": "t", "act": "raised", "detection": "canary", "severity": "critical",
            "of": "principal:corp:ada", "action": "freeze_principal"});
        assert_eq!(
            shown(Form::Table, &alert),
            "t  alert raised critical canary principal:corp:ada: freeze_principal\n"
        );
        assert_eq!(
            shown(Form::Table, &json!({"kind": "lost", "time": "t", "count": 7})),
            "t  7 exchanges without a record\n"
        );
    }
}
