//! What the main comparison does not show: other traffic, other wires, other sizes. A closed list, and how each is set up.

mod disturb;
mod run;
mod tell;

use serde::Serialize;

pub(crate) use run::{ScenarioArgs, run};

use crate::stage::Stage;
use crate::token::Flaw;
use crate::wire::Wire;

/// A way to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// Callers whose token is known, over and over.
    Cached,
    /// Every request with a token that was never seen.
    NewTokens,
    /// 10,000 callers in turns.
    Principals,
    /// 100,000 rules and 100,000 API keys, against ten of each.
    Rules,
    /// Bodies of 1 KiB both ways.
    #[value(name = "bodies-1k")]
    Bodies1K,
    /// Bodies of 64 KiB both ways.
    #[value(name = "bodies-64k")]
    Bodies64K,
    /// Bodies of 10 MiB both ways.
    #[value(name = "bodies-10m")]
    Bodies10M,
    /// 1 KiB of JSON both ways, inspected and looked through for leaks.
    Inspection,
    /// HTTP/2 on TLS on both sides.
    Http2,
    /// HTTP/1.1 on TLS on both sides.
    Tls,
    /// A new connection for each request.
    NewConnections,
    /// 10,000 idle connections.
    Idle,
    /// 10,000 idle connections with TLS.
    IdleTls,
    /// A changed configuration every 100 ms, at a fixed rate.
    Reload,
    /// A new upstream key every 100 ms, at a fixed rate.
    Rotation,
    /// Requests without a token, as fast as they are refused.
    DeniedNoToken,
    /// Requests with a forged token, as fast as they are refused.
    DeniedForged,
    /// Requests of somebody without the role, as fast as they are refused.
    DeniedRole,
    /// An upstream that takes 50 ms for each answer.
    SlowUpstream,
    /// Two worker threads against one.
    TwoThreads,
}

/// Which proxy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Bare,
    Claviger,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// One token, a small GET.
    Same,
    /// So many tokens, each once and no more.
    TokensOnce(u32),
    /// So many tokens in turns.
    TokensInTurn(u32),
    /// JSON of so many bytes, answered with as many.
    Body(usize),
    /// No token at all.
    NoToken,
    /// A token with this flaw.
    Flawed(Flaw),
    /// One token, and no second request on a connection.
    Closing,
}

/// Who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// wrk, as fast as answered, with so many connections.
    Full(u32),
    /// oha, as fast as answered, with so many connections and streams on each.
    Streams(u32, u32),
    /// oha, at 70 % of what was answered at full load.
    FixedRate(u32),
    /// Nobody: so many connections, after one request each.
    Idle(u32),
}

/// What goes on meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disturbance {
    Reloads,
    Rotations,
}

/// One side of a scenario.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) subject: Subject,
    pub(crate) stage: Stage,
    pub(crate) sending: Sending,
    pub(crate) load: Load,
    pub(crate) disturbance: Option<Disturbance>,
    /// Whether the proxy may run on both cores.
    pub(crate) is_spread: bool,
}

/// Both sides: what claviger is compared with, and claviger.
pub(crate) struct Pair {
    pub(crate) title: &'static str,
    pub(crate) base: Setup,
    pub(crate) own: Setup,
}

const FULL: Load = Load::Full(32);

impl Setup {
    fn new(subject: Subject) -> Self {
        let name = match subject {
            Subject::Bare => "bare Pingora",
            Subject::Claviger => "claviger",
        };
        Self {
            name,
            subject,
            stage: Stage::default(),
            sending: Sending::Same,
            load: FULL,
            disturbance: None,
            is_spread: false,
        }
    }

    /// Whether every answer is to be a refusal; otherwise none is.
    pub(crate) fn is_refused(&self) -> bool {
        match self.sending {
            Sending::NoToken | Sending::Flawed(_) => self.subject == Subject::Claviger,
            Sending::Same | Sending::TokensOnce(_) | Sending::TokensInTurn(_) | Sending::Body(_) | Sending::Closing => {
                false
            }
        }
    }
}

impl Pair {
    /// Bare Pingora and claviger, set up alike.
    fn alike(title: &'static str, change: impl Fn(&mut Setup)) -> Self {
        let [mut base, mut own] = [Setup::new(Subject::Bare), Setup::new(Subject::Claviger)];
        change(&mut base);
        change(&mut own);
        Self { title, base, own }
    }

    /// Claviger as in the main comparison, and claviger in another way.
    fn itself(title: &'static str, name: &'static str, change: impl Fn(&mut Setup)) -> Self {
        let base = Setup { name, ..Setup::new(Subject::Claviger) };
        let mut own = Setup::new(Subject::Claviger);
        change(&mut own);
        Self { title, base, own }
    }
}

impl Scenario {
    pub(crate) const ALL: [Self; 20] = [
        Self::Cached,
        Self::NewTokens,
        Self::Principals,
        Self::Rules,
        Self::Bodies1K,
        Self::Bodies64K,
        Self::Bodies10M,
        Self::Inspection,
        Self::Http2,
        Self::Tls,
        Self::NewConnections,
        Self::Idle,
        Self::IdleTls,
        Self::Reload,
        Self::Rotation,
        Self::DeniedNoToken,
        Self::DeniedForged,
        Self::DeniedRole,
        Self::SlowUpstream,
        Self::TwoThreads,
    ];

    /// How it is set up and driven.
    pub(crate) fn pair(self) -> Pair {
        let body = |size, connections| {
            move |setup: &mut Setup| (setup.sending, setup.load) = (Sending::Body(size), Load::Full(connections))
        };
        let wires = |wire| move |setup: &mut Setup| (setup.stage.clients, setup.stage.upstreams) = (wire, wire);
        match self {
            Self::Cached => Pair::alike("cached callers", |_| {}),
            Self::NewTokens => Pair::alike("100 % new tokens", |setup| setup.sending = Sending::TokensOnce(20_000)),
            Self::Principals => Pair::alike("10,000 principals", |setup| setup.sending = Sending::TokensInTurn(10_000)),
            Self::Rules => {
                let mut pair = Pair::itself("100,000 rules and keys", "claviger, 10 of each", |setup| {
                    setup.stage.strangers = 100_000;
                });
                pair.base.stage.strangers = 10;
                pair
            }
            Self::Bodies1K => Pair::alike("bodies of 1 KiB both ways", body(1 << 10, 32)),
            Self::Bodies64K => Pair::alike("bodies of 64 KiB both ways", body(64 << 10, 32)),
            Self::Bodies10M => Pair::alike("bodies of 10 MiB both ways", body(10 << 20, 4)),
            Self::Inspection => {
                let mut pair = Pair::alike("1 KiB both ways, inspected and scrubbed", body(1 << 10, 32));
                pair.own.stage.is_inspecting = true;
                pair
            }
            Self::Http2 => Pair::alike("HTTP/2 down and up, TLS", |setup| {
                wires(Wire::Http2)(setup);
                setup.load = Load::Streams(8, 4);
            }),
            Self::Tls => Pair::alike("TLS down and up", wires(Wire::Tls)),
            Self::NewConnections => {
                Pair::alike("a new connection per request", |setup| setup.sending = Sending::Closing)
            }
            Self::Idle => Pair::alike("10,000 idle connections", |setup| setup.load = Load::Idle(10_000)),
            Self::IdleTls => Pair::alike("10,000 idle TLS connections", |setup| {
                (setup.stage.clients, setup.load) = (Wire::Tls, Load::Idle(10_000));
            }),
            Self::Reload => disturbed("a reload every 100 ms, at 70 %", Disturbance::Reloads),
            Self::Rotation => disturbed("a new key every 100 ms, at 70 %", Disturbance::Rotations),
            Self::DeniedNoToken => refused("refused: no token", Sending::NoToken),
            Self::DeniedForged => refused("refused: forged token", Sending::Flawed(Flaw::Forged)),
            Self::DeniedRole => refused("refused: no role", Sending::Flawed(Flaw::OtherRole)),
            Self::SlowUpstream => Pair::alike("an upstream of 50 ms", |setup| {
                (setup.stage.pause, setup.load) = (50, Load::Full(500));
            }),
            Self::TwoThreads => {
                let mut pair = Pair::itself("2 worker threads", "claviger, 1 thread", |setup| setup.stage.threads = 2);
                (pair.base.is_spread, pair.own.is_spread) = (true, true);
                pair
            }
        }
    }
}

fn disturbed(title: &'static str, disturbance: Disturbance) -> Pair {
    let mut pair = Pair::itself(title, "claviger, undisturbed", |setup| setup.disturbance = Some(disturbance));
    (pair.base.load, pair.own.load) = (Load::FixedRate(32), Load::FixedRate(32));
    pair
}

fn refused(title: &'static str, sending: Sending) -> Pair {
    Pair::itself(title, "claviger, allowed", |setup| setup.sending = sending)
}
