//! Whatever is done to a log is named.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::super::batch::Batch;
use super::super::chain::Kind;
use super::super::sink::{Limits, Sink};
use super::*;
use crate::crypto::{SignatureAlgorithm, SigningKey};
use crate::domain::Secret;

struct Site {
    folder: tempfile::TempDir,
    key: Arc<SigningKey>,
}

impl Site {
    fn new() -> Self {
        let pem = SigningKey::generate().expect("a key");
        let key = SigningKey::from_pem(&Secret::new(pem.as_bytes().to_vec())).expect("a key");
        Self { folder: tempfile::tempdir().expect("a folder"), key: Arc::new(key) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn keys(&self) -> Vec<SignatureKey> {
        let pem = self.key.public_pem().expect("a public key");
        vec![SignatureKey::public(SignatureAlgorithm::Ed25519, pem.as_bytes()).expect("a key")]
    }

    /// Writes a log of one process with so many records, a checkpoint behind each ten and at its end; answers its anchor.
    fn write(&self, name: &str, records: usize, limits: Limits) -> PathBuf {
        let now = SystemTime::now();
        let mut sink = Sink::open(Some(self.path(name)), limits, now).expect("opened");
        sink.key = Some(Arc::clone(&self.key));
        let mut put = |kind, members: &str| {
            let mut batch = Batch::default();
            batch.add(kind, |out| out.extend_from_slice(members.as_bytes()));
            sink.write(&mut batch, |out| out.extend_from_slice(b",\"time\":\"now\""), now).expect("written");
        };
        put(Kind::Opened, ",\"time\":\"first\",\"process\":\"p1\"");
        for nth in 0..records {
            put(Kind::Exchange, &format!(",\"time\":\"now\",\"principal\":\"user-{nth}\""));
            if nth % 10 == 9 {
                put(Kind::Checkpoint, ",\"time\":\"now\"");
            }
        }
        put(Kind::Closed, ",\"time\":\"last\",\"process\":\"p1\"");
        put(Kind::Checkpoint, ",\"time\":\"last\"");
        let anchor = self.path(&format!("{name}.anchor"));
        let mut lines = Vec::new();
        for line in sink.checkpoints.drain(..) {
            lines.extend_from_slice(&line);
            lines.push(b'\n');
        }
        fs::write(&anchor, lines).expect("written");
        anchor
    }

    fn verify(&self, name: &str, anchor: Option<&Path>) -> Report {
        verify(&self.path(name), &self.keys(), anchor, &mut |_| {}).expect("read")
    }

    fn fault(&self, name: &str, anchor: Option<&Path>) -> Option<(FaultKind, u64)> {
        self.verify(name, anchor).fault.map(|fault| (fault.kind, fault.seq))
    }

    /// The lines of a log of one file.
    fn lines(&self, name: &str) -> Vec<Vec<u8>> {
        let text = fs::read(self.path(name)).expect("read");
        text.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect()
    }

    fn put(&self, name: &str, lines: &[Vec<u8>]) {
        fs::write(self.path(name), lines.concat()).expect("written");
    }
}

mod alone;
mod displaced;

const ONE_FILE: Limits = Limits { size: 1 << 30, age: Duration::from_hours(24) };

#[test]
fn a_log_of_many_files_is_intact_from_its_first_line_to_its_last() {
    let site = Site::new();
    let anchor = site.write("log", 100, Limits { size: 2000, ..ONE_FILE });
    assert!(super::super::Segment::of(&site.path("log")).expect("listed").len() > 5);
    let report = site.verify("log", Some(&anchor));
    assert_eq!(report.fault, None);
    let last = report.last.expect("a last line");
    assert_eq!((report.first.expect("a first line").time.as_str(), last.time.as_str()), ("first", "last"));
    assert_eq!((report.lines, report.proved.expect("proved").seq), (last.seq, last.seq));
    assert_eq!((report.signed, report.unsigned, report.anchored), (report.anchored, 0, report.signed));
    assert!(report.not_closed.is_empty());
}

#[test]
fn every_kind_of_change_is_named_with_its_place() {
    let site = Site::new();
    let anchor = site.write("log", 30, ONE_FILE);
    let lines = site.lines("log");
    site.write("other", 30, ONE_FILE);
    let foreign = site.lines("other");
    let changed = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut all = lines.clone();
        change(&mut all);
        site.put("log", &all);
        site.fault("log", Some(&anchor))
    };
    let text = |line: &[u8], from: &str, to: &str| {
        let line = String::from_utf8(line.to_vec()).expect("text");
        assert!(line.contains(from), "{line}");
        line.replacen(from, to, 1).into_bytes()
    };
    let last = lines.len() as u64;
    // Line 5 is at 4.
    for (what, change, want) in [
        ("nothing", &(|_: &mut Vec<Vec<u8>>| {}) as &dyn Fn(&mut Vec<Vec<u8>>), None),
        ("edited", &|all| all[4] = text(&all[4], "user-3", "user-4"), Some((FaultKind::Edited, 5))),
        ("a number edited", &|all| all[4] = text(&all[4], "\"seq\":5", "\"seq\":9"), Some((FaultKind::Edited, 5))),
        ("made garbage", &|all| all[4] = b"garbage\n".to_vec(), Some((FaultKind::Edited, 5))),
        ("garbage put in", &|all| all.insert(4, b"garbage\n".to_vec()), Some((FaultKind::Forged, 5))),
        ("removed", &|all| drop(all.remove(4)), Some((FaultKind::Removed, 5))),
        ("some removed", &|all| drop(all.drain(4..9)), Some((FaultKind::Removed, 5))),
        ("the first removed", &|all| drop(all.remove(0)), Some((FaultKind::Removed, 1))),
        ("the first moved", &|all| all.swap(0, 1), Some((FaultKind::Reordered, 1))),
        ("swapped", &|all| all.swap(4, 5), Some((FaultKind::Reordered, 5))),
        (
            "moved far",
            &|all| {
                let line = all.remove(4);
                all.insert(20, line);
            },
            Some((FaultKind::Reordered, 5)),
        ),
        ("duplicated", &|all| all.insert(5, all[4].clone()), Some((FaultKind::Duplicated, 5))),
        ("duplicated later", &|all| all.insert(20, all[4].clone()), Some((FaultKind::Duplicated, 5))),
        ("an old checkpoint again", &|all| all.push(all[11].clone()), Some((FaultKind::Duplicated, 12))),
        ("one of another log in its place", &|all| all[4] = foreign[4].clone(), Some((FaultKind::Spliced, 5))),
        ("one of another log put in", &|all| all.insert(4, foreign[9].clone()), Some((FaultKind::Spliced, 5))),
        (
            "the rest of another log",
            &|all| {
                all.truncate(4);
                all.extend_from_slice(&foreign[4..]);
            },
            Some((FaultKind::Spliced, 5)),
        ),
        ("the end cut", &|all| all.truncate(20), Some((FaultKind::Truncated, 21))),
        ("the last line cut", &|all| drop(all.pop()), Some((FaultKind::Truncated, last))),
        (
            "half of the last line cut",
            &|all| all.last_mut().expect("a line").truncate(50),
            Some((FaultKind::Truncated, last)),
        ),
        ("another log", &|all| *all = foreign.clone(), Some((FaultKind::Forged, 0))),
        ("nothing left", &Vec::clear, Some((FaultKind::Truncated, 1))),
    ] {
        assert_eq!(changed(change), want, "{what}");
    }
}

#[test]
fn a_log_that_was_made_anew_without_the_key_is_forged() {
    let site = Site::new();
    let (thief, anchor) = (Site::new(), site.write("log", 30, ONE_FILE));
    thief.write("log", 30, ONE_FILE);
    fs::copy(thief.path("log"), site.path("log")).expect("copied");
    let first_checkpoint = Some((FaultKind::Forged, 12));
    assert_eq!(site.fault("log", None), first_checkpoint);
    assert_eq!(site.fault("log", Some(&anchor)), first_checkpoint);

    // A tail that is linked well, and signed by nobody.
    site.write("log2", 30, ONE_FILE);
    let mut lines = site.lines("log2");
    lines.truncate(12);
    site.put("log2", &lines);
    let mut sink = Sink::open(Some(site.path("log2")), ONE_FILE, SystemTime::now()).expect("opened");
    let mut batch = Batch::default();
    batch.add(Kind::Exchange, |out| out.extend_from_slice(b",\"principal\":\"nobody\""));
    batch.add(Kind::Checkpoint, |out| out.extend_from_slice(b",\"time\":\"now\""));
    sink.write(&mut batch, |_| (), SystemTime::now()).expect("written");
    assert_eq!(site.fault("log2", None), Some((FaultKind::Forged, 14)));
}

#[test]
fn whole_files_that_were_taken_away_or_mixed_up_are_named() {
    let site = Site::new();
    let anchor = site.write("log", 100, Limits { size: 4000, ..ONE_FILE });
    let files = super::super::Segment::whole(&site.path("log")).expect("listed");
    let second = files[1].first.expect("a number");
    let text = fs::read(&files[1].path).expect("read");
    fs::remove_file(&files[1].path).expect("removed");
    assert_eq!(site.fault("log", Some(&anchor)), Some((FaultKind::Removed, second)));
    fs::write(&files[1].path, &text).expect("written");
    assert_eq!(site.fault("log", Some(&anchor)), None);

    // The first one with its checkpoint kept, and without.
    let first = fs::read(&files[0].path).expect("read");
    fs::remove_file(&files[0].path).expect("removed");
    assert_eq!(site.fault("log", Some(&anchor)), Some((FaultKind::Removed, 1)));
    let closing = first.split_inclusive(|&b| b == b'\n').next_back().expect("a line");
    fs::write(kept_path(&site.path("log")), closing).expect("written");
    assert_eq!(site.fault("log", Some(&anchor)), None);
    assert_eq!(site.verify("log", None).removed, second - 1, "it is told");
    assert_eq!(site.verify("log", None).first.expect("a line").seq, second);
    let other = closing.iter().map(|&b| if b == b'n' { b'm' } else { b }).collect::<Vec<_>>();
    fs::write(kept_path(&site.path("log")), other).expect("written");
    assert!(site.fault("log", Some(&anchor)).is_some());
}

#[test]
fn a_compressed_file_that_was_changed_is_named() {
    let site = Site::new();
    site.write("log", 60, Limits { size: 4000, ..ONE_FILE });
    super::super::keep::tidy(&site.path("log"), None, SystemTime::now()).expect("tidied");
    let whole = super::super::Segment::whole(&site.path("log")).expect("listed");
    let (second, sound) = (&whole[1].path, fs::read(&whole[1].path).expect("read"));
    assert_eq!(site.fault("log", None), None);
    let mut named = 0;
    for at in 0..sound.len() {
        let mut text = sound.clone();
        text[at] ^= 1;
        fs::write(second, text).expect("written");
        // A bit of the frame's head may mean nothing; then all comes out as it was.
        named += usize::from(site.verify("log", None).fault.is_some());
    }
    assert!(named + 4 >= sound.len(), "{named} of {}", sound.len());
    fs::write(second, &sound[..sound.len() / 2]).expect("written");
    assert_eq!(site.fault("log", None).map(|(kind, _)| kind), Some(FaultKind::Edited));
}

#[test]
fn half_a_line_that_is_told_of_is_no_fault_and_cannot_be_changed() {
    let site = Site::new();
    site.write("log", 5, ONE_FILE);
    let mut lines = site.lines("log");
    lines.truncate(4);
    lines.push(b"{\"kind\":\"exchange\",\"ch".to_vec());
    site.put("log", &lines);
    assert_eq!(site.fault("log", None).map(|(kind, _)| kind), Some(FaultKind::Truncated));
    site.write("log", 5, ONE_FILE);
    let report = site.verify("log", None);
    assert_eq!((report.fault, report.torn), (None, 1));
    let whole = site.lines("log");
    let mut changed = whole.clone();
    changed[4] = b"{\"kind\":\"exchange\",\"xx\n".to_vec();
    site.put("log", &changed);
    assert_eq!(site.fault("log", None), Some((FaultKind::Edited, 5)));
    let mut changed = whole;
    changed.remove(4);
    site.put("log", &changed);
    assert_eq!(site.fault("log", None), Some((FaultKind::Removed, 5)));
}

#[test]
fn lines_from_before_there_was_a_chain_are_counted_and_those_of_killed_processes_told() {
    let site = Site::new();
    site.put("log", &[b"{\"kind\":\"exchange\"}\n".to_vec(), b"{\"kind\":\"lost\"}\n".to_vec()]);
    site.write("log", 5, ONE_FILE);
    let report = site.verify("log", None);
    assert_eq!((report.fault, report.unchained), (None, 2));
    let mut lines = site.lines("log");
    lines.truncate(6);
    site.put("log", &lines);
    assert_eq!(site.verify("log", None).not_closed, [(1, "p1".to_owned())]);
}

#[test]
fn with_a_key_a_log_of_which_nothing_is_proved_is_not_intact() {
    let site = Site::new();
    for lines in [vec![], vec![b"{\"kind\":\"exchange\"}\n".to_vec(), b"{\"kind\":\"lost\"}\n".to_vec()]] {
        site.put("log", &lines);
        assert_eq!(site.fault("log", None), Some((FaultKind::Forged, 0)));
        let without = verify(&site.path("log"), &[], None, &mut |_| {}).expect("read");
        assert_eq!(without.fault.map(|fault| fault.kind), lines.is_empty().then_some(FaultKind::Truncated));
    }
}

#[test]
fn lines_behind_the_last_signed_checkpoint_are_only_so_many_and_of_so_short_a_time() {
    let site = Site::new();
    let exchange = |time: &str, took: u64| format!(",\"time\":\"{time}\",\"total_us\":{took}");
    let none = || exchange("2026-11-28T20:00:00.000000Z", 0);
    let (later, next_day) = (exchange("2026-11-28T21:30:00.000000Z", 0), exchange("2026-11-29T01:00:00.000000Z", 0));
    // It began before the checkpoint, and lasted until the next day.
    let long = exchange("2026-11-28T10:00:00.000000Z", 15 * 3_600_000_000);
    let many = vec![none(); usize::try_from(MAX_UNPROVED).expect("a size") + 1];
    for (name, tail, is_sound) in [
        ("short", vec![none(), later], true),
        ("long", vec![none(), next_day.clone()], false),
        ("late", vec![next_day.clone()], true),
        ("of long exchanges", vec![long, next_day], true),
        ("many", many, false),
    ] {
        site.write(name, 3, ONE_FILE);
        let last = site.lines(name).len() as u64;
        let mut sink = Sink::open(Some(site.path(name)), ONE_FILE, SystemTime::now()).expect("opened");
        let mut batch = Batch::default();
        for members in &tail {
            batch.add(Kind::Exchange, |out| out.extend_from_slice(members.as_bytes()));
        }
        sink.write(&mut batch, |_| (), SystemTime::now()).expect("written");
        assert_eq!(site.fault(name, None), (!is_sound).then_some((FaultKind::Forged, last + 1)), "{name}");
    }
}

#[test]
fn what_is_added_to_an_anchor_replaces_nothing_in_it() {
    let site = Site::new();
    let anchor = site.write("log", 30, ONE_FILE);
    let honest = fs::read(&anchor).expect("read");
    // The same once more is what a write leaves that was tried again.
    fs::write(&anchor, [&honest[..], &honest].concat()).expect("written");
    assert_eq!(site.fault("log", Some(&anchor)), None);
    let first = honest.split_inclusive(|&b| b == b'\n').next().expect("a line");
    let other = String::from_utf8(first.to_vec()).expect("text").replace("\"now\"", "\"then\"");
    for emptied in [&b""[..], b"{\"keys\":[]}\n"] {
        fs::write(&anchor, emptied).expect("written");
        assert_eq!(site.fault("log", Some(&anchor)), Some((FaultKind::Unanchored, 0)), "it proves nothing");
    }
    fs::write(&anchor, [&honest[..], other.as_bytes()].concat()).expect("written");
    assert_eq!(site.fault("log", Some(&anchor)), Some((FaultKind::Forged, 12)));
}

/// A log and what proves it, made once for each test, and gone with its thread.
fn written() -> Rc<(Site, PathBuf, Vec<Vec<u8>>)> {
    thread_local! {
        static WRITTEN: Rc<(Site, PathBuf, Vec<Vec<u8>>)> = {
            let site = Site::new();
            let anchor = site.write("log", 40, ONE_FILE);
            let lines = site.lines("log");
            Rc::new((site, anchor, lines))
        };
    }
    WRITTEN.with(Rc::clone)
}

/// What is wrong with these bytes as a log.
fn judged(text: &[u8]) -> Option<Fault> {
    let written = written();
    let (site, anchor, _) = &*written;
    let path = tempfile::NamedTempFile::new().expect("a file");
    fs::write(&path, text).expect("written");
    verify(path.path(), &site.keys(), Some(anchor), &mut |_| {}).expect("read").fault
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_byte_can_be_changed(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut text = written().2.concat();
        let at = at.index(text.len());
        text[at] ^= 1 << bit;
        let line = text[..at].iter().filter(|&&b| b == b'\n').count() as u64 + 1;
        let fault = judged(&text).expect("it shows");
        // It shows at the line, or between it and the next one.
        prop_assert!((line.saturating_sub(1)..=line + 2).contains(&fault.seq), "line {line}: {fault:?}");
    }

    #[test]
    fn no_line_can_be_taken_out_moved_or_repeated(from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), what in 0..3) {
        let mut lines = written().2.clone();
        let from = from.index(lines.len());
        let line = if what == 2 { lines[from].clone() } else { lines.remove(from) };
        let to = to.index(lines.len() + 1);
        if what > 0 {
            lines.insert(to, line);
        }
        prop_assume!(what != 1 || to != from);
        let fault = judged(&lines.concat()).expect("it shows");
        let want = match what {
            0 if from + 1 == written().2.len() => FaultKind::Truncated,
            0 => FaultKind::Removed,
            1 => FaultKind::Reordered,
            _ => FaultKind::Duplicated,
        };
        prop_assert_eq!(fault.kind, want, "{:?}", fault);
    }

    #[test]
    fn no_end_can_be_cut(at in any::<prop::sample::Index>()) {
        let text = written().2.concat();
        let fault = judged(&text[..at.index(text.len())]).expect("it shows");
        prop_assert_eq!(fault.kind, FaultKind::Truncated);
    }
}
