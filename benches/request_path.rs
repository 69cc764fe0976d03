//! What one request costs, phase by phase: normal form, route and rules, the snapshot. Prints figures; judges nothing.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot go on says where and stops"
)]

use std::hint::black_box;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use claviger::audit::{Log, Settings};
use claviger::config::{Plan, compile};
use claviger::domain::{Host, Name, NormalPath, Principal, PrincipalKind, RequestView};
use claviger::state::{Engines, Services};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, Method};
use tempfile::TempDir;

mod generated;

use generated::{HEAD, rules};

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

fn compiled(folder: &Path, text: &str, engines: &Engines) -> Plan {
    compile(&folder.join("claviger.toml"), text, 1, engines).1.unwrap_or_else(|faults| panic!("{faults}"))
}

fn folder() -> TempDir {
    // An error says that it is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tempfile::tempdir().expect("a folder")
}

fn normal_form(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("path normal form");
    for (name, path) in [
        ("plain, 20 bytes", "/api/v1/charges/ch_1".to_owned()),
        ("escaped, 36 bytes", "/caf%c3%a9/%61pi/v1/%7Eme/charges/1".to_owned()),
        ("plain, 1 KiB", "/segment".repeat(128)),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| NormalPath::parse(black_box(path.as_bytes()))));
    }
}

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route + authorize");
    let folder = folder();
    for count in [10, 1_000, 100_000] {
        let plan = compiled(folder.path(), &format!("{HEAD}{}", rules(count)), &Engines::new().expect("engines"));
        // In the middle, and allowed by the last of its route's rules.
        let (route, rule) = (count / generated::RULES_PER_ROUTE / 2, generated::RULES_PER_ROUTE - 1);
        let path = NormalPath::parse(format!("/service-{route}/v1/resource-{rule}/42").as_bytes()).expect("a path");
        let host = Host::parse("api.example.test").expect("a host");
        let headers = HeaderMap::new();
        let name = Name::parse("keys").expect("a name");
        let principal = Arc::new(Principal {
            roles: ["nobody".into(), format!("role-{rule}").into()].into(),
            ..Principal::new(name, PrincipalKind::Human, "alice".to_owned())
        });

        let now = std::time::SystemTime::now();
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                let route = plan.snapshot.router.find(&host, black_box(&path), &Method::GET).expect("a route");
                let path = route.check_form(&path, false, None).expect("a form");
                let view = view(&host, &path, &headers);
                route.policy.authorize(Arc::clone(&principal), &view, now, |_, _| None).expect("a permit")
            });
        });
    }
}

fn view<'a>(host: &'a Host, path: &'a NormalPath, headers: &'a HeaderMap) -> RequestView<'a> {
    RequestView {
        method: &Method::GET,
        host,
        path,
        headers,
        client: CLIENT,
        peer: CLIENT,
        is_tls: true,
        authority: "api.example.test",
        asked: path,
        query: None,
        target: "/",
        has_body: false,
        certificates: None,
    }
}

fn snapshot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("snapshot");
    let folder = folder();
    let text = format!("{HEAD}{}", rules(10));
    let log = |engines: &Engines| {
        let settings = Settings { path: Some(folder.path().join("audit.jsonl")), ..Settings::default() };
        Log::open(settings, engines.metrics.audit.clone()).expect("a log")
    };
    let engines = Engines::new().expect("engines");
    let (audit, first) = (log(&engines), compiled(folder.path(), &text, &engines).snapshot);
    let services = Services::new(engines, audit, first);
    group.bench_function("take, as each request does", |bencher| bencher.iter(|| services.snapshot()));
    group.bench_function("swap, with a request that holds the old one", |bencher| {
        bencher.iter_batched(
            || (services.snapshot(), compiled(folder.path(), &text, &services.engines).snapshot),
            |(old, next)| {
                services.swap(next);
                (old, services.snapshot())
            },
            BatchSize::PerIteration,
        );
    });
    services.audit.close(Duration::from_secs(5)).expect("closed");
}

criterion_group! {
    name = request_path;
    config = Criterion::default().sample_size(50).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = normal_form, decide, snapshot
}
criterion_main!(request_path);
