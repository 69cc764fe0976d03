//! Reloads: whole or not at all, without one failed request, and told where an operator looks.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    sync::Arc,
};

use rustix::process::Signal;
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::support::{
    eventually,
    gateway::{Gateway, Site, program},
    load::{Load, Wrk, WrkReport},
    raw::{self, request},
    setup::{Parts, alice, config},
    tls::{Authority, Identity},
    upstream::Upstream,
};

/// A second route that is there or not, or denies.
fn second_route(turn: usize) -> String {
    match turn % 3 {
        0 => String::new(),
        1 => "[route.other]\npath = \"/other/**\"\ntarget = \"api\"\ncredential = \"api\"\nauthn = [\"keys\"]\n\
              allow = [{ role = \"user\" }]\n"
            .to_owned(),
        _ => "[route.other]\npath = \"/other/**\"\ntarget = \"api\"\ncredential = \"api\"\nauthn = [\"keys\"]\n\
              allow = [{ role = \"nobody\" }]\n"
            .to_owned(),
    }
}

#[test]
fn a_load_of_wrk_meets_no_failure_in_fifty_reloads_bad_ones_between_and_an_upgrade() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let url = format!("http://{}/api/steady", gateway.public());
    let Some(wrk) = Wrk::start(&url, 16, &alice().bearer(), &gateway.site().folder().join("wrk")) else { return };
    eventually("the load has begun", || (upstream.requests().len() > 100).then_some(()));
    for turn in 1..=50 {
        let more = second_route(turn) + "[limit.unused]\nby = \"client\"\nrequests = 1\n";
        let good = config(gateway.site(), &upstream, &Parts { more: &more, ..Parts::default() });
        gateway.reload(&good);
        let (want, headers) = ([404, 200, 403][turn % 3], [("Authorization", &*alice().bearer())]);
        assert_eq!(gateway.get("/other/x", &headers).status(), want, "turn {turn}");
        if turn % 5 == 0 {
            let refused = refusals(&gateway);
            gateway.offer(&good.replace("target = \"api\"", "target = \"nowhere\""));
            eventually("the bad one is refused", || (refusals(&gateway) > refused).then_some(()));
            assert_eq!(gateway.get("/other/x", &headers).status(), want, "a bad reload changes nothing, turn {turn}");
            assert!(gateway.status()["refused_reload"].as_str().is_some_and(|why| why.contains("no such `target`")));
        }
    }
    gateway.offer(&config(gateway.site(), &upstream, &Parts::default()));
    assert!(gateway.upgrade().success());
    gateway.wait_until_ready();
    let before = upstream.requests().len();
    eventually("the new process serves the load", || (upstream.requests().len() > before + 100).then_some(()));
    let report = wrk.stop();
    assert_eq!((report.socket_errors, report.bad_statuses), (0, 0), "{report:?}");
    assert!(report.requests > 1000, "{report:?}");
}

fn refusals(gateway: &Gateway) -> f64 {
    gateway.metric("claviger_reloads_total", &["result=\"refused\""]).unwrap_or(0.0)
}

#[test]
fn the_report_of_wrk_is_understood() {
    let text = "Running 1s test\n  512 requests in 1.00s, 1MB read\n  Socket errors: connect 1, read 2, write 3, timeout 4\n\
                Non-2xx or 3xx responses: 7\nRequests/sec: 512.00\n";
    assert_eq!(WrkReport::parse(text), WrkReport { requests: 512, socket_errors: 10, bad_statuses: 7 });
    let quiet = "  9 requests in 1.00s, 1MB read\nRequests/sec:  9.00\n";
    assert_eq!(WrkReport::parse(quiet), WrkReport { requests: 9, socket_errors: 0, bad_statuses: 0 });
}

/// One generation of fault 7: its route's name, its credential and whether it allows go together.
const GENERATIONS: [(&str, &str, u16); 3] =
    [("red", "role = \"user\"", 200), ("green", "role = \"nobody\"", 403), ("blue", "role = \"user\"", 200)];

fn generation(site: &Site, upstream: &Upstream, turn: usize) -> String {
    let (name, rule, _) = GENERATIONS[turn % GENERATIONS.len()];
    site.write(&format!("secrets/{name}"), format!("secret-of-{name}"));
    let more = format!(
        "[credential.{name}.bearer]\ntarget = \"api\"\nsecret = \"files:{name}\"\n\
         [route.{name}]\npath = \"/flip/**\"\ntarget = \"api\"\ncredential = \"{name}\"\nauthn = [\"keys\"]\n\
         allow = [{{ {rule} }}]\n"
    );
    config(site, upstream, &Parts { more: &more, ..Parts::default() })
}

/// Fault 7.
#[test]
fn every_answer_while_rules_flip_is_of_one_generation_and_nothing_grows() {
    let reloads = if std::env::var("CLAVIGER_FULL").is_ok_and(|full| full == "1") { 10_000 } else { 2_500 };
    let upstream = Upstream::start(|request, wire| {
        // Its name only: the secret itself would not come back.
        let secret = request.header("authorization").unwrap_or_default();
        wire.respond(200, &[], secret.trim_start_matches("Bearer secret-of-").as_bytes())
    });
    let gateway = Gateway::start(|site| generation(site, &upstream, 0));
    let bearer = alice().bearer();
    let load = Load::start(
        2,
        gateway.public(),
        move |_, _| request("GET", "/flip/x", &[("Authorization", &bearer)], b""),
        |response| (response.header("x-request-id").unwrap_or_default().to_owned(), response.status(), response.text()),
    );
    load.wait_for(50);
    for turn in 1..=40 {
        gateway.reload(&generation(gateway.site(), &upstream, turn));
    }
    let (memory, files) = (resident_kib(gateway.pid()), open_files(gateway.pid()));
    for turn in 41..=reloads {
        gateway.reload(&generation(gateway.site(), &upstream, turn));
    }
    let (memory_after, files_after) = (resident_kib(gateway.pid()), open_files(gateway.pid()));
    let tally = load.stop();
    assert_eq!(tally.failures, [] as [String; 0]);
    // A secret that comes into use is read within a second; no answer may be anything else than the two.
    let records: HashMap<String, serde_json::Value> = eventually("every record is written", || {
        let records: HashMap<_, _> = gateway
            .audit()
            .into_iter()
            .map(|line| (line["id"].as_str().unwrap_or_default().to_owned(), line))
            .collect();
        tally.answers.iter().all(|(id, ..)| records.contains_key(id)).then_some(records)
    });
    let mut routes_by_number = BTreeMap::new();
    for (id, status, body) in &tally.answers {
        let record = &records[id];
        let (name, _, want) = GENERATIONS
            .into_iter()
            .find(|(name, ..)| record["route"] == *name)
            .unwrap_or_else(|| panic!("a route of no generation: {record}"));
        assert_eq!((*status, &record["status"]), (want, &serde_json::json!(want)), "{record}");
        if *status == 200 {
            assert_eq!(body, name, "{record}");
        }
        let first = *routes_by_number.entry(record["config"].as_u64()).or_insert(name);
        assert_eq!(first, name, "two generations under one number: {record}");
    }
    assert!(routes_by_number.len() > reloads / 10, "the load saw {} generations", routes_by_number.len());
    // The heaps of the threads grow by steps, ever more rarely, until each has had its fullest moment: by 11 MB in all, and
    // at no moment that can be told before. What is lost at every reload goes on growing: 20 MiB are 8 kB of each.
    assert!(memory_after < memory + 20 * 1024, "resident KiB: {memory} -> {memory_after}");
    assert!(files_after <= files + 8, "open files: {files} -> {files_after}");
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("a running process").count()
}

/// Fault 6.
#[test]
fn a_configuration_that_is_wrong_changes_nothing_and_is_told_by_status_metric_and_check() {
    let upstream = Upstream::echo();
    let authority = Authority::new("ours");
    let gateway = Gateway::start(|site| {
        site.write("ca.pem", authority.pem());
        config(site, &upstream, &Parts::default())
    });
    let site = gateway.site();
    let good = config(site, &upstream, &Parts::default());
    let target = |target: &str| config(site, &upstream, &Parts { target, ..Parts::default() });
    let listen = |listen: &str| config(site, &upstream, &Parts { listen, ..Parts::default() });
    site.write("garbage.pem", [0_u8, 159, 146, 150]);
    let bearer = alice().bearer();
    for (what, bad) in [
        ("cut off in the middle of a table", good[..good.len() * 2 / 3].to_owned()),
        ("cut off after the listener", good[..good.find("[vault").expect("a vault")].to_owned()),
        ("empty", String::new()),
        ("only white space", "\n\n  \n".to_owned()),
        ("garbage", "\u{7f}ELF\u{1}\u{2} = = [[[".to_owned()),
        ("an unknown key", good.replace("path = \"/api/**\"", "path = \"/api/**\"\nalow = []")),
        ("an unknown table", good.clone() + "[rout.api]\npath = \"/x\"\n"),
        ("a dangling name", good.replace("credential = \"api\"", "credential = \"apy\"")),
        ("a CA that is not there", target("ca = \"none.pem\"").replace("http://", "https://")),
        ("a CA that is a directory", target("ca = \"secrets\"").replace("http://", "https://")),
        ("a CA that is garbage", target("ca = \"garbage.pem\"").replace("http://", "https://")),
        ("a certificate that is not there", listen("tls = { certificate = \"none.pem\", key = \"none.pem\" }")),
        ("a certificate without its key", listen("tls = { certificate = \"ca.pem\", key = \"ca.pem\" }")),
    ] {
        let refused = refusals(&gateway);
        let number = gateway.metric("claviger_config_number", &[]);
        gateway.offer(&bad);
        eventually(&format!("it is refused: {what}"), || (refusals(&gateway) > refused).then_some(()));
        assert_eq!(gateway.metric("claviger_config_number", &[]), number, "{what}");
        let status = gateway.status();
        assert!(status["refused_reload"].as_str().is_some_and(|why| !why.is_empty()), "{what}: {status}");
        assert_eq!(gateway.get("/api/x", &[("Authorization", &bearer)]).status(), 200, "{what}");
        let check = program().arg("check").arg(site.config_path()).output().expect("check runs");
        assert_eq!(check.status.code(), Some(2), "{what}: {}", String::from_utf8_lossy(&check.stderr));
        assert!(!check.stderr.is_empty(), "{what}");
        gateway.reload(&good);
        assert!(gateway.status().get("refused_reload").is_none(), "{what}: a good one ends it");
    }
    let check = program().arg("check").arg(site.config_path()).output().expect("check runs");
    assert_eq!(check.status.code(), Some(0));
}

#[test]
fn a_configuration_file_that_cannot_be_read_changes_nothing() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let refused = refusals(&gateway);
    // Not by its mode: that stops nobody who runs the tests as root.
    fs::remove_file(gateway.site().config_path()).expect("the file was there");
    fs::create_dir(gateway.site().config_path()).expect("a directory in its place");
    gateway.signal(Signal::HUP);
    eventually("it is refused", || (refusals(&gateway) > refused).then_some(()));
    assert_eq!(gateway.get("/api/x", &[("Authorization", &alice().bearer())]).status(), 200);
    assert!(gateway.status()["refused_reload"].as_str().is_some_and(|why| why.contains("cannot read")));
    let check = program().arg("check").arg(gateway.site().config_path()).output().expect("check runs");
    assert_eq!(check.status.code(), Some(2));
}

const DIRECTORY: &str = "[vault.files.directory]\npath = \"secrets\"";
const SEALED: &str = "[vault.files.sealed_file]\npath = \"sealed\"\nkey_file = \"master.key\"";

#[test]
fn a_master_key_that_others_may_read_is_not_used_and_the_route_fails_closed_until_it_is_private() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let site = gateway.site();
    let claviger = |arguments: &[&str], input: &str| {
        let mut command = program();
        command.args(arguments).current_dir(site.folder()).stdin(std::process::Stdio::piped());
        let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("it runs");
        std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), input.as_bytes()).expect("written");
        assert!(child.wait().expect("our child").success(), "{arguments:?}");
    };
    claviger(&["vault", "init", "sealed", "--key-file", "master.key"], "");
    claviger(&["vault", "set", "sealed", "api", "--key-file", "master.key"], "from-the-sealed-file");
    gateway.reload(&config(site, &upstream, &Parts::default()).replace(DIRECTORY, SEALED));
    let kept = tempfile::tempdir().expect("a folder");
    for file in ["sealed", "master.key"] {
        fs::copy(site.path(file), kept.path().join(file)).expect("copied");
    }
    let headers = [("Authorization", &*alice().bearer())];
    eventually("the sealed secret is used", || {
        gateway.get("/api/x", &headers);
        let seen = upstream.requests().pop()?;
        (seen.header("authorization") == Some("Bearer from-the-sealed-file")).then_some(())
    });
    drop(gateway);
    let mut gateway = Gateway::spawn(|new| {
        for file in ["sealed", "master.key"] {
            new.write(file, fs::read(kept.path().join(file)).expect("a copy"));
        }
        fs::set_permissions(new.path("master.key"), fs::Permissions::from_mode(0o644)).expect("our file");
        config(new, &upstream, &Parts::default()).replace(DIRECTORY, SEALED)
    });
    eventually("it says that it is not ready", || {
        gateway.try_admin("/ready").filter(|ready| ready.text().contains("a secret"))
    });
    let refused = gateway.get("/api/x", &headers);
    assert_eq!((refused.status(), &refused.json()["code"]), (503, &serde_json::json!("unavailable")));
    let status = gateway.status();
    assert!(status["secrets"][0]["fault"].as_str().is_some_and(|fault| !fault.is_empty()), "{status}");
    let key = gateway.site().path("master.key");
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).expect("our file");
    gateway.wait_until_ready();
    assert_eq!(gateway.get("/api/x", &headers).status(), 200, "it recovers by itself");
    let seen = upstream.requests().pop().expect("a request");
    assert_eq!(seen.header("authorization"), Some("Bearer from-the-sealed-file"));
}

#[test]
fn a_changed_file_is_reloaded_without_a_signal() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let headers = [("Authorization", &*alice().bearer())];
    assert_eq!(gateway.get("/other/x", &headers).status(), 404);
    let more = second_route(1);
    let new = config(gateway.site(), &upstream, &Parts { more: &more, ..Parts::default() });
    fs::write(gateway.site().config_path(), &new).expect("written in place");
    eventually("the new route is there", || (gateway.get("/other/x", &headers).status() == 200).then_some(()));
}

#[test]
fn a_hangup_reloads_and_does_not_end_the_process() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let number = || gateway.metric("claviger_config_number", &[]).expect("a number");
    let before = number();
    gateway.signal(Signal::HUP);
    eventually("the number rises", || (number() > before).then_some(()));
    for _ in 0..20 {
        gateway.signal(Signal::HUP);
    }
    assert_eq!(gateway.get("/api/x", &[("Authorization", &alice().bearer())]).status(), 200);
}

/// The certificate that a server shows for this name to a client that was never there: a resumed session shows none.
fn certificate_for(address: SocketAddr, name: &str, trust: Arc<ClientConfig>) -> Vec<u8> {
    let socket = std::net::TcpStream::connect(address).expect("a listener");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let connection = ClientConnection::new(trust, name).expect("a client");
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).expect("a handshake");
    }
    stream.conn.peer_certificates().expect("a certificate")[0].to_vec()
}

#[test]
fn certificates_are_chosen_by_name_and_renewed_without_a_restart_or_a_failed_handshake() {
    let upstream = Upstream::echo();
    let authority = Authority::new("ours");
    let install = |site: &Site, name: &str, identity: &Identity| {
        for (kind, pem) in [("key", identity.key_pem()), ("pem", identity.certificate_pem())] {
            let new = site.write(&format!("tls/{name}.{kind}.new"), pem);
            fs::rename(new, site.path(&format!("tls/{name}.{kind}"))).expect("one file system");
        }
    };
    let listen = "tls = [{ certificate = \"tls/a.pem\", key = \"tls/a.key\" }, \
                  { certificate = \"tls/b.pem\", key = \"tls/b.key\" }]";
    let (a, b) = (authority.server(&["a.test", "*.a.test"]), authority.server(&["b.test"]));
    let gateway = Gateway::start(|site| {
        install(site, "a", &a);
        install(site, "b", &b);
        config(site, &upstream, &Parts { listen, ..Parts::default() })
    });
    let trust = authority.trusting_client(None);
    let shown = |name: &str| certificate_for(gateway.public(), name, authority.trusting_client(None));
    for (name, want) in [("a.test", &a), ("B.TEST", &b), ("b.test", &b), ("x.a.test", &a)] {
        assert_eq!(shown(name), want.der(), "{name}");
    }
    let (stop, trust_of_load, public) =
        (Arc::new(std::sync::atomic::AtomicBool::new(false)), Arc::clone(&trust), gateway.public());
    let stopped = Arc::clone(&stop);
    let load = std::thread::spawn(move || {
        let (mut count, bearer) = (0, alice().bearer());
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) && count < 100_000 {
            let mut client =
                raw::Client::connect_tls(public, "b.test", Arc::clone(&trust_of_load)).expect("a handshake");
            client.send(&request("GET", "/api/x", &[("Authorization", &bearer), ("Connection", "close")], b""));
            assert_eq!(client.response().status(), 200);
            count += 1;
        }
        count
    });
    for _ in 0..3 {
        let renewed = authority.server(&["b.test"]);
        install(gateway.site(), "b", &renewed);
        eventually("the renewed certificate is served", || (shown("b.test") == renewed.der()).then_some(()));
        assert_eq!(shown("a.test"), a.der(), "the other one stays");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(load.join().expect("no failed handshake") > 20);
}
