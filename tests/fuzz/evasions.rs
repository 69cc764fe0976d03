//! Attacks written otherwise: of those that are caught as they stand, how many pass.

use std::collections::BTreeMap;

use claviger::inspect::Profile;

use crate::mutations::{Mutation, PLACES};
use crate::numbers::Numbers;
use crate::request::Request;
use crate::seeds::{Form, Seed, built_in};
use crate::{corpus, number_of, profile};

/// Mutants of each attack by each mutation, in each place.
const EACH: usize = 4;
/// Attacks of several mutations on top of each other.
const COMPOUND: usize = 6;
/// Attacks of each class that are taken from the corpus.
const FROM_CORPUS: usize = 25;

/// Of the mutants of the attacks that stand here, the percentage that may pass, by class. All of them are to become 0.
const CEILINGS: &[(&str, f64)] = &[
    // A page behind blank lines as text has them.
    ("crlf", 6.0),
    ("java", 0.5),
    ("jndi", 0.3),
    ("ldap", 1.5),
    ("lfi", 1.0),
    ("node", 0.5),
    ("nosql", 2.0),
    ("php", 1.0),
    // A name between backticks within prose is how people write it; `whoami` with words behind it runs nothing.
    ("rce", 5.0),
    ("rfi", 1.0),
    ("sqli", 1.0),
    ("ssi", 0.3),
    ("ssrf", 0.6),
    ("ssti", 0.4),
    ("xss", 0.3),
];
/// The same of those that the corpus has, all classes together. Most of what passes is a single word that is no attack within prose.
const CORPUS_CEILING: f64 = 14.5;

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    all: usize,
    passed: usize,
}

impl Count {
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    fn percent(self) -> f64 {
        100.0 * self.passed as f64 / self.all.max(1) as f64
    }
}

/// Mutants by class and mutation.
#[derive(Default)]
struct Table {
    rows: BTreeMap<(String, &'static str), Count>,
    /// The class of which those that pass are shown.
    shown: Option<String>,
}

impl Table {
    fn new() -> Self {
        Self { rows: BTreeMap::new(), shown: std::env::var("EVASIONS").ok() }
    }

    fn add(&mut self, profile: &Profile, seed: &Seed, name: &'static str, changed: &str, request: &Request) {
        let passed = !request.judge(profile).is_attack;
        let count = self.rows.entry((seed.class.clone(), name)).or_default();
        count.all += 1;
        count.passed += usize::from(passed);
        if passed && self.shown.as_ref().is_some_and(|shown| *shown == seed.class || shown == "all") {
            let changed: String = changed.chars().take(300).collect();
            println!("passes: {} [{name}] {:?} <- {:?}", seed.class, changed, seed.text);
        }
    }

    fn mutate(&mut self, profile: &Profile, seeds: &[Seed], numbers: &mut Numbers) {
        let mutations = Mutation::all();
        for seed in seeds {
            let fitting: Vec<_> = mutations.iter().filter(|mutation| mutation.is_for(&seed.class)).collect();
            for place in seed.form.places() {
                if !place(&seed.text).judge(profile).is_attack {
                    continue;
                }
                for mutation in &fitting {
                    // Encodings and prose within a body's grammar are something else.
                    if seed.form != Form::Value && matches!(mutation, Mutation::Text(..)) {
                        continue;
                    }
                    let mut known = Vec::new();
                    for _ in 0..EACH {
                        let Some(changed) = mutation.apply(&seed.text, numbers) else { break };
                        if !known.contains(&changed) {
                            self.add(profile, seed, mutation.name(), &changed, &place(&changed));
                            known.push(changed);
                        }
                    }
                }
                for _ in 0..COMPOUND * usize::from(seed.form == Form::Value && !fitting.is_empty()) {
                    let mut changed = seed.text.clone();
                    let mut is_encoded = false;
                    for _ in 0..2 + numbers.below(2) {
                        let mutation = fitting[numbers.below(fitting.len())];
                        // How many encodings on top of each other are taken off is documented, and bounded.
                        if mutation.is_encoding() && std::mem::replace(&mut is_encoded, true) {
                            continue;
                        }
                        changed = mutation.apply(&changed, numbers).unwrap_or(changed);
                    }
                    self.add(profile, seed, "several at once", &changed, &place(&changed));
                }
            }
            let is_caught = seed.form.places().iter().all(|place| place(&seed.text).judge(profile).is_attack);
            if seed.form == Form::Value && is_caught {
                for (name, place) in PLACES {
                    self.add(profile, seed, name, &seed.text, &place(&seed.text));
                }
            }
        }
    }

    fn classes(&self) -> BTreeMap<&str, Count> {
        let mut classes: BTreeMap<&str, Count> = BTreeMap::new();
        for ((class, _), count) in &self.rows {
            let of = classes.entry(class).or_default();
            of.all += count.all;
            of.passed += count.passed;
        }
        classes
    }

    fn print(&self, of: &str) {
        println!("{:<10} {:<36} {:>7} {:>7} {:>7}", of, "mutation", "mutants", "passed", "percent");
        for ((class, name), count) in self.rows.iter().filter(|(_, count)| count.passed > 0) {
            println!("{class:<10} {name:<36} {:>7} {:>7} {:>6.1}%", count.all, count.passed, count.percent());
        }
        for (class, count) in self.classes() {
            println!("{class:<10} {:<36} {:>7} {:>7} {:>6.1}%", "(all)", count.all, count.passed, count.percent());
        }
    }
}

#[test]
fn an_attack_written_otherwise_is_caught_too() {
    let profile = profile();
    let seed = number_of("FUZZ_SEED", 1);
    let mut table = Table::new();
    let seeds = built_in();
    for seed in &seeds {
        for place in seed.form.places() {
            if !place(&seed.text).judge(&profile).is_attack {
                println!("passes as it stands: {} {:?}", seed.class, seed.text);
            }
        }
    }
    table.mutate(&profile, &seeds, &mut Numbers::new(seed));
    table.print("of ours");
    for (class, count) in table.classes() {
        let ceiling = CEILINGS.iter().find(|(name, _)| *name == class).map_or(0.0, |(_, ceiling)| *ceiling);
        assert!(
            count.percent() <= ceiling,
            "{class}: {:.1}% pass, {ceiling}% may; EVASIONS={class} shows them",
            count.percent()
        );
    }
}

#[test]
fn an_attack_of_the_corpus_written_otherwise_is_caught_too() {
    let profile = profile();
    let Some(seeds) = corpus::attacks(&profile, FROM_CORPUS) else { return };
    let mut table = Table::new();
    table.mutate(&profile, &seeds, &mut Numbers::new(number_of("FUZZ_SEED", 1)));
    table.print("corpus");
    let all = table
        .classes()
        .into_values()
        .fold(Count::default(), |sum, count| Count { all: sum.all + count.all, passed: sum.passed + count.passed });
    println!("{} of {} pass, {:.1}%", all.passed, all.all, all.percent());
    assert!(all.percent() <= CORPUS_CEILING, "{:.1}% pass, {CORPUS_CEILING}% may", all.percent());
}
