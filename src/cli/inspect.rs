//! `claviger inspect`: why a captured request would be stopped, or not.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Serialize;

use super::Failure;
use crate::domain::Name;
use crate::inspect::{Engine, Head, Mode, Profile, Report, RuleFile, Settings};
use crate::server;

/// What to judge, and by which rules.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InspectArgs {
    /// A request as it goes over the wire in HTTP/1.1, head and body; `-` for standard input. Line ends may be LF.
    #[arg(value_name = "REQUEST", required_unless_present = "rules")]
    request: Option<PathBuf>,
    /// A configuration, whose `--route` says how it is looked through. Without it, all ready-made rules at paranoia 1.
    #[arg(long, value_name = "FILE", requires = "route")]
    config: Option<PathBuf>,
    /// The `[route.NAME]`.
    #[arg(long, value_name = "NAME", requires = "config")]
    route: Option<String>,
    /// The level of paranoia, 1 to 4.
    #[arg(long, value_name = "LEVEL", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=4), conflicts_with = "config")]
    paranoia: u8,
    /// List the rules instead.
    #[arg(long, conflicts_with_all = ["request", "config"])]
    rules: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  claviger inspect request.txt                    the verdict, and what led to it
  claviger inspect - --json < request.txt
  claviger inspect request.txt --config claviger.toml --route stripe
  claviger inspect --rules                        every rule, its class and worth

Exit codes: 0 it would pass, 1 it would be stopped, 2 it cannot be read or the arguments are wrong.";

#[derive(Serialize)]
struct Told<'a> {
    stopped: bool,
    score: u32,
    threshold: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    findings: &'a [crate::inspect::Finding],
}

impl InspectArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let engine = Arc::new(ready_made()?);
        if self.rules {
            return list(&engine, self.json, out);
        }
        let profile = match (&self.config, &self.route) {
            (Some(config), Some(route)) => of_route(config, route)?,
            _ => {
                let settings = Settings { paranoia: self.paranoia, ..Settings::default() };
                let unknown = |name| Failure::new(2, format!("claviger: no rule `{name}`"));
                Arc::new(Profile::new(engine, settings).map_err(unknown)?)
            }
        };
        let request = Request::read(self.request.as_deref().unwrap_or(Path::new("-")))?;
        let report = profile.judge(&request.head(), Some(&request.body).filter(|body| !body.is_empty()).map(|b| &**b));
        if self.json {
            let told = Told {
                stopped: report.is_attack,
                score: report.score,
                threshold: profile.settings().threshold,
                fault: report.fault.as_ref().map(ToString::to_string),
                findings: &report.findings,
            };
            serde_json::to_writer(&mut *out, &told).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            explain(&profile, &report, out)?;
        }
        // What there is to say was said: the code tells the verdict to scripts.
        if report.is_attack { Err(Failure::silent(1)) } else { Ok(()) }
    }
}

fn ready_made() -> Result<Engine, Failure> {
    let rules = RuleFile::ready_made().map_err(|error| Failure::new(1, format!("claviger: {error}")))?;
    Engine::new(rules).map_err(|errors| {
        let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
        Failure::new(1, format!("claviger: {}", all.join("\n")))
    })
}

fn of_route(config: &Path, route: &str) -> Result<Arc<Profile>, Failure> {
    let name = Name::parse(route).map_err(|error| Failure::new(2, format!("claviger: `{route}`: {error}")))?;
    let found = server::profile(config, &name).map_err(|error| Failure::new(2, error.to_string()))?;
    found
        .ok_or_else(|| Failure::new(2, format!("claviger: {} has no route `{route}` with `inspect`", config.display())))
}

fn list(engine: &Engine, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if json {
        let rules: Vec<_> = engine.rules().collect();
        serde_json::to_writer(&mut *out, &rules).map_err(io::Error::from)?;
        return Ok(writeln!(out)?);
    }
    let width = engine.rules().map(|rule| rule.id.len()).max().unwrap_or_default();
    writeln!(out, "{:width$}  score  paranoia  what it looks for", "rule")?;
    for rule in engine.rules() {
        writeln!(out, "{:width$}  {:>5}  {:>8}  {}", rule.id, rule.score, rule.paranoia, rule.about)?;
    }
    Ok(())
}

fn explain(profile: &Profile, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let threshold = profile.settings().threshold;
    let verdict = match (report.is_attack, profile.settings().mode) {
        (false, _) => "passes",
        (true, Mode::Enforce) => "stopped",
        (true, Mode::Shadow | Mode::Off) => "would be stopped, but passes: its mode is not `enforce`",
    };
    writeln!(out, "{verdict}: score {}, of {threshold} that stop", report.score)?;
    if let Some(fault) = &report.fault {
        writeln!(out, "cannot be read: {fault}")?;
    }
    for finding in &report.findings {
        writeln!(out, "\n{:>4}  {}  at {}", finding.score, finding.rule, finding.at)?;
        writeln!(out, "      {}", finding.excerpt)?;
        if let Some(rule) = profile.rule(&finding.rule) {
            writeln!(out, "      {}", rule.about)?;
        }
    }
    Ok(())
}

/// A captured request.
struct Request {
    method: Method,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// The largest request that is read, in bytes, and the most fields of one.
const MAX_REQUEST: u64 = 64 << 20;
const MAX_FIELDS: usize = 256;

impl Request {
    fn read(path: &Path) -> Result<Self, Failure> {
        let mut text = Vec::new();
        let read = if path == Path::new("-") {
            io::stdin().take(MAX_REQUEST).read_to_end(&mut text)
        } else {
            File::open(path).and_then(|file| file.take(MAX_REQUEST).read_to_end(&mut text))
        };
        read.map_err(|error| Failure::new(2, format!("claviger: {}: {error}", path.display())))?;
        Self::parse(&text).map_err(|why| {
            let form = "write it as it goes over the wire: `POST /path?query HTTP/1.1`, header fields, an empty line, the body";
            Failure::new(2, format!("claviger: {}: {why}; {form}", path.display()))
        })
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        let length = match parsed.parse(text).map_err(|error| error.to_string())? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return Err("its head has no end".to_owned()),
        };
        let mut headers = HeaderMap::new();
        for field in parsed.headers.iter() {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|error| error.to_string())?;
            headers.append(name, HeaderValue::from_bytes(field.value).map_err(|error| error.to_string())?);
        }
        let target = parsed.path.unwrap_or("/");
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        Ok(Self {
            method: parsed.method.unwrap_or("GET").parse().map_err(|_| "its method is none".to_owned())?,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers,
            body: text[length..].to_vec(),
        })
    }

    fn head(&self) -> Head<'_> {
        Head { method: &self.method, path: &self.path, query: self.query.as_deref(), headers: &self.headers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_goes_over_the_wire() {
        let request = Request::parse(b"POST /a/b?c=d HTTP/1.1\nHost: x\nCookie: a=b\n\n{\"e\":1}").expect("a request");
        assert_eq!((request.path.as_str(), request.query.as_deref()), ("/a/b", Some("c=d")));
        assert_eq!((request.headers.len(), &*request.body), (2, &b"{\"e\":1}"[..]));
        for wrong in ["", "{}", "GET / HTTP/1.1\nHost: x\n"] {
            assert!(Request::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
