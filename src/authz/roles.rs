//! Roles that configuration gives to principals, beside those that their claims name.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::Principal;

/// Who has which role by configuration (`[role.NAME]`). Compiled once per snapshot.
#[derive(Debug, Default)]
pub struct Roles {
    by_member: HashMap<String, Vec<Arc<str>>>,
    by_claim: HashMap<String, Vec<Arc<str>>>,
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

    /// Calls `each` with every role of a principal until it answers: roles from claims, then those that configuration gives.
    pub(super) fn find<R>(&self, principal: &Principal, mut each: impl FnMut(&str) -> Option<R>) -> Option<R> {
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
        let member = format!("{}:{}", principal.authenticator, principal.id);
        self.by_member.get(&member)?.iter().find_map(|role| each(role))
    }
}
