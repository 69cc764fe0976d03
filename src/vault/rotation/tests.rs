//! Rotations step by step: by the clock, across processes, and back.

use super::turn::share;
use super::*;
use crate::crypto::MasterKey;
use crate::vault::create_key;

struct Fixture {
    _folder: tempfile::TempDir,
    file: PathBuf,
    key: KeySource,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, key_file) = (folder.path().join("sealed"), folder.path().join("key"));
        let master = create_key(&key_file).expect("made");
        SealedFile::new(file.clone()).create(&master).expect("made");
        let fixture = Self { _folder: folder, file, key: KeySource::File(key_file) };
        fixture.change(|all| all.set("a/key", Secret::new(b"first".to_vec())).expect("set"));
        fixture
    }

    fn change<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        let mut done = None;
        let update = |all: &mut Entries| {
            done = Some(change(all));
            Ok(())
        };
        SealedFile::new(self.file.clone()).update(&self.master(), update).expect("changed");
        done.expect("called")
    }

    fn master(&self) -> MasterKey {
        load_key(&self.key).expect("the key")
    }

    fn secret(&self, name: &str) -> Option<String> {
        let entries = SealedFile::new(self.file.clone()).read(&self.master()).expect("read");
        entries.get(name).map(|secret| String::from_utf8_lossy(secret.expose()).into_owned())
    }

    /// One as a new process would have it.
    fn rotation(&self, change: impl FnOnce(&mut RotationSettings)) -> Rotation {
        let name = |text| Name::parse(text).expect("a name");
        let mut settings = RotationSettings {
            name: name("x"),
            credential: name("c"),
            every: Some(Duration::from_secs(1000)),
            source: NewSecret::Random(16, Vec::new()),
            patience: Duration::from_secs(60),
            watch: Duration::from_secs(300),
            max_refused: 5,
            grace: Duration::from_secs(600),
            retire: Vec::new(),
            timeout: Duration::from_secs(5),
        };
        change(&mut settings);
        let secret = SecretRef { vault: name("v"), path: "a/key".to_owned() };
        Rotation::new(settings, secret, self.file.clone(), self.key.clone())
    }
}

fn step(rotation: &Rotation, now: SystemTime) -> (Vec<RotationEvent>, RotationStage) {
    let events = rotation.step(now, |_| Ok(())).expect("a step");
    (events, rotation.status().stage.expect("known"))
}

/// Each step is done by another process, as if each were killed after it.
#[test]
fn whatever_is_killed_after_which_step_the_next_goes_on_by_the_clock() {
    let fixture = Fixture::new();
    let start = SystemTime::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let next = |seconds| step(&fixture.rotation(|_| {}), at(seconds));
    assert_eq!(next(0), (vec![], RotationStage::Idle), "what is found counts as new");
    assert_eq!(next(999), (vec![], RotationStage::Idle));
    assert_eq!(next(1000), (vec![], RotationStage::Asked));
    assert_eq!(next(1000), (vec![RotationEvent::Made], RotationStage::Probing));
    let new = fixture.secret("a/key (next)").expect("staged");
    assert_eq!((new.len(), fixture.secret("a/key")), (32, Some("first".to_owned())));
    assert_eq!(next(1001), (vec![RotationEvent::Promoted], RotationStage::Watching));
    assert_eq!(
        (fixture.secret("a/key"), fixture.secret("a/key (previous)")),
        (Some(new.clone()), Some("first".to_owned()))
    );
    assert_eq!(next(1300), (vec![], RotationStage::Watching));
    assert_eq!(next(1301), (vec![], RotationStage::Grace));
    assert_eq!(next(1900), (vec![], RotationStage::Grace));
    assert_eq!(next(1901), (vec![RotationEvent::Done], RotationStage::Idle));
    assert_eq!((fixture.secret("a/key"), fixture.secret("a/key (previous)")), (Some(new), None));
    assert_eq!(next(2000), (vec![], RotationStage::Idle), "its age counts from when it was put in use");
    assert_eq!(next(2001).1, RotationStage::Asked);
}

#[test]
fn one_process_at_a_time_does_anything() {
    let fixture = Fixture::new();
    let rotation = fixture.rotation(|settings| settings.every = None);
    step(&rotation, SystemTime::now());
    rotation.ask(SystemTime::now()).expect("asked");
    let lock = files::lock_file(&files::sibling(&fixture.file, ".rotation")).expect("a file");
    lock.lock().expect("locked");
    assert_eq!(step(&rotation, SystemTime::now()).0, vec![]);
    assert_eq!(fixture.secret("a/key (next)"), None);
    drop(lock);
    assert_eq!(step(&rotation, SystemTime::now()).0, [RotationEvent::Made]);
}

#[test]
fn refusals_roll_back_where_they_are_more_than_before_and_more_than_a_few() {
    for (before, after, want) in [
        ((1000, 0), (100, 4), false),
        ((1000, 0), (100, 5), false),
        ((1000, 0), (100, 6), true),
        ((1000, 100), (100, 14), false),
        ((1000, 100), (100, 16), true),
        ((0, 0), (5, 5), true),
        ((0, 0), (4, 4), false),
    ] {
        let fixture = Fixture::new();
        let rotation = fixture.rotation(|settings| settings.every = None);
        let now = SystemTime::now();
        let answers = |(all, refused): (u32, u32)| (0..all).for_each(|nth| rotation.answered(nth < refused));
        step(&rotation, now);
        answers(before);
        rotation.ask(now).expect("asked");
        assert_eq!([step(&rotation, now).1, step(&rotation, now).1], [RotationStage::Probing, RotationStage::Watching]);
        answers(after);
        let (events, stage) = step(&rotation, now);
        let is_back = matches!(events.as_slice(), [RotationEvent::RolledBack(_)]);
        assert_eq!((is_back, stage == RotationStage::Idle), (want, want), "{before:?} {after:?}: {events:?}");
        assert_eq!(fixture.secret("a/key").as_deref() == Some("first"), want);
        assert!(rotation.previous().is_some(), "requests under way have it");
    }
    assert!(share(0, 0) < f64::EPSILON);
}

#[test]
fn what_lies_there_and_is_none_of_ours_changes_nothing() {
    let fixture = Fixture::new();
    let rotation = fixture.rotation(|_| {});
    fixture.change(|all| all.set("a/key (rotation)", Secret::new(b"{}".to_vec())).expect("set"));
    assert_eq!(rotation.step(SystemTime::now(), |_| Ok(())), Err(VaultError::SealedContent));
    assert_eq!(rotation.ask(SystemTime::now()), Err(VaultError::SealedContent));
    assert_eq!(fixture.secret("a/key").as_deref(), Some("first"));
    fixture.change(|all| all.remove("a/key (rotation)").expect("removed"));
    step(&rotation, SystemTime::now());
    std::fs::remove_file(&fixture.file).expect("removed");
    assert!(rotation.step(SystemTime::now(), |_| Ok(())).is_err(), "it is told");
}
