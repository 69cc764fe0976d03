//! What is known of one address under one way of checking it: health and load. It outlives every target that uses it but the last.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderValue;

use super::peer::Link;
use super::settings::Health;

/// All that decides what a check of an address finds; targets that agree on it share one [`Endpoint`] per address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Check {
    pub(super) health: Health,
    pub(super) host: HeaderValue,
    pub(super) link: Link,
}

/// One address. Healthy until checks say otherwise, as Pingora's backends begin: a restart must not refuse requests until the first check.
#[derive(Debug)]
pub(super) struct Endpoint {
    address: SocketAddr,
    check: Option<Check>,
    healthy: AtomicBool,
    in_flight: AtomicUsize,
    adopted: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Checks in a row that contradict what the endpoint counts as.
    streak: u8,
    /// Why the last check failed, if it did.
    error: Option<String>,
}

impl Endpoint {
    pub(super) fn new(address: SocketAddr, check: Option<Check>) -> Self {
        Self {
            address,
            check,
            healthy: AtomicBool::new(true),
            in_flight: AtomicUsize::new(0),
            adopted: AtomicBool::new(false),
            seen: Mutex::default(),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn check(&self) -> Option<&Check> {
        self.check.as_ref()
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts one request in; [`Self::leave`] must follow.
    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// True once, for the one task that checks this endpoint; never where there is nothing to check.
    pub(super) fn adopt(&self) -> bool {
        self.check.is_some() && !self.adopted.swap(true, Ordering::Relaxed)
    }

    /// Why the last check failed, if it did.
    pub(super) fn last_error(&self) -> Option<String> {
        self.seen().error.clone()
    }

    /// Takes the outcome of one check.
    pub(super) fn observe(&self, outcome: Result<(), String>) {
        let Some(check) = &self.check else { return };
        let passed = outcome.is_ok();
        let mut seen = self.seen();
        seen.error = outcome.err();
        if passed == self.is_healthy() {
            seen.streak = 0;
            return;
        }
        seen.streak = seen.streak.saturating_add(1);
        let needed = if passed { check.health.healthy_after } else { check.health.unhealthy_after };
        if seen.streak < needed.get() {
            return;
        }
        seen.streak = 0;
        self.healthy.store(passed, Ordering::Relaxed);
        match &seen.error {
            None => log::info!("backend {} is healthy again", self.address),
            Some(error) => log::warn!("backend {} is unhealthy: {error}", self.address),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use super::super::testing;
    use super::*;

    #[test]
    fn health_turns_only_after_enough_checks_in_a_row() {
        let mut health = testing::health("/up");
        health.unhealthy_after = NonZeroU8::new(3).expect("3");
        health.healthy_after = NonZeroU8::new(2).expect("2");
        let endpoint = Endpoint::new(testing::address("10.0.0.1:80"), Some(testing::check(health)));
        let steps = [
            (false, true),
            (false, true),
            (true, true),
            (false, true),
            (false, true),
            (false, false),
            (true, false),
            (false, false),
            (true, false),
            (true, true),
        ];
        for (step, (passed, healthy)) in steps.into_iter().enumerate() {
            endpoint.observe(if passed { Ok(()) } else { Err("status 503".into()) });
            assert_eq!(endpoint.is_healthy(), healthy, "step {step}");
            assert_eq!(endpoint.last_error().is_some(), !passed, "step {step}");
        }
    }
}
