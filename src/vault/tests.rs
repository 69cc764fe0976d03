//! What slots do as their sources change, on an injected clock.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::crypto::{MasterKey, OpenError};
use crate::domain::Secret;

use super::*;

const STALE: Duration = Duration::from_secs(300);

fn settings(kind: Kind) -> Settings {
    Settings { name: Name::parse("v").expect("a name"), kind, max_stale: STALE }
}

/// A directory vault with one slot in use, and a clock.
struct Fixture {
    dir: TempDir,
    vaults: Vaults,
    vault: Arc<Vault>,
    start: Instant,
}

impl Fixture {
    fn new(kind: impl FnOnce(PathBuf) -> Kind) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let vaults = Vaults::default();
        let vault = vaults.open(&settings(kind(dir.path().join("root"))));
        Self { dir, vaults, vault, start: Instant::now() }
    }

    fn directory() -> Self {
        let fixture = Self::new(|path| Kind::Directory { path });
        fs::create_dir(fixture.root()).expect("created");
        fixture
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn slot(&self, path: &str) -> Arc<Slot> {
        self.vault.slot_at(path, false, self.start)
    }

    /// What the slot gives after a pass so many seconds after the start.
    fn after_pass(&self, slot: &Slot, seconds: u64) -> Result<String, VaultError> {
        let now = self.start + Duration::from_secs(seconds);
        self.vaults.refresh_at(now);
        text(slot.load_at(now).map(|(_, secret)| secret))
    }
}

fn text(loaded: Result<Arc<Secret>, VaultError>) -> Result<String, VaultError> {
    loaded.map(|secret| String::from_utf8(secret.expose().to_vec()).expect("text"))
}

fn ok(text: &str) -> Result<String, VaultError> {
    Ok(text.to_owned())
}

fn seal(path: &Path, key: &MasterKey, entries: &[(&str, &str)]) {
    let _ = fs::remove_file(path);
    let file = SealedFile::new(path.to_owned());
    file.create(key).expect("created");
    for (name, value) in entries {
        file.update(key, |e| e.set(name, Secret::new(value.as_bytes().to_vec()))).expect("set");
    }
}

#[test]
fn a_directory_slot_follows_its_file() {
    let f = Fixture::directory();
    let path = f.root().join("token");
    let write = |content: &str| fs::write(&path, content).expect("written");
    write("one\n");
    let slot = f.slot("token");
    assert_eq!((text(slot.load()), slot.version()), (ok("one"), 1));
    for (what, act, at, want, version) in [
        ("nothing changed", &(|| {}) as &dyn Fn(), 1, ok("one"), 1),
        ("same bytes again", &|| write("one\n"), 2, ok("one"), 1),
        ("changed in place, same length", &|| write("two\n"), 3, ok("two"), 2),
        ("emptied, as by a writer in between", &|| write(""), 4, ok("two"), 2),
        ("written whole", &|| write("three"), 5, ok("three"), 3),
        ("removed", &|| fs::remove_file(&path).expect("removed"), 6, Err(VaultError::NotFound), 4),
        ("back", &|| write("four"), 7, ok("four"), 5),
        ("too large", &|| write(&"x".repeat(MAX_SECRET + 1)), 8, ok("four"), 5),
        ("too large for too long", &|| {}, 7 + 301, Err(VaultError::TooLarge), 6),
    ] {
        act();
        assert_eq!((f.after_pass(&slot, at), slot.version()), (want, version), "{what}");
    }
}

#[test]
fn a_source_that_is_away_is_bridged_for_max_stale_and_forgotten_after() {
    let f = Fixture::directory();
    fs::write(f.root().join("token"), "one").expect("written");
    let slot = f.slot("token");
    let away = Err(VaultError::Unreadable(ErrorKind::NotFound));
    let moved = f.dir.path().join("unmounted");
    fs::rename(f.root(), &moved).expect("moved");
    for (at, want) in [(1, ok("one")), (300, ok("one")), (301, away.clone()), (302, away)] {
        assert_eq!(f.after_pass(&slot, at), want, "{at}");
    }
    assert_eq!(
        slot.load_at(f.start).err(),
        Some(VaultError::Unreadable(ErrorKind::NotFound)),
        "it is gone from memory"
    );
    fs::rename(&moved, f.root()).expect("moved back");
    assert_eq!(f.after_pass(&slot, 303), ok("one"));
}

#[test]
fn a_refresh_that_hangs_does_not_keep_secrets_alive() {
    let f = Fixture::directory();
    fs::write(f.root().join("token"), "one").expect("written");
    let slot = f.slot("token");
    let at = |seconds| f.start + Duration::from_secs(seconds);
    assert_eq!(text(slot.load_at(at(300)).map(|(_, secret)| secret)), ok("one"));
    assert_eq!(text(slot.load_at(at(301)).map(|(_, secret)| secret)), Err(VaultError::Stale));
    assert!(!slot.status(at(301)).usable);
    assert_eq!(f.after_pass(&slot, 400), ok("one"), "one pass is enough to come back");
}

#[test]
fn an_unchanged_file_is_not_read_again() {
    let f = Fixture::directory();
    let path = f.root().join("token");
    fs::write(&path, "one").expect("written");
    let (_slot, provider) = (f.slot("token"), &f.vault.provider);
    let provider::Look::Read { mark, .. } = provider.pass().look("token", None, f.start).expect("read") else {
        panic!("read")
    };
    assert!(mark.is_none(), "a file written this moment may be written again within one tick of its clock");
    let seen = provider::Mark::File(files::Stamp::of(&path).expect("a stamp"));
    assert!(matches!(provider.pass().look("token", Some(seen), f.start), Ok(provider::Look::Unchanged)));
    fs::write(&path, "longer").expect("written");
    assert!(matches!(provider.pass().look("token", Some(seen), f.start), Ok(provider::Look::Read { .. })));
}

/// The kubelet writes a new directory and renames a symlink over `..data`; the files are symlinks through it.
#[test]
fn a_kubernetes_swap_is_followed() {
    let f = Fixture::directory();
    let publish = |generation: &str, value: &str| {
        let root = f.root();
        fs::create_dir(root.join(generation)).expect("created");
        fs::write(root.join(generation).join("token"), value).expect("written");
        symlink(generation, root.join("..data_tmp")).expect("linked");
        fs::rename(root.join("..data_tmp"), root.join("..data")).expect("swapped");
    };
    publish("..2026_01", "one");
    symlink("..data/token", f.root().join("token")).expect("linked");
    let slot = f.slot("token");
    assert_eq!(f.after_pass(&slot, 1), ok("one"));
    publish("..2026_02", "two");
    assert_eq!(f.after_pass(&slot, 2), ok("two"));
    fs::remove_dir_all(f.root().join("..2026_01")).expect("removed");
    assert_eq!(f.after_pass(&slot, 3), ok("two"));
    fs::remove_file(f.root().join("..2026_02/token")).expect("removed");
    assert_eq!(f.after_pass(&slot, 4), Err(VaultError::NotFound));
}

#[test]
fn a_path_never_leaves_the_directory() {
    let f = Fixture::directory();
    fs::write(f.dir.path().join("outside"), "canary-4711").expect("written");
    let absolute = f.dir.path().join("outside").display().to_string();
    fs::create_dir(f.root().join("folder")).expect("created");
    for (path, want) in [
        ("../outside", VaultError::Escapes),
        (&*absolute, VaultError::Escapes),
        ("a/../../outside", VaultError::Escapes),
        ("./token", VaultError::Escapes),
        ("", VaultError::Escapes),
        ("a\0b", VaultError::Escapes),
        ("folder", VaultError::NotAFile),
        ("nothing/here", VaultError::NotFound),
    ] {
        assert_eq!(text(f.slot(path).load()), Err(want), "{path:?}");
    }
}

#[test]
fn a_sealed_slot_follows_its_file_and_its_key() {
    let f = Fixture::new(|path| Kind::SealedFile { key: KeySource::File(path.with_extension("key")), path });
    let (path, key_path) = (f.root(), f.root().with_extension("key"));
    let (key, other) = (MasterKey::generate(), MasterKey::generate());
    let write_key = |key: &MasterKey| {
        let _ = fs::remove_file(&key_path);
        files::create(&key_path, key.to_text().as_bytes()).expect("written");
    };
    let expose =
        |mode| fs::set_permissions(&key_path, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("set");
    let slot = f.slot("api");
    assert_eq!(text(slot.load()), Err(VaultError::KeyUnreadable(ErrorKind::NotFound)));
    for (what, act, at, want) in [
        ("key without file", &(|| write_key(&key)) as &dyn Fn(), 1, Err(VaultError::Unreadable(ErrorKind::NotFound))),
        ("sealed", &|| seal(&path, &key, &[("api", "one"), ("b", "x")]), 2, ok("one")),
        ("changed", &|| seal(&path, &key, &[("api", "two")]), 3, ok("two")),
        ("emptied", &|| fs::write(&path, "").expect("written"), 4, ok("two")),
        ("emptied for too long", &|| {}, 304, Err(VaultError::SealedEmpty)),
        ("under another key", &|| seal(&path, &other, &[("api", "three")]), 305, Err(OpenError::WrongKey.into())),
        ("with that key", &|| write_key(&other), 306, ok("three")),
        ("key exposed", &|| expose(0o644), 307, ok("three")),
        ("key exposed for too long", &|| {}, 607, Err(VaultError::KeyExposed)),
        ("key closed again", &|| expose(0o600), 608, ok("three")),
        ("name removed", &|| seal(&path, &other, &[]), 609, Err(VaultError::NotFound)),
    ] {
        act();
        assert_eq!(f.after_pass(&slot, at), want, "{what}");
    }
}

#[test]
fn environment_slots_give_the_variable() {
    // Cargo sets this one for every test.
    let f = Fixture::new(|_| Kind::Environment { prefix: "CARGO_".to_owned() });
    let slot = f.slot("manifest-dir");
    assert_eq!(text(slot.load()), ok(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(f.after_pass(&slot, 100_000), ok(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(text(f.slot("no/such").load()), Err(VaultError::NotFound));
}

#[test]
fn equal_settings_and_paths_share_one_slot_until_nobody_uses_it() {
    let f = Fixture::directory();
    let again = f.vaults.open(&settings(Kind::Directory { path: f.root() }));
    let (slot, same) = (f.slot("a"), again.slot("a"));
    assert!(Arc::ptr_eq(&f.vault, &again) && Arc::ptr_eq(&slot, &same));
    assert_eq!(f.vaults.status().len(), 1);
    drop((slot, same));
    assert!(f.vaults.status().is_empty());
}

#[test]
fn status_and_debug_show_names_ages_and_faults_but_no_value() {
    let f = Fixture::directory();
    fs::write(f.root().join("b"), "canary-4711").expect("written");
    let (_b, _a) = (f.slot("b"), f.slot("a"));
    let status = f.vaults.status();
    let seen: Vec<_> =
        status.iter().map(|s| (s.name.to_string(), s.version, s.usable, s.age.is_some(), s.fault)).collect();
    assert_eq!(
        seen,
        [("v:a".to_owned(), 0, false, false, Some(VaultError::NotFound)), ("v:b".to_owned(), 1, true, true, None)]
    );
    let everything = format!("{status:?} {:?} {:?} {_b:?}", f.vaults, f.vault);
    assert!(!everything.contains("4711"), "{everything}");
}
