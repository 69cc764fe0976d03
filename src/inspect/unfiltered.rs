//! Rules that no literal wakes, by where they look: a rule for one value must not cost anything at each of a hundred thousand others.

use ahash::AHashMap;

use super::rules::Where;

/// Those rules, by number.
#[derive(Debug, Default)]
pub(super) struct Unfiltered {
    /// Those that may look anywhere, as far as the last step of a way tells.
    anywhere: Vec<u32>,
    /// Those that name the last step of the ways they look at, in lower case.
    by_step: AHashMap<Box<[u8]>, Vec<u32>>,
}

/// A longer step is not looked up.
const LONGEST: usize = 64;

impl Unfiltered {
    /// Adds a rule that looks at these places.
    pub(super) fn add(&mut self, rule: u32, places: &[Where]) {
        let steps: Option<Vec<_>> = places.iter().map(Where::last_step).collect();
        let steps = steps.filter(|steps| !steps.is_empty() && steps.iter().all(|step| step.len() <= LONGEST));
        let Some(steps) = steps else { return self.anywhere.push(rule) };
        for step in steps {
            let own = self.by_step.entry(step.to_ascii_lowercase().into()).or_default();
            if own.last() != Some(&rule) {
                own.push(rule);
            }
        }
    }

    /// Whether there is none at all.
    pub(super) fn is_empty(&self) -> bool {
        self.anywhere.is_empty() && self.by_step.is_empty()
    }

    /// Those that may look at a value with this way to it, each once.
    pub(super) fn at(&self, trail: &[u8]) -> [&[u32]; 2] {
        let mut lower = [0; LONGEST];
        let step = last_step(trail);
        let known = lower.get_mut(..step.len()).filter(|_| !self.by_step.is_empty()).and_then(|lower| {
            lower.copy_from_slice(step);
            lower.make_ascii_lowercase();
            self.by_step.get(&*lower)
        });
        [&self.anywhere, known.map_or(&[], Vec::as_slice)]
    }
}

/// What stands behind the last point of a way.
pub(super) fn last_step(trail: &[u8]) -> &[u8] {
    memchr::memrchr(b'.', trail).and_then(|at| trail.get(at + 1..)).unwrap_or(trail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inspect::{Location, Part};

    fn at(trail: &[u8]) -> Location<'_> {
        Location { part: Part::Body, trail, is_name: false }
    }

    #[test]
    fn a_rule_for_one_value_is_asked_there_alone() {
        let mut rules = Unfiltered::default();
        let places = |all: &[&str]| all.iter().map(|text| Where::parse(text).expect(text)).collect::<Vec<_>>();
        rules.add(1, &places(&["body:items[*].Note"]));
        rules.add(2, &places(&["body:note", "query:note"]));
        rules.add(3, &places(&["body:**"]));
        rules.add(4, &places(&["body"]));
        rules.add(5, &places(&["body:a.b*"]));
        assert_eq!(rules.at(b"items[3].NOTE"), [&[3, 4, 5][..], &[1, 2]]);
        assert_eq!(rules.at(b"items[3].other"), [&[3, 4, 5][..], &[]]);
        assert_eq!(rules.at(&[b'n'; 100]), [&[3, 4, 5][..], &[]]);
    }

    proptest! {
        #[test]
        fn no_rule_that_covers_a_place_is_left_out(pattern in "[aB.\\[\\]*]{1,9}", trail in "[aAbB.\\[\\]]{0,9}") {
            let place = Where::parse(&format!("body:{pattern}")).expect("a place");
            let mut rules = Unfiltered::default();
            rules.add(7, std::slice::from_ref(&place));
            if place.covers(&at(trail.as_bytes())) {
                prop_assert!(rules.at(trail.as_bytes()).concat().contains(&7));
            }
        }
    }
}
