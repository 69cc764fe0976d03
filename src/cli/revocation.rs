//! `claviger revocation`: ending access at once, and giving it back.

use std::io::Write;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};

use super::Failure;
use super::store::{StoreArgs, stamp, user};
use crate::domain::{Id, Name};
use crate::server::Site;
use crate::session::{Revocation, Revoked, Store, StoreError};
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
        let (store, site) = self.store.open()?;
        if let Some(site) = &site {
            self.of.iter().try_for_each(|of| check(of, &site.authenticators))?;
        }
        let (by, now) = (user(), SystemTime::now());
        let unknown = |of: &Revoked| unknown(of, &store, site.as_ref(), now);
        let unknown: Vec<_> = self.of.iter().map(unknown).collect::<Result<_, _>>()?;
        let new = |of: &Revoked| Revocation::new(of.clone(), self.reason.clone(), by.clone(), now, self.lasts);
        let all: Vec<_> = self.of.iter().map(new).collect();
        store.add(&all)?;
        for (one, unknown) in all.iter().zip(unknown) {
            let note = unknown.map(|why| format!("  (note: {why})")).unwrap_or_default();
            match self.json {
                true => writeln!(out, "{}", json(one))?,
                false => writeln!(out, "{}", escape(&format!("{}{note}", line(one))))?,
            }
        }
        Ok(())
    }
}

/// Why this may be a slip of the pen: it is revoked all the same, as whoever it is of may come yet.
fn unknown(
    of: &Revoked,
    store: &Store,
    site: Option<&Site>,
    now: SystemTime,
) -> Result<Option<&'static str>, StoreError> {
    let keys = |name: &Name| site.and_then(|site| site.api_keys.iter().find(|keys| keys.name() == name));
    Ok(match of {
        Revoked::Session(id) => store.session(*id, now)?.is_none().then_some("no such session goes on"),
        Revoked::Key(name, key) => keys(name)
            .is_some_and(|keys| keys.known().all(|(_, owner, _)| owner.key.as_deref() != Some(key)))
            .then_some("the configuration has no such key"),
        Revoked::Principal(name, id) => keys(name)
            .is_some_and(|keys| keys.known().all(|(_, owner, _)| owner.id != *id))
            .then_some("the configuration has no key of theirs"),
        Revoked::All | Revoked::Authenticator(_) | Revoked::Role(_) => None,
    })
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
        let one = store.revocations()?.into_iter().find(|one| one.id == self.id);
        if !store.lift(self.id, &user())? {
            let text =
                format!("claviger: no revocation {} is in force; `claviger revocation list` shows them", self.id);
            return Err(Failure::new(1, text));
        }
        writeln!(out, "{} lifted", self.id)?;
        // The alert stays, and its actions are taken once in a while.
        if let Some(until) = one.filter(|one| one.by.starts_with("monitor:")).and_then(|one| one.until) {
            writeln!(
                out,
                "The alert that asked for it goes on until it is cleared, and ends this access again after {} at the earliest.",
                stamp(until)
            )?;
        }
        Ok(())
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
