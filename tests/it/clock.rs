//! A system clock that is put back, or forward, by an hour or a day while the gateway runs: nobody gets more time by it, nothing that was ended
//! or used up comes back, and the gateway lives on and writes its records.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{
    eventually,
    http1::Message,
    issuer::now,
    nodes::Group,
    proof::ProofKey,
    raw::{self, Client, request},
    signer::{SHARED, lines, signed},
};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

const TABLES: &str = r#"
[approval.brief]
requesters = ["reader"]
approvers = ["lead"]
expires = "1s"
[authn.partners.http_signature.key.acme]
algorithm = "hmac-sha256"
secret = "dir:acme"
owner = "acme"
[route.signed]
path = "/signed/**"
target = "api"
authn = ["partners"]
allow = [{ principal = "partners:acme" }]
"#;

/// A gateway whose clock is what the test says. Its monotonic clock is left alone, as no system puts that one back.
struct Wrong {
    group: Group,
    /// How many seconds its clock is put forward stands here.
    file: String,
    /// The first process that this was asked of.
    pid: u32,
}

impl Wrong {
    fn start() -> Option<Self> {
        let Some(library) = library() else {
            println!("skipped: libfaketime absent; scripts/test installs it");
            return None;
        };
        let mut file = String::new();
        let group = Group::alone(TABLES, 3 * DAY.unsigned_abs(), |site| {
            site.write("secrets/acme", SHARED);
            file = site.write("clock", "+0\n");
            let library = library.to_str().expect("UTF-8");
            let settings = [("LD_PRELOAD", library), ("FAKETIME_TIMESTAMP_FILE", &*file), ("FAKETIME_NO_CACHE", "1")];
            settings.iter().for_each(|(name, value)| site.set_env(name, value));
            for name in ["DONT_FAKE_MONOTONIC", "FAKETIME_DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"] {
                site.set_env(name, "1");
            }
        });
        let pid = group.all[0].pid();
        let wrong = Self { group, file, pid };
        for seconds in [-HOUR, 0] {
            wrong.put(seconds);
            let answer = wrong.group.get(0, "/api/x", &wrong.group.bearer()).expect("an answer");
            let off =
                wrong.recorded(&answer)["time"].as_str().map(|time| time.parse::<jiff::Timestamp>().expect("a time"));
            let off = off.expect("a time").as_second() - now().cast_signed();
            assert!((off - seconds).abs() < 60, "its clock is {off} seconds wrong in place of {seconds}");
            let told = wrong.recorded(&answer)["clock_step"].as_i64().unwrap_or_default();
            assert!((told - seconds).abs() < 60, "its records tell {told} in place of {seconds}");
        }
        Some(wrong)
    }

    /// Puts its clock forward, or back, by so many seconds against the right time.
    fn put(&self, seconds: i64) {
        let new = format!("{}.new", self.file);
        fs::write(&new, format!("{seconds:+}\n")).expect("written");
        fs::rename(new, &self.file).expect("the same file system");
    }

    /// The record of what was answered so.
    fn recorded(&self, answer: &Message) -> Value {
        let id = answer.header("x-request-id").expect("an id").to_owned();
        self.group.all[0].audited("a record", |entry| entry["id"] == id.as_str())
    }

    /// That it goes on: it lets in who may come, refuses who may not, records both, and is ready.
    fn lives(&self) {
        let bearer = format!("Bearer {}", self.group.token_of("bob", &["reader"]));
        for (bearer, want) in [(&*bearer, (200, "completed")), ("Bearer x", (401, "denied"))] {
            let answer = self.group.get(0, "/api/x", bearer).expect("an answer");
            let record = self.recorded(&answer);
            assert_eq!((answer.status(), record["outcome"].as_str().unwrap_or_default()), want, "{record}");
        }
        assert_eq!(self.group.all[0].admin_get("/ready").status(), 200);
    }

    fn plain(&self, name: &str) -> u16 {
        let bearer = format!("Bearer {}", self.group.token_of(name, &["reader"]));
        self.group.get(0, "/api/x", &bearer).map_or(0, |answer| answer.status())
    }

    fn pay(&self) -> u16 {
        self.group.get(0, "/pay/once", &self.group.bearer()).map_or(0, |answer| answer.status())
    }

    /// A grant of hers for so long.
    fn grant(&self, lasts: &str) {
        let id = self.group.ask(0, &json!({"approval": "once", "reason": "case 7", "for": lasts}));
        assert_eq!(self.group.approve(0, "kim", &id).json()["state"], "granted");
        assert_eq!(self.pay(), 200);
    }

    /// A stream on this session, of which the first event has come.
    fn stream(&self, session: &str) -> Client {
        let bearer = format!("Bearer {session}");
        let mut events = Client::connect(self.group.all[0].public());
        events.send(&request("GET", "/stay/events", &[("Host", "api.test"), ("Authorization", &bearer)], b""));
        events.reader().until(b"data: first\n\n").expect("the first event");
        events
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        // What the library leaves behind of a process that is killed.
        for pid in [self.pid, self.group.all[0].pid()] {
            for name in ["faketime_shm_", "sem.faketime_sem_"] {
                let _ = fs::remove_file(format!("/dev/shm/{name}{pid}"));
            }
        }
    }
}

/// Where it lies, by the architecture.
fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file())
}

#[test]
fn a_clock_that_is_put_back_gives_no_session_no_grant_and_no_request_more_time() {
    let Some(wrong) = Wrong::start() else { return };
    let group = &wrong.group;
    for back in [-HOUR, -DAY] {
        let begun = Instant::now();
        let session = group.begin_with(0, "&expires_in=3");
        let mut events = wrong.stream(&session);
        wrong.grant("4s");
        let waiting = group.ask(0, &json!({"approval": "brief", "reason": "case 8"}));
        let ended = group.begin(0);
        group.end(0, &ended);
        wrong.put(back);
        assert_eq!(group.use_it(0, &ended), 401);
        wrong.lives();
        let rest = events.rest();
        let took = begun.elapsed();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "it is cut: {rest:?}");
        // It goes on to its end, and no longer but for what a busy machine needs.
        assert!((Duration::from_secs(2)..Duration::from_secs(10)).contains(&took), "{back}: {took:?}");
        group.until("her session is over", 0, &session, 401);
        eventually("her grant is over", || (wrong.pay() == 403).then_some(()));
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(12), "{back}: {took:?}");
        let late = group.approve(0, "kim", &waiting);
        assert_eq!(late.status(), 409, "{}", late.text());
        // One that begins while the clock is wrong has its own time, and no more once it is right.
        let begun = Instant::now();
        let other = group.begin_with(0, "&expires_in=3");
        assert_eq!(group.use_it(0, &other), 200);
        wrong.put(0);
        wrong.lives();
        assert_eq!(([&session, &ended].map(|one| group.use_it(0, one)), wrong.pay()), ([401, 401], 403));
        group.until("the other is over", 0, &other, 401);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(12), "{back}: {took:?}");
    }
    assert!(!group.all[0].log().contains("panicked"), "{}", group.all[0].log());
}

#[test]
fn a_clock_that_is_put_forward_for_a_moment_lets_nobody_in_then_or_later() {
    let Some(mut wrong) = Wrong::start() else { return };
    let gateway = &wrong.group.all[0];
    for (turn, forward) in [HOUR, DAY].into_iter().enumerate() {
        let (session, ended) = (wrong.group.begin(0), wrong.group.begin(0));
        wrong.group.end(0, &ended);
        wrong.grant("10m");
        let name = format!("kim{turn}");
        assert_eq!((wrong.plain(&name), wrong.plain("eve")), (200, if turn == 0 { 200 } else { 401 }));
        let of = format!("principal:corp:{name}");
        for (of, more) in [(&*of, &["--for", "1h"][..]), ("principal:corp:eve", &[])] {
            wrong.group.command(0, &[&["revocation", "add", of, "--reason", "a lost laptop"], more].concat());
        }
        eventually("they are revoked", || ([wrong.plain(&name), wrong.plain("eve")] == [401, 401]).then_some(()));

        let grants = || gateway.metric("claviger_grants", &[]);
        eventually("her grant is counted", || (grants() == Some(1.0)).then_some(()));
        let mut events = wrong.stream(&session);
        wrong.put(forward);
        let rest = events.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "it is cut: {rest:?}");
        let status = |session: &str| wrong.group.use_it(0, session);
        assert_eq!(([&session, &ended].map(|one| status(one)), wrong.pay()), ([401, 401], 403));
        wrong.lives();
        eventually("what is over is forgotten", || (grants() == Some(0.0)).then_some(()));
        assert_eq!((wrong.plain(&name), wrong.plain("eve")), (401, 401), "also for a day");
        assert!(gateway.metric("claviger_revocations", &[]).is_some_and(|count| count >= 3.0));
        wrong.put(0);
        wrong.lives();
        assert_eq!((wrong.plain(&name), wrong.plain("eve")), (401, 401), "nor once it is right again");
        assert_eq!(status(&ended), 401);
        assert_eq!(wrong.pay(), 403, "what was forgotten by a wrong clock does not come back");
        // Over by a wrong clock or not, it is ended by whoever ends it.
        wrong.group.end(0, &session);
        wrong.group.until("she ended it", 0, &session, 401);
        let fresh = wrong.group.begin(0);
        assert_eq!(status(&fresh), 200);
    }
    let listed = wrong.group.command(0, &["revocation", "list"]);
    for name in ["kim0", "kim1", "eve"] {
        assert!(listed.contains(&format!("principal:corp:{name} ")), "{listed}");
    }
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    wrong.group.all[0].kill_and_restart();
    wrong.group.all[0].wait_until_ready();
    assert_eq!(["kim0", "kim1", "eve", "bob"].map(|name| wrong.plain(name)), [401, 401, 401, 200]);
}

#[test]
fn what_is_good_once_stays_used_wherever_the_clock_goes() {
    let Some(wrong) = Wrong::start() else { return };
    let (group, key) = (&wrong.group, ProofKey::new());
    let mut claims = group.issuer.claims("ada");
    claims["iat"] = json!(now() - 3 * DAY.unsigned_abs());
    claims["nbf"] = claims["iat"].clone();
    claims["exp"] = json!(now() + 3 * DAY.unsigned_abs());
    claims["roles"] = json!(["reader"]);
    claims["cnf"] = json!({ "jkt": key.thumbprint() });
    let token = group.issuer.token(&claims);
    let (url, authorization) = ("http://api.test/api/x", format!("DPoP {token}"));
    // Made by a client whose clock goes with the gateway's.
    let proof = |off: i64| {
        let mut claims = ProofKey::claims("GET", url, Some(&token));
        claims["iat"] = json!(now().cast_signed() + off);
        key.sign(&key.header(), &claims)
    };
    let send = |proof: &str| {
        let headers = [("Host", "api.test"), ("Authorization", &*authorization), ("DPoP", proof)];
        group.all[0].get("/api/x", &headers).status()
    };
    let sign = |nonce: usize, off: i64| {
        let parameters = format!("created={};nonce=\"{nonce}\";keyid=\"acme\"", now().cast_signed() + off);
        let fields = signed(SHARED, &lines("GET", "/signed/x"), &parameters);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
        request("GET", "/signed/x", &fields, b"")
    };
    let sent = |bytes: &[u8]| raw::parse(&raw::exchange(group.all[0].public(), bytes)).status();
    let (used, once) = (proof(0), sign(0, 0));
    assert_eq!((send(&used), sent(&once)), (200, 200));
    let mut nonces = 1..;
    for off in [HOUR, DAY, 0, -HOUR, 0, DAY, HOUR, -DAY, 0] {
        wrong.put(off);
        assert_eq!((send(&used), sent(&once)), (401, 401), "{off}");
        // So many that every part of what is remembered turns over, as far as it may.
        let mut client = Client::connect(group.all[0].public());
        for nonce in nonces.by_ref().take(400) {
            let headers = [("Host", "api.test"), ("Authorization", &*authorization), ("DPoP", &*proof(off))];
            client.send(&request("GET", "/api/x", &headers, b"")).response();
            client.send(&sign(nonce, off)).response();
        }
        assert_eq!((send(&used), sent(&once)), (401, 401), "{off}, and others after it");
        wrong.lives();
    }
}
