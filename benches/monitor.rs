//! What the monitor takes: time for a record, and memory for very many principals. Judges nothing; says what the aim is and whether it was met.
//!
//! `cargo bench --bench monitor`

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and one that cannot go on says where and stops"
)]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::Method;

use claviger::audit::{Entry, Outcome, Protocol, Record, Timings};
use claviger::domain::{AuthnFault, Bounds, Denial, Id, Name, Principal, PrincipalKind, RequestId, Stay};
use claviger::monitor::{Engine, Settings};

mod figures;
mod scaled;

use figures::{resident, tell};
use scaled::scaled;

#[global_allocator]
static ALLOCATOR: claviger_wipe::Mimalloc = claviger_wipe::Mimalloc;

const PRINCIPALS: u32 = 100_000;
const RECORDS: u32 = 4_000_000;
const BATCH: u32 = 50_000;
/// Each principal uses so many routes of 32.
const ROUTES: u32 = 3;

struct Callers {
    principals: Vec<Arc<Principal>>,
    routes: Vec<Name>,
    listener: Name,
}

impl Callers {
    fn new(many: u32) -> Self {
        let name = |text: &str| Name::parse(text).expect("a name");
        let principal = |n: u32| {
            let one = Principal::new(name("corp"), PrincipalKind::Human, format!("caller-{n}@example.com"));
            let session = Arc::new(Stay::new(Id(u128::from(n).to_le_bytes()), Bounds::default(), None, UNIX_EPOCH));
            Arc::new(Principal { session: Some(session), ..one })
        };
        Self {
            principals: (0..many).map(principal).collect(),
            routes: (0..32).map(|n| name(&format!("route-{n}"))).collect(),
            listener: name("public"),
        }
    }

    /// The record of this number; the numbers are spread over callers, and an hour has a few requests of each.
    fn record(&self, n: u32, time: SystemTime) -> Record {
        let mixed = n.wrapping_mul(0x9e37_79b1);
        let caller = ((u64::from(mixed) * self.principals.len() as u64) >> 32) as usize;
        let route = (caller as u32 * 7 + n / 7 % ROUTES) as usize % self.routes.len();
        let fails = n.is_multiple_of(50);
        Record {
            time,
            id: RequestId::new(time),
            config: 1,
            listener: self.listener.clone(),
            client: Ipv4Addr::from(0x1400_0000 + (caller as u32) * 3).into(),
            protocol: Protocol::Http2,
            method: Some(Method::GET),
            host: Some("api.example.com".to_owned()),
            path: Some(format!("/v1/objects/{}", n % 5_000_011).into()),
            query: false,
            route: Some(self.routes[route].clone()),
            claimed: fails.then_some(u64::from(mixed) << 7),
            principal: (!fails).then(|| Arc::clone(&self.principals[caller])),
            role: None,
            rule: None,
            grant: None,
            outcome: if fails { Outcome::Denied } else { Outcome::Completed },
            denial: fails.then_some(Denial::Unauthenticated(AuthnFault::Signature)),
            shadow: None,
            trace: None,
            target: None,
            backend: None,
            attempts: 1,
            credential: None,
            status: Some(if fails { 401 } else { 200 }),
            inspection: None,
            reflected: 0,
            leaks: Vec::new(),
            request_bytes: 100,
            response_bytes: 4000,
            timings: Timings::default(),
            is_decided: false,
        }
    }
}

fn main() {
    let callers = Callers::new(scaled(PRINCIPALS));
    let records = scaled(RECORDS);
    let before = resident();
    let mut engine = Engine::new(Arc::new(Settings::default()), &[7; 16]);
    let began = UNIX_EPOCH + Duration::from_secs(1_793_577_600);
    let (mut spent, mut alerts, mut largest) = (Duration::ZERO, 0, Duration::ZERO);
    for batch in 0..records.div_ceil(BATCH) {
        // Fifty thousand a second would be over in a minute: time goes faster here, so that hours have to be learnt.
        let time = began + Duration::from_secs(u64::from(batch) * 300);
        let entries: Vec<Entry> = (0..BATCH).map(|n| callers.record(batch * BATCH + n, time).into()).collect();
        let start = Instant::now();
        for entry in &entries {
            alerts += black_box(engine.observe(entry)).len();
        }
        alerts += engine.settle(time).len();
        let took = start.elapsed();
        (spent, largest) = (spent + took, largest.max(took));
    }
    let size = engine.size();
    let looked_at = f64::from(records.div_ceil(BATCH) * BATCH);
    tell("a record looked at (20 us are 50,000 a second)", spent.as_secs_f64() * 1e6 / looked_at, "us", 20.0);
    tell("the same in the slowest batch", largest.as_secs_f64() * 1e6 / f64::from(BATCH), "us", 20.0);
    tell("memory for all of them", resident() - before, "MB", 200.0);
    println!(
        "{} principals, {} uses of routes, {} forgotten, {alerts} notices",
        size.principals, size.uses, size.evicted
    );
}
