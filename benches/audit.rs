//! What the audit log costs: a record from the request path to the file, and looking through a log.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark that cannot run has to stop, and its figures are what it is for"
)]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use claviger::audit::verify::verify;
use claviger::audit::{Durability, Log, Outcome, Protocol, Reader, Record, Settings, Timings};
use claviger::domain::{Name, Principal, PrincipalKind, RequestId};
use claviger::telemetry::Metrics;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn record() -> Record {
    let name = |text| Name::parse(text).expect("a name");
    let now = SystemTime::now();
    Record {
        time: now,
        id: RequestId::new(now),
        config: 1,
        listener: name("public"),
        client: [192, 0, 2, 7].into(),
        protocol: Protocol::Http11,
        method: Some(http::Method::POST),
        host: Some("api.example.com".to_owned()),
        path: Some("/v1/refunds".into()),
        query: true,
        route: Some(name("stripe")),
        claimed: None,
        principal: Some(Arc::new(Principal::new(name("corp"), PrincipalKind::Service, "svc-refunds".to_owned()))),
        role: Some("billing".into()),
        rule: Some("route.stripe.allow[1]".into()),
        grant: None,
        outcome: Outcome::Completed,
        denial: None,
        shadow: None,
        trace: None,
        target: Some(name("stripe")),
        backend: Some(([203, 0, 113, 9], 443).into()),
        attempts: 1,
        credential: Some(name("stripe")),
        status: Some(201),
        inspection: None,
        reflected: 0,
        leaks: Vec::new(),
        request_bytes: 120,
        response_bytes: 4096,
        timings: Timings { total: Duration::from_micros(8_100), ..Timings::default() },
        is_decided: false,
    }
}

fn open(path: &Path, durability: Durability) -> Log {
    let settings = Settings { path: Some(path.to_owned()), max_queue: 10_000_000, durability, ..Settings::default() };
    Log::open(settings, Metrics::new().expect("metrics").audit).expect("opened")
}

/// Writes so many records and waits until all are in the file.
fn write(path: &Path, count: u64) -> Duration {
    let log = open(path, Durability::Batch);
    let record = record();
    let began = Instant::now();
    for _ in 0..count {
        log.submit(record.clone());
    }
    log.close(Duration::from_secs(600)).expect("written");
    began.elapsed()
}

/// From the request path to the file: copying the record is part of it, as making it is of a request.
fn written(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut group = c.benchmark_group("audit");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    group.bench_function("record", |bencher| {
        bencher.iter_custom(|count| {
            let path = folder.path().join("log");
            // What the thread costs to start and end is not a record's.
            let took = write(&path, count + 10_000);
            let began = write(&path, 10_000);
            fs::remove_file(&path).expect("removed");
            took.saturating_sub(began)
        });
    });
    group.finish();
}

/// So many requests at once that wait for the disk.
fn decided(c: &mut Criterion) {
    let folder = tempfile::tempdir_in(".").expect("a folder on a disk");
    let log = open(&folder.path().join("log"), Durability::Fsync);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut group = c.benchmark_group("audit/decision");
    for at_once in [1_u64, 64, 512] {
        group.throughput(Throughput::Elements(at_once)).sample_size(10);
        group.bench_function(at_once.to_string(), |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    let all: Vec<_> = (0..at_once)
                        .map(|_| {
                            let log = log.clone();
                            async move { log.decide(&mut record()).await.expect("on the disk") }
                        })
                        .collect();
                    let mut set = tokio::task::JoinSet::new();
                    all.into_iter().for_each(|one| drop(set.spawn(one)));
                    set.join_all().await;
                });
            });
        });
    }
    group.finish();
}

fn read(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    write(&path, 200_000);
    let bytes = fs::metadata(&path).expect("the log").len();
    let mut group = c.benchmark_group("audit");
    group.throughput(Throughput::Bytes(bytes)).sample_size(10);
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let mut reader = Reader::open(&path, 0).expect("opened");
            while let Some(line) = reader.next().expect("read") {
                black_box(line.head);
            }
        });
    });
    group.bench_function("verify", |bencher| {
        bencher.iter(|| assert_eq!(verify(&path, &[], None, &mut |_| {}).expect("read").fault, None));
    });
    group.finish();
}

criterion_group!(benches, written, decided, read);
criterion_main!(benches);
