//! What very many sessions cost: starting with them, proving one by its token, and memory. Judges nothing; says what the aim is and whether it was
//! met.
//!
//! `cargo bench --bench sessions`

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and one that cannot go on says where and stops"
)]

use std::hint::black_box;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};

use claviger::config;
use claviger::crypto::MasterKey;
use claviger::domain::{Bounds, Host, Id, Name, NormalPath, Principal, PrincipalKind, RequestView};
use claviger::session::{NewSession, Revocation, Revocations, Revoked, Store};
use claviger::state::{Engines, Route, Snapshot};

const SESSIONS: u32 = 1_000_000;
const REVOCATIONS: u32 = 100_000;
const LOOKS: u32 = 200_000;

mod figures;
mod scaled;

use figures::{resident, tell};
use scaled::scaled;

#[global_allocator]
static ALLOCATOR: claviger_wipe::Mimalloc = claviger_wipe::Mimalloc;

const CONFIG: &str = r#"
[listen.public]
address = "127.0.0.1:8080"
[store]
path = "claviger.db"
[vault.env.environment]
prefix = "BENCH_"
[authn.keys.api_key]
[sessions]
issuer = "https://gateway.example.com"
key = "env:key"
authn = ["keys"]
idle = "15m"
[target.api]
url = "https://api.example.com"
[route.api]
path = "/api/**"
target = "api"
authn = ["sessions"]
allow = [{ role = "reader" }]
"#;

/// The id of the session of this number, as SQLite makes it.
fn id(number: u32) -> Id {
    format!("{number:032x}").parse().expect("an id")
}

/// Writes a million sessions with one statement: one by one, each would wait for the disk.
fn fill(path: &Path, now: SystemTime) {
    let store = Store::open(path).expect("made");
    let ended: Vec<_> = (0..scaled(REVOCATIONS))
        .map(|n| Revocation::new(Revoked::Session(id(n)), "measured".to_owned(), "uid:0".to_owned(), now, None))
        .collect();
    store.add(&ended).expect("written");
    let (millis, sessions) = (now.duration_since(UNIX_EPOCH).expect("after 1970").as_millis(), scaled(SESSIONS));
    let fill = format!(
        "WITH RECURSIVE nth(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM nth WHERE n + 1 < {sessions})
         INSERT INTO session (id, authenticator, principal, kind, roles, scopes, since, until, idle, used)
         SELECT printf('%032x', n), 'keys', 'job-' || n, 'service', '[\"reader\",\"writer\"]', '[\"items:read\"]',
         {millis}, {millis} + 3600000, 900000, {millis} FROM nth"
    );
    let connection = rusqlite::Connection::open(path).expect("opened");
    connection.execute_batch(&fill).expect("written");
}

fn view<'a>(host: &'a Host, path: &'a NormalPath, headers: &'a HeaderMap) -> RequestView<'a> {
    let client = [192, 0, 2, 7].into();
    RequestView {
        method: &Method::GET,
        host,
        path,
        headers,
        client,
        peer: client,
        is_tls: true,
        authority: "gateway.example.com",
        asked: path,
        query: None,
        target: "/api/x",
        has_body: false,
        certificates: None,
    }
}

fn prove(route: &Route, headers: &HeaderMap, now: SystemTime) -> bool {
    let (host, path) =
        (Host::parse("gateway.example.com").expect("a host"), NormalPath::parse(b"/api/x").expect("a path"));
    let view = view(&host, &path, headers);
    let mut proving = pin!(route.authn.authenticate(&view, now));
    let mut poll = || match proving.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(proof) => Some(proof.is_ok()),
        Poll::Pending => None,
    };
    // One that was not seen before waits for its turn, which comes at once.
    poll().or_else(&mut poll).unwrap_or(false)
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, now) = (folder.path().join("claviger.db"), SystemTime::now());
    fill(&path, now);
    let engines = Engines::new().expect("engines");
    let (_, plan) = config::compile(Path::new("claviger.toml"), CONFIG, 1, &engines);
    let snapshot: Snapshot = plan.expect("a configuration").snapshot;
    let (before, began) = (resident(), Instant::now());
    let store = Store::open(&path).expect("opened");
    let sessions = engines.authenticators.sessions();
    sessions.open(store.again().expect("opened")).expect("opened");
    sessions.keep_keys(&MasterKey::generate(), Duration::from_secs(86_400), now).expect("keys");
    let held = Revocations::new(store).expect("read");
    let (count, ended, looks) = (scaled(SESSIONS), scaled(REVOCATIONS), scaled(LOOKS));
    println!("{count} sessions that may become idle, {ended} of them revoked\n");
    tell("start with them", began.elapsed().as_secs_f64(), "s", 5.0);

    let began = Instant::now();
    let found = (0..count).filter(|n| sessions.find(id(*n), now).is_ok_and(|one| one.is_some())).count();
    assert_eq!(found, count as usize);
    tell(
        "first use of one here, read from the store",
        began.elapsed().as_secs_f64() * 1e6 / f64::from(count),
        "us",
        100.0,
    );
    tell("resident memory with all of them in use", resident() - before, "MB", 400.0);

    let name = Name::parse("keys").expect("a name");
    let principal = Principal {
        roles: vec!["reader".into()],
        ..Principal::new(name, PrincipalKind::Service, "measured".to_owned())
    };
    let (idle, until) = (Some(Duration::from_secs(900)), now + Duration::from_secs(3600));
    let new = NewSession { principal, bounds: Bounds::default(), roles: Vec::new(), idle, until };
    let (session, token) = sessions.begin(new, "https://gateway.example.com", 10, now).expect("begun");
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).expect("a value"));
    let host = Host::parse("gateway.example.com").expect("a host");
    let path = NormalPath::parse(b"/api/x").expect("a path");
    let route = snapshot.router.find(&host, &path, &Method::GET).expect("a route");
    assert!(prove(route, &headers, now), "its token proves it");
    let began = Instant::now();
    for _ in 0..looks {
        assert!(prove(black_box(route), black_box(&headers), now));
    }
    tell("a session whose token is known, proved", began.elapsed().as_secs_f64() * 1e6 / f64::from(looks), "us", 1.0);
    let carried = claviger::session::Carried {
        principal: session.principal,
        role: None,
        any_of: Vec::new(),
        until: None,
        grant: None,
    };
    let began = Instant::now();
    for _ in 0..looks {
        assert!(held.ended(black_box(&carried), now).is_none());
    }
    tell("and held against the revocations", began.elapsed().as_secs_f64() * 1e6 / f64::from(looks), "us", 1.0);
    let began = Instant::now();
    sessions.settle(now + Duration::from_secs(1)).expect("settled");
    tell("a look at all of them for uses to tell", began.elapsed().as_secs_f64() * 1e3, "ms", 100.0);
}
