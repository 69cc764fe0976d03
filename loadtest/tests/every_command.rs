//! Every measurement runs to its end, with as little load as it takes: what it proves of each request holds, and figures come out.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that cannot go on says where and stops"
)]

use std::{path::Path, process::Command};

use serde_json::Value;

/// How a peer is asked for that is no tool of the tests: installing it starts a server of its own.
const NO_PEER: &str = "Install nginx with ModSecurity";

#[test]
fn every_measurement_runs_and_tells_figures() {
    let loadtest = Path::new(env!("CARGO_BIN_EXE_claviger-loadtest"));
    let claviger = loadtest.with_file_name("claviger");
    assert!(claviger.is_file(), "{} is missing: `cargo build` makes it", claviger.display());
    for (command, figure) in [
        ("compare --rounds 1 --seconds 1 --connections 4", "/full_load_cpu_ratio"),
        ("idle --connections 100", "/proxies/2/kb_per_connection"),
        ("burst --rounds 1 --seconds 1 --tokens 4000 --connections 4 --rate 1000", "/cold/p99_ratio"),
        ("revoke --streams 10", "/from_acknowledgement_ms/p99"),
        ("revoke --streams 10 --other-node", "/from_acknowledgement_ms/p99"),
        ("inspect --rounds 1 --seconds 1 --connections 2", "/payloads/2/cpu_us/claviger_inspect"),
    ] {
        let words = command.split(' ').chain(["--json", "--claviger"]);
        let output = Command::new(loadtest).args(words).arg(&claviger).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains(NO_PEER) {
            println!("skipped: {command}: {said}");
            continue;
        }
        assert!(output.status.success(), "{command}: {said}");
        let figures: Value = serde_json::from_slice(&output.stdout).expect(command);
        let got = figures.pointer(figure).and_then(Value::as_f64);
        assert!(got.is_some_and(|got| got >= 0.0), "{command}: {figures}");
    }
}
