//! Files that somebody else moves, copies, cuts or removes: the chain goes on where it can be found, and where it cannot, that is told.

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
