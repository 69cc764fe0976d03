//! Access requests: how one becomes a grant, and that there is no other way to one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Revocation, Revoked};
use crate::crypto::random;
use crate::domain::{AccessDeed, AccessFault, Bounds, ExactRequest, Id, Name, Principal};

/// A principal's ask for a temporary grant, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRequest {
    /// What it is called; its grant too.
    pub id: Id,
    /// The `[approval.NAME]` that it asks for.
    pub approval: Name,
    /// Who proved the principal that asks.
    pub authenticator: Name,
    /// The principal's id there.
    pub principal: String,
    /// Who acted for it, where somebody did: a grant is for the same two.
    pub actor: Option<String>,
    /// What the grant is to be confined to.
    pub bounds: Bounds,
    /// How many requests the grant is for; none for any number.
    pub uses: Option<u32>,
    /// The one request that the grant is for, where it is for one.
    pub exact: Option<ExactRequest>,
    /// Whether it is for the end of a hold, the revocation of the same id: then it grants nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_hold: bool,
    /// How long the grant is to last.
    pub lasts: Duration,
    /// Why it is needed.
    pub reason: String,
    /// The case that it belongs to, where one was named.
    pub ticket: Option<String>,
    /// When nobody can decide on it any more.
    #[serde(with = "millis")]
    pub expires: SystemTime,
    /// Where it stands.
    pub state: AccessState,
    /// All that was done with it, in order.
    pub events: Vec<AccessEvent>,
}

/// Where an access request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessState {
    /// It waits for approvals.
    Pending,
    /// It is a grant, until its time or its uses are over.
    Granted {
        /// When the clock began: with the last approval.
        #[serde(with = "millis")]
        since: SystemTime,
        /// When it is over.
        #[serde(with = "millis")]
        until: SystemTime,
        /// How many requests used it, where they are counted.
        used: u32,
    },
    /// Somebody said no.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// It was taken back, or its grant was ended.
    Ended,
}

/// Something that was done with an access request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessEvent {
    /// When.
    #[serde(with = "millis")]
    pub at: SystemTime,
    /// What.
    pub deed: AccessDeed,
    /// Who, as `AUTHENTICATOR:ID`.
    pub by: String,
    /// Why, where that was said.
    pub reason: Option<String>,
    /// At which node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Id>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewAccess {
    /// The `[approval.NAME]`.
    pub approval: Name,
    /// What the grant is to be confined to.
    pub bounds: Bounds,
    /// How many requests it is for.
    pub uses: Option<u32>,
    /// The one request that it is for.
    pub exact: Option<ExactRequest>,
    /// How long it is to last.
    pub lasts: Duration,
    /// Why.
    pub reason: String,
    /// The case that it belongs to.
    pub ticket: Option<String>,
    /// When nobody can decide any more.
    pub expires: SystemTime,
}

/// How far apart the clocks of two nodes may be: a grant may be used so long before it began.
const AHEAD: Duration = Duration::from_secs(10);

/// How long somebody can decide on a hold that does not end by itself.
const WAITS: Duration = Duration::from_secs(366 * 24 * 3600);

impl AccessRequest {
    /// One that waits.
    pub fn new(asked: NewAccess, by: &Principal, now: SystemTime) -> Self {
        let NewAccess { approval, bounds, uses, exact, lasts, reason, ticket, expires } = asked;
        let mut request = Self {
            id: Id(random()),
            approval,
            authenticator: by.authenticator.clone(),
            principal: by.id.clone(),
            actor: by.actor.as_deref().map(str::to_owned),
            bounds,
            uses,
            exact,
            is_hold: false,
            lasts,
            reason: reason.clone(),
            ticket,
            expires,
            state: AccessState::Pending,
            events: Vec::new(),
        };
        request.note(AccessDeed::Asked, by.name(), Some(reason), now);
        request
    }

    /// One that waits for the end of a hold, which whoever put it there asks for; none of what is no hold of a principal.
    pub fn of_hold(hold: &Revocation) -> Option<Self> {
        let Revoked::Principal(authenticator, principal) = &hold.of else { return None };
        let mut request = Self {
            id: hold.id,
            approval: hold.approval.clone()?,
            authenticator: authenticator.clone(),
            principal: principal.clone(),
            actor: None,
            bounds: Bounds::default(),
            uses: None,
            exact: None,
            is_hold: true,
            lasts: Duration::ZERO,
            reason: hold.reason.clone(),
            ticket: None,
            expires: hold.until.unwrap_or(hold.since + WAITS),
            state: AccessState::Pending,
            events: Vec::new(),
        };
        request.note(AccessDeed::Asked, hold.by.clone(), Some(hold.reason.clone()), hold.since);
        Some(request)
    }

    /// Says of what was just done that it was done at this node.
    pub(super) fn stamp(&mut self, node: Id) {
        self.events.iter_mut().rev().take_while(|event| event.node.is_none()).for_each(|event| event.node = Some(node));
    }

    /// The whole name of who asks, `AUTHENTICATOR:ID`.
    pub fn requester(&self) -> String {
        format!("{}:{}", self.authenticator, self.principal)
    }

    /// Whether it is of this principal, or of somebody else for whom they act. An actor's token names no authenticator: whoever has that id may be
    /// them.
    fn is_theirs(&self, name: &str) -> bool {
        let acts = |actor: &str| name.split_once(':').is_some_and(|(_, id)| id == actor);
        name == self.requester() || self.actor.as_deref().is_some_and(acts)
    }

    /// Makes it a grant at once. Who may, is for the caller to have seen.
    ///
    /// # Errors
    /// [`AccessFault::Decided`] where it does not wait any more.
    pub fn break_glass(&mut self, now: SystemTime) -> Result<(), AccessFault> {
        self.waits(now)?;
        self.note(AccessDeed::BrokeGlass, self.requester(), None, now);
        self.grant(now);
        Ok(())
    }

    /// An approver's yes or no. Whether they are an approver, is for the caller to have seen. With the last yes that is needed it becomes a
    /// grant, and its clock begins; with one no it is over.
    ///
    /// # Errors
    /// [`AccessFault::Decided`] where it does not wait any more, [`AccessFault::SelfApproval`], and [`AccessFault::Voted`].
    pub fn vote(
        &mut self,
        by: &str,
        approves: bool,
        reason: Option<String>,
        needed: u32,
        now: SystemTime,
    ) -> Result<(), AccessFault> {
        self.waits(now)?;
        if self.is_theirs(by) {
            return Err(AccessFault::SelfApproval);
        }
        let said_yes = |event: &&AccessEvent| event.deed == AccessDeed::Approved;
        if self.events.iter().filter(said_yes).any(|event| event.by == by) {
            return Err(AccessFault::Voted);
        }
        if !approves {
            self.note(AccessDeed::Denied, by.to_owned(), reason, now);
            self.state = AccessState::Denied;
            return Ok(());
        }
        self.note(AccessDeed::Approved, by.to_owned(), reason, now);
        let yes = self.events.iter().filter(said_yes).count();
        if u32::try_from(yes).unwrap_or(u32::MAX) >= needed.max(1) {
            self.note(AccessDeed::Granted, by.to_owned(), None, now);
            self.grant(now);
        }
        Ok(())
    }

    /// Takes it back while it waits, or ends its grant.
    ///
    /// # Errors
    /// [`AccessFault::Decided`] where there is nothing to end.
    pub fn end(&mut self, by: &str, reason: Option<String>, now: SystemTime) -> Result<(), AccessFault> {
        // Also one whose uses are all spent: the last of them may be under way yet.
        let goes_on = matches!(self.state, AccessState::Granted { until, .. } if now < until);
        if self.waits(now).is_err() && !goes_on {
            return Err(AccessFault::Decided);
        }
        self.note(AccessDeed::Ended, by.to_owned(), reason, now);
        self.state = AccessState::Ended;
        Ok(())
    }

    /// Uses one of the requests that its grant is for.
    ///
    /// # Errors
    /// [`AccessFault::Decided`] where there is no grant or no use is left.
    pub fn spend(&mut self, now: SystemTime) -> Result<(), AccessFault> {
        if !self.is_granted(now) {
            return Err(AccessFault::Decided);
        }
        if let AccessState::Granted { used, .. } = &mut self.state {
            *used += 1;
        }
        Ok(())
    }

    /// Says that somebody looked at what broke the glass.
    ///
    /// # Errors
    /// [`AccessFault::SelfApproval`], and [`AccessFault::Decided`] where there is nothing to look at, or somebody did.
    pub fn review(&mut self, by: &str, reason: Option<String>, now: SystemTime) -> Result<(), AccessFault> {
        if self.is_theirs(by) {
            return Err(AccessFault::SelfApproval);
        }
        if !self.needs_review() {
            return Err(AccessFault::Decided);
        }
        self.note(AccessDeed::Reviewed, by.to_owned(), reason, now);
        Ok(())
    }

    /// Notes that nobody decided in time; tells whether that is so and was not noted yet.
    pub fn expire(&mut self, now: SystemTime) -> bool {
        let is_late = self.state == AccessState::Pending && now >= self.expires;
        if is_late {
            self.note(AccessDeed::Expired, self.requester(), None, now);
            self.state = AccessState::Expired;
        }
        is_late
    }

    /// Whether it is a grant that holds. One that began in what is the future now was given by a clock that was wrong, and would last too long.
    pub fn is_granted(&self, now: SystemTime) -> bool {
        match self.state {
            AccessState::Granted { since, until, used } => {
                !self.is_hold && since <= now + AHEAD && now < until && self.uses.is_none_or(|uses| used < uses)
            }
            AccessState::Pending | AccessState::Denied | AccessState::Expired | AccessState::Ended => false,
        }
    }

    /// Whether it broke the glass and nobody looked at it yet.
    pub fn needs_review(&self) -> bool {
        let was = |deed| self.events.iter().any(|event| event.deed == deed);
        was(AccessDeed::BrokeGlass) && !was(AccessDeed::Reviewed)
    }

    fn waits(&mut self, now: SystemTime) -> Result<(), AccessFault> {
        self.expire(now);
        if self.state == AccessState::Pending { Ok(()) } else { Err(AccessFault::Decided) }
    }

    fn grant(&mut self, now: SystemTime) {
        self.state = AccessState::Granted { since: now, until: now + self.lasts, used: 0 };
    }

    fn note(&mut self, deed: AccessDeed, by: String, reason: Option<String>, at: SystemTime) {
        self.events.push(AccessEvent { at, deed, by, reason, node: None });
    }
}

impl AccessState {
    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Granted { .. } => "granted",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Ended => "ended",
        }
    }
}

/// Times as milliseconds since 1970.
mod millis {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Duration, SystemTime, UNIX_EPOCH};

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(crate::domain::millis(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let millis = u64::deserialize(deserializer)?;
        UNIX_EPOCH.checked_add(Duration::from_millis(millis)).ok_or_else(|| serde::de::Error::custom("no time"))
    }
}

#[cfg(test)]
mod tests;
