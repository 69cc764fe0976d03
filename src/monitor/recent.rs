//! The last records, by the keys of whom and what they are about, so that an alert can name those behind it.

use super::Detection as D;
use super::seen::Seen;
use crate::audit::Record;
use crate::domain::{AuthnFault, Denial, RequestId, Unavailable};

/// The last records that went wrong, and the last of all: many that went well must not drive out the few that did not.
#[derive(Debug)]
pub(super) struct Recent {
    wrong: Ring,
    all: Ring,
}

#[derive(Debug, Default)]
struct Ring {
    records: Vec<(RequestId, [u64; 4], Sorts)>,
    next: usize,
}

/// In which ways a record went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sorts(u16);

impl Sorts {
    const NONE: Self = Self(0);
    const WRONG_CREDENTIAL: Self = Self(1);
    const DENIED: Self = Self(2);
    const MISS: Self = Self(4);
    const ERROR: Self = Self(8);
    /// A wrong credential that named somebody.
    const CLAIMED: Self = Self(16);
    const REFLECTED: Self = Self(32);
    const CANARY: Self = Self(64);
    const NO_CREDENTIAL: Self = Self(128);
    const NOT_ALLOWED: Self = Self(256);

    /// Those of a record.
    pub(super) fn of(record: &Record, seen: &Seen) -> Self {
        let is_canary = matches!(record.denial, Some(Denial::Canary | Denial::Unauthenticated(AuthnFault::Canary)));
        let had_none = record.denial == Some(Denial::Unavailable(Unavailable::Credential));
        let all = [
            (seen.is_wrong_credential, Self::WRONG_CREDENTIAL),
            (seen.is_denied, Self::DENIED),
            (seen.is_miss, Self::MISS),
            (seen.is_error, Self::ERROR),
            (seen.is_wrong_credential && record.claimed.is_some(), Self::CLAIMED),
            (record.reflected > 0, Self::REFLECTED),
            (is_canary, Self::CANARY),
            (had_none, Self::NO_CREDENTIAL),
            (seen.is_not_allowed, Self::NOT_ALLOWED),
        ];
        Self(all.iter().filter(|(is_so, _)| *is_so).fold(0, |bits, (_, sort)| bits | sort.0))
    }

    /// That of the records which a detection counts; none where those count that went well.
    fn counted(detection: D) -> Self {
        if matches!(detection, D::FailedLogins | D::DistributedGuessing | D::SlowGuessing) {
            Self::WRONG_CREDENTIAL
        } else if matches!(detection, D::CredentialStuffing | D::SlowStuffing | D::StuffingSucceeded) {
            Self::CLAIMED
        } else if detection == D::Probing {
            Self::NOT_ALLOWED
        } else if matches!(detection, D::Enumeration | D::BrokenRoute) {
            Self::MISS
        } else if detection == D::Denials {
            Self::DENIED
        } else if detection == D::Canary {
            Self::CANARY
        } else if detection == D::UpstreamErrors {
            Self::ERROR
        } else if detection == D::VaultTrouble {
            Self::NO_CREDENTIAL
        } else if detection == D::ReflectedSecret {
            Self::REFLECTED
        } else {
            Self::NONE
        }
    }

    fn meets(self, other: Self) -> bool {
        other == Self::NONE || self.0 & other.0 != 0
    }
}

/// How many are kept of each sort: 56 bytes each.
const KEPT: usize = 16_384;
impl Recent {
    /// How many an alert names.
    pub(super) const NAMED: usize = 16;

    pub(super) fn new() -> Self {
        Self { wrong: Ring::default(), all: Ring::default() }
    }

    /// Keeps a record with the keys of what it is about, zero for none, and the ways in which it went wrong.
    pub(super) fn keep(&mut self, id: RequestId, keys: [u64; 4], sorts: Sorts) {
        self.all.keep(id, keys, sorts);
        if sorts != Sorts::NONE {
            self.wrong.keep(id, keys, sorts);
        }
    }

    /// The last records about a key of the sort that a detection counts, the latest first.
    pub(super) fn behind(&self, detection: D, key: u64) -> Vec<RequestId> {
        match Sorts::counted(detection) {
            Sorts::NONE => self.all.about(key, Sorts::NONE),
            sort => self.wrong.about(key, sort),
        }
    }
}

impl Ring {
    fn keep(&mut self, id: RequestId, keys: [u64; 4], sorts: Sorts) {
        match self.records.get_mut(self.next) {
            Some(place) => *place = (id, keys, sorts),
            None => self.records.push((id, keys, sorts)),
        }
        self.next = (self.next + 1) % KEPT;
    }

    fn about(&self, key: u64, sort: Sorts) -> Vec<RequestId> {
        let (young, old) = self.records.split_at(self.next.min(self.records.len()));
        let latest = young.iter().rev().chain(old.iter().rev());
        // Of an address those count who proved nobody: others may share it.
        let is_about = |[who, address, route, claimed]: &[u64; 4]| {
            [who, route, claimed].contains(&&key) || (*address == key && *who == 0)
        };
        let behind = latest.filter(|(_, keys, sorts)| is_about(keys) && sorts.meets(sort));
        behind.take(Recent::NAMED).map(|(id, ..)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn an_alert_names_the_records_that_its_detection_counts() {
        let mut recent = Recent::new();
        let mut keep = |keys, sorts| {
            let id = RequestId::new(SystemTime::now());
            recent.keep(id, keys, sorts);
            id
        };
        let (address, route) = (7, 9);
        let keys = [0, address, route, 0];
        let guess = keep(keys, Sorts(Sorts::WRONG_CREDENTIAL.0 | Sorts::CLAIMED.0 | Sorts::DENIED.0));
        let unnamed = keep(keys, Sorts(Sorts::WRONG_CREDENTIAL.0 | Sorts::DENIED.0));
        let absent = keep(keys, Sorts::MISS);
        let failed = keep(keys, Sorts::ERROR);
        let well = keep(keys, Sorts::NONE);
        keep([0, 8, 8, 0], Sorts::WRONG_CREDENTIAL);
        let refused = keep([5, address, 8, 0], Sorts(Sorts::MISS.0 | Sorts::NOT_ALLOWED.0));
        keep([5, address, 8, 0], Sorts::MISS);
        for (detection, want) in [
            (D::FailedLogins, vec![unnamed, guess]),
            (D::CredentialStuffing, vec![guess]),
            (D::ReflectedSecret, vec![]),
            (D::Denials, vec![unnamed, guess]),
            // Not of somebody who proved who they are, at the same address.
            (D::Enumeration, vec![absent]),
            (D::UpstreamErrors, vec![failed]),
            (D::Exfiltration, vec![well, failed, absent, unnamed, guess]),
        ] {
            assert_eq!(recent.behind(detection, address), want, "{detection:?}");
        }
        assert_eq!(recent.behind(D::Probing, 5), vec![refused]);
    }
}
