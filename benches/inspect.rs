//! What it costs to judge requests: honest ones of several sizes, the slowest that a search finds, and rules by the thousand. Prints figures with
//! their aims; judges nothing.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot go on says where and stops"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use claviger::inspect::{Class, Engine, Head, Limits, Profile, Rule, RuleFile, Settings};
use claviger_wipe::{Mimalloc, Wiping};
use http::{HeaderMap, HeaderValue, Method};

#[expect(dead_code, reason = "memory is asked of the engine itself")]
mod figures;
mod scaled;
mod slowest;

use figures::tell;
use scaled::scaled;

/// The allocator of the product: where tables lie is a part of what it costs to look at them.
#[global_allocator]
static ALLOCATOR: Wiping<Mimalloc> = Wiping(Mimalloc);

/// A request, as it is judged.
struct Request {
    method: Method,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl Request {
    fn judge(&self, profile: &Profile) -> bool {
        let head =
            Head { method: &self.method, path: &self.path, query: self.query.as_deref(), headers: &self.headers };
        profile.judge(black_box(&head), black_box(self.body.as_deref())).is_attack
    }
}

fn head(kind: Option<&'static str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let usual = [
        ("host", "api.example.com"),
        ("user-agent", "example-client/3.2.1 (linux; x86_64)"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, br"),
        ("authorization", "Bearer 0123456789abcdef0123456789abcdef"),
        ("x-request-id", "018f3c5e-7a1b-7c3d-9e4f-5a6b7c8d9e0f"),
    ];
    for (name, value) in usual.into_iter().chain(kind.map(|kind| ("content-type", kind))) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

/// A body of JSON of about this size, as issue trackers and shops have it.
fn json(size: usize) -> Request {
    let mut body = String::from("{\"items\":[");
    let mut n = 0u32;
    while body.len() < size - 300 {
        let separator = if n == 0 { "" } else { "," };
        write!(
            body,
            "{separator}{{\"id\":{n},\"uuid\":\"018f3c5e-7a1b-7c3d-9e4f-{n:012x}\",\"title\":\"Printer on floor {n} doesn't answer\",\
             \"note\":\"Since Tuesday's update it says: select a tray from the list (A4). Please have a look, thanks!\",\
             \"created\":\"2026-01-02T03:04:05Z\",\"url\":\"https://example.com/issues/{n}?tab=notes\",\"open\":true}}"
        )
        .unwrap();
        n += 1;
    }
    body.push_str("],\"owner\":\"Miriam O'Brien\"}");
    let path = "/api/v1/projects/42/issues".to_owned();
    Request {
        method: Method::POST,
        path,
        query: None,
        headers: head(Some("application/json")),
        body: Some(body.into_bytes()),
    }
}

/// A search with eight parameters.
fn get() -> Request {
    let query = "q=blue+shoes+size+42&page=3&limit=50&sort=-created_at&fields=id,name,price&from=2026-01-01&to=2026-02-01&lang=en-GB";
    let path = "/api/v1/products".to_owned();
    Request { method: Method::GET, path, query: Some(query.to_owned()), headers: head(None), body: None }
}

fn ready_made() -> Vec<Rule> {
    RuleFile::ready_made().expect("ready-made rules")
}

/// Rules as users write them: most by a text, one in ten with a pattern.
fn users(count: u32) -> Vec<Rule> {
    let rule = |n: usize| Rule {
        id: format!("custom.rule-{n}"),
        class: Class::Custom,
        score: 5,
        paranoia: 1,
        about: String::new(),
        places: Vec::new(),
        any: vec![format!("marker-{:05x}-{n}", n.wrapping_mul(2_654_435_761) & 0xf_ffff)],
        regex: n.is_multiple_of(10).then(|| format!("marker-[0-9a-f]+-{n}\\b")),
        unfiltered: false,
        negate: false,
    };
    (0..count as usize).map(rule).collect()
}

fn profile(rules: Vec<Rule>) -> Profile {
    let engine = Engine::new(rules).unwrap_or_else(|errors| panic!("{errors:?}"));
    // The large body has more keys than is usual.
    let limits = Limits { keys: 100_000, ..Limits::default() };
    Profile::new(Arc::new(engine), Settings { limits, ..Settings::default() }).expect("a profile")
}

/// The least time that a few rounds of this took: what the work costs without what disturbs it.
fn least<T>(rounds: u32, work: impl Fn() -> T) -> Duration {
    let once = |_| {
        let began = Instant::now();
        black_box(work());
        began.elapsed()
    };
    (0..rounds.max(1)).map(once).min().expect("a round")
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The time that this takes when caches hold something else: the middle of a few rounds.
fn cold<T>(work: impl Fn() -> T) -> Duration {
    let mut room = vec![1u8; 32 << 20];
    let mut times: Vec<Duration> = (0..scaled(15).min(15))
        .map(|_| {
            for byte in room.iter_mut().step_by(64) {
                *byte = byte.wrapping_add(1);
            }
            black_box(&room);
            least(1, &work)
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// How long it takes to load rules, and how much memory they keep.
fn loading() {
    let rules = ready_made();
    let time = least(scaled(5).min(5), || Engine::new(ready_made()).expect("compiled"));
    let engine = Engine::new(rules.clone()).expect("compiled");
    println!("{} ready-made rules", rules.len());
    tell("loading the ready-made rules", time.as_secs_f64() * 1e3, "ms", 300.0);
    tell("memory of the ready-made rules", engine.size() as f64 / 1e6, "MB", 8.0);
    let mut all = rules;
    all.extend(users(scaled(10_000)));
    let count = all.len();
    let began = Instant::now();
    let engine = Engine::new(all).unwrap_or_else(|errors| panic!("{errors:?}"));
    let took = began.elapsed();
    println!("loading {count} rules takes {took:?}; memory {:.1} MB", engine.size() as f64 / 1e6);
}

/// Honest requests, with caches warm and cold.
fn honest(profile: &Profile) {
    for (name, request, aim) in [
        ("JSON of 1 KiB, POST", json(1 << 10), 10.0),
        ("8 parameters, GET", get(), 3.0),
        ("JSON of 1 MiB, POST (150 MB/s)", json(1 << 20), 7_000.0),
    ] {
        assert!(!request.judge(profile), "{name} is honest");
        let rounds = if aim > 100.0 { 20 } else { 20_000 };
        tell(&format!("{name}, warm"), micros(least(scaled(rounds), || request.judge(profile))), "us", aim);
        println!("{:66} {:9.3} us", "    cold", micros(cold(|| request.judge(profile))));
    }
}

/// The slowest values of 1 KiB that were found and are found now, as a string in JSON. `SEARCH_SECONDS=600` looks for them for so long, `SEARCH_SEED=7`
/// among other ones.
fn slow(profile: &Profile) {
    let as_json = |value: &[u8]| Request {
        method: Method::POST,
        path: "/".to_owned(),
        query: None,
        headers: head(Some("application/json")),
        body: Some(serde_json::json!({ "q": String::from_utf8_lossy(value) }).to_string().into_bytes()),
    };
    let cost = |value: &[u8]| {
        let request = as_json(value);
        (!request.judge(profile)).then(|| least(4, || request.judge(profile)))
    };
    let short =
        Request { body: Some(serde_json::json!(vec!["({#{<%ac"; 90]).to_string().into_bytes()), ..as_json(b"") };
    tell("1 KiB of short strings, warm", micros(least(scaled(200), || short.judge(profile))), "us", 50.0);
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let until = number("SEARCH_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut rounds = scaled(20).min(20);
    let goes_on = || {
        rounds = rounds.saturating_sub(1);
        until.map_or(rounds > 0, |until| Instant::now() < until)
    };
    let known = slowest::KNOWN.iter().map(|unit| slowest::repeated(unit));
    let found = slowest::search(&ready_made(), number("SEARCH_SEED").unwrap_or(0x5eed), goes_on, cost);
    for value in known.chain(found.into_iter().take(3).map(|(value, _)| value)) {
        let request = as_json(&value);
        let verdict = if request.judge(profile) { "refused" } else { "passes" };
        let warm = least(scaled(200), || request.judge(profile));
        let unwarmed = cold(|| request.judge(profile));
        let shown: String = value[..value.len().min(24)].escape_ascii().to_string();
        tell(&format!("1 KiB of {shown}, {verdict}, warm"), micros(warm), "us", 50.0);
        tell("    cold", micros(unwarmed), "us", 50.0);
    }
}

/// How much more it costs to judge when users have rules by the thousand.
fn many(usual: &Profile) {
    let mut rules = ready_made();
    rules.extend(users(scaled(10_000)));
    let more = profile(rules);
    for (name, request) in [("JSON of 1 KiB, POST", json(1 << 10)), ("8 parameters, GET", get())] {
        let rounds = scaled(20_000);
        let (with, without) = (least(rounds, || request.judge(&more)), least(rounds, || request.judge(usual)));
        println!("{:66} {:9.3} us", format!("{name}, with 10,000 more rules"), micros(with));
        tell("    as a multiple of without", with.as_secs_f64() / without.as_secs_f64(), "x", 1.5);
    }
}

fn main() {
    // As the product begins.
    claviger::server::warm_up_memory();
    println!("{:<66} {:>9}", "what", "figure");
    loading();
    let usual = profile(ready_made());
    honest(&usual);
    many(&usual);
    slow(&usual);
}
