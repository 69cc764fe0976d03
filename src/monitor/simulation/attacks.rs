//! Scripted attacks, each on a caller of its own, amid the usual traffic.

use std::net::IpAddr;

use super::traffic::{Caller, DAY, HOUR, address, bare, name, not_allowed, wrong_credential};
use crate::audit::Record;
use crate::domain::Denial;
use crate::monitor::Detection;

/// One attack: what it is, what has to find it, and its requests with their times in milliseconds.
pub(super) struct Attack {
    pub(super) about: &'static str,
    /// What has to be told of it first; none for what is known not to be found.
    pub(super) wants: Option<Detection>,
    pub(super) requests: Vec<(u64, Record)>,
}

/// Far from everybody's networks.
fn elsewhere(nth: u64) -> IpAddr {
    address(60_000 + nth, 66)
}

/// All of them, on a day that begins then.
pub(super) fn all(day: u32, callers: &[Caller]) -> Vec<Attack> {
    let mut all = at_the_door(day, callers);
    all.extend(of_principals(day, callers));
    all.push(Attack {
        about: "No attack: a bad deploy takes away what all callers of a route read, 40 of them each 2 s",
        wants: Some(Detection::BrokenRoute),
        requests: deploy(day + 11 * HOUR, callers),
    });
    all
}

/// What callers of one route ask for, none of which is there.
fn deploy(begins: u32, callers: &[Caller]) -> Vec<(u64, Record)> {
    let route = 9;
    let usual = callers.iter().filter(|caller| caller.uses(route)).enumerate();
    let misses = |(nth, caller): (usize, &Caller)| {
        let (pause, many) = if nth < 40 { (2000, 300) } else { (10_000, 60) };
        let (from, offset) = (caller.addresses[0], caller.id as u64 * 10_000);
        let missed = every(begins, pause, many).map(|(nth, at)| {
            let at = at + offset / 10_000 * 37 % 2000;
            (at, Record { status: Some(404), ..caller.record(at, from, route, 5_000_000 + offset + nth) })
        });
        missed.collect::<Vec<_>>()
    };
    let mut all: Vec<_> = usual.flat_map(misses).collect();
    all.sort_by_key(|(at, _)| *at);
    all
}

fn every(begins: u32, millis: u64, many: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..many).map(move |nth| (nth, u64::from(begins) * 1000 + nth * millis))
}

fn at_the_door(day: u32, callers: &[Caller]) -> Vec<Attack> {
    let stuffing = |begins, millis, many, from: IpAddr| {
        let guesses =
            every(begins, millis, many).map(move |(nth, at)| (at, wrong_credential(at, from, Some(100_000 + nth))));
        guesses.collect::<Vec<_>>()
    };
    let guessed: Vec<_> = every(day + 3 * HOUR, 20_000, 100)
        .map(|(nth, at)| (at, wrong_credential(at, elsewhere(100 + nth), Some(7))))
        .collect();
    let slowly = every(day, 1_500_000, 40).map(|(nth, at)| (at, wrong_credential(at, elsewhere(300 + nth), Some(8))));
    let mut found = stuffing(day + 4 * HOUR, 2000, 30, elsewhere(2));
    let at = u64::from(day + 4 * HOUR) * 1000 + 90_000;
    found.push((at, callers[14].record(at, elsewhere(2), 1, 1)));
    let decoy = u64::from(day + 5 * HOUR) * 1000;
    let canary = Record {
        denial: Some(Denial::Canary),
        route: Some(name("route-1")),
        status: Some(403),
        ..bare(decoy, elsewhere(3))
    };
    let floods = every(day + 6 * HOUR, 200, 3000).map(|(_, at)| (at, refused(at, elsewhere(4)))).collect();
    vec![
        Attack {
            about: "Credential stuffing from one address, a guess each 2 s",
            wants: Some(Detection::CredentialStuffing),
            requests: stuffing(day + HOUR, 2000, 60, elsewhere(0)),
        },
        Attack {
            about: "The same, a guess each 90 s",
            wants: Some(Detection::SlowStuffing),
            requests: stuffing(day + 2 * HOUR, 90_000, 40, elsewhere(1)),
        },
        Attack {
            about: "The same from the shared address of an office at work, a guess each 5 min",
            wants: Some(Detection::SlowStuffing),
            requests: stuffing(day + 9 * HOUR, 300_000, 60, address(5, 1)),
        },
        Attack {
            about: "The same, a guess an hour",
            wants: None,
            requests: stuffing(day, 3_600_000, 24, elsewhere(7)),
        },
        Attack {
            about: "Guessing one password from a hundred networks, each 20 s",
            wants: Some(Detection::DistributedGuessing),
            requests: guessed,
        },
        Attack { about: "The same, each 25 min", wants: Some(Detection::SlowGuessing), requests: slowly.collect() },
        Attack {
            about: "Credential stuffing of which the 31st guess is right",
            wants: Some(Detection::StuffingSucceeded),
            requests: found,
        },
        Attack { about: "A decoy is used", wants: Some(Detection::Canary), requests: vec![(decoy, canary)] },
        Attack {
            about: "A flood of requests to one route that are refused, 5 a second",
            wants: Some(Detection::Denials),
            requests: floods,
        },
    ]
}

fn refused(at: u64, client: IpAddr) -> Record {
    let (route, path) = (Some(name("route-5")), Some("/route-5/x".into()));
    Record { route, path, denial: Some(Denial::TooManyInFlight), status: Some(429), ..bare(at, client) }
}

fn attack(about: &'static str, wants: Detection, requests: impl IntoIterator<Item = (u64, Record)>) -> Attack {
    Attack { about, wants: Some(wants), requests: requests.into_iter().collect() }
}

fn of_principals(day: u32, callers: &[Caller]) -> Vec<Attack> {
    let own = |nth: usize| (&callers[nth], callers[nth].addresses[0]);
    let work = day + 10 * HOUR;
    let (walker, at_walkers) = own(0);
    let enumeration = every(work, 200, 1500).map(move |(nth, at)| {
        let record = walker.record(at, at_walkers, 2, 1_000_000 + nth);
        (at, Record { status: Some(if nth % 10 == 0 { 200 } else { 404 }), ..record })
    });
    let (taker, from) = own(1);
    let exfiltration = every(work, 2000, 600)
        .map(move |(nth, at)| (at, Record { response_bytes: 20 << 20, ..taker.record(at, from, 3, nth % 40) }));
    let (reader, from) = own(2);
    let harvest = every(work, 300, 6000).map(move |(nth, at)| (at, reader.record(at, from, 3, 2_000_000 + nth)));
    let (prober, from) = own(5);
    let probing = every(work, 5000, 200).map(move |(nth, at)| {
        let record = prober.record(at, from, nth % 16, 3_000_000 + nth / 16 % 3);
        (at, not_allowed(record))
    });
    let (night, from) = own(6);
    let unusual =
        every(day + 3 * HOUR, 60_000, 20).map(move |(nth, at)| (at, night.record(at, from, night.route(), nth)));
    let (loud, from) = own(17);
    let spike = every(work, 50, 6000).map(move |(nth, at)| (at, loud.record(at, from, loud.route(), nth % 50)));
    let mut all = vec![
        attack("Enumeration: five ids a second, nine of ten not there", Detection::Enumeration, enumeration),
        attack("Exfiltration: 20 MiB each 2 s", Detection::Exfiltration, exfiltration),
        attack("Reading every customer once, three a second", Detection::Harvest, harvest),
    ];
    all.extend(of_sessions(day, &callers[3], &callers[4]));
    all.extend([
        attack("Probing: a request each 5 s that no rule allows", Detection::Probing, probing),
        attack("Somebody at work at three in the morning, as never before", Detection::UnusualHour, unusual),
        attack("A service at 20 requests a second, as never before", Detection::RequestSpike, spike),
        attack(
            "A service that asks for a fifth more each quarter of an hour",
            Detection::SlowRise,
            rise(day, &callers[16]),
        ),
    ]);
    all
}

fn of_sessions(day: u32, shared: &Caller, moved: &Caller) -> [Attack; 2] {
    let by_turns = every(day + 10 * HOUR, 30_000, 100).map(|(nth, at)| {
        // The owner goes on; who stole it comes between.
        let from = if nth % 2 == 0 { shared.addresses[0] } else { elsewhere(5) };
        (at, shared.record(at, from, 3, nth))
    });
    let at_night = u64::from(day + 22 * HOUR) * 1000;
    let first = (at_night, moved.record(at_night, moved.addresses[0], 3, 1));
    let taken = every(day + 22 * HOUR + 600, 10_000, 100).map(|(nth, at)| (at, moved.record(at, elsewhere(6), 3, nth)));
    [
        attack("A stolen session, used from elsewhere while its owner goes on", Detection::StolenSession, by_turns),
        attack(
            "A stolen session, used from elsewhere when its owner is done",
            Detection::MovedSession,
            std::iter::once(first).chain(taken),
        ),
    ]
}

fn rise(day: u32, caller: &Caller) -> Vec<(u64, Record)> {
    let mut requests = Vec::new();
    let mut many = 15.0;
    for quarter in 0..(DAY - 8 * HOUR) / 900 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands at most")]
        let here = f64::min(many, 4000.0) as u64;
        let begins = day + 8 * HOUR + quarter * 900;
        requests.extend(
            every(begins, 900_000 / here, here)
                .map(|(nth, at)| (at, caller.record(at, caller.addresses[0], caller.route(), nth % 50))),
        );
        many *= 1.2;
    }
    requests
}
