//! `claviger audit query`: who did what, by the records.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::{self, IsTerminal as _, Write};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use clap::{Args, ValueEnum};

use serde_json::{Map, Value};

use super::erase::{Erasures, text_of};
use super::names::Names;
use super::shown::Shown;
use crate::audit::pseudonyms::Field;
use crate::audit::{Kind, Outcome, Progress, Query, Reader};
use crate::cli::Failure;
use crate::config;
use crate::domain::{Principal, canonical_ip};

/// Which records to tell of, and how.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct QueryArgs {
    /// The audit file; files that were full before it, beside it with a number behind its name, are read too, also compressed ones (`.zst`).
    /// Of several, as nodes have them, one is told after the other.
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<PathBuf>,
    /// Of this principal: `AUTHENTICATOR:ID`, also what was done with their access and by them; or the id alone where it has no colon.
    #[arg(long)]
    principal: Option<String>,
    /// Of whoever this key proved, as `AUTHENTICATOR:KEY` or the key's name alone.
    #[arg(long)]
    key: Option<String>,
    /// Of whoever acted for somebody.
    #[arg(long)]
    actor: Option<String>,
    /// That went to this target.
    #[arg(long)]
    target: Option<String>,
    /// That this route took.
    #[arg(long)]
    route: Option<String>,
    /// That were allowed to this role.
    #[arg(long)]
    role: Option<String>,
    /// That this rule allowed, such as `route.stripe.allow[1]`.
    #[arg(long)]
    rule: Option<String>,
    /// Denied or failed with this code.
    #[arg(long, alias = "denial", value_name = "CODE")]
    code: Option<String>,
    /// That no rule allows, let through by a route in shadow.
    #[arg(long)]
    shadowed: bool,
    /// That inspection found something in, and what became of them: `shadowed`, they went on; `denied`; or `passed`, it was too little.
    #[arg(long, value_name = "VERDICT", value_parser = ["shadowed", "denied", "passed"])]
    inspection: Option<String>,
    /// In which inspection found this, such as `sqli.tautology` or `structure.contract`.
    #[arg(long, value_name = "RULE")]
    finding: Option<String>,
    /// That ended so.
    #[arg(long, value_parser = Outcome::ALL.map(Outcome::text))]
    outcome: Option<String>,
    /// Of this session.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// On this grant, and what was done with it.
    #[arg(long, value_name = "ID")]
    grant: Option<String>,
    /// Done by this operator or principal, as records name them.
    #[arg(long)]
    by: Option<String>,
    /// What was done, such as `approved`, `revoked` or `promoted`.
    #[arg(long)]
    act: Option<String>,
    /// With this method.
    #[arg(long, value_parser = |text: &str| Ok::<_, Infallible>(text.to_ascii_uppercase()))]
    method: Option<String>,
    /// From this client.
    #[arg(long, value_name = "ADDRESS")]
    client: Option<IpAddr>,
    /// With this id, as the client was told it in `X-Request-Id`.
    #[arg(long)]
    id: Option<String>,
    /// Of this kind. Default: what somebody did, and `lost`, each once.
    #[arg(long, value_parser = Kind::ALL.map(Kind::text))]
    kind: Option<String>,
    /// Of this time or later: a moment such as `2026-11-23T09:30:00Z`, a day such as `2026-11-23` (in UTC), or how long ago, such as `2h` or `7d`.
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<SystemTime>,
    /// Of an earlier time than this.
    #[arg(long, value_name = "TIME", value_parser = since)]
    until: Option<SystemTime>,
    /// The directory of the keys, where records have pseudonyms: then `--principal`, `--actor`, `--client` and `--session` find those whom they
    /// name under every key that is left, and records have the names that were asked for.
    #[arg(long, value_name = "DIRECTORY")]
    keys: Option<PathBuf>,
    /// How to tell: a table for people, the records as they are, or CSV.
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// The same as `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// No more than so many, the earliest ones.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    Table,
    Json,
    Csv,
}

const EXAMPLES: &str = "\
Examples:
  claviger audit query audit.jsonl --principal corp:ada --since 7d
  claviger audit query audit.jsonl --target stripe --method POST --since 2026-11-01T00:00:00Z --format csv > refunds.csv
  claviger audit query audit.jsonl --code not_allowed --since 1h --limit 20
  claviger audit query audit.jsonl --inspection shadowed --route orders --since 1d
  claviger audit query audit.jsonl --principal corp:ada --keys audit-keys
  claviger audit query audit.jsonl --session 7f21c0de... --format json | jq .path
  claviger audit query node-1.jsonl node-2.jsonl --key keys:ci --since 2026-11-01
  claviger audit query audit.jsonl --kind access --act approved --by corp:lead

Exit codes: 0 done, 1 a log cannot be read or does not say all, 2 wrong arguments.";

impl QueryArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            return Err(Failure::new(2, "claviger: no time is both of `--since` or later and before `--until`"));
        }
        let mut names = Names::open(self.keys.as_deref())?;
        let query = self.query(&mut names);
        let mut shown = Shown::new(out, if self.json { Form::Json } else { self.format })?;
        let mut left = self.limit.unwrap_or(u64::MAX);
        // Of each log by itself: what one tells is no answer of another.
        let (found, mut at) = (Cell::new(0_u64), Vec::new());
        let mut bar = Bar::new();
        let mut each = |line: &[u8]| {
            if left == 0 {
                return Ok(ControlFlow::Break(()));
            }
            // What is no record was not written by a gateway; `verify` tells of it.
            let Ok(record) = serde_json::from_slice(line) else { return Ok(ControlFlow::Continue(())) };
            if self.is_shown(&record) && query.fits(&record) && self.is_found(&record) && self.is_theirs(&record) {
                left -= 1;
                found.set(found.get() + 1);
                let revealed = names.reveal(line);
                let record = if revealed == line { record } else { serde_json::from_slice(&revealed)? };
                shown.record(&revealed, &record)?;
            }
            Ok(ControlFlow::Continue(()))
        };
        let done = self.logs.iter().try_for_each(|log| {
            let before = found.get();
            query.scan(log, &mut |progress| bar.tell(progress), &mut each)?;
            at.push(found.get() > before);
            Ok(())
        });
        bar.end();
        match done.and_then(|()| shown.end()) {
            // Who wants no more than there is has been told.
            Ok(()) if self.limit.is_some_and(|most| found.get() >= most) => Ok(()),
            Ok(()) => self.logs.iter().zip(at).try_for_each(|(log, has_found)| self.is_told(log, has_found, &names)),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether what was found is an answer: only where it is a log that was looked at, and who is asked for would have been found in it.
    fn is_told(&self, log: &Path, has_found: bool, names: &Names) -> Result<(), Failure> {
        let shown = log.display();
        if !has_found && Reader::open(log, 1)?.next()?.and_then(|line| line.head).is_none() {
            let text = format!("claviger: {shown} begins with no audit record: is it a log of this program?");
            return Err(Failure::new(1, text));
        }
        let named = [&self.principal, &self.key, &self.actor, &self.session, &self.by];
        if named.into_iter().all(Option::is_none) && self.client.is_none() {
            return Ok(());
        }
        let missing = self.missing_keys(log, names)?;
        if missing.is_empty() || (self.keys.is_none() && has_found) {
            return Ok(());
        }
        let text = match &self.keys {
            None => {
                format!("claviger: this is not all: {shown} has pseudonyms: say `--keys`, or nobody is found by name")
            }
            Some(keys) => format!(
                "claviger: this is not all: {shown} has pseudonyms of {}, whose keys are not, or not all, in {}: nobody is found by name in those records",
                missing.into_iter().collect::<Vec<_>>().join(", "),
                keys.display()
            ),
        };
        Err(Failure::new(1, text))
    }

    /// The periods of pseudonyms in a log for which there is no key.
    fn missing_keys(&self, log: &Path, names: &Names) -> io::Result<BTreeSet<String>> {
        let erasures = Erasures::of(log)?;
        let mut missing = BTreeSet::new();
        self.within(Query::default().having("period")).scan(log, &mut |_| {}, &mut |line| {
            let is_missing = |period: &&str| !names.has_key(period) || erasures.reach(period, line);
            let period = text_of(line, b"\"period\":\"").filter(|period| !missing.contains(*period));
            if let Some(period) = period.filter(is_missing) {
                missing.insert(period.to_owned());
            }
            // Without any key, one is enough to know.
            Ok(if self.keys.is_none() && !missing.is_empty() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        Ok(missing)
    }

    fn within(&self, query: Query) -> Query {
        let query = self.since.into_iter().fold(query, Query::since);
        self.until.into_iter().fold(query, Query::until)
    }

    /// Unless a kind is asked for: what somebody did, once, and what the monitor found in it. Not that it was about to be, nor what a log says of itself.
    fn is_shown(&self, record: &Map<String, Value>) -> bool {
        const KINDS: [&str; 7] = ["exchange", "revocation", "access", "rotation", "erasure", "alert", "lost"];
        self.kind.is_some() || record.get("kind").and_then(Value::as_str).is_some_and(|kind| KINDS.contains(&kind))
    }

    /// Whether inspection found what is asked for.
    fn is_found(&self, record: &Map<String, Value>) -> bool {
        let told = record.get("inspection");
        let text = |member: &str| told?.get(member)?.as_str();
        let findings = told.and_then(|told| told.get("findings")?.as_array()).into_iter().flatten();
        let mut rules = findings.filter_map(|finding| finding.get("rule")?.as_str());
        let fault = text("fault").and_then(|fault| fault.split(' ').next());
        self.inspection.as_deref().is_none_or(|verdict| text("verdict") == Some(verdict))
            && self.finding.as_deref().is_none_or(|rule| fault == Some(rule) || rules.any(|one| one == rule))
    }

    /// Whether an exchange is of the authenticator that is asked for with a principal or a key.
    fn is_theirs(&self, record: &Map<String, Value>) -> bool {
        let Some(authenticator) = record.get("authenticator").and_then(Value::as_str) else { return true };
        // A key's own name may have a colon.
        let is_key = |key: &&String| record.get("key").and_then(Value::as_str) != Some(key);
        let asked = self.principal.iter().chain(self.key.iter().filter(is_key));
        asked.filter_map(|text| Principal::parse_name(text)).all(|(name, _)| name.as_str() == authenticator)
    }

    /// By whom what is asked for was done, as exchanges name them, and as acts do.
    fn by_whom(&self, mut query: Query, names: &mut Names) -> Query {
        let named =
            |text: &String| Principal::parse_name(text).map_or((None, text.clone()), |(name, id)| (Some(name), id));
        if let Some((authenticator, id)) = self.principal.as_ref().map(named) {
            let mut any = Vec::new();
            for id in names.texts(Field::Principal, &id) {
                if let Some(authenticator) = &authenticator {
                    let whole = format!("{authenticator}:{id}");
                    any.extend([("of", format!("principal:{whole}")), ("of", whole.clone()), ("by", whole)]);
                }
                any.push(("principal", id));
            }
            query = query.with_any(any);
        }
        if let Some((authenticator, key)) = self.key.as_ref().map(named) {
            let mut any: Vec<_> = self.key.iter().map(|whole| ("key", whole.clone())).collect();
            for key in names.texts(Field::Principal, &key) {
                any.extend(authenticator.iter().map(|authenticator| ("of", format!("key:{authenticator}:{key}"))));
                any.push(("key", key));
            }
            query = query.with_any(any);
        }
        if let Some((authenticator, id)) = self.by.as_ref().map(named) {
            let whole = |id: String| authenticator.as_ref().map_or(id.clone(), |name| format!("{name}:{id}"));
            query = query.with_any(names.texts(Field::Principal, &id).into_iter().map(|id| ("by", whole(id))));
        }
        query
    }

    fn query(&self, names: &mut Names) -> Query {
        let mut query = self.by_whom(Query::default(), names);
        if let Some(id) = &self.session {
            let texts = names.texts(Field::Session, id).into_iter();
            query = query.with_any(texts.flat_map(|id| [("of", format!("session:{id}")), ("session", id)]));
        }
        if let Some(id) = &self.grant {
            query = query.with_any([("grant", id.clone()), ("id", id.clone())]);
        }
        let client = self.client.map(|client| canonical_ip(client).to_string());
        for (member, field, text) in [("actor", Field::Actor, &self.actor), ("client", Field::Client, &client)] {
            if let Some(text) = text {
                query = query.with_any(names.texts(field, text).into_iter().map(|text| (member, text)));
            }
        }
        for (member, text) in [
            ("target", &self.target),
            ("route", &self.route),
            ("role", &self.role),
            ("rule", &self.rule),
            ("code", &self.code),
            ("outcome", &self.outcome),
            ("act", &self.act),
            ("method", &self.method),
            ("id", &self.id),
            ("kind", &self.kind),
        ] {
            if let Some(text) = text {
                query = query.with(member, text);
            }
        }
        if self.shadowed {
            query = query.having("shadow_code");
        }
        if self.inspection.is_some() || self.finding.is_some() {
            query = query.having("inspection");
        }
        self.within(query)
    }
}

/// A moment, or how long ago.
fn since(text: &str) -> Result<SystemTime, String> {
    let ago = |text: &str| SystemTime::now().checked_sub(humantime::parse_duration(text).ok()?);
    let cure =
        "write a moment such as 2026-11-23T09:30:00Z, a day such as 2026-11-23, or how long ago, such as 2h or 7d";
    let day = || config::moment(&format!("{text}T00:00:00Z"));
    config::moment(text).or_else(day).or_else(|| ago(text)).ok_or_else(|| cure.to_owned())
}

/// How far a long work has come, on standard error where that is a terminal.
pub(in crate::cli) struct Bar {
    is_shown: bool,
    told: Instant,
    has_told: bool,
}

/// How often that is told, and after how long first.
const TELL_EVERY: Duration = Duration::from_millis(200);

impl Bar {
    pub(in crate::cli) fn new() -> Self {
        Self { is_shown: io::stderr().is_terminal(), told: Instant::now(), has_told: false }
    }

    pub(in crate::cli) fn tell(&mut self, progress: Progress) {
        if !self.is_shown || self.told.elapsed() < TELL_EVERY {
            return;
        }
        (self.told, self.has_told) = (Instant::now(), true);
        let (done, of) = (progress.done >> 20, progress.of >> 20);
        let filled = usize::try_from(done.saturating_mul(30).checked_div(of).unwrap_or(30)).unwrap_or(30).min(30);
        // A terminal that is gone is no reason to stop.
        let _ = write!(io::stderr(), "\r[{:<30}] {done} of {of} MiB", "#".repeat(filled));
    }

    pub(in crate::cli) fn end(&self) {
        if self.has_told {
            let _ = write!(io::stderr(), "\r{:60}\r", "");
        }
    }
}
