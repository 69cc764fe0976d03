//! Lexers, one for each class of attack that has a grammar of its own. Each is linear in its input and gives evidence, not a verdict: the ids
//! of rules, which `rules/*.toml` says the worth of.

use std::ops::Range;

use super::{Class, Part};
use crate::inspect::gate::Bytes;

mod base64;
mod call;
mod html;
mod java;
mod ldap;
mod line;
pub(super) mod names;
mod node;
mod nosql;
mod path;
mod php;
mod shell;
mod sql;
mod template;
mod upload;
mod url;

/// All of them, in the order in which they look.
pub(super) const DETECTORS: [&Detector; 12] = [
    &sql::DETECTOR,
    &html::DETECTOR,
    &shell::DETECTOR,
    &path::DETECTOR,
    &url::DETECTOR,
    &template::DETECTOR,
    &java::DETECTOR,
    &php::DETECTOR,
    &node::DETECTOR,
    &nosql::DETECTOR,
    &ldap::DETECTOR,
    &line::DETECTOR,
];

/// Looks for one kind of attack.
pub(super) struct Detector {
    /// Classes that it gives evidence of; it does not run where all of them are off.
    pub(super) classes: &'static [Class],
    /// The rules that it gives evidence for, and no others: a test holds that each has an entry among the rules.
    pub(super) ids: &'static [&'static str],
    /// In lower case; any one of them in a value, in whatever case, wakes it.
    pub(super) literals: &'static [&'static str],
    /// Whether the bytes that occur in a value wake it, without a literal.
    pub(super) wakes: fn(&Bytes) -> bool,
    /// Looks, and adds evidence.
    pub(super) run: fn(&Input<'_>, &mut Found),
}

/// What a detector looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a> {
    /// The value, as decoded.
    pub(super) bytes: &'a [u8],
    /// The same in lower case (ASCII), of the same length.
    pub(super) lower: &'a [u8],
    /// Where it stands.
    pub(super) part: Part,
    /// The way to it, as [`Trail`](super::Trail) has it: the name of the parameter, header or key.
    pub(super) trail: &'a [u8],
    /// Whether it is a name itself.
    pub(super) is_name: bool,
    /// Which bytes occur in it.
    pub(super) occurs: &'a Bytes,
}

/// The most bytes of the way to a value that detectors look at, the last ones: senders choose how long it is, and look-ups in it are for every value.
const MAX_WAY: usize = 192;

impl<'a> Input<'a> {
    /// As much of the way as is looked at.
    pub(super) fn near(trail: &'a [u8]) -> &'a [u8] {
        trail.get(trail.len().saturating_sub(MAX_WAY)..).unwrap_or_default()
    }
}

/// Whether one of these words stands in the way to a value, in whatever case.
fn stands_in(way: &[u8], words: &[&[u8]]) -> bool {
    words.iter().any(|word| {
        crate::inspect::steps::count(way.len());
        way.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
    })
}

/// Evidence that detectors gave of one value: ids of rules, and where in the value.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) evidence: Vec<(&'static str, Range<usize>)>,
    /// Where that of the detector begins that looks now.
    own: usize,
}

/// From which length on a search for a text is worth being set up.
const LONG: usize = 64;

/// Where a text stands in another. Setting up a search costs more than a short value is worth.
fn places<'a>(text: &'a [u8], what: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let is_long = text.len() >= LONG;
    crate::inspect::steps::count(if is_long { 40 } else { 10 + text.len() / 2 });
    let mut from = 0;
    let next = move || {
        let at = from + memchr::memmem::find(text.get(from..)?, what)?;
        from = at + what.len();
        Some(at)
    };
    let in_short = (!is_long).then(|| std::iter::from_fn(next));
    let in_long = is_long.then(|| memchr::memmem::find_iter(text, what));
    in_short.into_iter().flatten().chain(in_long.into_iter().flatten())
}

/// Looks for the next of some bytes. Where few of them occur in a value, all but those are passed over by a fast search.
#[derive(Clone, Copy)]
struct Next<'s> {
    set: &'s Bytes,
    few: Option<[u8; 3]>,
}

impl<'s> Next<'s> {
    /// For those of a set that occur; `bytes` are the set's.
    fn of(set: &'s Bytes, bytes: &[u8], occurs: &Bytes) -> Self {
        let mut there = bytes.iter().copied().filter(|byte| occurs.has(*byte));
        let first = there.next().unwrap_or(0);
        let few = [first, there.next().unwrap_or(first), there.next().unwrap_or(first)];
        Self { set, few: there.next().is_none().then_some(few) }
    }

    /// Where the next one stands.
    fn find(&self, text: &[u8]) -> Option<usize> {
        match self.few {
            Some([one, two, _]) if one == two => memchr::memchr(one, text),
            Some([one, two, three]) => memchr::memchr3(one, two, three, text),
            None => text.iter().position(|byte| self.set.has(*byte)),
        }
    }
}

/// The most evidence that is kept of what one detector says of one value: more changes no verdict. Of each its own, so that none is silenced by
/// what others find, which may not count.
const MAX_EVIDENCE: usize = 16;

impl Found {
    /// Forgets all evidence: another value.
    pub(super) fn clear(&mut self) {
        self.evidence.clear();
        self.own = 0;
    }

    /// Says that another detector looks from now on.
    pub(super) fn turn(&mut self) {
        self.own = self.evidence.len();
    }

    /// Adds evidence; once for each rule.
    pub(super) fn add(&mut self, rule: &'static str, at: Range<usize>) {
        if self.evidence.len() < self.own + MAX_EVIDENCE && self.evidence.iter().all(|(known, _)| *known != rule) {
            self.evidence.push((rule, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::{FaultKind, Rule, RuleFile};

    /// Whether a rule says what something is worth that is found without it.
    fn is_for_evidence(rule: &Rule) -> bool {
        rule.any.is_empty() && rule.regex.is_none()
    }

    #[test]
    fn all_evidence_has_a_rule_of_a_class_that_the_detector_is_for() {
        let rules = RuleFile::ready_made().expect("rules");
        for detector in DETECTORS {
            for id in detector.ids {
                let rule = rules.iter().find(|rule| rule.id == *id).unwrap_or_else(|| panic!("no rule {id}"));
                assert!(detector.classes.contains(&rule.class), "{id} is of another class");
            }
        }
    }

    #[test]
    fn all_rules_for_evidence_have_one_who_gives_it() {
        let faults = FaultKind::ALL.map(FaultKind::id);
        for rule in RuleFile::ready_made().expect("rules").iter().filter(|rule| is_for_evidence(rule)) {
            let givers = DETECTORS.iter().filter(|detector| detector.ids.contains(&rule.id.as_str())).count();
            let by_reading = usize::from(faults.contains(&rule.id.as_str()) || rule.id == "structure.too-costly");
            assert_eq!(givers + by_reading, 1, "{}", rule.id);
        }
    }
}
