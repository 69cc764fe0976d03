//! `claviger revocation`: ending access at once, and giving it back.

use std::io::Write;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};

use super::Failure;
use super::store::{StoreArgs, stamp, user};
use crate::domain::{Id, Name};
use crate::session::{Revocation, Revoked};
use crate::telemetry::escape;

/// End access at once: from the next request on, and in the middle of what is under way.
#[derive(Debug, Subcommand)]
pub enum RevocationCommand {
    /// End somebody's access. A running gateway takes it over within milliseconds, and cuts what is under way: bodies, streams, WebSockets.
    Add(AddArgs),
    /// Show whose access is ended.
    List(ListArgs),
    /// Give access back.
    Lift(LiftArgs),
}

/// Whose access to end.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// `all`, `authn:NAME` (whoever this authenticator proves), `role:NAME`, or `principal:AUTHENTICATOR:ID`,
    /// `key:AUTHENTICATOR:KEY` or `session:ID`, as audit records name them; of several, all are revoked or none.
    #[arg(required = true)]
    of: Vec<Revoked>,
    /// Why; it is in the audit log.
    #[arg(long)]
    reason: String,
    /// For how long (`8h`, `2d`); without it, until it is lifted.
    #[arg(long = "for", value_name = "TIME", value_parser = lasts)]
    lasts: Option<Duration>,
    #[command(flatten)]
    store: StoreArgs,
    /// Print one JSON object a line instead.
    #[arg(long)]
    json: bool,
}

fn lasts(text: &str) -> Result<Duration, String> {
    let lasts = humantime::parse_duration(text).ok().filter(|lasts| !lasts.is_zero());
    lasts.ok_or_else(|| "write how long, such as `8h` or `2d`".to_owned())
}

/// How to show them.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Print a JSON array instead.
    #[arg(long)]
    json: bool,
}

/// Which to lift.
#[derive(Debug, Args)]
pub struct LiftArgs {
    /// The revocation's id, as `list` shows it.
    id: Id,
    #[command(flatten)]
    store: StoreArgs,
}

impl RevocationCommand {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Add(args) => args.run(out),
            Self::List(args) => args.run(out),
            Self::Lift(args) => args.run(out),
        }
    }
}

impl AddArgs {
    fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        if !Revocation::is_reason(&self.reason) {
            let max = Revocation::MAX_REASON;
            return Err(Failure::new(2, format!("claviger: a reason is one line of 1 to {max} bytes")));
        }
        let (store, known) = self.store.open()?;
        if let Some(known) = &known {
            self.of.iter().try_for_each(|of| check(of, known))?;
        }
        let (by, now) = (user(), SystemTime::now());
        let new = |of: &Revoked| Revocation::new(of.clone(), self.reason.clone(), by.clone(), now, self.lasts);
        let all: Vec<_> = self.of.iter().map(new).collect();
        store.add(&all)?;
        let text = |one: &Revocation| if self.json { json(one).to_string() } else { escape(&line(one)).into_owned() };
        all.iter().try_for_each(|one| writeln!(out, "{}", text(one))).map_err(Failure::from)
    }
}

/// Refuses an authenticator that there is not: it would end nobody's access.
fn check(of: &Revoked, known: &[Name]) -> Result<(), Failure> {
    let name = match of {
        Revoked::Authenticator(name) | Revoked::Principal(name, _) | Revoked::Key(name, _) => name,
        Revoked::All | Revoked::Role(_) | Revoked::Session(_) => return Ok(()),
    };
    if known.contains(name) || name.as_str() == "anonymous" {
        return Ok(());
    }
    let known: Vec<_> = known.iter().map(Name::as_str).collect();
    Err(Failure::new(2, format!("claviger: there is no `[authn.{name}]`, only: {}", known.join(", "))))
}

impl ListArgs {
    fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let (store, _) = self.store.open()?;
        let mut all = store.revocations()?;
        let now = SystemTime::now();
        all.retain(|one| one.holds(now));
        all.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.of.cmp(&b.of)));
        if self.json {
            let all: Vec<_> = all.iter().map(json).collect();
            return Ok(writeln!(out, "{}", serde_json::Value::from(all))?);
        }
        if all.is_empty() {
            return Ok(writeln!(out, "Nobody's access is ended.")?);
        }
        all.iter().try_for_each(|one| writeln!(out, "{}", escape(&line(one)))).map_err(Failure::from)
    }
}

impl LiftArgs {
    fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let (store, _) = self.store.open()?;
        if !store.lift(self.id, &user())? {
            let text =
                format!("claviger: no revocation {} is in force; `claviger revocation list` shows them", self.id);
            return Err(Failure::new(1, text));
        }
        Ok(writeln!(out, "{} lifted", self.id)?)
    }
}

fn line(one: &Revocation) -> String {
    let until = one.until.map_or_else(|| "lifted".to_owned(), |until| stamp(until).to_string());
    let or = one.approval.as_ref().map(|name| format!(" or approved by `{name}`")).unwrap_or_default();
    format!("{}  {}  since {}  until {until}{or}  by {}  {}", one.id, one.of, stamp(one.since), one.by, one.reason)
}

fn json(one: &Revocation) -> serde_json::Value {
    serde_json::json!({
        "id": one.id.to_string(),
        "of": one.of.to_string(),
        "reason": one.reason,
        "by": one.by,
        "since": stamp(one.since).to_string(),
        "until": one.until.map(|until| stamp(until).to_string()),
        "approval": one.approval.as_ref().map(Name::as_str),
    })
}
