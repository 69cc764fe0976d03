//! What a session adds to the principal whose stay it bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Id, Methods, Name, millis};

/// The session that a request came in: what it is confined to, and when it was last used.
#[derive(Debug)]
pub struct Stay {
    /// Which session.
    pub id: Id,
    /// What it is confined to.
    pub bounds: Bounds,
    /// How long it may go without a request; none for as long as it lasts.
    pub idle: Option<Duration>,
    /// When it was last used, in milliseconds since 1970.
    used: AtomicU64,
}

/// What a session was asked to be confined to, of all that its principal may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Roles; none for every role of the principal. With some, rules that name the principal itself allow nothing.
    #[serde(default, skip)]
    pub roles: Option<Vec<Arc<str>>>,
    /// Routes; none for all.
    pub routes: Option<Vec<Name>>,
    /// Methods; none for all.
    pub methods: Option<Methods>,
    /// How many requests it is good for; none for any number.
    #[serde(default, skip)]
    pub uses: Option<u32>,
}

impl Stay {
    /// A session that was last used at this time.
    pub fn new(id: Id, bounds: Bounds, idle: Option<Duration>, used: SystemTime) -> Self {
        Self { id, bounds, idle, used: AtomicU64::new(millis(used)) }
    }

    /// When it was last used, to the millisecond.
    pub fn used(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.used.load(Ordering::Relaxed))
    }

    /// Says that it is in use, unless that was said at a later time already.
    pub fn touch(&self, now: SystemTime) {
        let now = millis(now);
        // Within a second nothing is written: many requests of one session share what they read.
        if now > self.used.load(Ordering::Relaxed).saturating_add(1000) {
            self.used.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// Whether it went without use for longer than it may.
    pub fn is_idle(&self, now: SystemTime) -> bool {
        let unused = Duration::from_millis(millis(now).saturating_sub(self.used.load(Ordering::Relaxed)));
        self.idle.is_some_and(|idle| unused > idle)
    }
}

impl PartialEq for Stay {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Stay {}

impl Bounds {
    /// The most roles or routes that it may name.
    pub const MAX_NAMES: usize = 64;
    /// The most requests that may be counted.
    pub const MAX_USES: u32 = 10_000;

    /// Whether a role counts.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.as_ref().is_none_or(|roles| roles.iter().any(|one| **one == *role))
    }

    /// Whether a request by this method on this route is within.
    pub fn admit(&self, route: &Name, method: &str) -> bool {
        self.routes.as_ref().is_none_or(|routes| routes.contains(route))
            && self.methods.is_none_or(|methods| methods.intersects(Methods::of(method)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn a_session_is_idle_once_nobody_used_it_for_long_enough() {
        let stay = Stay::new(Id([0; 16]), Bounds::default(), Some(Duration::from_secs(60)), at(100_000));
        assert!(!stay.is_idle(at(160_000)) && stay.is_idle(at(160_001)) && !stay.is_idle(at(1)));
        stay.touch(at(160_000));
        assert!(!stay.is_idle(at(220_000)) && stay.is_idle(at(220_001)));
        stay.touch(at(100_000));
        assert_eq!(stay.used(), at(160_000), "an older use changes nothing");
        let endless = Stay::new(Id([0; 16]), Bounds::default(), None, at(0));
        assert!(!endless.is_idle(at(u64::from(u32::MAX))));
    }

    #[test]
    fn bounds_leave_what_they_name_and_nothing_else() {
        let name = |text| Name::parse(text).expect("a name");
        let bounds = Bounds {
            roles: Some(vec!["reader".into()]),
            routes: Some(vec![name("stripe")]),
            methods: Some(Methods::of("GET")),
            uses: None,
        };
        assert!(bounds.has_role("reader") && !bounds.has_role("admin") && !bounds.has_role("read"));
        for (route, method, want) in
            [("stripe", "GET", true), ("stripe", "POST", false), ("ledger", "GET", false), ("stripe", "get", false)]
        {
            assert_eq!(bounds.admit(&name(route), method), want, "{route} {method}");
        }
        assert!(Bounds::default().has_role("x") && Bounds::default().admit(&name("x"), "GET"));
    }
}
