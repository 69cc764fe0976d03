//! Roles that configuration gives to principals, beside those that their claims name.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Hours;
use crate::domain::{Name, NetworkSet, Principal};

/// Who has which role by configuration (`[role.NAME]`). Compiled once per snapshot.
#[derive(Debug, Default)]
pub struct Roles {
    by_member: HashMap<String, Vec<Arc<str>>>,
    by_claim: HashMap<String, Vec<Arc<str>>>,
    times: HashMap<Arc<str>, RoleTimes>,
    conditions: HashMap<Arc<str>, RoleConditions>,
}

/// Under which circumstances a role counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleConditions {
    /// The authenticators one of which has to prove the caller; empty for any.
    pub requires: Vec<Name>,
    /// The client's networks; empty for all.
    pub networks: NetworkSet,
    /// The hours; none for always.
    pub hours: Option<Hours>,
}

/// Where a request comes from, and when.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// The client's address.
    pub client: IpAddr,
    /// When its head had come.
    pub time: SystemTime,
}

impl RoleConditions {
    /// Whether there is one.
    pub fn are_any(&self) -> bool {
        !self.requires.is_empty() || !self.networks.is_empty() || self.hours.is_some()
    }

    fn hold(&self, principal: &Principal, when: &Circumstances) -> bool {
        self.fault(principal, when).is_none()
    }

    /// The first that does not hold.
    fn fault(&self, principal: &Principal, when: &Circumstances) -> Option<RoleFault> {
        if !self.requires.is_empty() && !self.requires.contains(&principal.authenticator) {
            return Some(RoleFault::Authenticator);
        }
        if !self.networks.is_empty() && !self.networks.contains(when.client) {
            return Some(RoleFault::Network);
        }
        self.hours.as_ref().filter(|hours| !hours.contain(when.time)).map(|_| RoleFault::Hours)
    }
}

/// Why a role does not count for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleFault {
    /// They do not have it.
    NotHeld,
    /// Something else proved them than what it requires.
    Authenticator,
    /// They do not come from its networks.
    Network,
    /// It is not one of its hours.
    Hours,
}

/// How long a session may have a role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoleTimes {
    /// The longest in all.
    pub max: Option<Duration>,
    /// The longest without a request.
    pub idle: Option<Duration>,
}

impl Roles {
    /// Gives a role to one principal, named `AUTHENTICATOR:ID`: the same id from another issuer is somebody else.
    pub fn add_member(&mut self, role: &Arc<str>, member: &str) {
        self.by_member.entry(member.to_owned()).or_default().push(Arc::clone(role));
    }

    /// Gives a role to everybody whose claims name this other role or group.
    pub fn add_claim(&mut self, role: &Arc<str>, claim: &str) {
        self.by_claim.entry(claim.to_owned()).or_default().push(Arc::clone(role));
    }

    /// Bounds sessions that have this role.
    pub fn add_times(&mut self, role: &Arc<str>, times: RoleTimes) {
        self.times.insert(Arc::clone(role), times);
    }

    /// How long a session may last that has all these roles.
    pub fn times(&self, roles: &[Arc<str>]) -> RoleTimes {
        let all = || roles.iter().filter_map(|role| self.times.get(role));
        RoleTimes { max: all().filter_map(|times| times.max).min(), idle: all().filter_map(|times| times.idle).min() }
    }

    /// Lets a role count under these circumstances alone.
    pub fn add_conditions(&mut self, role: &Arc<str>, conditions: RoleConditions) {
        self.conditions.insert(Arc::clone(role), conditions);
    }

    /// Whether a principal has a role now.
    pub fn has(&self, principal: &Principal, role: &str, when: &Circumstances) -> bool {
        self.find(principal, when, |one| (one == role).then_some(())).is_some()
    }

    /// Why a role does not count for a principal now; none where it does.
    pub fn fault(&self, principal: &Principal, role: &str, when: &Circumstances) -> Option<RoleFault> {
        if self.has(principal, role, when) {
            return None;
        }
        let is_held = self.find_any(principal, |one| (one == role).then_some(())).is_some();
        let condition = || self.conditions.get(role)?.fault(principal, when);
        Some(if is_held { condition().unwrap_or(RoleFault::NotHeld) } else { RoleFault::NotHeld })
    }

    /// Who has which role: pairs of a member, as `AUTHENTICATOR:ID`, and a role.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Arc<str>)> {
        self.by_member.iter().flat_map(|(member, roles)| roles.iter().map(move |role| (member.as_str(), role)))
    }

    /// Which name in a claim gives which role: pairs of both.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &Arc<str>)> {
        self.by_claim.iter().flat_map(|(claim, roles)| roles.iter().map(move |role| (claim.as_str(), role)))
    }

    /// Under which circumstances a role counts; none where it always does.
    pub fn conditions(&self, role: &str) -> Option<&RoleConditions> {
        self.conditions.get(role)
    }

    /// Every role of a principal, each once, also those that do not count now.
    pub fn of(&self, principal: &Principal) -> Vec<Arc<str>> {
        let mut all: Vec<Arc<str>> = Vec::new();
        let none = self.find_any(principal, |role| {
            if !all.iter().any(|known| **known == *role) {
                all.push(role.into());
            }
            None::<()>
        });
        debug_assert!(none.is_none());
        all
    }

    /// Calls `each` with every role of a principal that counts now, until it answers: roles from claims, then those that configuration
    /// gives.
    pub(super) fn find<R>(
        &self,
        principal: &Principal,
        when: &Circumstances,
        mut each: impl FnMut(&str) -> Option<R>,
    ) -> Option<R> {
        if self.conditions.is_empty() {
            return self.find_any(principal, each);
        }
        let counts = |role: &str| self.conditions.get(role).is_none_or(|conditions| conditions.hold(principal, when));
        self.find_any(principal, |role| if counts(role) { each(role) } else { None })
    }

    fn find_any<R>(&self, principal: &Principal, mut each: impl FnMut(&str) -> Option<R>) -> Option<R> {
        // What a session is not confined to, nothing gives.
        let bounds = principal.session.as_ref().map(|session| &session.bounds);
        let mut each = |role: &str| if bounds.is_none_or(|bounds| bounds.has_role(role)) { each(role) } else { None };
        let claimed = principal.roles.iter().find_map(|role| each(role));
        claimed.or_else(|| self.find_given(principal, each))
    }

    fn find_given<R>(&self, principal: &Principal, mut each: impl FnMut(&str) -> Option<R>) -> Option<R> {
        if !self.by_claim.is_empty() {
            let given = principal.roles.iter().filter_map(|claim| self.by_claim.get(&**claim)).flatten();
            if let Some(found) = given.into_iter().find_map(|role| each(role)) {
                return Some(found);
            }
        }
        if self.by_member.is_empty() {
            return None;
        }
        let member = principal.name();
        self.by_member.get(&member)?.iter().find_map(|role| each(role))
    }
}
