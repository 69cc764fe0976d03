//! Every measurement runs to its end, with as little load as it takes: what it proves of each request holds, and figures come out.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that cannot go on says where and stops"
)]

use std::{path::Path, process::Command};

use serde_json::Value;

/// How a tool is asked for that is none of the tests': installing it starts a server of its own, or takes long.
const NO_TOOL: [&str; 2] = ["Install nginx with ModSecurity", "oha was not found"];

#[test]
fn every_measurement_runs_and_tells_figures() {
    let loadtest = Path::new(env!("CARGO_BIN_EXE_claviger-loadtest"));
    let claviger = loadtest.with_file_name("claviger");
    assert!(claviger.is_file(), "{} is missing: `cargo build` makes it", claviger.display());
    for (command, figure) in [
        ("compare --rounds 1 --seconds 1 --connections 4 --no-tails --json -", "/full_load_cpu_ratio"),
        ("compare --rounds 1 --seconds 1 --connections 4 --only bare,claviger --json -", "/proxies/1/tails/0/p999"),
        (
            "scenarios --rounds 1 --seconds 1 --scaled 100 --json - --scenario cached,new-tokens,principals,rules,bodies-1k,bodies-64k,\
             inspection,tls,new-connections,idle,idle-tls,denied-no-token,denied-forged,denied-role,slow-upstream,two-threads",
            "/scenarios/15/own/0/cpu",
        ),
        ("scenarios --rounds 1 --seconds 1 --json - --scenario http2,reload,rotation", "/scenarios/2/own/0/p999"),
        ("soak --requests 1000 --json", "/requests_and_resident_kib/0/1"),
        ("idle --connections 100 --json", "/proxies/2/kb_per_connection"),
        ("burst --rounds 1 --seconds 1 --tokens 4000 --connections 4 --rate 1000 --json", "/cold/p99_ratio"),
        ("revoke --streams 10 --json", "/from_acknowledgement_ms/p99"),
        ("revoke --streams 10 --other-node --json", "/from_acknowledgement_ms/p99"),
        ("inspect --rounds 1 --seconds 1 --connections 2 --json", "/payloads/2/cpu_us/claviger_inspect"),
    ] {
        let words = command.split_whitespace().chain(["--claviger"]);
        let output = Command::new(loadtest).args(words).arg(&claviger).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        if NO_TOOL.iter().any(|how| said.contains(how)) {
            println!("skipped: {command}: {said}");
            continue;
        }
        for line in said.lines().filter(|line| line.contains(" is left out: ")) {
            println!("skipped: {line}");
        }
        assert!(output.status.success(), "{command}: {said}");
        let figures: Value = serde_json::from_slice(&output.stdout).expect(command);
        let got = figures.pointer(figure).and_then(Value::as_f64);
        assert!(got.is_some_and(|got| got >= 0.0), "{command}: {figures}");
    }
}
