//! What revocations mean, and that they outlive the process that made them.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use super::*;
use crate::domain::{AuthnFault, Denial, Principal, PrincipalKind};
use crate::session::RevokedError;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn carried(id: &str, roles: &[&str], by: Option<&str>) -> Carried {
    let roles = roles.iter().map(|role| Arc::from(*role)).collect();
    let authenticator = Name::parse("corp").expect("a name");
    let principal = Principal { roles, ..Principal::new(authenticator, PrincipalKind::Human, id.to_owned()) };
    Carried { principal: Arc::new(principal), role: by.map(Arc::from), any_of: Vec::new(), until: None, grant: None }
}

fn revocation(of: &str, lasts: Option<u64>) -> Revocation {
    let of = of.parse().expect(of);
    Revocation::new(of, "lost laptop".into(), "uid:0".into(), at(1000), lasts.map(Duration::from_secs))
}

/// A store, as a command has it, and what a gateway makes of it.
struct Scene {
    path: PathBuf,
    store: Store,
    held: Revocations,
    _folder: tempfile::TempDir,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("claviger.db");
    let (store, held) = (Store::open(&path).expect("opened"), gateway(&path));
    Scene { path, store, held, _folder: folder }
}

fn gateway(path: &std::path::Path) -> Revocations {
    Revocations::new(Store::open(path).expect("opened")).expect("read")
}

#[test]
fn each_form_means_whom_it_names_and_is_read_as_it_is_written() {
    let (ada, mut bob) = (carried("ada", &["reader"], None), carried("bob", &["reader"], Some("ops")));
    bob.principal = Arc::new(Principal { key: Some("laptop".into()), ..Principal::clone(&bob.principal) });
    for (of, want) in [
        ("all", [true, true]),
        ("authn:corp", [true, true]),
        ("authn:keys", [false, false]),
        ("role:ops", [false, true]),
        ("role:reader", [true, true]),
        ("principal:corp:ada", [true, false]),
        ("principal:keys:ada", [false, false]),
        ("principal:corp:ADA", [false, false]),
        ("principal:corp:urn:x:ada", [false, false]),
        ("key:corp:laptop", [false, true]),
        ("key:keys:laptop", [false, false]),
        ("key:corp:phone", [false, false]),
    ] {
        let parsed: Revoked = of.parse().expect(of);
        assert_eq!(parsed.to_string(), of);
        let Scene { store, held, .. } = &scene();
        assert!([&ada, &bob].iter().all(|one| held.ended(one, at(1000)).is_none()));
        store.add(&[revocation(of, None)]).expect("written");
        held.refresh(at(1000)).expect("taken over");
        let got = [&ada, &bob].map(|one| held.ended(one, at(1000)).is_some());
        assert_eq!(got, want, "{of}");
        assert_eq!([&ada, &bob].map(|one| parsed.is(one)), want, "{of}: said alone");
    }
    for wrong in
        ["", "everyone", "all:", "authn:", "authn:a b", "role:", "principal:corp", "principal:corp:", "principal::ada"]
    {
        assert_eq!(wrong.parse::<Revoked>(), Err(RevokedError), "{wrong}");
    }
}

#[test]
fn whom_no_rule_had_to_allow_loses_what_they_have_with_any_of_their_roles() {
    let Scene { store, held, .. } = &scene();
    let shadowed = Carried { any_of: vec!["ops".into(), "billing".into()], ..carried("ada", &[], None) };
    store.add(&[revocation("role:billing", None)]).expect("written");
    held.refresh(at(1000)).expect("taken over");
    let got = [&shadowed, &carried("bob", &[], None)].map(|one| held.ended(one, at(1000)).is_some());
    assert_eq!(got, [true, false]);
}

#[test]
fn one_holds_for_its_time_and_until_it_is_lifted() {
    let (Scene { store, held, .. }, ada) = (&scene(), carried("ada", &[], None));
    let (short, long) = (revocation("principal:corp:ada", Some(60)), revocation("all", None));
    store.add(std::slice::from_ref(&short)).expect("written");
    held.refresh(at(1000)).expect("taken over");
    for (now, want) in [(1000, true), (1059, true), (1060, false)] {
        assert_eq!(held.ended(&ada, at(now)).is_some(), want, "{now}");
    }
    assert_eq!(held.count(), 1);
    held.refresh(at(1060)).expect("it is over by itself");
    assert_eq!(held.count(), 0);
    store.add(std::slice::from_ref(&long)).expect("written");
    held.refresh(at(1060)).expect("taken over");
    assert_eq!(held.ended(&ada, at(1060)).map(|cut| cut.since), Some(at(1000)));
    assert!(store.lift(long.id, "uid:0").expect("lifted"));
    assert!(!store.lift(long.id, "uid:0").expect("nothing to lift"));
    held.refresh(at(1060)).expect("taken over");
    assert_eq!((held.ended(&ada, at(1060)).is_some(), held.count()), (false, 0));
}

#[test]
fn what_was_revoked_in_one_process_holds_in_the_next_and_in_the_one_beside_it() {
    let scene = scene();
    let (beside, ada) = (gateway(&scene.path), carried("ada", &[], None));
    let line = beside.line();
    line.carry(ada.clone());
    let kept = revocation("principal:corp:ada", None);
    scene.store.add(std::slice::from_ref(&kept)).expect("written");
    assert!(beside.ended(&ada, at(1000)).is_none());
    let (cut, told) = beside.refresh(at(1000)).expect("taken over");
    assert_eq!((cut, told), (1, vec![Change::Revoked(kept)]));
    assert_eq!(line.was_cut().map(|cut| cut.since), Some(at(1000)));
    drop(beside);
    assert_eq!(gateway(&scene.path).ended(&ada, at(1000)).map(|cut| cut.since), Some(at(1000)));
    let meta = std::fs::metadata(&scene.path).expect("a file");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o777, 0o600);
}

#[test]
fn a_change_is_told_until_it_is_written_down_and_forgotten_when_it_is_over() {
    let (Scene { store, held, path, .. }, first) = (&scene(), revocation("all", None));
    store.add(std::slice::from_ref(&first)).expect("written");
    let revoked = [Change::Revoked(first.clone())];
    assert_eq!(held.untold().expect("read"), revoked);
    assert_eq!(gateway(path).untold().expect("read"), revoked, "nobody wrote it down");
    held.told(&revoked).expect("written");
    assert_eq!(gateway(path).untold().expect("read"), []);
    store.lift(first.id, "uid:7").expect("lifted");
    held.tidy(at(2000)).expect("tidied");
    let lifted = [Change::Lifted(Revocation { lifted_by: Some("uid:7".into()), ..first })];
    assert_eq!(held.untold().expect("read"), lifted);
    held.told(&lifted).expect("written");
    held.tidy(at(2000)).expect("tidied");
    let next = revocation("all", Some(1));
    store.add(std::slice::from_ref(&next)).expect("written");
    held.tidy(at(2000)).expect("tidied");
    assert_eq!(Store::open(path).expect("opened").revocations().expect("read"), [next], "the first is forgotten");
}

#[test]
fn only_what_changed_is_read_and_numbers_go_on_when_the_last_is_forgotten() {
    let (Scene { store, held, path, .. }, ada) = (&scene(), carried("ada", &[], None));
    let last = revocation("principal:corp:ada", None);
    store.add(&[revocation("role:x", None), revocation("role:y", None), last.clone()]).expect("written");
    assert_eq!(held.refresh(at(1000)).expect("taken over").1.len(), 3);
    assert_eq!(held.refresh(at(1000)).expect("nothing new"), (0, Vec::new()));
    assert!(store.lift(last.id, "uid:0").expect("lifted"));
    let (_, told) = held.refresh(at(1000)).expect("taken over");
    assert_eq!((told.len(), held.count(), held.ended(&ada, at(1000)).is_some()), (2, 2, false), "of one alone");
    held.told(&told).expect("written");
    held.tidy(at(1000)).expect("tidied");
    store.add(&[revocation("principal:corp:ada", Some(60))]).expect("written");
    held.refresh(at(1000)).expect("taken over");
    assert_eq!((held.count(), gateway(path).count()), (3, 2), "of which one is over for a gateway of today");
    held.refresh(at(1060)).expect("one is over");
    assert_eq!((held.count(), held.ended(&ada, at(1000)).is_some()), (2, false));
}

#[test]
fn all_that_are_added_together_hold_or_none() {
    let Scene { store, held, .. } = &scene();
    let twice = revocation("all", None);
    store.add(&[revocation("role:x", None), twice.clone(), twice]).expect_err("an id is given once");
    held.refresh(at(1000)).expect("nothing new");
    assert_eq!((held.count(), store.revocations().expect("read")), (0, Vec::new()));
}

#[test]
fn a_damaged_store_is_refused_with_its_name_and_the_cure() {
    let folder = tempfile::tempdir().expect("a folder");
    for content in [
        &b""[..],
        b"this is no database, but it is long enough to be looked at as one by whoever opens it ........",
        b"SQLite format 3\0cut",
    ] {
        let path = folder.path().join("claviger.db");
        std::fs::write(&path, content).expect("written");
        let error = Store::open(&path).map(drop).expect_err("refused").to_string();
        assert!(error.contains("claviger.db") && error.to_lowercase().contains("put back a copy"), "{error}");
        assert_eq!(std::fs::read(&path).expect("left as it was"), content);
    }
}

#[test]
fn who_ends_access_in_a_store_that_is_not_there_is_told_so() {
    let path = tempfile::tempdir().expect("a folder").path().join("typo.db");
    let error = Store::existing(&path).map(drop).expect_err("refused").to_string();
    assert!(error.contains("typo.db") && error.contains("`[store]`") && !path.exists(), "{error}");
}

#[test]
fn a_store_that_another_took_the_place_of_is_noticed() {
    let (scene, ada) = (scene(), carried("ada", &[], None));
    scene.store.add(&[revocation("all", None)]).expect("written");
    scene.held.refresh(at(1000)).expect("taken over");
    std::fs::rename(&scene.path, scene.path.with_extension("old")).expect("moved");
    for made in [false, true] {
        if made {
            drop(Store::open(&scene.path).expect("made anew"));
        }
        let error = scene.held.refresh(at(1000)).expect_err("noticed").to_string();
        assert!(error.contains("not the file any more"), "{error}");
        assert!(!scene.held.is_current());
        assert!(scene.held.ended(&ada, at(1000)).is_some(), "what is in force stays so");
    }
}

#[test]
fn a_hold_is_told_as_one_and_what_ends_access_comes_before_it() {
    let (Scene { store, held, path, .. }, ada) = (&scene(), carried("ada", &[], None));
    let denial = |now| held.ended(&ada, at(now)).map(|cut| cut.denial);
    let hold = |lasts| revocation("principal:corp:ada", lasts).waits_for(Name::parse("security").expect("a name"));
    let (first, frozen) = (hold(None), revocation("principal:corp:ada", Some(60)));
    assert!(store.add_once(&first).expect("written"));
    held.refresh(at(1000)).expect("taken over");
    assert_eq!(denial(1000), Some(Denial::OnHold));
    assert_eq!(held.holds(), std::slice::from_ref(&first));
    assert!(!store.add_once(&hold(Some(60))).expect("written"), "one is enough");
    assert!(store.add_once(&frozen).expect("written"), "an approval is not to end this too");
    held.refresh(at(1000)).expect("taken over");
    assert_eq!(denial(1000), Some(Denial::Unauthenticated(AuthnFault::Revoked)));
    assert!(held.lift(first.id, "corp:bob").expect("lifted"));
    held.refresh(at(1000)).expect("taken over");
    assert_eq!((denial(1000), denial(1060), held.hold(first.id)), (Some(frozen.denial()), None, None));

    let lapsing = hold(Some(90));
    assert!(store.add_once(&lapsing).expect("written"));
    held.refresh(at(1000)).expect("taken over");
    assert_eq!((denial(1089), denial(1090)), (Some(Denial::OnHold), None), "it lapses");
    assert!(store.add_once(&hold(None)).expect("written"), "it would not hold for so long");
    assert_eq!(gateway(path).holds().len(), 1, "after a restart");
}
