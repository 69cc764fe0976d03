//! What is known of one backend as it was written: the addresses that its name resolves to, last good kept, egress rules applied.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use super::url::literal_ip;
use crate::net::Egress;

/// At most so many addresses of one name are used.
const MAX_ADDRESSES: usize = 64;
/// A lookup that takes longer has failed.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// A failed lookup is repeated after this at the latest.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Names are never resolved more often, whatever the settings say.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// What decides which addresses a backend has; targets that agree on it share one [`Resolution`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) every: Duration,
    pub(super) egress: Egress,
}

impl Hash for Written {
    /// The egress rules have no hash; equality tells them apart.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.host, self.port, self.every).hash(state);
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// One backend as it was written, and its addresses.
#[derive(Debug)]
pub(super) struct Resolution {
    written: Written,
    literal: bool,
    adopted: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Whether a lookup was ever answered.
    answered: bool,
    addresses: Vec<SocketAddr>,
    error: Option<String>,
}

impl Resolution {
    /// A backend; an address is known at once, a name after the first lookup.
    pub(super) fn new(written: Written) -> Self {
        let mut known = Known::default();
        let literal = literal_ip(&written.host);
        if let Some(ip) = literal {
            known.answered = true;
            if written.egress.permits_literal(ip) {
                known.addresses.push(SocketAddr::new(ip, written.port));
            } else {
                known.note(Some(format!("the egress rules refuse {ip}")), &written);
            }
        }
        Self { written, literal: literal.is_some(), adopted: AtomicBool::new(false), known: Mutex::new(known) }
    }

    /// `host:port` as it was written.
    pub(super) fn label(&self) -> String {
        self.written.to_string()
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.known().addresses.clone()
    }

    /// What went wrong last, if the last lookup was not wholly good.
    pub(super) fn last_error(&self) -> Option<String> {
        self.known().error.clone()
    }

    /// Whether it waits for its first answer.
    pub(super) fn is_pending(&self) -> bool {
        !self.known().answered
    }

    /// True once, for the one task that resolves this name; never for an address.
    pub(super) fn adopt(&self) -> bool {
        !self.literal && !self.adopted.swap(true, Ordering::Relaxed)
    }

    /// Looks the name up once. Tells whether its addresses changed.
    pub(super) async fn resolve(&self) -> bool {
        let lookup = tokio::net::lookup_host((self.written.host.as_str(), self.written.port));
        let answer = match tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await {
            Ok(Ok(addresses)) => Ok(addresses.collect()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {LOOKUP_TIMEOUT:?}")),
        };
        self.take(answer)
    }

    /// Takes a resolver's answer. A failed lookup, or one without an address, changes nothing; an answer replaces what was known, even where
    /// the egress rules leave none of it: the name no longer means the addresses it once had.
    fn take(&self, answer: Result<Vec<SocketAddr>, String>) -> bool {
        let answer = answer.and_then(|found| if found.is_empty() { Err("no address".into()) } else { Ok(found) });
        let found = match answer {
            Ok(found) => found,
            Err(error) => {
                self.known().note(Some(error), &self.written);
                return false;
            }
        };
        let (mut usable, refused): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|address| self.written.egress.permits(address.ip()));
        // The resolver sorts what this host can reach to the front (RFC 6724 §6): an IPv6 address is of no use without a route.
        let ipv6 = usable.first().is_some_and(SocketAddr::is_ipv6);
        usable.retain(|address| address.is_ipv6() == ipv6);
        usable.sort_unstable();
        usable.dedup();
        usable.truncate(MAX_ADDRESSES);
        let error = (!refused.is_empty()).then(|| format!("the egress rules refuse {refused:?}"));
        let mut known = self.known();
        known.note(error, &self.written);
        known.answered = true;
        let changed = known.addresses != usable;
        known.addresses = usable;
        changed
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Keeps what went wrong, and logs it when it is new.
    fn note(&mut self, error: Option<String>, written: &Written) {
        if self.error == error {
            return;
        }
        match &error {
            Some(error) => log::warn!("backend {written}: {error}"),
            None => log::info!("backend {written}: resolved again"),
        }
        self.error = error;
    }
}

/// Resolves a name again and again for as long as somebody uses it, and says when its addresses change.
pub(super) async fn keep_resolved(resolution: Weak<Resolution>, changed: Arc<Notify>) {
    loop {
        let wait = {
            let Some(resolution) = resolution.upgrade() else { return };
            let every = resolution.written.every.max(MIN_INTERVAL);
            if resolution.last_error().is_some() || resolution.is_pending() { every.min(RETRY_AFTER) } else { every }
        };
        tokio::time::sleep(wait).await;
        let Some(resolution) = resolution.upgrade() else { return };
        if resolution.resolve().await {
            changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{address, open_egress};
    use super::*;

    fn named(egress: Egress) -> Resolution {
        let every = Duration::from_secs(30);
        Resolution::new(Written { host: "api.test".into(), port: 443, every, egress })
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| address(text)).collect()
    }

    #[test]
    fn a_failed_lookup_keeps_the_last_good_addresses_and_is_told() {
        let name = named(open_egress());
        assert!(name.is_pending());
        assert!(!name.take(Err("no such host".into())));
        assert!(name.is_pending() && name.addresses().is_empty());
        assert!(name.take(Ok(addresses(&["10.0.0.2:443", "10.0.0.1:443", "10.0.0.1:443"]))));
        for failure in [Err("no such host".to_owned()), Ok(Vec::new())] {
            assert!(!name.take(failure));
            assert_eq!(name.addresses(), addresses(&["10.0.0.1:443", "10.0.0.2:443"]));
            assert!(name.last_error().is_some());
        }
        assert!(!name.take(Ok(addresses(&["10.0.0.1:443", "10.0.0.2:443"]))), "nothing changed");
        assert_eq!(name.last_error(), None);
    }

    #[test]
    fn each_new_answer_is_judged_by_the_egress_rules() {
        for (answer, want) in [
            (vec!["93.184.216.34:443"], vec!["93.184.216.34:443"]),
            (vec!["10.0.0.1:443"], vec![]),
            (vec!["169.254.169.254:443", "93.184.216.34:443"], vec!["93.184.216.34:443"]),
            (vec!["[fd00::1]:443", "93.184.216.34:443"], vec!["93.184.216.34:443"]),
            (vec!["[::ffff:127.0.0.1]:443"], vec![]),
            (vec!["[2606:4700::1]:443", "93.184.216.34:443"], vec!["[2606:4700::1]:443"]),
            (vec!["93.184.216.34:443", "[2606:4700::1]:443"], vec!["93.184.216.34:443"]),
        ] {
            let name = named(Egress::default());
            name.take(Ok(addresses(&["93.184.216.35:443"])));
            name.take(Ok(addresses(&answer)));
            assert_eq!(name.addresses(), addresses(&want), "{answer:?}");
        }
    }

    #[test]
    fn written_addresses_are_known_at_once_and_never_those_of_metadata_services() {
        for (host, want) in [
            ("127.0.0.1", vec!["127.0.0.1:80"]),
            ("[::1]", vec!["[::1]:80"]),
            ("169.254.169.254", vec![]),
            ("[::ffff:169.254.169.254]", vec![]),
        ] {
            let egress = Egress::default();
            let literal = Resolution::new(Written { host: host.into(), port: 80, every: Duration::ZERO, egress });
            assert!(!literal.is_pending() && !literal.adopt(), "{host}");
            assert_eq!(literal.addresses(), addresses(&want), "{host}");
            assert_eq!(literal.last_error().is_some(), want.is_empty(), "{host}");
        }
    }

    #[tokio::test]
    async fn names_are_resolved_by_the_system() {
        let written = Written { host: "localhost".into(), port: 80, every: Duration::ZERO, egress: open_egress() };
        let name = Resolution::new(written);
        assert!(name.resolve().await);
        assert!(name.addresses().iter().all(|address| address.ip().is_loopback() && address.port() == 80));
    }
}
