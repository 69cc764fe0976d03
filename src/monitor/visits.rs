//! From where one session is used.

use super::alert::Evidence;

/// The networks that a session was last used from.
#[derive(Debug, Default)]
pub(super) struct Visits {
    here: u64,
    since: u32,
    last: u32,
    before: u64,
    before_last: u32,
}

/// What a use of a session is.
#[derive(Debug, PartialEq)]
pub(super) enum Visit {
    /// As before, or its first.
    Usual,
    /// From another network than before.
    Moved,
    /// From the network before that again, while it was used from another.
    ByTurns(Evidence),
}

impl Visits {
    /// Takes a use, by when its request began: answers that take their time come late, and are no second place.
    pub(super) fn meet(&mut self, network: u64, began: u32, window: u32) -> Visit {
        if self.here == network || began < self.since {
            self.last = self.last.max(began);
            return Visit::Usual;
        }
        let gone = began.saturating_sub(self.before_last);
        let is_by_turns = self.before == network && gone < window;
        let is_first = self.here == 0;
        (self.before, self.before_last) = (self.here, self.last);
        (self.here, self.since, self.last) = (network, began, began);
        match (is_first, is_by_turns) {
            (true, _) => Visit::Usual,
            (false, false) => Visit::Moved,
            (false, true) => Visit::ByTurns(Evidence::new(&[
                ("networks", 2.0),
                ("seconds_between", f64::from(gone)),
                ("window", f64::from(window)),
            ])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_moves_moved_and_who_comes_back_at_once_is_two() {
        let mut visits = Visits::default();
        let uses = [(1, 1000), (1, 1010), (2, 1020), (1, 1005), (2, 1030), (1, 1040), (3, 2000), (1, 4000)];
        let told = uses.map(|(network, began)| match visits.meet(network, began, 900) {
            Visit::Usual => ' ',
            Visit::Moved => 'm',
            Visit::ByTurns(_) => '!',
        });
        assert_eq!(told, [' ', ' ', 'm', ' ', ' ', '!', 'm', 'm']);
    }
}
