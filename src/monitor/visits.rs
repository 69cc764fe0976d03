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
    /// Whether it was ever used from a network that its principal did not use before.
    is_strange: bool,
}

/// What a use of a session is.
#[derive(Debug, PartialEq)]
pub(super) enum Visit {
    /// As before, or its first.
    Usual,
    /// From a network that its principal did not use before.
    Moved,
    /// From the network before that again, while it was used from another, one of which was that.
    ByTurns(Evidence),
}

impl Visits {
    /// Takes a use, by when its request began: answers that take their time come late, and are no second place. Between networks that its principal
    /// has used before, a session may go to and fro, as phones do.
    pub(super) fn meet(&mut self, network: u64, is_known: bool, began: u32, window: u32) -> Visit {
        if self.here == network || began < self.since {
            self.last = self.last.max(began);
            return Visit::Usual;
        }
        let gone = began.saturating_sub(self.before_last);
        let is_by_turns = self.before == network && gone < window;
        let is_first = self.here == 0;
        (self.before, self.before_last) = (self.here, self.last);
        (self.here, self.since, self.last) = (network, began, began);
        if is_first {
            return Visit::Usual;
        }
        let is_new = !is_known && !is_by_turns;
        self.is_strange |= is_new;
        match (is_new, is_by_turns && self.is_strange) {
            (false, false) => Visit::Usual,
            (true, _) => Visit::Moved,
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
        let told = |visits: &mut Visits, is_known| {
            uses.map(|(network, began)| match visits.meet(network, is_known || network == 1, began, 900) {
                Visit::Usual => ' ',
                Visit::Moved => 'm',
                Visit::ByTurns(_) => '!',
            })
        };
        assert_eq!(told(&mut visits, false), [' ', ' ', 'm', ' ', ' ', '!', 'm', ' ']);
        assert_eq!(told(&mut Visits::default(), true), [' '; 8], "between networks that are known");
    }
}
