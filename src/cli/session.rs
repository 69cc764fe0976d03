//! `claviger session`: who has a session, and ending one.

use std::io::Write;
use std::sync::Arc;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::store::{StoreArgs, stamp, user};
use crate::domain::{Id, Name};
use crate::session::{Carried, Revocation, Revoked, Session};
use crate::telemetry::escape;

/// Show who has a session, and end one.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// Show the sessions that go on, the latest first.
    List(ListArgs),
    /// Show one session.
    Show(ShowArgs),
    /// End a session at once, also in the middle of what is under way, or all of somebody, or all that there are. `claviger revocation lift` takes
    /// that back, one by one.
    Revoke(RevokeArgs),
}

/// Which to show, and how.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those of this principal, `AUTHENTICATOR:ID`.
    #[arg(long)]
    of: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// Print a JSON array instead.
    #[arg(long)]
    json: bool,
}

/// Which to show, and how.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The session's id, as `list` and audit records show it, and the `jti` of its token.
    id: Id,
    #[command(flatten)]
    store: StoreArgs,
    /// Print one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// Which to end.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    which: Which,
    /// Why; it is in the audit log.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The session's id, as `list` and audit records show it, and the `jti` of its token.
    id: Option<Id>,
    /// All that go on of this principal, `AUTHENTICATOR:ID`. New ones can be begun: `claviger revocation add` forbids that.
    #[arg(long)]
    of: Option<String>,
    /// All that go on.
    #[arg(long)]
    all: bool,
}

impl Which {
    fn is_meant(&self, one: &Session) -> bool {
        match (&self.id, &self.of) {
            (Some(id), _) => one.stay.id == *id,
            (None, Some(of)) => one.principal.name() == *of,
            (None, None) => self.all,
        }
    }
}

impl SessionCommand {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::List(args) => args.run(out),
            Self::Show(args) => args.run(out),
            Self::Revoke(args) => args.run(out),
        }
    }
}

impl ListArgs {
    fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let (store, _) = self.store.open()?;
        let now = SystemTime::now();
        let (revocations, mut all) = (store.revocations()?, store.sessions(now)?);
        let ended_by = |one: &Session| ended_by(one, &revocations, now);
        all.retain(|one| goes_on(one, now) && !ended_by(one).is_some_and(is_own));
        all.retain(|one| self.of.as_ref().is_none_or(|of| one.principal.name() == *of));
        if self.json {
            let all: Vec<_> = all.iter().map(|one| shown(one, ended_by(one))).collect();
            return Ok(writeln!(out, "{}", Value::from(all))?);
        }
        if all.is_empty() {
            return Ok(writeln!(out, "Nobody has a session.")?);
        }
        all.iter().try_for_each(|one| writeln!(out, "{}", escape(&line(one, ended_by(one))))).map_err(Failure::from)
    }
}

impl ShowArgs {
    fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let (store, _) = self.store.open()?;
        let now = SystemTime::now();
        let revocations = store.revocations()?;
        let found = store.session(self.id, now)?.filter(|one| goes_on(one, now));
        let is_ended = |one: &Session| ended_by(one, &revocations, now).is_some_and(is_own);
        let Some(one) = found.filter(|one| !is_ended(one)) else { return Err(none(self.id)) };
        let one = shown(&one, ended_by(&one, &revocations, now));
        if self.json {
            return Ok(writeln!(out, "{one}")?);
        }
        let Value::Object(members) = one else { return Ok(()) };
        members.iter().filter(|(_, value)| !value.is_null()).try_for_each(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            writeln!(out, "{name:<14} {}", escape(&text))
        })?;
        Ok(())
    }
}

impl RevokeArgs {
    fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        if !Revocation::is_reason(&self.reason) {
            let max = Revocation::MAX_REASON;
            return Err(Failure::new(2, format!("claviger: a reason is one line of 1 to {max} bytes")));
        }
        let (store, _) = self.store.open()?;
        let now = SystemTime::now();
        let (mut all, by) = (store.sessions(now)?, user());
        let revocations = store.revocations()?;
        let is_ended = |one: &Session| ended_by(one, &revocations, now).is_some_and(is_own);
        all.retain(|one| self.which.is_meant(one) && (self.which.id.is_some() || !is_ended(one)));
        if all.is_empty() {
            return Err(self.which.id.map_or_else(
                || Failure::new(1, "claviger: there is no such session; `claviger session list` shows all"),
                none,
            ));
        }
        let end = |one: &Session| {
            let lasts = one.until.duration_since(now).unwrap_or_default();
            Revocation::new(Revoked::Session(one.stay.id), self.reason.clone(), by.clone(), now, Some(lasts))
        };
        store.add(&all.iter().map(end).collect::<Vec<_>>())?;
        all.iter().try_for_each(|one| writeln!(out, "{} ended", one.stay.id)).map_err(Failure::from)
    }
}

fn none(id: Id) -> Failure {
    Failure::new(1, format!("claviger: no session {id} goes on; `claviger session list` shows them"))
}

fn goes_on(one: &Session, now: SystemTime) -> bool {
    now < one.until && !one.stay.is_idle(now)
}

/// What ends it now: by its own id, where it was ended so, else whatever ends its principal's access, which may be given back.
fn ended_by<'r>(one: &Session, all: &'r [Revocation], now: SystemTime) -> Option<&'r Revocation> {
    let principal = Arc::clone(&one.principal);
    let carried = Carried { principal, role: None, any_of: Vec::new(), until: None, grant: None };
    let mut ends = all.iter().filter(|revocation| revocation.holds(now) && revocation.of.is(&carried));
    let first = ends.next()?;
    ends.find(|revocation| is_own(revocation)).filter(|_| !is_own(first)).or(Some(first))
}

fn is_own(revocation: &Revocation) -> bool {
    matches!(revocation.of, Revoked::Session(_))
}

fn line(one: &Session, ended_by: Option<&Revocation>) -> String {
    let (since, until) = (stamp(one.since), stamp(one.until));
    let ended = ended_by.map(|by| format!("  refused: {} is revoked ({})", by.of, by.id)).unwrap_or_default();
    let (id, name, used) = (one.stay.id, one.principal.name(), stamp(one.stay.used()));
    format!("{id}  {name}  since {since}  until {until}  used {used}{ended}")
}

fn shown(one: &Session, ended_by: Option<&Revocation>) -> Value {
    let (principal, bounds) = (&one.principal, &one.stay.bounds);
    let texts = |names: &[Arc<str>]| names.iter().map(|name| Value::from(&**name)).collect::<Value>();
    let confirmation = principal.confirmation;
    json!({
        "id": one.stay.id.to_string(),
        "principal": principal.name(),
        "kind": principal.kind.text(),
        "key": principal.key.as_deref(),
        "actor": principal.actor.as_deref(),
        "proof_roles": texts(&principal.roles),
        "scopes": texts(&principal.scopes),
        "only_roles": bounds.roles.as_deref().map(texts),
        "only_routes": bounds.routes.as_ref().map(|routes| routes.iter().map(Name::as_str).collect::<Vec<_>>()),
        "only_methods": bounds.methods.map(|methods| methods.names().collect::<Vec<_>>()),
        "bound_to": match (confirmation.key, confirmation.certificate) {
            (Some(_), _) => Some("DPoP key"),
            (None, Some(_)) => Some("certificate"),
            (None, None) => None,
        },
        "only_uses": bounds.uses,
        "since": stamp(one.since).to_string(),
        "until": stamp(one.until).to_string(),
        "idle": one.stay.idle.map(|idle| humantime::format_duration(idle).to_string()),
        "used": stamp(one.stay.used()).to_string(),
        "revoked": ended_by.map(|by| by.of.to_string()),
    })
}
