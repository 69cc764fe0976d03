//! Requests that nobody would write by hand: bytes that break, texts that repeat, and attacks written otherwise. The same on every run.
//!
//! `FUZZ_SECONDS=3600` does so for an hour, `FUZZ_SEED=7` with other numbers; `EVASIONS=sqli` shows the mutants of a class that pass.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::type_complexity, reason = "a table's rows are typed where they stand")]

mod bounds;
mod corpus;
mod evasions;
mod mutations;
mod numbers;
mod request;
mod seeds;
mod spellings;

use std::sync::Arc;

use claviger::inspect::{Engine, Profile, RuleFile, Settings};

fn profile() -> Profile {
    let engine = Arc::new(Engine::new(RuleFile::ready_made().expect("rules")).expect("compiled"));
    Profile::new(engine, Settings::default()).expect("a profile")
}

/// A number that the environment gives.
fn number_of(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}
