//! Files that somebody else moves, copies, cuts or removes: the chain goes on where it can be found, and where it cannot, that is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::*;

/// A process that begins, and what it misses.
fn begin(path: &Path) -> (Sink, Option<Known>) {
    let mut sink = open(path);
    let missed = sink.begin(SystemTime::now()).expect("begun");
    (sink, missed)
}

/// One that ends as it should.
fn end(mut sink: Sink) {
    sink.sync().expect("synced");
    sink.note();
}

/// A log of two lines whose process has ended.
fn written(path: &Path) {
    let (mut sink, missed) = begin(path);
    assert_eq!(missed, None);
    put(&mut sink, "a").expect("written");
    put(&mut sink, "b").expect("written");
    end(sink);
}

fn heads(path: &Path) -> Vec<Head> {
    let text = fs::read_to_string(path).expect("file");
    text.lines().map(|line| Head::parse(line.as_bytes()).expect("a head")).collect()
}

#[test]
fn what_was_renamed_or_copied_beside_the_log_is_found_by_the_next_process() {
    for (name, is_made_anew, is_copied) in [
        ("audit.log.1", false, false),
        ("audit.log.1", true, false),
        ("audit.log-20261128", true, false),
        ("audit-20261128.log", false, false),
        ("audit.log.1", true, true),
    ] {
        let dir = tempfile::tempdir().expect("directory");
        let (path, away) = (dir.path().join("audit.log"), dir.path().join(name));
        written(&path);
        if is_copied {
            fs::copy(&path, &away).expect("copied");
        } else {
            fs::rename(&path, &away).expect("renamed");
        }
        if is_made_anew {
            fs::write(&path, "").expect("made");
        }
        let (mut sink, missed) = begin(&path);
        assert_eq!((missed, sink.displaced), (None, 1), "{name}");
        put(&mut sink, "c").expect("written");
        assert_eq!(said(&path), ["a", "b", "c"], "{name}: it is one chain, of two files");
        assert!(!away.exists());
    }
}

#[test]
fn what_is_gone_is_missed_and_another_chain_begins_behind_its_numbers() {
    for keeps_a_whole_file in [false, true] {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        if keeps_a_whole_file {
            let mut sink =
                Sink::open(Some(path.clone()), Limits { size: 1, ..LIMITS }, SystemTime::now()).expect("opened");
            put(&mut sink, "whole").expect("written");
        }
        written(&path);
        let gone = heads(&path).pop().expect("a line");
        fs::remove_file(&path).expect("removed");
        let (mut sink, missed) = begin(&path);
        assert_eq!((missed, sink.displaced), (Some(Known { chain: gone.chain, seq: gone.seq }), 1));
        put(&mut sink, "c").expect("written");
        let first = heads(&path)[0];
        assert_ne!(first.chain, gone.chain, "no number of the chain is used twice");
        assert_eq!((first.seq, first.prev), (gone.seq + 1, Chain::NOTHING));
        end(sink);
        let (mut sink, missed) = begin(&path);
        assert_eq!((missed, sink.displaced), (None, 0), "it is told once");
        put(&mut sink, "d").expect("written");
        assert_eq!(
            heads(&path)[1].prev,
            Digest::of(fs::read(&path).expect("read").split(|&b| b == b'\n').next().expect("a line"))
        );
    }
}

#[test]
fn a_log_whose_end_was_cut_while_no_process_ran_is_not_gone_on_with() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    written(&path);
    let text = fs::read_to_string(&path).expect("read");
    fs::write(&path, text.lines().next().expect("a line").to_owned() + "\n").expect("cut");
    let (mut sink, missed) = begin(&path);
    assert_eq!(missed.expect("missed").seq, 2);
    put(&mut sink, "c").expect("written");
    let all = heads(&path);
    assert_ne!(all[0].chain, all[1].chain);
    assert_eq!((all[1].seq, all[1].prev), (3, Chain::NOTHING));
}

#[test]
fn what_is_renamed_or_cut_while_it_is_written_is_found_at_once() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let (mut sink, _) = begin(&path);
    put(&mut sink, "a").expect("written");
    fs::rename(&path, dir.path().join("audit.log.1")).expect("renamed");
    put(&mut sink, "b").expect("written");
    fs::copy(&path, dir.path().join("audit.log.2")).expect("copied");
    fs::File::options().write(true).open(&path).expect("opened").set_len(0).expect("cut");
    put(&mut sink, "c").expect("written");
    assert_eq!((said(&path), sink.displaced), (vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], 2));
    let numbers: Vec<_> = Segment::of(&path).expect("listed").iter().map(|one| one.first).collect();
    assert_eq!(numbers, [Some(1), Some(2), None]);
}

#[test]
fn in_an_upgrade_the_old_process_follows_the_new_one_also_where_that_began_another_chain() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let (mut old, _) = begin(&path);
    put(&mut old, "a").expect("written");
    fs::remove_file(&path).expect("removed");
    let (mut new, missed) = begin(&path);
    assert!(missed.is_some());
    put(&mut new, "b").expect("written");
    put(&mut old, "c").expect("written");
    put(&mut new, "d").expect("written");
    let all = heads(&path);
    assert_eq!(all.iter().map(|head| head.seq).collect::<Vec<_>>(), [2, 3, 4]);
    assert!(all.iter().all(|head| head.chain == all[0].chain), "they do not write two");
    assert!(old.displaced > 0 && new.displaced > 0);
}

#[test]
fn files_that_another_process_made_whole_are_nobodys_fault() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let (mut old, _) = begin(&path);
    put(&mut old, "a").expect("written");
    let mut new = Sink::open(Some(path.clone()), Limits { size: 1, ..LIMITS }, SystemTime::now()).expect("opened");
    put(&mut new, "b").expect("written");
    put(&mut old, "c").expect("written");
    super::super::super::keep::tidy(&path, None, SystemTime::now()).expect("tidied");
    put(&mut new, "d").expect("written");
    put(&mut old, "e").expect("written");
    assert_eq!((old.displaced, new.displaced), (0, 0));
}

#[test]
fn a_memory_that_cannot_be_read_is_told_and_begun_anew_and_stops_nobody() {
    let long = [b'x'; 300];
    for damaged in [&b"\xff\xfe\xfd"[..], b"torn", b"", &long] {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        written(&path);
        let memory = beside(&path, ".end");
        fs::write(&memory, damaged).expect("damaged");
        let (mut sink, missed) = begin(&path);
        assert_eq!((missed, sink.displaced), (None, 1), "it is told: {damaged:?}");
        put(&mut sink, "c").expect("written");
        end(sink);
        assert_eq!(said(&path), ["a", "b", "c"]);
        let (sink, missed) = begin(&path);
        assert_eq!((missed, sink.displaced), (None, 0), "it is told once");
        assert_eq!(Known::read(&path).expect("read").map(|known| known.seq), Some(3));
    }
}

#[test]
fn what_is_in_the_place_of_the_memory_stops_nobody() {
    let folder = |path: &Path| fs::create_dir(path).expect("a folder");
    let pipe = |path: &Path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().expect("coreutils").success());
    };
    for make in [&folder as &dyn Fn(&Path), &pipe] {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        make(&beside(&path, ".end"));
        let (mut sink, missed) = begin(&path);
        assert_eq!((missed, sink.displaced), (None, 1));
        put(&mut sink, "a").expect("written");
        assert_eq!(said(&path), ["a"]);
    }
}

/// Cuts the file between what was looked at and what is written, as `copytruncate` does in the middle of a batch; `copies` before.
fn cut_amid_a_batch(sink: &mut Sink, path: &Path, copies: Option<&str>) {
    let now = SystemTime::now();
    sink.lock(now).expect("locked");
    if let Some(name) = copies {
        fs::copy(path, path.with_file_name(name)).expect("copied");
    }
    fs::File::options().write(true).open(path).expect("opened").set_len(0).expect("cut");
    let mut batch = Batch::default();
    batch.add(Kind::Exchange, |out| out.extend_from_slice(b",\"x\":\"amid\""));
    sink.link(now);
    sink.linked.batch(&batch, None);
    sink.put().1.expect("written");
    sink.file.unlock().expect("unlocked");
}

#[test]
fn a_file_that_is_cut_amid_a_batch_is_noticed_and_its_copy_taken_back() {
    for copies in [Some("audit.log.1"), None] {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("audit.log");
        let (mut sink, _) = begin(&path);
        put(&mut sink, "a long line that the next one is shorter than").expect("written");
        put(&mut sink, "b").expect("written");
        cut_amid_a_batch(&mut sink, &path, copies);
        assert_eq!(heads(&path).iter().map(|head| head.seq).collect::<Vec<_>>(), [3]);
        put(&mut sink, "c").expect("written");
        assert_eq!(sink.displaced, 1, "{copies:?}");
        let numbers: Vec<_> = Segment::of(&path).expect("listed").iter().map(|one| one.first).collect();
        if copies.is_some() {
            assert_eq!(said(&path), ["a long line that the next one is shorter than", "b", "amid", "c"]);
            assert_eq!(numbers, [Some(1), None]);
        } else {
            assert_eq!(numbers, [None], "what is gone is gone");
        }
        put(&mut sink, "d").expect("written");
        assert_eq!(sink.displaced, 1, "it is told once");
    }
}

#[test]
fn a_copy_that_lacks_lines_which_were_cut_is_taken_back_and_told() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let (mut sink, _) = begin(&path);
    put(&mut sink, "a").expect("written");
    fs::copy(&path, path.with_file_name("audit.log.1")).expect("copied");
    put(&mut sink, "b").expect("written");
    cut_amid_a_batch(&mut sink, &path, None);
    put(&mut sink, "c").expect("written");
    assert_eq!(sink.displaced, 2, "that it was taken back, and that it ends too early");
    assert_eq!(heads(&whole_path(&path, 1)).len(), 1);
}

/// Has the file copied and cut, as `copytruncate` does.
fn copied_and_cut(sink: &mut Sink, path: &Path) {
    fs::copy(path, path.with_file_name("audit.log.1")).expect("copied");
    fs::File::options().write(true).open(path).expect("opened").set_len(0).expect("cut");
    assert_eq!(sink.displaced, 0);
}

#[test]
fn a_file_that_is_cut_before_it_is_made_whole_takes_nobodys_name() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let (mut sink, _) = begin(&path);
    put(&mut sink, "a").expect("written");
    put(&mut sink, "b").expect("written");
    let now = SystemTime::now();
    sink.lock(now).expect("locked");
    copied_and_cut(&mut sink, &path);
    sink.rotate(|_| (), now).expect("rotated");
    put(&mut sink, "c").expect("written");
    assert_eq!((said(&path), sink.displaced), (["a", "b", "checkpoint", "c"].map(str::to_owned).to_vec(), 1));
    let numbers: Vec<_> = Segment::of(&path).expect("listed").iter().map(|one| one.first).collect();
    assert_eq!(numbers, [Some(1), Some(3), None]);
}

#[test]
fn half_a_line_in_a_file_that_was_cut_is_no_reason_to_make_it_longer() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let (mut sink, _) = begin(&path);
    put(&mut sink, "a").expect("written");
    put(&mut sink, "b").expect("written");
    let (now, mut batch) = (SystemTime::now(), Batch::default());
    sink.lock(now).expect("locked");
    copied_and_cut(&mut sink, &path);
    for text in ["amid", &"long".repeat(1000)] {
        batch.add(Kind::Exchange, |out| out.extend_from_slice(format!(",\"x\":\"{text}\"").as_bytes()));
    }
    sink.link(now);
    sink.linked.batch(&batch, None);
    let written = sink.linked.text.len() - 5;
    sink.file.write_all(&sink.linked.text[..written]).expect("written");
    let (lines, chain, end) = sink.linked.within(written);
    batch.did(lines);
    sink.chain = chain;
    sink.after(written, end);
    sink.file.unlock().expect("unlocked");
    sink.write(&mut batch, |_| (), now).expect("written");
    let said = said(&path);
    assert_eq!((said.len(), &said[..3], &*said[4]), (6, &["a", "b", "amid"].map(str::to_owned)[..], "torn"));
    assert!(said[3].starts_with("{\"kind\":\"exchange\"") && said[5].starts_with("longlong"));
    assert_eq!(sink.displaced, 1);
}

#[test]
fn a_copy_of_what_is_partly_there_yet_is_not_taken_for_lines_that_are_missing() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let (mut sink, _) = begin(&path);
    put(&mut sink, "a").expect("written");
    let len = fs::metadata(&path).expect("there").len();
    put(&mut sink, "b").expect("written");
    fs::copy(&path, path.with_file_name("audit.log.1")).expect("copied");
    fs::File::options().write(true).open(&path).expect("opened").set_len(len).expect("cut");
    put(&mut sink, "c").expect("written");
    assert_eq!(heads(&path).iter().map(|head| head.seq).collect::<Vec<_>>(), [1, 3]);
    assert!(path.with_file_name("audit.log.1").exists());
    assert_eq!(sink.displaced, 1);
}

#[test]
fn of_two_processes_one_takes_the_copy_back_and_the_other_misses_nothing() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let (mut old, _) = begin(&path);
    put(&mut old, "a").expect("written");
    let (mut new, _) = begin(&path);
    put(&mut new, "b").expect("written");
    put(&mut old, &"long".repeat(1000)).expect("written");
    copied_and_cut(&mut new, &path);
    put(&mut new, "c").expect("written");
    put(&mut old, "d").expect("written");
    assert_eq!(said(&path).len(), 5);
    assert_eq!((new.displaced, old.displaced), (1, 0));
}

#[test]
fn what_a_process_wrote_that_the_copy_lacks_which_another_took_back_is_told_by_it() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let (mut old, _) = begin(&path);
    put(&mut old, "a").expect("written");
    let (mut new, _) = begin(&path);
    put(&mut new, "b").expect("written");
    fs::copy(&path, path.with_file_name("audit.log.1")).expect("copied");
    put(&mut old, &"long".repeat(1000)).expect("written");
    fs::File::options().write(true).open(&path).expect("opened").set_len(0).expect("cut");
    // It never saw that line, and gives its number to another.
    put(&mut new, "c").expect("written");
    put(&mut old, "d").expect("written");
    assert_eq!(said(&path), ["a", "b", "c", "d"]);
    assert_eq!((new.displaced, old.displaced), (1, 1));
    put(&mut old, "e").expect("written");
    assert_eq!(old.displaced, 1, "it is told once");
}

#[test]
fn whenever_a_file_is_copied_and_cut_while_it_is_written_the_copy_is_taken_back() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let (mut sink, _) = begin(&path);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                put(&mut sink, "x").expect("written");
            }
        });
        let wait_until = |what: &dyn Fn() -> bool| {
            let began = Instant::now();
            while !what() && !writing.is_finished() && began.elapsed() < Duration::from_secs(10) {
                thread::yield_now();
            }
        };
        for nth in 0..40 {
            let copy = path.with_file_name(format!("audit.log.{nth}"));
            wait_until(&|| fs::metadata(&path).is_ok_and(|about| about.len() > 1000));
            fs::copy(&path, &copy).expect("copied");
            fs::File::options().write(true).open(&path).expect("opened").set_len(0).expect("cut");
            wait_until(&|| !copy.exists());
            if copy.exists() {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let (mut seqs, all) = (Vec::new(), Segment::of(&path).expect("listed"));
    for one in &all {
        let text = fs::read(&one.path).expect("read");
        assert!(!text.contains(&0));
        seqs.extend(text.split(|&b| b == b'\n').filter_map(Head::parse).map(|head| head.seq));
    }
    assert_eq!(all.len(), 41);
    assert!(seqs.is_sorted_by(|a, b| a < b) && sink.displaced >= 40);
}
