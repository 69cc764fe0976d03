//! What was proved about tokens, kept so that the proof need not be repeated. Facts alone: no decision is ever kept here.

use std::sync::Arc;
use std::time::SystemTime;

use crate::domain::{Principal, Recent};

/// One verified token.
#[derive(Clone)]
pub(super) struct Fact {
    pub(super) principal: Arc<Principal>,
    /// The first moment at which it holds.
    pub(super) from: SystemTime,
    /// The moment at which it no longer holds.
    pub(super) until: SystemTime,
    /// The identity of the key that proved it.
    pub(super) key: [u8; 32],
}

/// Facts by the tag or the digest of what was proved.
pub(super) struct Facts<const N: usize>(Recent<N, Fact>);

impl<const N: usize> Facts<N> {
    /// Room for about this many facts.
    pub(super) fn new(capacity: usize) -> Self {
        Self(Recent::new(capacity))
    }

    /// The fact about what has this tag, if it holds at this time.
    pub(super) fn find(
        &self,
        token: &[u8; N],
        now: SystemTime,
        is_current: impl Fn(&[u8; 32]) -> bool,
    ) -> Option<Arc<Principal>> {
        self.0.find(token, |fact| {
            let holds = fact.from <= now && now < fact.until && is_current(&fact.key);
            holds.then(|| Arc::clone(&fact.principal))
        })
    }

    /// Keeps a fact.
    pub(super) fn keep(&self, token: [u8; N], fact: Fact) {
        self.0.keep(token, fact);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::authn::testing;

    fn fact(from: u64, until: u64) -> Fact {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        Fact { principal: testing::principal("alice"), from: at(from), until: at(until), key: [7; 32] }
    }

    #[test]
    fn a_fact_holds_in_its_time_and_with_its_key() {
        let facts = Facts::new(1000);
        facts.keep([1; 16], fact(100, 200));
        for (token, now, key, want) in [
            (1, 100, 7, true),
            (1, 199, 7, true),
            (1, 200, 7, false),
            (1, 99, 7, false),
            (1, 150, 8, false),
            (2, 150, 7, false),
        ] {
            let now = UNIX_EPOCH + Duration::from_secs(now);
            let found = facts.find(&[token; 16], now, |id| *id == [key; 32]);
            assert_eq!(found.is_some(), want, "{token} {now:?} {key}");
        }
    }
}
