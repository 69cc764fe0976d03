//! What a large configuration costs: 100,000 rules and 100,000 API keys read, checked, compiled, swapped in, and its memory at the highest.
//! A program of its own, since the highest memory of a process is the highest of all that it did.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot go on says where and stops"
)]
#![allow(clippy::print_stdout, reason = "its figures are what it is for")]

use std::path::Path;
use std::time::Instant;

use claviger::audit::{Log, Settings};
use claviger::config::compile;
use claviger::state::{Engines, Services};

mod generated;
mod scaled;

/// As in the product: the allocator decides how much of what is freed goes back to the system.
#[global_allocator]
static ALLOCATOR: claviger_wipe::Mimalloc = claviger_wipe::Mimalloc;

const COUNT: u32 = 100_000;
const ROUNDS: u64 = 5;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let count = scaled::scaled(COUNT) as usize;
    let text = format!("{}{}{}", generated::HEAD, generated::keys(count), generated::rules(count));
    let engines = Engines::new().expect("engines");
    let settings = Settings { path: Some(folder.path().join("audit.jsonl")), ..Settings::default() };
    let audit = Log::open(settings, engines.metrics.audit.clone()).expect("a log");
    let small = format!("{}{}", generated::HEAD, generated::rules(10));
    let file = folder.path().join("claviger.toml");
    let first = compile(&file, &small, 1, &engines).1.unwrap_or_else(|faults| panic!("{faults}")).snapshot;
    let services = Services::new(engines, audit, first);

    println!(
        "{count} rules in {} routes and {count} API keys: {:.1} MB of TOML",
        count / 10,
        megabytes(text.len() / 1024)
    );
    let before = memory("VmRSS:");
    for round in 1..=ROUNDS {
        one(&file, &text, round, &services, before);
    }
}

fn one(file: &Path, text: &str, round: u64, services: &Services, before: usize) {
    let began = Instant::now();
    let plan = compile(file, text, round, &services.engines).1.unwrap_or_else(|faults| panic!("{faults}"));
    let compiled = began.elapsed();
    let began = Instant::now();
    services.swap(plan.snapshot);
    let swapped = began.elapsed();
    let (peak, now) = (megabytes(memory("VmHWM:") - before), megabytes(memory("VmRSS:").saturating_sub(before)));
    println!(
        "round {round}: compiled in {compiled:.1?}, swapped in {swapped:.1?} with the old one freed; highest memory +{peak:.0} MB, kept +{now:.0} MB"
    );
}

/// A field of this process's status, in KiB.
fn memory(field: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// Of 1,000,000 bytes.
#[expect(clippy::cast_precision_loss, reason = "kilobytes")]
fn megabytes(kib: usize) -> f64 {
    kib as f64 * 1024.0 / 1e6
}
