//! Revocations: whom or what they end, and for how long.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::Carried;
use crate::domain::{AuthnFault, Denial, Id, Name, Principal};

/// Whom a revocation ends: `all`, `authn:NAME`, `role:NAME`, `principal:AUTHENTICATOR:ID`, `key:AUTHENTICATOR:KEY`, or `session:ID`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Revoked {
    /// Everybody.
    All,
    /// Everybody whom this `[authn.NAME]` proves.
    Authenticator(Name),
    /// Everybody whose proof gives this role, and everybody whom it allows an exchange.
    Role(String),
    /// One principal.
    Principal(Name, String),
    /// Whoever is proved by one key, which its authenticator calls so: an API key's label, a signature's `keyid`, a user's name.
    Key(Name, String),
    /// One session.
    Session(Id),
}

/// A text that is no [`Revoked`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokedError;

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// What it is called when it is lifted.
    pub id: Id,
    /// Whom it ends.
    pub of: Revoked,
    /// Why, as whoever revoked wrote it.
    pub reason: String,
    /// Who revoked, as `AUTHENTICATOR:ID`.
    pub by: String,
    /// When.
    pub since: SystemTime,
    /// Until when it holds; none means until it is lifted.
    pub until: Option<SystemTime>,
    /// Who lifted it; none while it holds.
    pub lifted_by: Option<String>,
    /// The `[approval.NAME]` that lifts it, where it holds somebody only until others have looked: see [`Revocation::waits_for`].
    pub approval: Option<Name>,
}

impl Revocation {
    /// The longest reason, in bytes.
    pub const MAX_REASON: usize = 1024;

    /// Whether this can be why: neither empty nor too long, and on one line.
    pub fn is_reason(text: &str) -> bool {
        !text.trim().is_empty() && text.len() <= Self::MAX_REASON && !text.chars().any(char::is_control)
    }

    /// Whether it holds at this time.
    pub fn holds(&self, now: SystemTime) -> bool {
        self.lifted_by.is_none() && self.until.is_none_or(|until| now < until)
    }

    /// A new one, from now on.
    pub fn new(of: Revoked, reason: String, by: String, now: SystemTime, lasts: Option<Duration>) -> Self {
        let until = lasts.and_then(|lasts| now.checked_add(lasts));
        Self { id: Id(crate::crypto::random()), of, reason, by, since: now, until, lifted_by: None, approval: None }
    }

    /// The same as a hold: whom it means is told that somebody has to approve, and goes on once that is done.
    pub fn waits_for(self, approval: Name) -> Self {
        Self { approval: Some(approval), ..self }
    }

    /// What it is for whom it means.
    pub fn denial(&self) -> Denial {
        match self.approval {
            Some(_) => Denial::OnHold,
            None => Denial::Unauthenticated(AuthnFault::Revoked),
        }
    }
}

impl Revoked {
    /// Whether it means whom an exchange is for.
    pub fn is(&self, carried: &Carried) -> bool {
        let principal = &carried.principal;
        match self {
            Self::All => true,
            Self::Authenticator(name) => principal.authenticator == *name,
            Self::Role(role) => carried.roles().any(|has| has == role),
            Self::Principal(name, id) => principal.authenticator == *name && principal.id == *id,
            Self::Key(name, key) => {
                principal.authenticator == *name && principal.key.as_ref().is_some_and(|own| **own == **key)
            }
            Self::Session(id) => principal.session.as_ref().is_some_and(|session| session.id == *id),
        }
    }
}

impl FromStr for Revoked {
    type Err = RevokedError;

    fn from_str(text: &str) -> Result<Self, RevokedError> {
        let name = |text| Name::parse(text).map_err(|_| RevokedError);
        match text.split_once(':') {
            None if text == "all" => Ok(Self::All),
            Some(("authn", of)) => name(of).map(Self::Authenticator),
            Some(("role", of)) if !of.is_empty() && !of.chars().any(char::is_control) => Ok(Self::Role(of.to_owned())),
            Some(("key", of)) => match of.split_once(':') {
                Some((authenticator, key)) if !key.is_empty() && !key.chars().any(char::is_control) => {
                    Ok(Self::Key(name(authenticator)?, key.to_owned()))
                }
                Some(_) | None => Err(RevokedError),
            },
            Some(("session", of)) => of.parse().map(Self::Session).map_err(|_| RevokedError),
            Some(("principal", of)) => match of.split_once(':') {
                Some((authenticator, id)) if Principal::is_valid_id(id) => {
                    Ok(Self::Principal(name(authenticator)?, id.to_owned()))
                }
                Some(_) | None => Err(RevokedError),
            },
            Some(_) | None => Err(RevokedError),
        }
    }
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Authenticator(name) => write!(f, "authn:{name}"),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Principal(name, id) => write!(f, "principal:{name}:{id}"),
            Self::Key(name, key) => write!(f, "key:{name}:{key}"),
            Self::Session(id) => write!(f, "session:{id}"),
        }
    }
}

impl fmt::Display for RevokedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write `all`, `authn:NAME`, `role:NAME`, `principal:AUTHENTICATOR:ID`, `key:AUTHENTICATOR:KEY` or `session:ID`")
    }
}

impl std::error::Error for RevokedError {}
