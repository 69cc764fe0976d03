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
    /// How often it went from one of two networks to the other and back, one after the other.
    turns: u8,
}

/// There and back, twice, counting from the first time back: who has two addresses, or walks out of reach of a network and in again, comes back once.
const TURNS: u8 = 3;

/// What a use of a session is.
#[derive(Debug, PartialEq)]
pub(super) enum Visit {
    /// As before, or its first.
    Usual,
    /// From a network that its principal did not use before.
    Moved,
    /// From the network before that again, while it was used from another, one of which was that; and twice so.
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
        self.turns = if is_by_turns { self.turns.saturating_add(1) } else { 0 };
        let is_new = !is_known && !is_by_turns;
        self.is_strange |= is_new;
        match (is_new, self.turns >= TURNS && self.is_strange) {
            (false, false) => Visit::Usual,
            (true, _) => Visit::Moved,
            (false, true) => Visit::ByTurns(Evidence::new(&[
                ("turns", f64::from(self.turns)),
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
    fn who_moves_moved_and_who_comes_back_twice_is_two() {
        let mut visits = Visits::default();
        let uses = [
            (1, 1000),
            (1, 1010),
            (2, 1020),
            (1, 1005),
            (2, 1030),
            (1, 1040),
            (2, 1050),
            (1, 1060),
            (3, 2000),
            (1, 2010),
            (1, 4000),
        ];
        let told = |visits: &mut Visits, is_known| {
            uses.map(|(network, began)| match visits.meet(network, is_known || network == 1, began, 900) {
                Visit::Usual => ' ',
                Visit::Moved => 'm',
                Visit::ByTurns(_) => '!',
            })
        };
        assert_eq!(told(&mut visits, false), [' ', ' ', 'm', ' ', ' ', ' ', ' ', '!', 'm', ' ', ' ']);
        assert_eq!(told(&mut Visits::default(), true), [' '; 11], "between networks that are known");
    }
}
