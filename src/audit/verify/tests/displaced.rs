//! What is told of a log whose files somebody else moved, and of an anchor that is longer than the log.

use super::super::super::{First, Form, Log, Segment, Settings};
use super::super::points::Points;
use super::*;
use crate::audit::segment::whole_path;
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

/// Whole files of a log that something else moved three times, so that none of them ends with a checkpoint: of the third, none is one at all.
fn moved_thrice(site: &Site) -> Vec<Segment> {
    let path = site.path("log");
    let mut sink = Sink::open(Some(path.clone()), ONE_FILE, SystemTime::now()).expect("opened");
    sink.key = Some(Arc::clone(&site.key));
    let mut put = |kind| {
        let mut batch = Batch::default();
        batch.add(kind, |out| out.extend_from_slice(b",\"time\":\"now\",\"x\":\"personal\""));
        sink.write(&mut batch, |_| (), SystemTime::now()).expect("written");
    };
    for has_checkpoint in [true, true, false, true] {
        (0..3).for_each(|_| put(Kind::Exchange));
        if has_checkpoint {
            put(Kind::Checkpoint);
        }
        put(Kind::Exchange);
        fs::rename(&path, site.path("log.1")).expect("moved");
    }
    put(Kind::Exchange);
    put(Kind::Checkpoint);
    Segment::whole(&path).expect("listed")
}

/// Has retention work, where the first so many of these files, and what became of them, are old.
fn retain(site: &Site, old: usize) {
    let (now, day) = (SystemTime::now(), Duration::from_hours(24));
    for one in Segment::whole(&site.path("log")).expect("listed").iter().take(old) {
        let file = fs::File::options().write(true).open(&one.path).expect("opened");
        file.set_modified(now - 2 * day).expect("made old");
    }
    super::super::super::keep::tidy(&site.path("log"), Some(day), now).expect("tidied");
}

#[test]
fn what_retention_removes_of_files_that_were_moved_is_no_tampering_and_what_somebody_else_removes_is() {
    let site = Site::new();
    let firsts: Vec<_> = moved_thrice(&site).iter().map(|one| one.first).collect();
    assert_eq!(firsts, [Some(1), Some(6), Some(11), Some(15)]);
    assert_eq!(site.fault("log", None), None);
    for (old, first) in [(1, 5), (2, 10), (2, 10), (3, 19), (1, 19)] {
        retain(&site, old);
        let report = site.verify("log", None);
        assert_eq!((report.fault, report.first.map(|mark| mark.seq)), (None, Some(first)), "{old} are old");
        assert_eq!(report.removed, first - 1);
    }
    let rest = Segment::whole(&site.path("log")).expect("listed");
    assert_eq!(rest.len(), 1, "the line behind the last checkpoint of what is old");
    fs::remove_file(&rest[0].path).expect("removed");
    assert_eq!(site.fault("log", None), Some((FaultKind::Removed, 1)), "this was not retention");
}

#[test]
fn of_files_that_became_old_at_once_no_line_stays_between_two_that_are_gone() {
    for (old, first) in [(1, 5), (2, 10), (3, 10), (4, 19)] {
        let site = Site::new();
        moved_thrice(&site);
        retain(&site, old);
        let report = site.verify("log", None);
        assert_eq!((report.fault, report.first.map(|mark| mark.seq)), (None, Some(first)), "{old} are old");
    }
}

#[test]
fn a_crash_of_retention_between_two_steps_is_made_good_by_the_next_look() {
    let site = Site::new();
    let first = moved_thrice(&site).remove(0);
    let text = fs::read(&first.path).expect("read");
    retain(&site, 1);
    // As if it had not come to remove what it had made the rest of.
    fs::write(&first.path, text).expect("there again");
    retain(&site, 1);
    let report = site.verify("log", None);
    assert_eq!((report.fault, report.removed), (None, 4));
    // As if it had removed only the first of two files that go at once.
    let second = Segment::whole(&site.path("log")).expect("listed").remove(1);
    let packed = fs::read(&second.path).expect("read");
    retain(&site, 2);
    fs::write(&second.path, packed).expect("there again");
    assert_eq!(site.fault("log", None), Some((FaultKind::Removed, 1)), "until then it is missing");
    retain(&site, 1);
    let report = site.verify("log", None);
    assert_eq!((report.fault, report.removed), (None, 9));
}

#[test]
fn what_is_not_the_rest_of_a_file_is_not_taken_for_it_by_its_name() {
    let other = {
        let mut text = Vec::new();
        Chain::new().link(&mut text, Kind::Exchange, b"");
        text
    };
    for is_longer in [false, true] {
        let site = Site::new();
        let first = moved_thrice(&site).remove(0);
        let stranger = super::super::super::segment::whole_path(&site.path("log"), 5);
        let rest =
            site.lines(first.path.file_name().and_then(|name| name.to_str()).expect("a name")).pop().expect("one");
        fs::write(&stranger, if is_longer { [&rest[..], &other].concat() } else { other.clone() }).expect("written");
        retain(&site, 1);
        let firsts =
            || Segment::whole(&site.path("log")).expect("listed").iter().map(|one| one.first).collect::<Vec<_>>();
        assert_eq!(firsts()[..3], [Some(1), Some(5), Some(6)], "nothing else has line 5");
        for form in [stranger.clone(), super::super::super::segment::beside(&stranger, ".zst")] {
            let _ = fs::remove_file(form);
        }
        assert_eq!(site.fault("log", None), None);
        retain(&site, 1);
        assert_eq!((site.fault("log", None), firsts()[0]), (None, Some(5)));
    }
}

#[test]
fn half_a_line_behind_the_checkpoint_that_retention_keeps_is_told_of_yet() {
    let site = Site::new();
    let path = site.path("log");
    site.write("log", 3, ONE_FILE);
    let last = site.lines("log").len() as u64;
    let text = [&fs::read(&path).expect("read")[..], b"{\"kind\":\"exchange\",\"ch"].concat();
    fs::write(&path, text).expect("written");
    for (kind, moves) in [(Kind::Exchange, true), (Kind::Checkpoint, false)] {
        let mut sink = Sink::open(Some(path.clone()), ONE_FILE, SystemTime::now()).expect("opened");
        sink.key = Some(Arc::clone(&site.key));
        let mut batch = Batch::default();
        batch.add(kind, |out| out.extend_from_slice(b",\"time\":\"now\""));
        sink.write(&mut batch, |_| (), SystemTime::now()).expect("written");
        if moves {
            fs::rename(&path, super::super::super::segment::whole_path(&path, 1)).expect("moved");
        }
    }
    for _ in 0..2 {
        let report = site.verify("log", None);
        assert_eq!((report.fault, report.torn, report.unchained), (None, 1, 0));
        retain(&site, 1);
    }
    assert_eq!(site.verify("log", None).removed, last);
}

#[test]
fn a_file_that_somebody_put_among_the_others_is_forged() {
    let site = Site::new();
    let anchor = site.write("log", 100, Limits { size: 4000, ..ONE_FILE });
    let path = site.path("log");
    let files = Segment::whole(&path).expect("listed");
    let second = files[1].first.expect("a number");
    let text = fs::read(&files[0].path).expect("read");
    for (first, content) in
        [(2, text.clone()), (second + 1, text.clone()), (second - 1, b"{\"kind\":\"exchange\"}\n".to_vec())]
    {
        let put = whole_path(&path, first);
        fs::write(&put, content).expect("written");
        let fault = site.verify("log", Some(&anchor)).fault.expect("a fault");
        assert_eq!((fault.kind, fault.seq, fault.file.as_ref()), (FaultKind::Forged, first, Some(&put)));
        fs::remove_file(&put).expect("removed");
    }
    assert_eq!(site.fault("log", Some(&anchor)), None);
    // What stands behind a checkpoint in the middle of one: so retention leaves it whose process is killed before it removes the whole one.
    let lines: Vec<_> = text.split_inclusive(|&b| b == b'\n').collect();
    let is_checkpoint = |line: &&[u8]| line.windows(19).any(|part| part == b"\"kind\":\"checkpoint\"");
    let at = lines.iter().position(is_checkpoint).expect("one in the middle") + 1;
    assert!(at < lines.len(), "there is something behind it");
    fs::write(whole_path(&path, at as u64 + 1), lines[at..].concat()).expect("written");
    assert_eq!(site.fault("log", Some(&anchor)), None);
    fs::write(whole_path(&path, at as u64 + 1), lines[at..].concat().to_ascii_uppercase()).expect("written");
    assert_eq!(site.fault("log", Some(&anchor)), Some((FaultKind::Forged, at as u64 + 1)));
}
