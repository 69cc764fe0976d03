//! The dashboard and the alert rules in `conf/` against a running gateway: every metric and label that they name is there, Prometheus reads
//! them, scrapes it, and raises what it should.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::support::{
    eventually,
    gateway::{Gateway, Site, free_address},
    raw,
    setup::{Parts, alice, config},
    upstream::Upstream,
};

const RULES: &str = "conf/prometheus-alerts.yml";
const DASHBOARD: &str = "conf/grafana-dashboard.json";

/// What metrics only show where it is configured.
const MORE: &str = r#"
[sink.siem.stdout]
[limit.few]
by = "client"
requests = 1000000
[vault.local.sealed_file]
path = "secrets.sealed"
key_file = "master.key"
[inspect.looked]
"#;

/// Labels that Prometheus adds, and metrics of its own.
const PROMETHEUS: [&str; 3] = ["instance", "job", "le"];

fn read(path: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(|site: &mut Site| {
        crate::support::setup::start_sealed(site);
        let parts = Parts { route: "limits = [\"few\"]\n", more: MORE, ..Parts::default() };
        config(site, upstream, &parts)
    })
}

/// The labels of each metric, as docs/metrics.md tells them, which its own test holds to what a gateway shows.
fn told() -> BTreeMap<String, BTreeSet<String>> {
    let page = read("docs/metrics.md");
    let mut told = BTreeMap::new();
    for row in page.lines().filter(|row| row.starts_with("| `claviger_")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        told.insert(cells[1].trim_matches('`').to_owned(), labels);
    }
    told
}

/// The expressions of both files, with where they stand.
fn expressions() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).expect("JSON");
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().expect("an expression").to_owned();
            found.push((format!("{DASHBOARD}: {}", panel["title"]), expression));
        }
    }
    let rules = read(RULES);
    let mut alert = String::new();
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("- alert: ") {
            name.clone_into(&mut alert);
        } else if let Some(first) = line.strip_prefix("expr: ") {
            let mut expression = first.trim_start_matches(">-").to_owned();
            while let Some(more) = lines.next_if(|next| first == ">-" && !next.trim().contains(": ")) {
                expression = format!("{expression} {}", more.trim());
            }
            found.push((format!("{RULES}: {alert}"), expression));
        }
    }
    found
}

/// The metrics of an expression, each with the labels that are asked of it, and the labels that results are told by.
fn named(expression: &str) -> (Vec<(String, Vec<String>)>, Vec<String>) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut metrics = Vec::new();
    for (at, _) in expression.match_indices("claviger_") {
        let rest = &expression[at..];
        let name: String = rest.chars().take_while(|c| is_word(*c)).collect();
        let selector = rest[name.len()..].strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
        let labels = selector.split(", ").filter(|one| !one.is_empty());
        let labels = labels.map(|one| one.chars().take_while(|c| is_word(*c)).collect()).collect();
        metrics.push((name, labels));
    }
    let by = expression.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    (metrics, by.flat_map(|labels| labels.split(", ").map(str::to_owned).collect::<Vec<_>>()).collect())
}

#[test]
fn every_metric_and_label_that_the_dashboard_and_the_rules_name_is_there() {
    let told = told();
    let expressions = expressions();
    assert!(expressions.len() > 50, "{expressions:?}");
    let mut used = BTreeSet::new();
    for (place, expression) in &expressions {
        let (metrics, by) = named(expression);
        let mut labels: BTreeSet<String> = PROMETHEUS.map(str::to_owned).into();
        for (name, asked) in metrics {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
            let of = told.get(base).unwrap_or_else(|| panic!("{place}: there is no metric {name}"));
            for label in asked {
                assert!(of.contains(&label) || PROMETHEUS.contains(&&*label), "{place}: {name} has no label {label}");
            }
            labels.extend(of.iter().cloned());
            used.insert(base.to_owned());
        }
        for label in by {
            assert!(labels.contains(&label), "{place}: nothing has a label {label}");
        }
    }
    assert!(used.len() > 35, "{used:?}");
}

#[test]
fn what_a_gateway_shows_has_the_values_that_rules_look_for() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    assert_eq!(gateway.get("/api/x", &[("Authorization", &alice().bearer())]).status(), 200);
    let shown = gateway.admin_get("/metrics").text();
    // Of these, series come with their first event; their values are of docs/metrics.md and docs/requests.md.
    let late = ["code", "result", "kind", "action"];
    for (place, expression) in expressions() {
        for (at, _) in expression.match_indices("=\"") {
            let name: String =
                expression[..at].chars().rev().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let label: String = name.chars().rev().collect();
            let value = expression[at + 2..].split('"').next().expect("a value");
            let is_there = shown.contains(&format!("{label}=\"{value}\""));
            let is_told = || {
                [read("docs/metrics.md"), read("docs/requests.md")]
                    .iter()
                    .any(|page| page.contains(&format!("`{value}`")))
            };
            assert!(
                label == "job" || is_there || (late.contains(&&*label) && is_told()),
                "{place}: no {label}=\"{value}\""
            );
        }
    }
}

fn has(tool: &str) -> bool {
    let version = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if version.is_err() {
        println!("skipped: {tool} absent; scripts/test installs it");
    }
    version.is_ok()
}

#[test]
fn the_rules_raise_what_they_should_and_nothing_else() {
    if !has("promtool") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let rules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(RULES);
    let cases = include_str!("prometheus/rules.yml").replace("RULES", rules.to_str().expect("a UTF-8 path"));
    let cases_file = folder.path().join("cases.yml");
    fs::write(&cases_file, cases).expect("written");
    for arguments in [["check", "rules"], ["test", "rules"]] {
        let file = if arguments[0] == "check" { &rules } else { &cases_file };
        let output = Command::new("promtool").args(arguments).arg(file).output().expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn prometheus_scrapes_a_gateway_and_raises_an_alert() {
    if !has("prometheus") {
        return;
    }
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let (folder, address) = (tempfile::tempdir().expect("a folder"), free_address());
    let rules = read(RULES);
    fs::write(folder.path().join("rules.yml"), rules).expect("written");
    let settings = format!(
        "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }}\nrule_files: [ rules.yml ]\n\
         scrape_configs: [ {{ job_name: claviger, static_configs: [ {{ targets: [ \"{}\" ] }} ] }} ]\n",
        gateway.admin()
    );
    fs::write(folder.path().join("prometheus.yml"), settings).expect("written");
    let process = Command::new("prometheus")
        .current_dir(folder.path())
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", &format!("--web.listen-address={address}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _process = Killed(process.expect("it starts"));
    let ask = |path: &str| -> Option<Value> {
        let mut client = raw::Client::try_connect(address).ok()?;
        let host = address.to_string();
        client.send(&raw::request("GET", path, &[("Host", &host), ("Connection", "close")], b""));
        let answer = client.try_response().ok().flatten().filter(|answer| answer.status() == 200)?;
        Some(answer.json()["data"].clone())
    };
    eventually("it scrapes the gateway", || {
        let up = ask("/api/v1/query?query=up%7Bjob%3D%22claviger%22%7D")?;
        (up["result"][0]["value"][1] == "1").then_some(())
    });
    let evaluated = eventually("it has evaluated the rules", || {
        let groups = ask("/api/v1/rules")?;
        let rules = groups["groups"][0]["rules"].as_array()?.clone();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    });
    assert!(evaluated.len() > 20 && evaluated.iter().all(|rule| rule["health"] == "ok"), "{evaluated:?}");
    gateway.offer("nonsense");
    eventually("a refused configuration is an alert", || {
        let alerts = ask("/api/v1/alerts")?["alerts"].as_array()?.clone();
        alerts.into_iter().find(|alert| alert["labels"]["alertname"] == "ClavigerReloadRefused")
    });
    let alerts = ask("/api/v1/alerts").expect("an answer")["alerts"].as_array().expect("a list").clone();
    let firing: BTreeSet<_> = alerts
        .iter()
        .filter(|alert| alert["state"] == "firing")
        .collect::<Vec<_>>()
        .iter()
        .filter_map(|alert| alert["labels"]["alertname"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(firing, BTreeSet::from(["ClavigerReloadRefused".to_owned()]));
}
