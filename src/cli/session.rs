//! `claviger session`: who has a session, and ending one.

use std::io::Write;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::store::{StoreArgs, stamp, user};
use crate::domain::{Id, Name};
use crate::session::{Revocation, Revoked, Session};
use crate::telemetry::escape;

/// Show who has a session, and end one.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// Show the sessions that go on, the latest first.
    List(ListArgs),
    /// Show one session.
    Show(ShowArgs),
    /// End a session at once, also in the middle of what is under way. `claviger revocation lift` takes that back.
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
    /// The session's id, as `list` and audit records show it, and the `jti` of its token.
    id: Id,
    /// Why; it is in the audit log.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    store: StoreArgs,
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
        let revoked = revoked(&store.revocations()?, now);
        let mut all = store.sessions(now)?;
        all.retain(|one| goes_on(one, now) && !revoked.contains(&one.stay.id));
        all.retain(|one| self.of.as_ref().is_none_or(|of| one.principal.name() == *of));
        if self.json {
            let all: Vec<_> = all.iter().map(shown).collect();
            return Ok(writeln!(out, "{}", Value::from(all))?);
        }
        if all.is_empty() {
            return Ok(writeln!(out, "Nobody has a session.")?);
        }
        all.iter().try_for_each(|one| writeln!(out, "{}", escape(&line(one)))).map_err(Failure::from)
    }
}

impl ShowArgs {
    fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let (store, _) = self.store.open()?;
        let now = SystemTime::now();
        let is_revoked = revoked(&store.revocations()?, now).contains(&self.id);
        let found = store.session(self.id, now)?.filter(|one| goes_on(one, now) && !is_revoked);
        let Some(one) = found else { return Err(none(self.id)) };
        if self.json {
            return Ok(writeln!(out, "{}", shown(&one))?);
        }
        let Value::Object(members) = shown(&one) else { return Ok(()) };
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
        let one = store.session(self.id, now)?.ok_or_else(|| none(self.id))?;
        let lasts = one.until.duration_since(now).unwrap_or_default();
        store.add(&[Revocation::new(Revoked::Session(self.id), self.reason, user(), now, Some(lasts))])?;
        Ok(writeln!(out, "{} ended", self.id)?)
    }
}

fn none(id: Id) -> Failure {
    Failure::new(1, format!("claviger: no session {id} goes on; `claviger session list` shows them"))
}

fn goes_on(one: &Session, now: SystemTime) -> bool {
    now < one.until && !one.stay.is_idle(now)
}

/// The sessions that were ended.
fn revoked(all: &[Revocation], now: SystemTime) -> Vec<Id> {
    let session = |one: &Revocation| match &one.of {
        Revoked::Session(id) if one.holds(now) => Some(*id),
        Revoked::Session(_)
        | Revoked::All
        | Revoked::Authenticator(_)
        | Revoked::Role(_)
        | Revoked::Principal(..)
        | Revoked::Key(..) => None,
    };
    all.iter().filter_map(session).collect()
}

fn line(one: &Session) -> String {
    let (since, until) = (stamp(one.since), stamp(one.until));
    format!("{}  {}  since {since}  until {until}  used {}", one.stay.id, one.principal.name(), stamp(one.stay.used()))
}

fn shown(one: &Session) -> Value {
    let (principal, bounds) = (&one.principal, &one.stay.bounds);
    let texts = |names: &[std::sync::Arc<str>]| names.iter().map(|name| Value::from(&**name)).collect::<Value>();
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
    })
}
