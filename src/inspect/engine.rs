//! All detectors and rules of a configuration, compiled: profiles share it.

use std::fmt;

use ahash::AHashMap;

use super::gate::Gate;
use super::rules::{Pattern, Rule, RuleError, Where};
use super::unfiltered::Unfiltered;
use super::{Class, Location};

/// Compiled rules. Immutable; swapped with the configuration.
pub struct Engine {
    pub(super) gate: Gate,
    pub(super) rules: Vec<Compiled>,
    /// Rules by id.
    pub(super) by_id: AHashMap<String, u32>,
    /// Rules that look at each value, since no literal wakes them.
    pub(super) unfiltered: Unfiltered,
}

/// A rule, ready to look.
pub(super) struct Compiled {
    pub(super) rule: Rule,
    pub(super) places: Vec<Where>,
    pub(super) pattern: Option<Pattern>,
}

impl Engine {
    /// Compiles rules.
    ///
    /// # Errors
    /// Every rule that cannot be used: a pattern that cannot be bounded, a literal that is too short, an id twice.
    pub fn new(rules: Vec<Rule>) -> Result<Self, Vec<RuleError>> {
        let mut errors = Vec::new();
        let mut by_id = AHashMap::new();
        let mut compiled = Vec::with_capacity(rules.len());
        for rule in rules {
            if by_id.insert(rule.id.clone(), compiled.len() as u32).is_some() {
                errors.push(RuleError::new(&rule.id, "there is another rule of this id; give one of them another"));
            }
            match Compiled::new(rule) {
                Ok(rule) => compiled.push(rule),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let literals = (0u32..)
            .zip(&compiled)
            .flat_map(|(n, compiled)| compiled.rule.any.iter().map(move |literal| (n, literal.as_str())));
        let gate = Gate::new(literals);
        let looks_at_all = |compiled: &Compiled| compiled.pattern.is_some() && compiled.rule.any.is_empty();
        let mut unfiltered = Unfiltered::default();
        for (n, rule) in (0u32..).zip(&compiled).filter(|(_, compiled)| looks_at_all(compiled)) {
            unfiltered.add(n, &rule.places);
        }
        Ok(Self { gate, rules: compiled, by_id, unfiltered })
    }

    /// The rules, in order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|compiled| &compiled.rule)
    }

    /// How much memory the automata take, in bytes.
    pub fn size(&self) -> usize {
        self.gate.size() + self.rules.iter().filter_map(|rule| rule.pattern.as_ref()).map(Pattern::size).sum::<usize>()
    }
}

/// The most steps that a usual way to a value takes to be compared with what a rule names.
const USUAL_WAY: u64 = 256;

impl Compiled {
    fn new(rule: Rule) -> Result<Self, RuleError> {
        let wrong = |why: &str| RuleError::new(&rule.id, why);
        if rule.any.iter().any(|literal| literal.len() < 3) {
            return Err(wrong(
                "a text of `any` has to have three bytes or more, since it is looked for in all that comes",
            ));
        }
        if !(1..=4).contains(&rule.paranoia) {
            return Err(wrong("`paranoia` is 1, 2, 3 or 4"));
        }
        let places: Result<Vec<_>, _> = rule.places.iter().map(|place| Where::parse(place)).collect();
        let places = places.map_err(|error| wrong(&error.to_string()))?;
        if rule.regex.is_some() && rule.any.is_empty() && !rule.unfiltered && !places.iter().any(Where::is_one_value) {
            return Err(wrong(
                "a `regex` without `any` looks at each value: add texts that any match has, name one value in `where`, or say `unfiltered = true`",
            ));
        }
        let pattern = rule.regex.as_deref().map(Pattern::new).transpose().map_err(|why| wrong(&why))?;
        Ok(Self { rule, places, pattern })
    }

    /// The steps that are not counted against a value of so many bytes because this looks at it. Where it is the operator's own, or looks at all
    /// values, what it costs was decided when it was written; but not how long the way to a value is.
    pub(super) fn allowance(&self, length: usize) -> u64 {
        if self.rule.class != Class::Custom && !self.rule.any.is_empty() {
            return 0;
        }
        let way = if self.places.iter().any(Where::is_one_value) { USUAL_WAY } else { 0 };
        2 * length as u64 + way
    }

    /// Where in a value what the rule looks for ends, one of whose texts ends at `end`; nothing where it is not met.
    pub(super) fn end_in(&self, at: &Location<'_>, bytes: &[u8], end: usize) -> Option<usize> {
        if !self.places.is_empty() && !self.places.iter().any(|place| place.covers(at)) {
            return None;
        }
        let Some(pattern) = &self.pattern else { return Some(end) };
        match (pattern.find(bytes), self.rule.negate) {
            (Some(end), false) => Some(end),
            (None, true) => Some(bytes.len()),
            (Some(_), true) | (None, false) => None,
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} rules]", self.rules.len())
    }
}
