//! Changes that one check alone finds, and logs that look like them and are sound.

use super::super::super::chain::ChainId;
use super::*;

/// The chain up to the last of these lines.
fn end_of(lines: &[Vec<u8>]) -> Chain {
    let last = lines.last().expect("a line").trim_ascii_end();
    let head = Head::parse(last).expect("a head");
    Chain { id: head.chain, seq: head.seq, head: Digest::of(last) }
}

/// Goes on with a log, by one who signs or not.
fn go_on(site: &Site, name: &str, signs: bool, lines: &[(Kind, &str)]) {
    let mut sink = Sink::open(Some(site.path(name)), ONE_FILE, SystemTime::now()).expect("opened");
    sink.key = signs.then(|| Arc::clone(&site.key));
    for (kind, time) in lines {
        let mut batch = Batch::default();
        batch.add(*kind, |out| out.extend_from_slice(format!(",\"time\":\"{time}\"").as_bytes()));
        sink.write(&mut batch, |_| (), SystemTime::now()).expect("written");
    }
}

fn replaced(line: &[u8], from: &str, to: &str) -> Vec<u8> {
    let line = String::from_utf8(line.to_vec()).expect("text");
    assert!(line.contains(from), "{line}");
    line.replacen(from, to, 1).into_bytes()
}

#[test]
fn what_stands_at_the_end_or_twice_in_a_row_is_named() {
    let site = Site::new();
    site.write("log", 30, ONE_FILE);
    let lines = site.lines("log");
    let last = lines.len() as u64;
    let mut stranger = Vec::new();
    Chain { id: ChainId::new(), ..end_of(&lines) }.link(&mut stranger, Kind::Exchange, b"");
    let garbage = || b"garbage\n".to_vec();
    for (what, at, put_in, want) in [
        ("a line of another log that fits", last, vec![stranger], (FaultKind::Edited, last + 1)),
        ("garbage", last, vec![garbage()], (FaultKind::Truncated, last + 1)),
        ("garbage twice", 4, vec![garbage(), garbage()], (FaultKind::Edited, 5)),
    ] {
        let mut all = lines.clone();
        let at = usize::try_from(at).expect("few");
        all.splice(at..at, put_in);
        site.put("log", &all);
        assert_eq!(site.fault("log", None), Some(want), "{what}");
    }
}

#[test]
fn what_stood_before_the_chain_is_held_by_its_first_line() {
    let site = Site::new();
    let before = [b"{\"kind\":\"exchange\"}\n".to_vec(), b"{\"kind\":\"exch".to_vec()];
    site.put("log", &before);
    site.write("log", 5, ONE_FILE);
    let report = site.verify("log", None);
    assert_eq!((report.fault, report.unchained, report.torn), (None, 1, 1));
    let lines = site.lines("log");
    let strange = b"{\"kind\":\"lost\"}\n".to_vec();
    for (what, lines) in [
        ("changed", [&[strange][..], &lines[1..]].concat()),
        ("removed", lines[1..].to_vec()),
        ("the first line of the chain removed", [&lines[..1], &lines[3..]].concat()),
    ] {
        site.put("log", &lines);
        assert_eq!(site.fault("log", None), Some((FaultKind::Edited, 1)), "{what}");
    }
}

#[test]
fn the_checkpoint_of_a_removed_file_is_the_one_that_stood_there_and_is_signed() {
    let (site, thief) = (Site::new(), Site::new());
    for (of, name) in [(&site, "log"), (&thief, "log")] {
        of.write(name, 100, Limits { size: 4000, ..ONE_FILE });
    }
    let remove_first = |of: &Site| {
        let files = super::super::super::Segment::whole(&of.path("log")).expect("listed");
        let first = fs::read(&files[0].path).expect("read");
        fs::remove_file(&files[0].path).expect("removed");
        let closing = first.split_inclusive(|&b| b == b'\n').next_back().expect("a line").to_vec();
        fs::write(kept_path(&of.path("log")), &closing).expect("written");
        (closing, files[1].first.expect("a number"))
    };
    let (closing, second) = remove_first(&site);
    assert_eq!(site.fault("log", None), None);
    fs::write(kept_path(&site.path("log")), replaced(&closing, "\"now\"", "\"new\"")).expect("written");
    assert_eq!(site.fault("log", None), Some((FaultKind::Removed, second)));
    let (_, second) = remove_first(&thief);
    let report = verify(&thief.path("log"), &site.keys(), None, &mut |_| {}).expect("read");
    assert_eq!(report.fault.map(|fault| (fault.kind, fault.seq)), Some((FaultKind::Forged, second - 1)));
}

#[test]
fn an_anchor_is_held_against_the_log_checkpoint_by_checkpoint() {
    let site = Site::new();
    let anchor = site.write("log", 30, ONE_FILE);
    let (honest, lines) = (fs::read(&anchor).expect("read"), site.lines("log"));
    let last = lines.len() as u64;
    let first = honest.split_inclusive(|&b| b == b'\n').next().expect("a line");
    let other = replaced(first, "\"now\"", "\"then\"");
    let nothing = Chain { seq: 0, head: Chain::NOTHING, ..end_of(&lines) };
    let with_one_behind = |mut chain: Chain| {
        let mut text = honest.clone();
        chain.link(&mut text, Kind::Checkpoint, b"");
        text
    };
    for (what, text, want) in [
        ("another one alone", [&other[..], &honest[first.len()..]].concat(), Some((FaultKind::Forged, 12))),
        ("another one first", [&other[..], &honest].concat(), Some((FaultKind::Forged, 12))),
        ("one where the log has none", with_one_behind(end_of(&lines[..4])), Some((FaultKind::Forged, last))),
        ("one where the log begins", with_one_behind(nothing), Some((FaultKind::Forged, last))),
        ("all lines of the log", lines.concat(), None),
    ] {
        fs::write(&anchor, text).expect("written");
        assert_eq!(site.fault("log", Some(&anchor)), want, "{what}");
    }
}

#[test]
fn a_signed_checkpoint_makes_good_for_what_is_before_it() {
    let site = Site::new();
    let (morning, evening) = ("2026-11-28T08:00:00.000000Z", "2026-11-28T20:00:00.000000Z");
    site.write("log", 3, ONE_FILE);
    go_on(&site, "log", true, &[(Kind::Exchange, morning), (Kind::Checkpoint, morning)]);
    go_on(&site, "log", false, &[(Kind::Exchange, morning), (Kind::Checkpoint, morning)]);
    go_on(&site, "log", true, &[(Kind::Checkpoint, morning), (Kind::Exchange, evening)]);
    let report = site.verify("log", None);
    assert_eq!((report.fault, report.unsigned), (None, 1));
}
