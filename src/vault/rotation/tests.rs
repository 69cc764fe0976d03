//! Rotations step by step: by the clock, across processes, and back.

mod provider;

use super::*;
use crate::crypto::MasterKey;
use crate::domain::Name;
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
    assert_eq!(next(1000), (vec![], RotationStage::Making));
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
    assert_eq!(next(1901), (vec![], RotationStage::Retiring));
    assert_eq!(next(1901), (vec![], RotationStage::Idle), "there is nobody to tell");
    assert_eq!((fixture.secret("a/key"), fixture.secret("a/key (previous)")), (Some(new), None));
    assert_eq!(next(2000), (vec![], RotationStage::Idle), "its age counts from when it was put in use");
    assert_eq!(next(2001).1, RotationStage::Asked);
}

#[test]
fn one_process_at_a_time_does_anything() {
    let fixture = Fixture::new();
    let rotation = fixture.rotation(|settings| settings.every = None);
    step(&rotation, SystemTime::now());
    rotation.ask("uid:7", SystemTime::now()).expect("asked");
    let lock = rotation.alone().expect("a lock").expect("free");
    assert_eq!(step(&rotation, SystemTime::now()).0, vec![]);
    assert_eq!(fixture.secret("a/key (next)"), None);
    drop(lock);
    assert_eq!(step(&rotation, SystemTime::now()).1, RotationStage::Making);
    assert_eq!(step(&rotation, SystemTime::now()).0, [RotationEvent::Made]);
}

/// Through all stages up to where the new secret is watched; tells that one.
fn watch(fixture: &Fixture, rotation: &Rotation, now: SystemTime) -> Secret {
    step(rotation, now);
    rotation.ask("uid:7", now).expect("asked");
    let stages = [RotationStage::Making, RotationStage::Probing, RotationStage::Watching];
    assert_eq!([0, 1, 2].map(|_| step(rotation, now).1), stages);
    Secret::new(fixture.secret("a/key").expect("in use").into_bytes())
}

#[test]
fn refusals_of_the_new_secret_roll_back_where_they_are_more_than_before_and_more_than_a_few() {
    let (ok, unauthorized, forbidden) = (StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN);
    for (before, status, after, want) in [
        ((1000, 0), unauthorized, (100, 4), false),
        ((1000, 0), unauthorized, (100, 5), false),
        ((1000, 0), unauthorized, (100, 6), true),
        ((1000, 100), unauthorized, (100, 14), false),
        ((1000, 100), unauthorized, (100, 16), true),
        ((0, 0), unauthorized, (5, 5), true),
        ((0, 0), unauthorized, (4, 4), false),
        ((0, 0), forbidden, (49, 49), false),
        ((0, 0), forbidden, (50, 50), true),
    ] {
        let fixture = Fixture::new();
        let rotation = fixture.rotation(|settings| settings.every = None);
        let (now, old) = (SystemTime::now(), Secret::new(b"first".to_vec()));
        let answers = |secret: &Secret, (all, refused): (u32, u32)| {
            (0..all).for_each(|nth| rotation.answered(secret, if nth < refused { status } else { ok }));
        };
        answers(&old, before);
        let new = watch(&fixture, &rotation, now);
        // Those to requests that were under way with the old one say nothing of the new one.
        answers(&old, (100, 100));
        answers(&new, after);
        let (events, stage) = step(&rotation, now);
        let is_back = matches!(events.as_slice(), [RotationEvent::RolledBack(_)]);
        assert_eq!((is_back, stage == RotationStage::Retiring), (want, want), "{before:?} {after:?}: {events:?}");
        assert_eq!(fixture.secret("a/key").as_deref() == Some("first"), want);
        assert!(rotation.previous().is_some(), "requests under way have it");
    }
}

#[test]
fn a_secret_that_somebody_sets_or_removes_at_any_stage_is_left_as_it_is() {
    let stages = [RotationStage::Making, RotationStage::Probing, RotationStage::Watching, RotationStage::Grace];
    for (stage, is_removed) in stages.iter().flat_map(|stage| [(*stage, false), (*stage, true)]) {
        let fixture = Fixture::new();
        let start = SystemTime::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let rotation = fixture.rotation(|settings| settings.every = None);
        step(&rotation, start);
        rotation.ask("uid:7", start).expect("asked");
        let reached = (0..10)
            .any(|nth| step(&rotation, at(nth * if stage == RotationStage::Grace { 100 } else { 0 })).1 == stage);
        assert!(reached, "{stage:?}");
        fixture.change(|all| {
            all.take("a/key");
            if !is_removed {
                all.set("a/key", Secret::new(b"by hand".to_vec())).expect("set");
            }
        });
        let mut all = Vec::new();
        for nth in 0..10 {
            all.extend(step(&rotation, at(2000 + 1000 * nth)).0);
        }
        let found = fixture.secret("a/key");
        if stage == RotationStage::Making {
            // Nothing was made before: what is set is what is replaced.
            assert!(found.is_some_and(|found| found.len() == 32));
            continue;
        }
        let want = if is_removed { None } else { Some("by hand") };
        assert_eq!(found.as_deref(), want, "{stage:?}: {all:?}");
        for what in ["next", "previous", "unused"] {
            assert_eq!(fixture.secret(&format!("a/key ({what})")), None, "{stage:?}");
        }
    }
}

#[test]
fn the_age_of_a_secret_that_somebody_sets_counts_from_then() {
    let fixture = Fixture::new();
    let start = SystemTime::now();
    let next = |seconds| step(&fixture.rotation(|_| {}), start + Duration::from_secs(seconds));
    assert_eq!(next(0), (vec![], RotationStage::Idle));
    fixture.change(|all| all.set("a/key", Secret::new(b"by hand".to_vec())).expect("set"));
    assert_eq!(next(900), (vec![RotationEvent::LeftAlone], RotationStage::Idle));
    assert_eq!(next(1899), (vec![], RotationStage::Idle));
    assert_eq!(next(1900), (vec![], RotationStage::Asked));
    assert_eq!(fixture.secret("a/key").as_deref(), Some("by hand"));
}

#[test]
fn what_is_set_while_the_target_is_asked_is_not_lost() {
    let fixture = Fixture::new();
    let (now, rotation) = (SystemTime::now(), fixture.rotation(|settings| settings.every = None));
    step(&rotation, now);
    rotation.ask("uid:7", now).expect("asked");
    assert_eq!([step(&rotation, now).1, step(&rotation, now).1], [RotationStage::Making, RotationStage::Probing]);
    let prove = |_: &Arc<Secret>| {
        fixture.change(|all| all.set("a/key", Secret::new(b"by hand".to_vec())).expect("set"));
        Ok(())
    };
    assert_eq!(rotation.step(now, prove), Ok(vec![]));
    assert_eq!(fixture.secret("a/key").as_deref(), Some("by hand"));
    assert!(matches!(step(&rotation, now).0.as_slice(), [RotationEvent::Failed(_)]));
    assert_eq!(fixture.secret("a/key").as_deref(), Some("by hand"));
}

#[test]
fn a_program_that_makes_the_secret_in_use_again_has_it_neither_used_nor_retired() {
    let fixture = Fixture::new();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let told = fixture.file.with_file_name("told");
    let rotation = fixture.rotation(|settings| {
        settings.source = NewSecret::Program(words("/bin/echo first"));
        settings.retire = words(&format!("/usr/bin/tee {}", told.display()));
    });
    let now = SystemTime::now();
    step(&rotation, now);
    rotation.ask("uid:7", now).expect("asked");
    step(&rotation, now);
    let (events, stage) = step(&rotation, now);
    assert!(
        matches!(events.as_slice(), [RotationEvent::Failed(reason)] if reason.contains("the one in use")),
        "{events:?}"
    );
    assert_eq!((stage, told.exists()), (RotationStage::Idle, false));
}

#[test]
fn where_the_file_cannot_be_written_nothing_is_made_again_and_again() {
    let fixture = Fixture::new();
    let made = fixture.file.with_file_name("made");
    let rotation = fixture.rotation(|settings| {
        settings.every = None;
        let script = format!("echo x >> {0}; cat {0} | tr '\\n' x", made.display());
        settings.source = NewSecret::Program(["/bin/sh", "-c", &script].map(str::to_owned).to_vec());
    });
    let (now, runs) = (SystemTime::now(), || std::fs::read_to_string(&made).map_or(0, |text| text.lines().count()));
    step(&rotation, now);
    rotation.ask("uid:7", now).expect("asked");
    let lock = files::sibling(&fixture.file, ".lock");
    let forbid = || {
        std::fs::remove_file(&lock).expect("our file");
        // It can be opened by nobody so, not even by root.
        std::fs::create_dir(&lock).expect("made");
    };
    let unwritable = |result| matches!(result, Err(VaultError::Unwritable(_)));
    let go_on = || rotation.running.lock().expect("no panic").stuck = None;
    forbid();
    for _ in 0..3 {
        assert!(unwritable(rotation.step(now, |_| Ok(()))));
    }
    assert_eq!((rotation.look(now).expect("read").stage, runs()), (Some(RotationStage::Asked), 0), "nothing is made");
    std::fs::remove_dir(&lock).expect("ours");
    go_on();
    assert_eq!(step(&rotation, now).1, RotationStage::Making);
    forbid();
    for _ in 0..3 {
        assert!(unwritable(rotation.step(now, |_| Ok(()))));
    }
    go_on();
    assert!(unwritable(rotation.step(now, |_| Ok(()))));
    std::fs::remove_dir(&lock).expect("ours");
    go_on();
    assert_eq!((step(&rotation, now).1, runs()), (RotationStage::Probing, 1), "what was made is not lost");
    assert_eq!(fixture.secret("a/key (next)").as_deref(), Some("xx"));
}

#[test]
fn a_schedule_whose_secrets_are_no_good_waits_longer_each_time_whichever_process_goes_on() {
    let fixture = Fixture::new();
    let start = SystemTime::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let fails = |settings: &mut RotationSettings| settings.source = NewSecret::Program(vec!["/bin/false".to_owned()]);
    let mut now = 1000;
    step(&fixture.rotation(fails), at(0));
    for wait in [60, 120, 240] {
        let next = |now| step(&fixture.rotation(fails), at(now));
        assert_eq!([next(now).1, next(now).1], [RotationStage::Asked, RotationStage::Making]);
        assert!(matches!(next(now).0.last(), Some(RotationEvent::Failed(_))));
        assert_eq!((next(now + wait - 1).1, next(now + wait - 1).1), (RotationStage::Idle, RotationStage::Idle));
        now += wait;
    }
}

#[test]
fn what_lies_there_and_is_none_of_ours_changes_nothing() {
    let fixture = Fixture::new();
    let rotation = fixture.rotation(|_| {});
    fixture.change(|all| all.set("a/key (rotation)", Secret::new(b"{}".to_vec())).expect("set"));
    assert_eq!(rotation.step(SystemTime::now(), |_| Ok(())), Err(VaultError::SealedContent));
    assert_eq!(rotation.ask("uid:7", SystemTime::now()), Err(VaultError::SealedContent));
    assert_eq!(fixture.secret("a/key").as_deref(), Some("first"));
    fixture.change(|all| all.remove("a/key (rotation)").expect("removed"));
    step(&rotation, SystemTime::now());
    std::fs::remove_file(&fixture.file).expect("removed");
    assert!(rotation.step(SystemTime::now(), |_| Ok(())).is_err(), "it is told");
}

#[test]
fn a_secret_that_is_not_replaced_in_time_is_told_once() {
    let fixture = Fixture::new();
    let start = SystemTime::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let rotation = fixture.rotation(|settings| settings.source = NewSecret::Program(vec!["/bin/false".to_owned()]));
    let mut told = Vec::new();
    for seconds in [0, 1000, 1000, 1000, 1099, 1099, 1101, 1101, 1101, 1300, 1300, 1300] {
        let is_overdue = step(&rotation, at(seconds)).0.contains(&RotationEvent::Overdue);
        told.extend(is_overdue.then_some(seconds));
        assert_eq!(rotation.status().is_overdue, seconds > 1100, "{seconds}");
    }
    assert_eq!(told, [1101]);
    let other = fixture.rotation(|settings| settings.source = NewSecret::Program(vec!["/bin/false".to_owned()]));
    assert!(step(&other, at(1400)).0.contains(&RotationEvent::Overdue), "whichever process is there");
}
