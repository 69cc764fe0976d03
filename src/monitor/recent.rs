//! The last records, by the keys of whom and what they are about, so that an alert can name those behind it.

use crate::domain::RequestId;

/// The last records that went wrong, and the last of all: many that went well must not drive out the few that did not.
#[derive(Debug)]
pub(super) struct Recent {
    wrong: Ring,
    all: Ring,
}

#[derive(Debug, Default)]
struct Ring {
    records: Vec<(RequestId, [u64; 4])>,
    next: usize,
}

/// How many are kept of each sort: 48 bytes each.
const KEPT: usize = 16_384;
impl Recent {
    /// How many an alert names.
    pub(super) const NAMED: usize = 16;

    pub(super) fn new() -> Self {
        Self { wrong: Ring::default(), all: Ring::default() }
    }

    /// Keeps a record with the keys of what it is about; zero for none.
    pub(super) fn keep(&mut self, id: RequestId, keys: [u64; 4], is_wrong: bool) {
        self.all.keep(id, keys);
        if is_wrong {
            self.wrong.keep(id, keys);
        }
    }

    /// The last records about a key, the latest first: those that went wrong where there are any.
    pub(super) fn about(&self, key: u64) -> Vec<RequestId> {
        let wrong = self.wrong.about(key);
        if wrong.len() > 1 { wrong } else { self.all.about(key) }
    }
}

impl Ring {
    fn keep(&mut self, id: RequestId, keys: [u64; 4]) {
        match self.records.get_mut(self.next) {
            Some(place) => *place = (id, keys),
            None => self.records.push((id, keys)),
        }
        self.next = (self.next + 1) % KEPT;
    }

    fn about(&self, key: u64) -> Vec<RequestId> {
        let (young, old) = self.records.split_at(self.next.min(self.records.len()));
        let latest = young.iter().rev().chain(old.iter().rev());
        latest.filter(|(_, keys)| keys.contains(&key)).take(Recent::NAMED).map(|(id, _)| *id).collect()
    }
}
