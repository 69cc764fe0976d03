//! What is told of a log whose files somebody else moved, and of an anchor that is longer than the log.

use super::super::super::{First, Form, Log, Segment, Settings};
use super::super::points::Points;
use super::*;
use crate::telemetry::Metrics;

/// A process that writes nothing but that it was there.
fn run(site: &Site, name: &str) {
    let settings = Settings { path: Some(site.path(name)), ..Settings::default() };
    let first = First { key: Some(Arc::clone(&site.key)), config: None };
    let log = Log::open_with(settings, Metrics::new().expect("metrics").audit, first).expect("opened");
    log.close(Duration::from_secs(30)).expect("closed");
}

#[test]
fn a_log_that_was_moved_between_two_processes_is_whole_where_it_is_found_and_else_it_is_said_plainly() {
    let site = Site::new();
    run(&site, "log");
    fs::rename(site.path("log"), site.path("log.1")).expect("renamed");
    run(&site, "log");
    let report = site.verify("log", None);
    assert_eq!((report.fault, report.lines), (None, 8));
    fs::remove_file(site.path("log")).expect("removed");
    run(&site, "log");
    let fault = site.verify("log", None).fault.expect("it is missing");
    assert_eq!((fault.kind, fault.seq), (FaultKind::Removed, 5));
    assert!(fault.text.contains("lines up to 8 of the log") && fault.text.contains("logrotate"), "{fault:?}");
    let whole = || Segment::whole(&site.path("log")).expect("listed").remove(0);
    while whole().form != Form::Zstd {
        std::thread::yield_now();
    }
    fs::remove_file(whole().path).expect("removed");
    let fault = site.verify("log", None).fault.expect("all is missing");
    assert_eq!((fault.kind, fault.seq), (FaultKind::Removed, 1));
    assert!(fault.text.contains("lines up to 8 of the log"), "{fault:?}");
}

#[test]
fn of_a_long_anchor_only_what_the_log_has_is_held() {
    let site = Site::new();
    site.write("log", 3, ONE_FILE);
    let lines = site.lines("log");
    let first = Head::parse(lines[0].trim_ascii_end()).expect("a head");
    let mut other = Chain::new();
    let mut text = Vec::new();
    for _ in 0..1000 {
        other.link(&mut text, Kind::Checkpoint, b"");
    }
    let mut own = Chain { id: first.chain, seq: 0, head: Chain::NOTHING };
    for _ in 0..1000 {
        own.link(&mut text, Kind::Checkpoint, b"");
    }
    // What is longer than a checkpoint can be is none.
    text.resize(text.len() + 200_000, b'x');
    text.push(b'\n');
    fs::write(site.path("anchor"), &text).expect("written");
    let points = Points::of_anchor(&site.path("anchor"), Some(Head { seq: 991, ..first })).expect("read");
    assert_eq!(points.count(), 11, "ten of the log and the last of another");
    assert!(points.get(first.chain, 990).is_none() && points.get(first.chain, 991).is_some());
    assert!(points.get(other.id, 999).is_none() && points.get(other.id, 1000).is_some());
}
