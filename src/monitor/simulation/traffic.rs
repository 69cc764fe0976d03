//! A thousand principals as they come to work: people by the hours of the day, services around the clock, agents in bursts. The same each time.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Method;

use crate::audit::{Outcome, Protocol, Record, Timings};
use crate::domain::{AuthnFault, Bounds, Denial, Id, Name, Principal, PrincipalKind, RequestId, Stay};

pub(in crate::monitor) const HOUR: u32 = 3600;
pub(in crate::monitor) const DAY: u32 = 24 * HOUR;
/// Monday, 2 November 2026, 00:00 UTC.
pub(in crate::monitor) const MONDAY: u32 = 1_793_577_600;

/// Numbers that look random and are the same each time (SplitMix64).
pub(in crate::monitor) struct Dice(pub(super) u64);

impl Dice {
    pub(in crate::monitor) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(in crate::monitor) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// Between nothing and one.
    pub(in crate::monitor) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(in crate::monitor) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// One or more, with a long tail, up to the most.
    pub(in crate::monitor) fn tail(&mut self, shape: f64, most: f64) -> f64 {
        (1.0 - self.unit()).powf(-1.0 / shape).min(most)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Sort {
    Human,
    Service,
    Agent,
    /// A service that copies much each night.
    Export,
}

/// One caller and its habits.
pub(in crate::monitor) struct Caller {
    pub(in crate::monitor) id: usize,
    sort: Sort,
    first_hour: u32,
    last_hour: u32,
    /// Requests in an hour at work.
    pace: f64,
    routes: Vec<u64>,
    pub(in crate::monitor) addresses: Vec<IpAddr>,
}

/// How many there are.
pub(in crate::monitor) const CALLERS: usize = 1000;
const ROUTES: u64 = 16;

/// An address in a network of this number.
pub(in crate::monitor) fn address(network: u64, host: u64) -> IpAddr {
    let (a, b) = ((network >> 8) & 0xff, network & 0xff);
    Ipv4Addr::new(
        20,
        u8::try_from(a).expect("a byte"),
        u8::try_from(b).expect("a byte"),
        u8::try_from(host % 250).expect("a byte") + 1,
    )
    .into()
}

pub(in crate::monitor) fn callers(dice: &mut Dice) -> Vec<Caller> {
    (0..CALLERS).map(|id| caller(id, dice)).collect()
}

fn caller(id: usize, dice: &mut Dice) -> Caller {
    let sort = match id % 20 {
        0..=13 => Sort::Human,
        14..=17 => Sort::Service,
        _ if id % 200 == 19 => Sort::Export,
        _ => Sort::Agent,
    };
    let first_hour = 7 + u32::try_from(dice.below(3)).expect("few");
    let last_hour = first_hour + 8 + u32::try_from(dice.below(3)).expect("few");
    // Six of ten people share the one address of their office; all others have networks of their own.
    let own = 1000 + id as u64 * 4;
    let first = if sort == Sort::Human && dice.chance(0.6) { address(dice.below(40), 1) } else { address(own, 10) };
    let others = if sort == Sort::Human { dice.below(3) } else { 0 };
    let addresses = std::iter::once(first).chain((1..=others).map(|nth| address(own + nth, 10))).collect();
    let routes = (0..2 + dice.below(4)).map(|_| dice.below(ROUTES)).collect();
    let pace = match sort {
        Sort::Human => 5.0 + 14.0 * dice.unit(),
        Sort::Service => 8.0 + 30.0 * dice.unit(),
        Sort::Agent => 20.0,
        Sort::Export => 10.0,
    };
    Caller { id, sort, first_hour, last_hour, pace, routes, addresses }
}

impl Caller {
    /// How many requests it makes in an hour that begins then.
    fn requests(&self, begins: u32, dice: &mut Dice) -> u64 {
        let (day, hour) = ((begins - MONDAY) / DAY, begins % DAY / HOUR);
        let is_weekend = day % 7 >= 5;
        let mean = match self.sort {
            Sort::Human if is_weekend || !(self.first_hour..self.last_hour).contains(&hour) => 0.0,
            Sort::Human => self.pace * if hour == 12 { 0.4 } else { 1.0 },
            Sort::Service => self.pace * if (8..19).contains(&hour) { 1.0 } else { 0.4 },
            Sort::Agent => {
                if dice.chance(0.3) {
                    self.pace * 2.0
                } else {
                    0.0
                }
            }
            Sort::Export => {
                if hour == 2 {
                    1500.0
                } else {
                    self.pace
                }
            }
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundreds")]
        let many = (mean * (0.5 + 0.5 * dice.tail(1.5, 15.0)) * (0.7 + 0.6 * dice.unit())) as u64;
        many
    }

    /// What it does in an hour that begins then: each with its time in milliseconds.
    pub(in crate::monitor) fn hour(&self, begins: u32, dice: &mut Dice) -> Vec<(u64, Record)> {
        let many = self.requests(begins, dice);
        let roams = self.addresses.len() > 1 && dice.chance(0.05);
        let client = self.addresses[if roams { 1 } else { 0 }];
        let burst = dice.below(3_500_000);
        let at = |dice: &mut Dice| match self.sort {
            Sort::Agent => burst + dice.below(100_000),
            Sort::Human | Sort::Service | Sort::Export => dice.below(3_600_000),
        };
        (0..many)
            .map(|_| (u64::from(begins) * 1000 + at(dice), dice.next()))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(at, seed)| (at, self.request(at, client, &mut Dice(seed))))
            .collect()
    }

    fn request(&self, at: u64, client: IpAddr, dice: &mut Dice) -> Record {
        if self.sort == Sort::Human && dice.chance(1.0 / 150.0) {
            return wrong_credential(at, client, Some(self.id as u64));
        }
        let known = dice.below(self.routes.len() as u64);
        // Now and then somebody looks at something that they never looked at.
        let route = if dice.chance(1.0 / 4000.0) {
            dice.below(ROUTES)
        } else {
            self.routes[usize::try_from(known).expect("few")]
        };
        let object = match self.sort {
            Sort::Export => dice.below(100_000),
            _ if dice.chance(0.8) => self.id as u64 * 60 + dice.below(60),
            Sort::Human | Sort::Service | Sort::Agent => dice.below(20_000),
        };
        let record = self.record(at, client, route, object);
        let size = 2000.0 * dice.tail(1.2, 10_000.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some bytes")]
        let response_bytes = size as u64;
        match dice.below(1000) {
            0..=9 => not_allowed(record),
            10..=49 => Record { status: Some(404), ..record },
            50..=52 => Record { status: Some(503), ..record },
            _ => Record { response_bytes, ..record },
        }
    }

    /// A request that is answered 200.
    pub(in crate::monitor) fn record(&self, at: u64, client: IpAddr, route: u64, object: u64) -> Record {
        let day = (u32::try_from(at / 1000).expect("a time") - MONDAY) / DAY;
        let session = (self.sort == Sort::Human).then(|| session(self.id, day));
        Record {
            route: Some(name(&format!("route-{route}"))),
            path: Some(format!("/route-{route}/objects/{object}").into()),
            principal: Some(principal(self.id, session)),
            // Fifty have each, all of the same sort.
            role: Some(format!("role-{}", self.id % 20).into()),
            outcome: Outcome::Completed,
            status: Some(200),
            response_bytes: 2000,
            ..bare(at, client)
        }
    }
}

fn session(caller: usize, day: u32) -> Arc<Stay> {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(caller as u64).to_le_bytes());
    id[8..12].copy_from_slice(&day.to_le_bytes());
    Arc::new(Stay::new(Id(id), Bounds::default(), None, UNIX_EPOCH))
}

fn principal(id: usize, session: Option<Arc<Stay>>) -> Arc<Principal> {
    let one = Principal::new(name("corp"), PrincipalKind::Human, format!("caller-{id}"));
    Arc::new(Principal { session, ..one })
}

pub(in crate::monitor) fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// A credential that is wrong, for an identity of this number.
pub(in crate::monitor) fn wrong_credential(at: u64, client: IpAddr, claimed: Option<u64>) -> Record {
    Record {
        route: Some(name("route-0")),
        path: Some("/route-0/login".into()),
        claimed: claimed.map(|number| Dice(number).next()),
        outcome: Outcome::Denied,
        denial: Some(Denial::Unauthenticated(AuthnFault::Signature)),
        status: Some(401),
        ..bare(at, client)
    }
}

/// A request of which nothing is known but its time, in milliseconds, and where it comes from.
pub(in crate::monitor) fn bare(at: u64, client: IpAddr) -> Record {
    let time: SystemTime = UNIX_EPOCH + Duration::from_millis(at);
    Record {
        time,
        id: RequestId::new(time),
        config: 1,
        listener: name("public"),
        client,
        protocol: Protocol::Http2,
        method: Some(Method::GET),
        host: None,
        path: None,
        query: false,
        route: None,
        claimed: None,
        principal: None,
        role: None,
        rule: None,
        grant: None,
        outcome: Outcome::Denied,
        denial: None,
        shadow: None,
        trace: None,
        target: None,
        backend: None,
        attempts: 0,
        credential: None,
        status: None,
        inspection: None,
        reflected: 0,
        leaks: Vec::new(),
        request_bytes: 0,
        response_bytes: 0,
        timings: Timings::default(),
        is_decided: false,
    }
}

impl Caller {
    /// Whether it uses a route.
    pub(in crate::monitor) fn uses(&self, route: u64) -> bool {
        self.routes.contains(&route)
    }

    /// A route that it uses.
    pub(in crate::monitor) fn route(&self) -> u64 {
        self.routes[0]
    }
}

/// The same, but that no rule allows it.
pub(in crate::monitor) fn not_allowed(record: Record) -> Record {
    Record { role: None, outcome: Outcome::Denied, denial: Some(Denial::NotAllowed), status: Some(403), ..record }
}
