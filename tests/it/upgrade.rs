//! One process takes over from another: nobody is refused or cut, and a new one that fails leaves the old one serving.

use std::{
    collections::HashSet,
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt, chown, symlink},
        net::UnixListener,
    },
    process::Child,
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::audit::verify;
use crate::support::{
    eventually,
    gateway::{Gateway, free_address},
    load::{Load, Tally},
    raw::{self, request},
    setup::{Parts, alice, config},
    upstream::Upstream,
};

fn load(gateway: &Gateway) -> Load<(u16, String)> {
    let bearer = alice().bearer();
    Load::start(
        6,
        gateway.public(),
        move |_, _| request("POST", "/api/x", &[("Authorization", &bearer)], b"{}"),
        |response| (response.status(), response.header("x-request-id").unwrap_or_default().to_owned()),
    )
}

/// Every request was answered well, and each has one record in the one file.
fn assert_flawless(gateway: &Gateway, tally: &Tally<(u16, String)>) {
    assert_eq!(tally.failures, [] as [String; 0]);
    let bad: Vec<_> = tally.answers.iter().filter(|(status, _)| *status != 200).collect();
    assert!(bad.is_empty(), "{} of {}: {:?}", bad.len(), tally.answers.len(), bad[0]);
    let answered: HashSet<_> = tally.answers.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!(answered.len(), tally.answers.len());
    eventually("every record is written, each once", || {
        let records = gateway.audit();
        let ids: HashSet<_> = records.iter().filter_map(|record| record["id"].as_str()).collect();
        assert_eq!(ids.len(), records.len(), "no record is there twice");
        (ids == answered).then_some(())
    });
}

/// Fault 12.
#[test]
fn two_upgrades_under_load_fail_nothing_and_the_audit_log_goes_on_in_one_file() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let load = load(&gateway);
    load.wait_for(300);
    for _ in 0..2 {
        let old = gateway.pid();
        assert_eq!(gateway.upgrade().code(), Some(0));
        assert_ne!(gateway.pid(), old);
        gateway.wait_until_ready();
        assert_eq!(gateway.pid_file(), Some(gateway.pid()));
        load.wait_for(300);
    }
    assert_flawless(&gateway, &load.stop());
    assert_eq!(gateway.terminate().code(), Some(0));
    let verified = verify(&gateway.site().audit_path(), &[]);
    assert_eq!(
        (&verified["fault"], &verified["not_closed"]),
        (&Value::Null, &json!([])),
        "one chain of three processes"
    );
}

/// Ends the child if it has not ended.
struct Doomed(Child);

impl Drop for Doomed {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_new_process_with_a_bad_configuration_leaves_the_old_one_serving() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let load = load(&gateway);
    load.wait_for(100);
    let good = fs::read_to_string(gateway.site().config_path()).expect("the configuration");
    fs::write(gateway.site().config_path(), good.replace("target = \"api\"", "target = \"nowhere\"")).expect("written");
    let mut broken = Doomed(gateway.spawn_successor());
    let status = eventually("the new one gives up", || broken.0.try_wait().expect("our child"));
    assert_eq!(status.code(), Some(2));
    load.wait_for(100);
    assert_eq!(gateway.pid_file(), Some(gateway.pid()));
    fs::write(gateway.site().config_path(), good).expect("written");
    assert_eq!(gateway.upgrade().code(), Some(0), "a mended one takes over");
    load.wait_for(100);
    assert_flawless(&gateway, &load.stop());
}

#[test]
fn a_new_process_that_dies_while_it_takes_over_leaves_the_old_one_serving() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    let load = load(&gateway);
    load.wait_for(100);
    let socket = gateway.site().path(".claviger/upgrade.sock");

    // It told the old one to hand over, and died before it listened.
    gateway.signal(Signal::QUIT);
    load.wait_for(100);

    // It listened, was given the sockets, and died before it served.
    let listener = UnixListener::bind(&socket).expect("the run directory");
    gateway.signal(Signal::QUIT);
    listener.set_nonblocking(true).expect("a socket");
    let (taken, _) = eventually("the old one connects", || listener.accept().ok());
    drop((taken, listener));
    fs::remove_file(&socket).expect("our socket");
    load.wait_for(200);

    // It was killed somewhere on its way.
    for turn in 0..6_u64 {
        let mut successor = Doomed(gateway.spawn_successor());
        load.wait_for(20 * usize::try_from(turn).expect("small"));
        if gateway.pid_file() == Some(successor.0.id()) {
            break;
        }
        successor.0.kill().expect("our child");
        successor.0.wait().expect("our child");
        load.wait_for(50);
    }
    assert_eq!(
        gateway.metric("claviger_config_number", &[]),
        Some(1.0),
        "the old one still answers on the admin listener"
    );
    assert_eq!(gateway.upgrade().code(), Some(0), "one that lives takes over");
    load.wait_for(100);
    assert_flawless(&gateway, &load.stop());
}

#[test]
fn an_upgrade_of_nothing_is_refused() {
    let upstream = Upstream::echo();
    let mut gateway = Gateway::start(|site| config(site, &upstream, &Parts::default()));
    gateway.terminate();
    let written = gateway.audit_lines().len();
    let mut alone = Doomed(gateway.spawn_successor());
    let status = eventually("it gives up", || alone.0.try_wait().expect("our child"));
    assert_eq!(status.code(), Some(1));
    assert!(gateway.log().contains("cannot take over"), "{}", gateway.log());
    assert_eq!(gateway.audit_lines().len(), written);
}

#[test]
fn nobody_else_makes_the_directory_over_which_listeners_are_handed() {
    let upstream = Upstream::echo();
    let mut makers = vec![("writable by all", None, 0o777), ("writable by a group", None, 0o770)];
    if rustix::process::geteuid().is_root() {
        makers.push(("made by somebody else", Some(65534), 0o755));
    } else {
        println!("skipped: a directory of another user, which takes root to make");
    }
    for (what, owner, mode) in makers {
        let mut gateway = Gateway::spawn(|site| {
            let directory = site.path(".claviger");
            fs::create_dir(&directory).expect("made");
            fs::set_permissions(&directory, Permissions::from_mode(mode)).expect("set");
            if owner.is_some() {
                chown(&directory, owner, owner).expect("root may");
            }
            config(site, &upstream, &Parts::default())
        });
        assert_eq!(gateway.wait().code(), Some(1), "{what}");
        assert!(gateway.log().contains("others can write the run directory"), "{what}: {}", gateway.log());
    }
}

#[test]
fn what_is_in_the_way_of_the_process_id_is_not_written_through() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| {
        fs::create_dir(site.path(".claviger")).expect("made");
        fs::set_permissions(site.path(".claviger"), Permissions::from_mode(0o700)).expect("set");
        site.write("precious", "precious");
        symlink(site.path("precious"), site.path(".claviger/claviger.pid.new")).expect("linked");
        config(site, &upstream, &Parts::default())
    });
    eventually("the process says that it serves", || gateway.pid_file().filter(|&pid| pid == gateway.pid()));
    assert_eq!(fs::read_to_string(gateway.site().path("precious")).expect("there"), "precious");
}

#[test]
fn a_listener_that_the_new_configuration_drops_is_closed_and_one_that_it_adds_is_opened() {
    let upstream = Upstream::echo();
    let (dropped, added) = (free_address(), free_address());
    let listen = |address| format!("[listen.other]\naddress = \"{address}\"\n");
    let first = listen(dropped);
    let mut gateway = Gateway::start(|site| config(site, &upstream, &Parts { more: &first, ..Parts::default() }));
    let headers = [("Authorization", &*alice().bearer())];
    assert_eq!(raw::get(dropped, "/api/x", &headers).status(), 200);
    let second = config(gateway.site(), &upstream, &Parts { more: &listen(added), ..Parts::default() });
    gateway.offer(&second);
    eventually("a reload says that this needs an upgrade", || {
        gateway.status()["refused_reload"].as_str().is_some_and(|why| why.contains("--upgrade")).then_some(())
    });
    assert_eq!(gateway.upgrade().code(), Some(0));
    assert_eq!(raw::get(added, "/api/x", &headers).status(), 200);
    assert!(raw::Client::try_connect(dropped).is_err(), "nobody would answer there");
    assert_eq!(gateway.get("/api/x", &headers).status(), 200);
}

#[test]
fn a_process_that_cannot_listen_ends_instead_of_serving_half() {
    let upstream = Upstream::echo();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("its address");
    let mut gateway = Gateway::spawn(|site| {
        let other = format!("[listen.other]\naddress = \"{address}\"\n");
        config(site, &upstream, &Parts { more: &other, ..Parts::default() })
    });
    assert_eq!(gateway.wait().code(), Some(1));
    let log = gateway.log();
    assert!(log.contains(&format!("cannot listen on {address}")) && !log.contains("listening on"), "{log}");
    let written = std::fs::read_to_string(gateway.site().audit_path());
    assert!(written.is_err(), "what would look like the end of whoever runs: {written:?}");
}
