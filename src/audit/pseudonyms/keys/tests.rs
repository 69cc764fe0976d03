//! Tests of the files that keys are in.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Barrier;

use super::*;

fn period(text: &str) -> Period {
    text.parse().expect("a period")
}

fn names(directory: &Path) -> Vec<String> {
    let mut names = Keys(directory.to_owned()).names().expect("listed");
    names.sort();
    names
}

#[test]
fn a_key_is_made_once_and_is_its_owners_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("keys");
    let keys = Keys::make(&directory).expect("made");
    let now = period("2026-10");
    assert!(keys.read(now).expect("read").is_none());
    let key = keys.take(now).expect("taken");
    let again = Keys::make(&directory).expect("there").take(now).expect("taken");
    assert_eq!(key.secret.expose(), again.secret.expose());
    assert_ne!(key.secret.expose(), keys.take(period("2026-11")).expect("taken").secret.expose());
    assert!(keys.is_still(now, &key));
    assert_eq!(names(&directory), ["2026-10.key", "2026-11.key"]);
    let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
    assert_eq!((mode(&directory), mode(&directory.join("2026-10.key"))), (0o700, 0o600));
    let shown = format!("{key:?}");
    assert!(shown.contains("redacted"), "{shown}");
}

#[test]
fn of_many_that_make_a_key_at_once_all_have_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("keys");
    let start = Barrier::new(8);
    let all: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let take = || {
            start.wait();
            let keys = Keys::make(&directory).expect("made");
            keys.take(period("2026-10")).expect("taken").secret.expose().to_vec()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(all.iter().all(|key| *key == all[0]), "{all:?}");
    assert_eq!(names(&directory), ["2026-10.key"]);
}

#[test]
fn what_others_may_read_or_what_is_no_key_is_not_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("keys");
    let (keys, now) = (Keys::make(&directory).expect("made"), period("2026-10"));
    keys.take(now).expect("taken");
    let path = directory.join("2026-10.key");
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    for (path, good, cure) in [(&path, 0o600, "chmod 600"), (&directory, 0o700, "chmod 700")] {
        for open in [0o040, 0o004, 0o010, 0o002] {
            set(path, good | open);
            let fault = Keys::of(&directory).and_then(|keys| keys.take(now)).expect_err("exposed");
            assert!(fault.cure().contains(cure) && fault.to_string().contains("others"), "{fault}");
        }
        set(path, good);
    }
    for content in [&[][..], &[7; 31], &[7; 33]] {
        fs::write(&path, content).expect("written");
        let fault = keys.take(now).expect_err("no key");
        assert!(fault.to_string().contains("no key of 32 bytes"), "{fault}");
        assert_eq!(fs::read(&path).expect("kept"), content, "it is left as it is");
    }
    fs::remove_file(&path).expect("removed");
    symlink("/dev/zero", &path).expect("link");
    assert!(keys.take(now).expect_err("a link").to_string().contains("no key"));
    let fault = Keys::of(&path).expect_err("no directory");
    assert!(fault.to_string().contains("no directory"), "{fault}");
    assert!(Keys::of(&folder.path().join("none")).expect_err("nothing").is_missing());
    assert!(Keys::make(&folder.path().join("none/keys")).is_err());
}

#[test]
fn nothing_is_left_of_a_key_that_is_erased_but_a_note() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("keys");
    let (keys, now) = (Keys::make(&directory).expect("made"), period("2026-10"));
    let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
    assert!(!keys.erase(now, "uid:7", at).expect("nothing to do"));
    let key = keys.take(now).expect("taken");
    // The same file under another name shows what becomes of its content.
    let seen = folder.path().join("seen");
    fs::hard_link(directory.join("2026-10.key"), &seen).expect("link");
    fs::write(directory.join(".2026-10.0123"), [9; 32]).expect("half made");
    assert_eq!(keys.periods().expect("listed"), [now]);
    assert!(keys.erase(now, "uid:7", at).expect("erased"));
    assert_eq!(fs::read(&seen).expect("there"), [0; 32], "it was overwritten");
    assert!(!keys.is_still(now, &key));
    assert_eq!(keys.periods().expect("listed"), []);
    let left = names(&directory);
    assert!(left.len() == 1 && left[0].starts_with("2026-10.") && left[0].ends_with(".erased"), "{left:?}");

    let mut notes = keys.notes().expect("listed");
    assert!(keys.notes().expect("listed").is_empty(), "one tells of it");
    let note = notes.pop().expect("a note");
    assert_eq!((note.period, &*note.by, note.at), (now, "uid:7", at));
    note.told().expect("removed");
    assert_eq!(names(&directory), [""; 0]);
    let another = keys.take(now).expect("taken");
    assert_ne!(another.secret.expose(), key.secret.expose());
}

#[test]
fn periods_are_listed_as_they_ended_and_strangers_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = Keys::make(&folder.path().join("keys")).expect("made");
    for text in ["2026-11", "2026-10", "2026-10-31", "2026-W40"] {
        keys.take(period(text)).expect("taken");
    }
    fs::write(keys.0.join("notes.txt"), "").expect("written");
    fs::write(keys.0.join("2026-13.key"), "").expect("written");
    let all: Vec<_> = keys.periods().expect("listed").iter().map(ToString::to_string).collect();
    assert_eq!(all, ["2026-W40", "2026-10", "2026-10-31", "2026-11"]);
}

#[test]
fn who_erases_follows_no_link_and_waits_for_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let (directory, other) = (folder.path().join("keys"), folder.path().join("other"));
    let keys = Keys::make(&directory).expect("made");
    fs::write(&other, b"somebody else's").expect("written");
    symlink(&other, directory.join("2026-09.key")).expect("a link");
    symlink(&other, directory.join(".2026-09.x")).expect("a link");
    assert!(keys.erase(period("2026-09"), "uid:0", SystemTime::now()).expect("erased"));
    assert_eq!(fs::read(&other).expect("there"), b"somebody else's");
    assert!(names(&directory).iter().all(|name| name.ends_with(ERASED)), "{:?}", names(&directory));
}

#[test]
fn what_was_overwritten_is_no_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = Keys::make(&folder.path().join("keys")).expect("made");
    write_new(&keys.path(period("2026-10")), &[0; LENGTH]).expect("written");
    assert!(keys.take(period("2026-10")).is_err(), "anybody knows it");
}
