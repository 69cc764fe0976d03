//! The audit log as a whole: what it holds when processes are killed, disks are full and files go, and what `claviger audit verify` says of it.

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::Path,
    process::{Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    gateway::{Gateway, Site, program},
    http1::Message,
    load::Load,
    raw::request,
    setup::{Parts, alice, config},
    upstream::{Then, Upstream},
};

/// What `claviger audit verify` says of a log, as JSON.
pub(crate) fn verify(path: &str, more: &[&str]) -> Value {
    let output = run_verify(path, &[more, &["--json"]].concat());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let want = if told["fault"].is_null() { 0 } else { 1 };
    assert_eq!(output.status.code(), Some(want), "{told}");
    told
}

fn run_verify(path: &str, more: &[&str]) -> Output {
    program().args(["audit", "verify", path]).args(more).output().expect("the program runs")
}

/// A configuration whose `[audit]` has these keys too.
pub(crate) fn audited(site: &Site, upstream: &Upstream, keys: &str) -> String {
    let path = "[audit]\npath = \"audit.jsonl\"\n";
    let config = config(site, upstream, &Parts::default()).replace(path, &format!("{path}{keys}\n"));
    // The upstream echoes the secret, and the alert that tells of it would come when no test expects a line.
    format!("{config}\n[monitor]\nenabled = false\n")
}

/// Makes a key: its private half is the secret `audit`, its public half is in `audit.pub`.
pub(crate) fn make_key(site: &Site) {
    let public = site.path("audit.pub");
    let made = program().args(["key", "audit", "--public", &public]).output().expect("the program runs");
    assert!(made.status.success(), "{made:?}");
    site.write("secrets/audit", made.stdout);
}

fn ask(gateway: &Gateway) -> u16 {
    gateway.get("/api/x", &[("Authorization", &alice().bearer())]).status()
}

fn load(gateway: &Gateway) -> Load<u16> {
    let bearer = alice().bearer();
    let make = move |_: usize, _: usize| request("POST", "/api/x", &[("Authorization", &bearer)], b"{}");
    Load::start(4, gateway.public(), make, |response| response.status())
}

#[test]
fn a_signed_log_is_intact_and_what_is_done_to_it_shows() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| {
        make_key(site);
        audited(site, &upstream, "key = \"files:audit\"\nanchor = \"anchor.jsonl\"")
    });
    for _ in 0..20 {
        assert_eq!(ask(&gateway), 200);
    }
    gateway.terminate();
    let site = gateway.site();
    let (path, public, anchor) = (site.audit_path(), site.path("audit.pub"), site.path("anchor.jsonl"));
    let proofs = ["--key", &*public, "--anchor", &*anchor];
    let told = verify(&path, &proofs);
    assert_eq!((&told["fault"], &told["not_closed"]), (&Value::Null, &json!([])));
    assert_eq!(told["proved"], told["last"], "its end is signed");
    assert_eq!((&told["signed"], &told["anchored"]), (&json!(2), &json!(2)));
    let checkpoint = gateway.audit_lines().pop().expect("a line");
    let digest = checkpoint["config_digest"].as_str().expect("a digest");
    assert_eq!((checkpoint["config"].as_u64(), digest.len()), (Some(1), 64));
    let text = String::from_utf8(run_verify(&path, &proofs).stdout).expect("text");
    assert!(text.contains("intact") && text.contains("2 checkpoints are signed"), "{text}");

    let whole = fs::read_to_string(&path).expect("the log");
    fs::write(&path, whole.replacen("\"principal\":\"alice\"", "\"principal\":\"alicf\"", 1)).expect("written");
    assert_eq!(verify(&path, &proofs)["fault"]["kind"], "edited");
    let shown = run_verify(&path, &proofs);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("NOT intact"), "{shown:?}");
    let cut: String = whole.split_inclusive('\n').take(10).collect();
    fs::write(&path, cut).expect("written");
    let fault = &verify(&path, &proofs)["fault"];
    assert_eq!((&fault["kind"], &fault["seq"]), (&json!("truncated"), &json!(11)));

    for wrong in [&["--key", "nowhere"][..], &["--key", &path], &["--anchor", "nowhere"], &["--nonsense"]] {
        assert_eq!(run_verify(&path, wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(run_verify("nowhere", &[]).status.code(), Some(2));
    assert_eq!(run_verify("audit.jsonl.00000000000000000001.zst", &[]).status.code(), Some(2));
}

#[test]
fn each_configuration_that_was_in_force_is_told_with_its_digest_however_short_it_was() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| audited(site, &upstream, "node = \"gw-1\""));
    let first = fs::read_to_string(gateway.site().config_path()).expect("the configuration");
    gateway.reload(&format!("{first}# something else\n"));
    gateway.reload(&first);
    gateway.terminate();
    let lines = gateway.audit_lines();
    let told = lines.iter().filter(|line| line["kind"] == "checkpoint");
    let told: Vec<_> = told.map(|line| (line["config"].as_u64(), line["config_digest"].as_str())).collect();
    let digests: Vec<_> = told.iter().map(|(_, digest)| digest.expect("a digest")).collect();
    assert_eq!(told.iter().map(|(number, _)| number.expect("a number")).collect::<Vec<_>>(), [1, 2, 3, 3]);
    assert!(digests[0] == digests[2] && digests[0] != digests[1], "{told:?}");
    assert!(lines.iter().all(|line| line["node"] == "gw-1"), "{lines:?}");
}

#[test]
fn checkpoints_are_put_to_a_service_until_it_takes_them_and_what_it_has_is_an_anchor() {
    let upstream = Upstream::echo();
    let is_away = Arc::new(AtomicBool::new(true));
    let taken = Arc::new(AtomicUsize::new(0));
    let (away, count) = (Arc::clone(&is_away), Arc::clone(&taken));
    let keeper = Upstream::start(move |_, wire| {
        let is_taken = !away.load(Ordering::SeqCst);
        count.fetch_add(usize::from(is_taken), Ordering::SeqCst);
        let status = if is_taken { "201 Created" } else { "503 Service Unavailable" };
        wire.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes())?;
        Ok(Then::KeepAlive)
    });
    let mut gateway = Gateway::start(|site| {
        make_key(site);
        site.write("secrets/anchor", "opensesame");
        let url = keeper.url();
        let keys = format!(
            "key = \"files:audit\"\nanchor_url = \"{url}/logs/\"\nanchor_token = \"files:anchor\"\ncheckpoint_every = \"1s\""
        );
        audited(site, &upstream, &keys)
    });
    assert_eq!(ask(&gateway), 200);
    eventually("it is tried", || (!keeper.requests().is_empty()).then_some(()));
    is_away.store(false, Ordering::SeqCst);
    eventually("it is taken", || (taken.load(Ordering::SeqCst) > 0).then_some(()));
    gateway.terminate();
    let put = keeper.requests();
    assert!(put.iter().all(|one| one.method() == "PUT" && one.header("authorization") == Some("Bearer opensesame")));
    let last = gateway.audit_lines().pop().expect("a line");
    let (chain, seq) = (last["chain"].as_str().expect("an id"), last["seq"].as_u64().expect("a number"));
    let want = format!("/logs/{chain}/{seq:020}.json");
    assert!(put.iter().any(|one| one.path() == want), "the last one too: {want}");
    let first = gateway.audit_lines().into_iter().find(|line| line["kind"] == "checkpoint").expect("a checkpoint");
    let first = format!("/logs/{chain}/{:020}.json", first["seq"].as_u64().expect("a number"));
    assert!(put.iter().any(|one| one.path() == first), "and the first one: {first}");
    let kept: Vec<u8> = put.iter().flat_map(|one| one.body.clone()).collect();
    let anchor = gateway.site().write("kept", kept);
    let (path, public) = (gateway.site().audit_path(), gateway.site().path("audit.pub"));
    let told = verify(&path, &["--key", &public, "--anchor", &anchor]);
    assert_eq!(told["fault"], Value::Null);
    let text = fs::read_to_string(&path).expect("the log");
    let cut: String = text.split_inclusive('\n').take(text.lines().count() - 1).collect();
    fs::write(&path, cut).expect("written");
    assert_eq!(verify(&path, &["--key", &public, "--anchor", &anchor])["fault"]["kind"], "truncated");
}

/// A service that keeps what it is put, as it is told to.
fn keeper(answer: impl Fn(usize, &str) -> Kept + Send + Sync + 'static) -> (Upstream, Arc<AtomicUsize>) {
    let store = Mutex::new(HashMap::<String, Vec<u8>>::new());
    let (puts, counted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&puts);
    let keeper = Upstream::start(move |request, wire| {
        let mut store = store.lock().expect("no thread panicked");
        let path = request.path().to_owned();
        if request.method() == "GET" {
            return wire.respond(200, &[], store.get(&path).map_or(&b"{}\n"[..], Vec::as_slice));
        }
        assert_eq!(request.header("if-none-match"), Some("*"), "nothing is put in place of another");
        count.fetch_add(1, Ordering::SeqCst);
        if store.contains_key(&path) {
            return wire.respond(412, &[], b"");
        }
        match answer(counted.fetch_add(1, Ordering::SeqCst), &path) {
            Kept::Yes => {
                store.insert(path, request.body.clone());
                wire.respond(201, &[], b"")
            }
            Kept::WithoutAnAnswer => {
                store.insert(path, request.body.clone());
                Ok(Then::Close)
            }
            Kept::HasAnother => {
                store.insert(path, b"{\"kind\":\"checkpoint\"}\n".to_vec());
                wire.respond(409, &[], b"")
            }
        }
    });
    (keeper, puts)
}

enum Kept {
    Yes,
    WithoutAnAnswer,
    HasAnother,
}

#[test]
fn an_anchor_that_has_the_checkpoint_already_is_content_and_one_that_has_another_is_told_and_not_asked_again() {
    let upstream = Upstream::echo();
    let (keeper, puts) = keeper(|nth, _| match nth {
        0 => Kept::WithoutAnAnswer,
        1 => Kept::HasAnother,
        _ => Kept::Yes,
    });
    let mut gateway = Gateway::start(|site| {
        make_key(site);
        audited(
            site,
            &upstream,
            &format!("key = \"files:audit\"\nanchor_url = \"{}\"\ncheckpoint_every = \"1s\"", keeper.url()),
        )
    });
    let conflicts = |gateway: &Gateway| gateway.metric("claviger_audit_anchor_conflicts_total", &[]).expect("counted");
    eventually("the first one is put twice, and found", || (puts.load(Ordering::SeqCst) >= 2).then_some(()));
    assert_eq!(conflicts(&gateway), 0.0);
    assert_eq!(ask(&gateway), 200);
    eventually("the second one is told", || (conflicts(&gateway) > 0.0).then_some(()));
    assert_eq!(ask(&gateway), 200);
    eventually("the third one is taken", || (puts.load(Ordering::SeqCst) >= 4).then_some(()));
    assert_eq!(conflicts(&gateway), 1.0);
    assert!(gateway.log().contains("tampered with"), "{}", gateway.log());
    gateway.terminate();
    let put: Vec<_> = keeper.requests().into_iter().filter(|one| one.method() == "PUT").collect();
    let times = |path: &str| put.iter().filter(|one| one.path() == path).count();
    let mut paths: Vec<_> = put.iter().map(|one| one.path().to_owned()).collect();
    paths.dedup();
    assert_eq!(paths.iter().map(|path| times(path)).take(3).collect::<Vec<_>>(), [2, 1, 1]);
    assert!(paths[0].ends_with("/00000000000000000002.json"), "the very first checkpoint is put too: {paths:?}");
}

/// Fault 14, where the disk has to have what was decided.
#[test]
fn every_request_that_the_upstream_saw_has_its_decision_in_the_log_when_the_process_is_killed() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| audited(site, &upstream, "durability = \"fsync\""));
    let load = load(&gateway);
    for _ in 0..5 {
        load.wait_for(100);
        gateway.kill_and_restart();
        gateway.wait_until_ready();
    }
    load.wait_for(50);
    assert!(load.stop().answers.iter().all(|status| *status == 200));
    gateway.terminate();
    let lines = gateway.audit_lines();
    let ids = |kind: &str| -> HashSet<String> {
        let of_kind = lines.iter().filter(|line| line["kind"] == kind);
        of_kind.filter_map(|line| line["id"].as_str().map(str::to_owned)).collect()
    };
    let (decided, completed) = (ids("decision"), ids("exchange"));
    let seen: HashSet<_> =
        upstream.requests().iter().map(|request| request.header("x-request-id").expect("an id").to_owned()).collect();
    assert!(seen.len() > 500);
    let missing: Vec<_> = seen.difference(&decided).collect();
    assert!(missing.is_empty(), "{} of {}: {missing:?}", missing.len(), seen.len());
    assert!(completed.is_subset(&decided), "each ends what was decided");
    let told = verify(&gateway.site().audit_path(), &[]);
    assert_eq!(told["fault"], Value::Null);
    assert_eq!(told["not_closed"].as_array().map(Vec::len), Some(5), "those that were killed: {told}");
}

#[test]
fn processes_that_were_killed_are_told_and_the_chain_goes_on() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| audited(site, &upstream, ""));
    let bearer = alice().bearer();
    let make = move |_: usize, _: usize| request("POST", "/api/x", &[("Authorization", &bearer)], b"{}");
    let look = |response: &Message| (response.header("x-request-id").expect("an id").to_owned(), Instant::now());
    let load = Load::start(4, gateway.public(), make, look);
    let mut kills = Vec::new();
    for _ in 0..5 {
        load.wait_for(200);
        kills.push(Instant::now());
        gateway.kill_and_restart();
        gateway.wait_until_ready();
    }
    load.wait_for(200);
    let answered = load.stop().answers;
    gateway.terminate();
    let told = verify(&gateway.site().audit_path(), &[]);
    assert_eq!((&told["fault"], told["not_closed"].as_array().map(Vec::len)), (&Value::Null, Some(5)), "{told}");
    let written: HashSet<_> =
        gateway.audit().iter().filter_map(|line| line["id"].as_str().map(str::to_owned)).collect();
    // A machine that is busy gives the writer a core some time later.
    let is_of_a_kill = |at: &Instant| {
        kills.iter().any(|kill| *kill < *at + Duration::from_secs(1) && *at < *kill + Duration::from_secs(1))
    };
    let early: Vec<_> = answered.iter().filter(|(id, at)| !written.contains(id) && !is_of_a_kill(at)).collect();
    assert!(early.is_empty(), "what was answered long before a kill is lost: {early:?}");
    let lost = answered.iter().filter(|(id, _)| !written.contains(id)).count();
    println!("{lost} of {} records were lost by {} kills", answered.len(), kills.len());
    assert!(lost < answered.len() / 2, "{lost} of {}", answered.len());
}

fn break_log(folder: &Path) {
    fs::rename(folder.join("audit.jsonl"), folder.join("before.jsonl")).expect("moved");
    symlink("/dev/full", folder.join("audit.jsonl")).expect("a link");
}

fn mend_log(folder: &Path) {
    fs::remove_file(folder.join("audit.jsonl")).expect("removed");
    fs::rename(folder.join("before.jsonl"), folder.join("audit.jsonl")).expect("moved back");
}

#[test]
fn with_drop_requests_are_served_while_the_disk_is_full_and_their_number_is_told() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| audited(site, &upstream, "on_full = \"drop\""));
    assert_eq!(ask(&gateway), 200);
    gateway.audited("the first is written", |line| line["kind"] == "exchange");
    break_log(gateway.site().folder());
    eventually("the log cannot be written", || {
        assert_eq!(ask(&gateway), 200);
        gateway.metric("claviger_audit_errors_total", &[]).filter(|count| *count > 0.0)
    });
    assert_eq!(gateway.try_admin("/ready").map(|ready| ready.status()), Some(503), "whoever watches is told");
    mend_log(gateway.site().folder());
    eventually("it is written again", || gateway.try_admin("/ready").filter(|ready| ready.status() == 200));
    assert_eq!(ask(&gateway), 200);
    gateway.terminate();
    let (told, seen) = (gateway.audit(), upstream.requests().len());
    let lost: u64 = told.iter().filter_map(|line| line["count"].as_u64()).sum();
    let recorded = told.iter().filter(|line| line["kind"] == "exchange").count();
    assert_eq!(recorded + usize::try_from(lost).expect("small"), seen, "each is recorded or counted");
    assert_eq!(verify(&gateway.site().audit_path(), &[])["fault"], Value::Null);
}

#[test]
fn with_wait_requests_wait_for_the_disk_and_are_refused_when_it_takes_too_long() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| audited(site, &upstream, "on_full = \"wait\"\nmax_wait = \"1500ms\""));
    assert_eq!(ask(&gateway), 200);
    gateway.audited("the first is written", |line| line["kind"] == "exchange");
    break_log(gateway.site().folder());
    eventually("a request is refused, and not at once", || {
        let began = Instant::now();
        (ask(&gateway) == 503).then(|| assert!(began.elapsed() >= Duration::from_millis(1500)))
    });
    let seen = upstream.requests().len();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ask(&gateway));
        mend_log(gateway.site().folder());
        assert_eq!(waiting.join().expect("an answer"), 200, "it waited");
    });
    assert_eq!(upstream.requests().len(), seen + 1);
}

#[test]
fn a_log_that_may_not_grow_stops_requests_until_it_may_and_is_whole_in_every_durability() {
    for durability in ["batch", "fsync"] {
        let upstream = Upstream::echo();
        let keys = format!("durability = \"{durability}\"");
        let mut gateway = Gateway::start(|site| audited(site, &upstream, &keys));
        assert_eq!(ask(&gateway), 200);
        gateway.audited("the first is written", |line| line["kind"] == "exchange");
        let pid = Pid::from_raw(i32::try_from(gateway.pid()).expect("a process id"));
        let length = fs::metadata(gateway.site().audit_path()).expect("the log").len();
        let limit = |current| Rlimit { current, maximum: None };
        // In the middle of the next line but one.
        prlimit(pid, Resource::Fsize, limit(Some(length + 900))).expect("allowed");
        let began = Instant::now();
        let mut served = 1;
        eventually("requests are refused", || match ask(&gateway) {
            200 => {
                served += 1;
                None
            }
            status => {
                assert_eq!(status, 503);
                Some(())
            }
        });
        assert!(began.elapsed() < Duration::from_secs(5));
        prlimit(pid, Resource::Fsize, limit(None)).expect("allowed");
        eventually("requests are served again", || (ask(&gateway) == 200).then_some(()));
        served += 1;
        gateway.terminate();
        let lines = gateway.audit();
        let completed = lines.iter().filter(|line| line["outcome"] == "completed").count();
        assert_eq!((completed, upstream.requests().len()), (served, served), "{durability}: each has its record");
        let told = verify(&gateway.site().audit_path(), &[]);
        assert_eq!((&told["fault"], &told["torn"]), (&Value::Null, &json!(0)), "{durability}");
    }
}

/// What a process may make its files as long as, beyond what they are.
fn let_grow(gateway: &Gateway, more: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(gateway.pid()).expect("a process id"));
    let length = fs::metadata(gateway.site().audit_path()).expect("the log").len();
    let limit = Rlimit { current: more.map(|more| length + more), maximum: None };
    prlimit(pid, Resource::Fsize, limit).expect("allowed");
}

#[test]
fn while_a_log_may_not_grow_each_request_waits_is_refused_or_is_served_as_it_says_and_each_is_told() {
    for (on_full, while_full) in [("wait", [200, 503]), ("refuse", [503, 503]), ("drop", [200, 200])] {
        let upstream = Upstream::echo();
        let keys = format!("on_full = \"{on_full}\"\nmax_wait = \"2s\"");
        let mut gateway = Gateway::start(|site| audited(site, &upstream, &keys));
        assert_eq!(ask(&gateway), 200);
        gateway.audited("the first is written", |line| line["kind"] == "exchange");
        // In the middle of the next line.
        let_grow(&gateway, Some(300));
        let errors = || gateway.metric("claviger_audit_errors_total", &[]).filter(|count| *count > 0.0);
        assert_eq!(ask(&gateway), 200, "{on_full}: nobody knows yet");
        eventually("the log cannot be written", errors);
        assert_eq!(
            gateway.try_admin("/ready").map(|ready| ready.status()),
            Some(503),
            "{on_full}: whoever watches is told"
        );
        let began = Instant::now();
        assert_eq!(ask(&gateway), while_full[1], "{on_full}");
        assert!(on_full != "wait" || began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
        let until_there_is_room = std::thread::scope(|scope| {
            let asking = scope.spawn(|| ask(&gateway));
            if on_full == "wait" {
                eventually("it waits", || gateway.metric("claviger_in_flight", &[]).filter(|count| *count > 0.0));
            } else {
                while !asking.is_finished() {
                    std::thread::yield_now();
                }
            }
            let_grow(&gateway, None);
            asking.join().expect("an answer")
        });
        assert_eq!(until_there_is_room, while_full[0], "{on_full}");
        eventually("it is written again", || gateway.try_admin("/ready").filter(|ready| ready.status() == 200));
        assert_eq!(ask(&gateway), 200);
        gateway.terminate();
        let (lines, seen) = (gateway.audit(), upstream.requests().len());
        let completed = lines.iter().filter(|line| line["outcome"] == "completed").count();
        let refused = lines.iter().filter(|line| line["status"] == 503).count() as u64
            + lines.iter().filter_map(|line| line["refused"].as_u64()).sum::<u64>();
        assert_eq!(completed, seen, "{on_full}: each that the upstream saw has its line");
        assert_eq!(refused, if on_full == "refuse" { 2 } else { u64::from(on_full == "wait") }, "{on_full}: {lines:?}");
        let told = verify(&gateway.site().audit_path(), &[]);
        assert_eq!((&told["fault"], &told["torn"]), (&Value::Null, &json!(0)), "{on_full}");
    }
}

#[test]
fn files_are_rotated_compressed_and_removed_and_the_rest_verifies() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| {
        make_key(site);
        audited(site, &upstream, "key = \"files:audit\"\nmax_size = \"64KiB\"\nkeep = \"1m\"")
    });
    let load = load(&gateway);
    load.wait_for(600);
    assert!(load.stop().answers.iter().all(|status| *status == 200));
    let names = |gateway: &Gateway, ending: &str| -> Vec<String> {
        let entries = fs::read_dir(gateway.site().folder()).expect("the folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> =
            names.filter(|name| name.starts_with("audit.jsonl.0") && name.ends_with(ending)).collect();
        names.sort();
        names
    };
    let packed = eventually("whole files are compressed", || Some(names(&gateway, ".zst")).filter(|all| all.len() > 3));
    let oldest = fs::File::options().append(true).open(gateway.site().path(&packed[0])).expect("opened");
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(120);
    oldest.set_modified(long_ago).expect("made old");
    gateway.terminate();
    // A start looks for what is old.
    gateway.kill_and_restart();
    gateway.wait_until_ready();
    eventually("the oldest is removed", || (!names(&gateway, "").contains(&packed[0])).then_some(()));
    gateway.terminate();
    let told = verify(&gateway.site().audit_path(), &["--key", &gateway.site().path("audit.pub")]);
    assert_eq!(told["fault"], Value::Null, "{told}");
    assert!(told["first"]["seq"].as_u64().is_some_and(|seq| seq > 1), "{told}");
    assert_eq!(told["proved"], told["last"]);
}

#[test]
fn a_check_says_that_a_log_is_not_signed() {
    let upstream = Upstream::echo();
    let site = Site::new();
    let said = |config: &str| {
        let path = site.write("claviger.toml", config);
        let output = program().args(["check", &path]).output().expect("the program runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(said(&audited(&site, &upstream, "")).contains("advice: [audit] has no `key`"));
    make_key(&site);
    assert!(!said(&audited(&site, &upstream, "key = \"files:audit\"")).contains("advice"));
}

#[test]
fn a_key_is_set_in_a_sealed_file_as_it_is_printed() {
    let site = Site::new();
    crate::support::setup::start_sealed(&site);
    let public = site.path("audit.pub");
    let made = program().args(["key", "audit", "--public", &public]).output().expect("the program runs");
    let (file, key) = (site.path("secrets.sealed"), site.path("master.key"));
    let mut set = program();
    set.args(["vault", "set", &file, "audit/key", "--key-file", &key]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut set = set.spawn().expect("the program runs");
    set.stdin.take().expect("a pipe").write_all(&made.stdout).expect("written");
    assert!(set.wait().expect("our child").success());
    let again = program().args(["key", "audit", "--public", &public]).output().expect("the program runs");
    assert_eq!(
        (again.status.code(), again.stdout.as_slice()),
        (Some(1), &b""[..]),
        "a key that is there is not overwritten"
    );
}
