//! Tests of the file.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::super::chain::{Digest, Head};
use super::super::read::Reader;
use super::super::segment::{ZSTD, beside, whole_path};
use super::*;

const LIMITS: Limits = Limits { size: 1 << 30, age: Duration::from_hours(24) };

fn open(path: &Path) -> Sink {
    Sink::open(Some(path.to_owned()), LIMITS, SystemTime::now()).expect("opened")
}

fn put(sink: &mut Sink, text: &str) -> io::Result<()> {
    let mut batch = Batch::default();
    batch.add(Kind::Exchange, |out| out.extend_from_slice(format!(",\"x\":\"{text}\"").as_bytes()));
    sink.write(&mut batch, |out| out.extend_from_slice(b",\"closing\":true"), SystemTime::now())
}

/// What lines say, all files after each other, when they are one chain.
fn said(path: &Path) -> Vec<String> {
    let mut reader = Reader::open(path, 0).expect("opened");
    let mut all = Vec::new();
    let (mut seq, mut head) = (0, Chain::NOTHING);
    while let Some(line) = reader.next().expect("read") {
        let text = String::from_utf8(line.bytes.to_vec()).expect("text");
        match line.head {
            Some(this) => {
                assert_eq!((this.seq, this.prev), (seq + 1, head), "{text}");
                (seq, head) = (this.seq, Digest::of(line.bytes));
                let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                all.push(value["x"].as_str().map_or(this.kind.text().to_owned(), str::to_owned));
            }
            None => all.push(text),
        }
    }
    all
}

#[test]
fn the_file_is_the_owners_alone() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let mut sink = open(&path);
    assert_eq!(fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
    sink.sync().expect("synced");
}

#[test]
fn a_moved_or_deleted_file_is_followed_and_the_chain_goes_on() {
    let dir = tempfile::tempdir().expect("directory");
    let (path, old) = (dir.path().join("audit.log"), dir.path().join("elsewhere"));
    let mut sink = open(&path);
    put(&mut sink, "a").expect("written");
    fs::rename(&path, &old).expect("moved");
    put(&mut sink, "b").expect("written");
    let heads = |path: &Path| {
        let text = fs::read_to_string(path).expect("file");
        text.lines().map(|line| Head::parse(line.as_bytes()).expect("a head").seq).collect::<Vec<_>>()
    };
    let whole = whole_path(&path, 1);
    assert_eq!((heads(&whole), heads(&path)), (vec![1], vec![2]), "it is a file of the log yet");
    fs::remove_file(&path).expect("deleted");
    put(&mut sink, "c").expect("written");
    assert_eq!(heads(&path), [3]);
    fs::File::options().write(true).open(&path).expect("opened").set_len(0).expect("emptied in its place");
    put(&mut sink, "d").expect("written");
    assert_eq!(heads(&path), [4], "a number is never used twice");
    assert_eq!(sink.displaced, 3, "each time it is told");
}

#[test]
fn a_chain_goes_on_after_a_restart_and_half_a_line_is_kept_and_told() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    put(&mut open(&path), "a").expect("written");
    put(&mut open(&path), "b").expect("written");
    assert_eq!(said(&path), ["a", "b"]);
    let mut file = OpenOptions::new().append(true).open(&path).expect("opened");
    file.write_all(b"{\"kind\":\"exch").expect("written");
    let mut sink = open(&path);
    put(&mut sink, "c").expect("written");
    put(&mut sink, "d").expect("written");
    assert_eq!(said(&path), ["a", "b", "{\"kind\":\"exch", "torn", "c", "d"]);
    let torn = fs::read_to_string(&path).expect("file");
    let torn = torn.lines().nth(3).expect("a line");
    let digest = Digest::of(b"{\"kind\":\"exch");
    assert!(torn.contains(&format!("\"bytes\":13,\"digest\":\"{digest}\"")), "{torn}");
}

#[test]
fn two_processes_write_one_chain() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let limits = Limits { size: 4000, ..LIMITS };
    let write = |name: &'static str| {
        let mut sink = Sink::open(Some(path.clone()), limits, SystemTime::now()).expect("opened");
        (0..200).for_each(|n| put(&mut sink, &format!("{name}{n}")).expect("written"));
    };
    thread::scope(|scope| {
        scope.spawn(|| write("old"));
        scope.spawn(|| write("new"));
    });
    let said = said(&path);
    for name in ["old", "new"] {
        let own: Vec<_> = said.iter().filter_map(|text| text.strip_prefix(name)).collect();
        assert_eq!(own, (0..200).map(|n| n.to_string()).collect::<Vec<_>>(), "each line once and in order");
    }
    assert!(said.iter().filter(|text| *text == "checkpoint").count() > 5, "files were rotated meanwhile");
}

#[test]
fn a_file_that_is_full_or_old_ends_with_a_checkpoint_and_another_begins() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let now = SystemTime::now();
    let mut sink = Sink::open(Some(path.clone()), LIMITS, now).expect("opened");
    let mut write = |text: &str, later: Duration| {
        let mut batch = Batch::default();
        batch.add(Kind::Exchange, |out| out.extend_from_slice(format!(",\"x\":\"{text}\"").as_bytes()));
        sink.write(&mut batch, |_| (), now + later).expect("written");
    };
    write("a", Duration::ZERO);
    write("b", Duration::from_hours(25));
    write("c", Duration::from_hours(26));
    assert_eq!(said(&path), ["a", "b", "checkpoint", "c"]);
    let files: Vec<_> = super::super::Segment::of(&path).expect("listed").iter().map(|one| one.first).collect();
    assert_eq!(files, [Some(1), None]);
    fs::remove_file(&path).expect("removed");
    put(&mut open(&path), "d").expect("written");
    let text = fs::read_to_string(&path).expect("file");
    assert_eq!(Head::parse(text.trim_end().as_bytes()).expect("a head").seq, 4, "a new process reads whole files too");
}

#[test]
fn lines_from_before_there_was_a_chain_are_held_by_it_at_their_end() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    fs::write(&path, "{\"kind\":\"exchange\"}\n").expect("written");
    put(&mut open(&path), "a").expect("written");
    let text = fs::read_to_string(&path).expect("file");
    let head = Head::parse(text.lines().nth(1).expect("a line").as_bytes()).expect("a head");
    assert_eq!((head.seq, head.prev), (1, Digest::of(b"{\"kind\":\"exchange\"}")));
}

#[test]
fn a_batch_that_met_a_full_disk_is_written_whole_and_once_elsewhere() {
    let dir = tempfile::tempdir().expect("directory");
    let (path, real) = (dir.path().join("audit.log"), dir.path().join("real"));
    symlink("/dev/full", &path).expect("link");
    let mut sink = open(&path);
    let mut batch = Batch::default();
    for text in ["a", "b", "c"] {
        batch.add(Kind::Exchange, |out| out.extend_from_slice(format!(",\"x\":\"{text}\"").as_bytes()));
    }
    let now = SystemTime::now();
    assert_eq!(sink.write(&mut batch, |_| (), now).expect_err("full").kind(), io::ErrorKind::StorageFull);
    fs::remove_file(&path).expect("deleted");
    symlink(&real, &path).expect("link");
    sink.write(&mut batch, |_| (), now).expect("written");
    assert!(batch.is_empty());
    assert_eq!(said(&path), ["a", "b", "c"]);
    assert_eq!(sink.chain().seq, 3);
}

#[test]
fn what_was_written_of_a_line_is_taken_back_before_it_is_written_again() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let mut sink = open(&path);
    put(&mut sink, "a").expect("written");
    // As a write that was cut short in the second line leaves it.
    sink.link(SystemTime::now());
    let mut batch = Batch::default();
    for text in ["b", "c"] {
        batch.add(Kind::Exchange, |out| out.extend_from_slice(format!(",\"x\":\"{text}\"").as_bytes()));
    }
    sink.linked.batch(&batch, None);
    let written = sink.linked.text.len() - 5;
    let part = sink.linked.text[..written].to_vec();
    sink.file.write_all(&part).expect("written");
    let (lines, chain, end) = sink.linked.within(written);
    batch.did(lines);
    sink.chain = chain;
    sink.after(written, end);
    sink.write(&mut batch, |_| (), SystemTime::now()).expect("written");
    assert_eq!(said(&path), ["a", "b", "c"]);
}

#[test]
fn what_the_disk_refused_before_a_rotation_is_an_error_and_its_checkpoint_is_not_handed_out() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let mut sink = Sink::open(Some(path), Limits { size: 1, ..LIMITS }, SystemTime::now()).expect("opened");
    sink.sync_faults.set(1);
    assert!(put(&mut sink, "a").is_err());
    assert!(sink.checkpoints.is_empty());
}

#[test]
fn a_file_is_rotated_to_the_number_of_its_first_line_of_a_chain_and_over_no_other_file() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let limits = Limits { size: 1, ..LIMITS };
    fs::write(&path, "{\"kind\":\"exchange\"}\nhalf").expect("written");
    let taken = beside(&whole_path(&path, 1), ZSTD);
    fs::write(&taken, zstd::encode_all(&b"another\n"[..], 1).expect("packed")).expect("written");
    let mut sink = Sink::open(Some(path.clone()), limits, SystemTime::now()).expect("opened");
    put(&mut sink, "a").expect("written");
    assert!(!fs::read_to_string(&path).expect("read").contains("closing"), "its name is taken");
    fs::remove_file(taken).expect("removed");
    sink.given_up_until = None;
    put(&mut sink, "b").expect("written");
    let files: Vec<_> = Segment::of(&path).expect("listed").iter().map(|one| one.first).collect();
    assert_eq!(files, [Some(1), None]);
}

#[test]
fn what_is_no_file_of_its_own_is_not_rotated() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    symlink("/dev/null", &path).expect("link");
    let mut sink = Sink::open(Some(path.clone()), Limits { size: 1, ..LIMITS }, SystemTime::now()).expect("opened");
    put(&mut sink, "a").expect("written");
    put(&mut sink, "b").expect("written");
    assert!(fs::symlink_metadata(&path).expect("there").is_symlink() && !sink.is_rotated);
    assert!(sink.needs_disk().is_err());
}

mod displaced;

#[test]
fn nobody_waits_while_a_whole_file_is_compressed() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let mut old = open(&path);
    put(&mut old, "a").expect("written");
    let mut new =
        Sink::open(Some(path.clone()), Limits { size: 100_000, ..LIMITS }, SystemTime::now()).expect("opened");
    for _ in 0..8 {
        let noise: String = (0..1000).map(|_| Digest::of(&crate::crypto::random::<32>()).to_string()).collect();
        put(&mut new, &noise).expect("written");
    }
    let whole = Segment::whole(&path).expect("listed").remove(0);
    // What comes of it goes into a pipe that nobody reads: it is compressed for as long as we like.
    let part = beside(&whole.path, ".zst.part");
    assert!(std::process::Command::new("mkfifo").arg(&part).status().expect("coreutils").success());
    let mut pipe = OpenOptions::new().read(true).write(true).open(&part).expect("opened");
    thread::scope(|scope| {
        let compressing = scope.spawn(|| super::super::keep::tidy(&path, None, SystemTime::now()));
        let waiting = |pipe: &fs::File| rustix::io::ioctl_fionread(pipe).expect("a pipe");
        while waiting(&pipe) < 60_000 {
            assert!(!compressing.is_finished(), "it wrote too little");
            thread::yield_now();
        }
        let (first, second) = (put(&mut old, "b"), put(&mut new, "c"));
        let mut buffer = vec![0; 4096];
        while !compressing.is_finished() {
            if waiting(&pipe) > 0 {
                std::io::Read::read(&mut pipe, &mut buffer).expect("read");
            }
        }
        assert_eq!(
            (first.map_err(|error| error.to_string()), second.map_err(|error| error.to_string())),
            (Ok(()), Ok(()))
        );
    });
    assert_eq!(said(&path).iter().filter(|text| ["a", "b", "c"].contains(&text.as_str())).count(), 3);
}

#[test]
fn a_file_that_two_processes_compress_is_compressed_once() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let limits = Limits { size: 20_000, ..LIMITS };
    let tidy = || (0..40).for_each(|_| super::super::keep::tidy(&path, None, SystemTime::now()).expect("tidied"));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut sink = Sink::open(Some(path.clone()), limits, SystemTime::now()).expect("opened");
            (0..400).for_each(|n| put(&mut sink, &format!("{n}-{}", "x".repeat(500))).expect("written"));
        });
        scope.spawn(tidy);
        scope.spawn(tidy);
    });
    super::super::keep::tidy(&path, None, SystemTime::now()).expect("tidied");
    assert_eq!(said(&path).iter().filter(|text| *text != "checkpoint").count(), 400);
    assert!(Segment::whole(&path).expect("listed").iter().all(|one| one.form == super::super::Form::Zstd));
    let left = fs::read_dir(dir.path())
        .expect("listed")
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(".part")));
    assert_eq!(left.count(), 0);
}

/// The type of a file system that has no disk (statfs(2)).
const TMPFS: rustix::fs::FsWord = 0x0102_1994;

/// Whether the first page of the file is in memory; none where the file system does not say.
fn is_in_memory(file: &File) -> Option<bool> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    match preadv2(file, &mut [io::IoSliceMut::new(&mut [0; 16])], 0, ReadWriteFlags::NOWAIT) {
        Ok(_) => Some(true),
        Err(Errno::AGAIN) => Some(false),
        Err(_) => None,
    }
}

#[test]
fn what_was_written_a_while_ago_is_left_to_the_disk() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("audit.log");
    let mut sink = open(&path);
    let text = "x".repeat(1 << 16);
    let mut seen = Vec::new();
    for _ in 0..4 * (disk::KEPT >> 16) {
        put(&mut sink, &text).expect("written");
        seen.push(is_in_memory(&sink.file));
        // What is not on the disk cannot be left.
        sink.sync().expect("synced");
    }
    let kind = rustix::fs::statfs(dir.path()).expect("a file system").f_type;
    let tells = !seen.contains(&None) && kind != TMPFS;
    let kept = usize::try_from(disk::KEPT >> 16).expect("a count");
    if tells {
        assert_eq!(seen[..kept], vec![Some(true); kept], "the end of a file is there for those who follow it");
        assert_eq!(seen.last(), Some(&Some(false)));
    }
    assert_eq!(said(&path).len(), seen.len(), "and is read from the disk");
}
