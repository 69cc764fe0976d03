//! What a proof of each kind costs, through the interface that the pipeline uses, as a table: one known before, one that cannot be known
//! before, and tokens never seen beside the library's bare verification of the same token with the same key. Judges nothing; says what the
//! aim is and whether it was met.
//!
//! `cargo bench --bench authn [-- --json] [-- --rounds N]`
//!
//! All kinds are measured in turns, so that a busy machine is busy for all; figures are medians of the rounds.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot go on says where and stops"
)]

use std::hint::black_box;
use std::io::Write;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use serde_json::json;

mod proofs;

use proofs::{Kind, Request, Site};

/// The allocator of the product.
#[global_allocator]
static ALLOCATOR: claviger_wipe::Mimalloc = claviger_wipe::Mimalloc;

/// Microseconds that a proof known before may take.
const KNOWN_AIM: f64 = 2.0;
/// How much more than the bare verification a proof of a token never seen may take.
const UNSEEN_AIM: f64 = 1.3;
/// Proofs in a row, between two looks at the clock: of the quick sorts, and of the slow ones.
const QUICK: usize = 2000;
const SLOW: usize = 50;

/// A kind of proof and its figures, in microseconds, of every round.
struct Row {
    kind: Kind,
    took: Vec<f64>,
    /// Of the token never seen alone: signature alone, with the claims read too, signature with a key that was prepared.
    bare: [Vec<f64>; 3],
}

struct Args {
    rounds: usize,
    json: bool,
}

fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(word) => {
            let _ = writeln!(std::io::stderr(), "authn: what is `{word}`? usage: [--json] [--rounds N]");
            return ExitCode::from(2);
        }
    };
    let site = Site::new(args.rounds * SLOW);
    let mut rows: Vec<Row> =
        site.kinds().into_iter().map(|kind| Row { kind, took: Vec::new(), bare: Default::default() }).collect();
    for row in &mut rows {
        let fill = site.runtime.block_on(row.kind.requests.last().expect("one").authenticate(row.kind.now));
        assert!(fill, "{}: no proof", row.kind.name);
    }
    for round in 0..args.rounds {
        for row in &mut rows {
            row.measure(round);
        }
    }
    let mut out = std::io::stdout();
    let printed = if args.json { print_json(&rows, &mut out) } else { print_table(&rows, &args, &mut out) };
    if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Cargo says `--bench`, unless it only wants to see that it runs.
fn parse(words: impl Iterator<Item = String>) -> Result<Args, String> {
    let (mut args, mut rounds, mut words) = (Args { rounds: 1, json: false }, 41, words);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => args.json = true,
            "--bench" => args.rounds = rounds,
            "--rounds" => {
                let count =
                    words.next().and_then(|count| count.parse().ok()).filter(|count| (1..=1000).contains(count));
                rounds = count.ok_or(word)?;
                args.rounds = rounds;
            }
            _ => return Err(word),
        }
    }
    Ok(args)
}

impl Row {
    fn measure(&mut self, round: usize) {
        let Kind { requests, now, bare, .. } = &mut self.kind;
        if let Some(bare) = bare {
            // What was proved holds for an hour at most: a moment later the same token is as good as new.
            let took = time(SLOW, |_| {
                *now += Duration::from_secs(3601);
                ready(&requests[0], *now);
            });
            self.took.push(took);
            self.bare[0].push(time(SLOW, |_| assert!(black_box(&*bare).verify())));
            self.bare[1].push(time(SLOW, |_| assert!(black_box(&*bare).decode())));
            self.bare[2].push(time(SLOW, |_| assert!(black_box(&*bare).verify_prepared())));
        } else if requests.len() > 1 {
            let ours = &requests[round * SLOW..(round + 1) * SLOW];
            self.took.push(time(SLOW, |nth| ready(&ours[nth], *now)));
        } else {
            self.took.push(time(QUICK, |_| ready(&requests[0], *now)));
        }
    }

    fn took(&self) -> f64 {
        median(&self.took)
    }

    /// The median of the ratios of neighbours: what else the machine did meanwhile, it did to both.
    fn ratio(&self, to: usize) -> Option<f64> {
        let ratios: Vec<f64> = self.took.iter().zip(&self.bare[to]).map(|(ours, bare)| ours / bare).collect();
        (!ratios.is_empty()).then(|| median(&ratios))
    }

    /// Whether its aim was met, where it has one.
    fn is_met(&self) -> Option<bool> {
        match self.ratio(0) {
            Some(ratio) => Some(ratio <= UNSEEN_AIM),
            None if self.kind.is_once() => None,
            None => Some(self.took() < KNOWN_AIM),
        }
    }
}

/// Microseconds that one of so many in a row takes.
#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn time(count: usize, mut one: impl FnMut(usize)) -> f64 {
    let began = Instant::now();
    (0..count).for_each(&mut one);
    began.elapsed().as_secs_f64() * 1e6 / count as f64
}

/// A proof that comes without waiting for anybody; one that is not known yet lets others go first, once.
fn ready(request: &Request, now: std::time::SystemTime) {
    let mut proof = pin!(request.authenticate(now));
    let mut poll = || proof.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll() == Poll::Ready(true) || poll() == Poll::Ready(true), "no proof");
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn print_table(rows: &[Row], args: &Args, out: &mut dyn Write) -> std::io::Result<()> {
    let met = |row: &Row| row.is_met().map_or("-", |met| if met { "yes" } else { "NO" });
    writeln!(out, "| proof | us | aim, us | met |\n|---|--:|--:|---|")?;
    for row in rows.iter().filter(|row| row.kind.bare.is_none()) {
        let aim = if row.kind.is_once() { "-".to_owned() } else { KNOWN_AIM.to_string() };
        writeln!(out, "| {} | {:.2} | {aim} | {} |", row.kind.name, row.took(), met(row))?;
    }
    writeln!(out, "\n| token never seen | us | signature alone | with claims | prepared key | ratio | aim | met |")?;
    writeln!(out, "|---|--:|--:|--:|--:|--:|--:|---|")?;
    for row in rows {
        let Some(ratio) = row.ratio(0) else { continue };
        let [alone, claims, prepared] = row.bare.each_ref().map(|took| median(took));
        let (name, took) = (row.kind.name, row.took());
        writeln!(
            out,
            "| {name} | {took:.1} | {alone:.1} | {claims:.1} | {prepared:.1} | {ratio:.2} | {UNSEEN_AIM} | {} |",
            met(row)
        )?;
    }
    writeln!(out, "\nmedians of {} rounds, in turns", args.rounds)
}

fn print_json(rows: &[Row], out: &mut dyn Write) -> std::io::Result<()> {
    let rows = rows.iter().map(|row| {
        let bare = row.kind.bare.is_some().then(|| {
            let [signature, claims, prepared] = row.bare.each_ref().map(|took| median(took));
            json!({"signature_us": signature, "claims_us": claims, "prepared_us": prepared, "ratio": row.ratio(0)})
        });
        json!({"proof": row.kind.name, "us": row.took(), "bare": bare, "met": row.is_met()})
    });
    writeln!(out, "{:#}", json!(rows.collect::<Vec<_>>()))
}
