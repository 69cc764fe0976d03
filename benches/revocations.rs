//! What very many revocations cost: starting with them, looking one up, and the time from the command to the cut. Judges nothing; says what
//! the aim is and whether it was met.
//!
//! `cargo bench --bench revocations`

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and one that cannot go on says where and stops"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use claviger::domain::{Name, Principal, PrincipalKind};
use claviger::session::{Carried, Revocation, Revocations, Store};

const COUNT: u32 = 100_000;
const LOOKS: u32 = 1_000_000;
const CUTS: u32 = 500;

mod figures;
mod scaled;

use figures::{resident, tell};
use scaled::scaled;

#[global_allocator]
static ALLOCATOR: claviger_wipe::Mimalloc = claviger_wipe::Mimalloc;

fn revocation(id: &str) -> Revocation {
    let of = format!("principal:corp:{id}").parse().expect("of a principal");
    Revocation::new(of, "measured".to_owned(), "uid:0".to_owned(), SystemTime::now(), None)
}

fn carried(id: &str) -> Carried {
    let authenticator = Name::parse("corp").expect("a name");
    let roles = ["reader", "writer"].map(Arc::from).into();
    let principal = Principal { roles, ..Principal::new(authenticator, PrincipalKind::Human, id.to_owned()) };
    Carried {
        principal: Arc::new(principal),
        role: Some("reader".into()),
        any_of: Vec::new(),
        until: None,
        grant: None,
    }
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("claviger.db");
    let (count, looks) = (scaled(COUNT), scaled(LOOKS));
    let all: Vec<_> = (0..count).map(|n| revocation(&format!("user-{n}@example.test"))).collect();
    Store::open(&path).expect("made").add(&all).expect("written");
    drop(all);
    let (before, began) = (resident(), Instant::now());
    let held = Arc::new(Revocations::new(Store::open(&path).expect("opened")).expect("read"));
    println!("{count} revocations of principals\n");
    tell("start with them", began.elapsed().as_secs_f64(), "s", 5.0);
    tell("resident memory by that", resident() - before, "MB", 400.0);
    for (what, id) in [("look-up of somebody revoked", "user-50@example.test"), ("look-up of somebody else", "ada")] {
        let (one, now, began) = (carried(id), SystemTime::now(), Instant::now());
        for _ in 0..looks {
            black_box(held.ended(black_box(&one), now));
        }
        tell(what, began.elapsed().as_secs_f64() * 1e6 / f64::from(looks), "us", 1.0);
    }
    let mut took = cuts(&path, &held);
    took.sort();
    let percentile = |percent: usize| took[took.len() * percent / 100 - 1].as_secs_f64() * 1e3;
    tell("from the command's write to the cut, p50", percentile(50), "ms", 10.0);
    tell("from the command's write to the cut, p99", percentile(99), "ms", 10.0);
}

/// How long it took from the beginning of each write, by a connection of its own as a command has, to the end of the one line that it meant.
/// Each begins just after the look that found the one before, and so waits as long for the next as there is to wait.
fn cuts(path: &Path, held: &Arc<Revocations>) -> Vec<Duration> {
    let stop = Arc::new(AtomicBool::new(false));
    // As the gateway's own thread does it.
    let watcher = thread::spawn({
        let (held, stop) = (Arc::clone(held), Arc::clone(&stop));
        move || {
            while !stop.load(Ordering::Relaxed) {
                held.refresh(SystemTime::now()).expect("taken over");
                thread::sleep(Revocations::REFRESH_EVERY);
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let command = Store::open(path).expect("opened");
    let took = (0..scaled(CUTS)).map(|n| {
        let id = format!("cut-{n}");
        let line = held.line();
        line.carry(carried(&id));
        let one = [revocation(&id)];
        let began = Instant::now();
        command.add(&one).expect("written");
        runtime.block_on(line.cut());
        began.elapsed()
    });
    let took = took.collect();
    stop.store(true, Ordering::Relaxed);
    watcher.join().expect("no panic");
    took
}
