//! Roles that configuration gives to principals, beside those that their claims name.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::Principal;

/// Who has which role by configuration (`[role.NAME]`). Compiled once per snapshot.
#[derive(Debug, Default)]
pub struct Roles {
    by_member: HashMap<String, Vec<Arc<str>>>,
    by_claim: HashMap<String, Vec<Arc<str>>>,
    times: HashMap<Arc<str>, RoleTimes>,
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

    /// Whether a principal has a role.
    pub fn has(&self, principal: &Principal, role: &str) -> bool {
        self.find(principal, |one| (one == role).then_some(())).is_some()
    }

    /// Every role of a principal, each once.
    pub fn of(&self, principal: &Principal) -> Vec<Arc<str>> {
        let mut all: Vec<Arc<str>> = Vec::new();
        let none = self.find(principal, |role| {
            if !all.iter().any(|known| **known == *role) {
                all.push(role.into());
            }
            None::<()>
        });
        debug_assert!(none.is_none());
        all
    }

    /// Calls `each` with every role of a principal until it answers: roles from claims, then those that configuration gives.
    pub(super) fn find<R>(&self, principal: &Principal, mut each: impl FnMut(&str) -> Option<R>) -> Option<R> {
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
