//! Who gets or loses a role by configuration.

use std::collections::BTreeSet;

use super::change::{Change, Effect};
use crate::state::Snapshot;

/// Members and claims that give a role in one configuration and not in the other.
pub(super) fn compare(old: &Snapshot, new: &Snapshot) -> Vec<Change> {
    let (before, after) = (given(old), given(new));
    let told = |effect: Effect, verb: &'static str| {
        move |(who, role): &(String, String)| Change::plain(effect, who.clone(), format!("{who} {verb} role {role}"))
    };
    let gained = after.difference(&before).map(told(Effect::Gained, "gains"));
    let lost = before.difference(&after).map(told(Effect::Lost, "loses"));
    gained.chain(lost).collect()
}

fn given(snapshot: &Snapshot) -> BTreeSet<(String, String)> {
    // All routes share one set of roles.
    let Some(route) = snapshot.router.routes().next() else { return BTreeSet::new() };
    let roles = route.policy.roles();
    let members = roles.members().map(|(member, role)| (format!("principal {member}"), role.to_string()));
    let claims = roles.claims().map(|(claim, role)| (format!("whoever's claims name `{claim}`"), role.to_string()));
    members.chain(claims).collect()
}
