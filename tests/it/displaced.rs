//! Something else than claviger moves the audit log's files: a real logrotate, or somebody who takes them away.

use std::{fs, process::Command};

use serde_json::Value;

use crate::audit::{audited, make_key, verify};
use crate::support::{eventually, gateway::Gateway, setup::alice, upstream::Upstream};

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(|site| {
        make_key(site);
        audited(site, upstream, "key = \"files:audit\"")
    })
}

/// Asks, and waits until that is written.
fn ask(gateway: &Gateway, path: &str) {
    assert_eq!(gateway.get(path, &[("Authorization", &alice().bearer())]).status(), 200);
    gateway.audited("it is written", |line| line["kind"] == "exchange" && line["path"] == path);
}

fn displaced(gateway: &Gateway) -> f64 {
    gateway.metric("claviger_audit_displaced_total", &[]).unwrap_or(0.0)
}

fn verified(gateway: &Gateway) -> Value {
    verify(&gateway.site().audit_path(), &["--key", &gateway.site().path("audit.pub")])
}

/// Rotates the log as an operator would who does not know that it is not to be done.
fn logrotate(gateway: &Gateway, how: &str) {
    let site = gateway.site();
    let rule = format!("{} {{\n  rotate 9\n  missingok\n  {how}\n}}\n", site.audit_path());
    let config = site.write("logrotate.conf", rule);
    let mut permissions = fs::metadata(&config).expect("the file").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    fs::set_permissions(&config, permissions).expect("its owner's alone");
    let state = site.path("logrotate.state");
    let output = Command::new("/usr/sbin/logrotate").args(["--force", "--state", &state, &config]).output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_real_logrotate_makes_no_hole_whether_the_process_runs_is_started_again_or_upgraded() {
    if !fs::exists("/usr/sbin/logrotate").is_ok_and(|is_there| is_there) {
        println!("skipped: logrotate absent; scripts/test installs it");
        return;
    }
    for how in ["nocreate", "create 0600", "copytruncate", "create 0600\n  dateext"] {
        let upstream = Upstream::echo();
        let mut gateway = gateway(&upstream);
        ask(&gateway, "/api/1");
        logrotate(&gateway, how);
        ask(&gateway, "/api/2");
        eventually("it is told", || (displaced(&gateway) == 1.0).then_some(()));
        gateway.terminate();
        logrotate(&gateway, how);
        gateway.kill_and_restart();
        gateway.wait_until_ready();
        ask(&gateway, "/api/3");
        eventually("it is told", || (displaced(&gateway) == 1.0).then_some(()));
        logrotate(&gateway, how);
        assert_eq!(gateway.upgrade().code(), Some(0), "{how}");
        gateway.wait_until_ready();
        ask(&gateway, "/api/4");
        gateway.terminate();
        assert!(gateway.log().contains("claviger rotates its log by itself"), "{how}: {}", gateway.log());
        let told = verified(&gateway);
        assert_eq!(told["fault"], Value::Null, "{how}: {told}");
        assert_eq!((&told["first"]["seq"], &told["proved"]), (&1.into(), &told["last"]), "{how}");
    }
}

#[test]
fn a_log_that_was_taken_away_is_missed_by_the_next_process_and_by_who_verifies() {
    let upstream = Upstream::echo();
    let mut gateway = gateway(&upstream);
    ask(&gateway, "/api/1");
    gateway.terminate();
    let before = gateway.audit_lines().pop().expect("a line");
    fs::remove_file(gateway.site().audit_path()).expect("removed");
    gateway.kill_and_restart();
    gateway.wait_until_ready();
    eventually("it is counted", || (displaced(&gateway) > 0.0).then_some(()));
    let opened = gateway.audit_lines().remove(0);
    assert_eq!(
        (&opened["kind"], &opened["missed_chain"], &opened["missed_seq"]),
        (&"opened".into(), &before["chain"], &before["seq"])
    );
    assert_ne!(opened["chain"], before["chain"]);
    let fault = &verified(&gateway)["fault"];
    assert_eq!(fault["kind"], "removed");
    assert!(fault["text"].as_str().is_some_and(|text| text.contains("logrotate")), "{fault}");
    assert!(gateway.log().contains("is not there any more"), "{}", gateway.log());
}
