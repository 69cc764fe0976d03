//! Grants are in force on every process that has the store open, and end on all of them.

use std::path::Path;

use super::*;
use crate::domain::{AccessDeed, Methods, PrincipalKind};
use crate::session::{Carried, NewAccess};

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn ada() -> Principal {
    Principal::new(name("corp"), PrincipalKind::Human, "ada".to_owned())
}

fn access(path: &Path) -> (Access, Arc<Lines>) {
    let lines = Arc::new(Lines::default());
    (Access::new(Store::open(path).expect("opened"), Arc::clone(&lines)).expect("read"), lines)
}

fn asked(uses: Option<u32>, bounds: Bounds, now: SystemTime) -> AccessRequest {
    let lasts = Duration::from_secs(100);
    let (approval, reason, expires) = (name("finance"), "case 7".to_owned(), now + Duration::from_secs(50));
    AccessRequest::new(
        NewAccess { approval, bounds, uses, exact: None, lasts, reason, ticket: None, expires },
        &ada(),
        now,
    )
}

#[test]
fn a_grant_is_found_by_every_process_where_it_fits_until_it_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("claviger.db");
    let ((one, _), (other, lines)) = (access(&path), access(&path));
    let now = SystemTime::now();
    let bounds =
        Bounds { routes: Some(vec![name("stripe")]), methods: Some(Methods::of("POST")), roles: None, uses: None };
    let request = asked(None, bounds, now);
    one.ask(&request, now).expect("asked");
    let find = |of: &Access, approval: &str, route: &str, method: &str, now| {
        of.refresh(now).expect("read");
        of.find(&ada(), &Use { approval: &name(approval), route: &name(route), method, exact: None }, now)
            .map(|grant| grant.id)
    };
    assert_eq!(find(&other, "finance", "stripe", "POST", now), None, "it waits");
    let vote = |by: &'static str| move |request: &mut AccessRequest| request.vote(by, true, None, 1, now);
    one.change(request.id, vote("corp:bob")).expect("approved");
    for (approval, route, method, want) in [
        ("finance", "stripe", "POST", true),
        ("finance", "stripe", "GET", false),
        ("finance", "ledger", "POST", false),
        ("payroll", "stripe", "POST", false),
    ] {
        assert_eq!(find(&other, approval, route, method, now).is_some(), want, "{approval} {route} {method}");
    }
    let mut bob = ada();
    bob.id = "bob".to_owned();
    assert!(
        other
            .find(&bob, &Use { approval: &name("finance"), route: &name("stripe"), method: "POST", exact: None }, now)
            .is_none()
    );
    assert_eq!(find(&other, "finance", "stripe", "POST", now + Duration::from_secs(100)), None, "over");
    let line = lines.add();
    line.carry(Carried {
        principal: Arc::new(ada()),
        role: None,
        any_of: Vec::new(),
        until: None,
        grant: Some(request.id),
    });
    one.change(request.id, |request| request.end("corp:bob", None, now)).expect("ended");
    assert_eq!(find(&other, "finance", "stripe", "POST", now), None);
    assert!(line.was_cut().is_some(), "what was under way on it is cut");
    let (again, _) = access(&path);
    assert_eq!(find(&again, "finance", "stripe", "POST", now), None);
}

#[test]
fn no_use_is_given_twice_whoever_asks_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("claviger.db");
    let now = SystemTime::now();
    let request = asked(Some(10), Bounds::default(), now);
    let (first, _) = access(&path);
    first.ask(&request, now).expect("asked");
    first.change(request.id, |request| request.vote("corp:bob", true, None, 1, now)).expect("approved");
    let spend = |_| {
        let (path, id) = (path.clone(), request.id);
        std::thread::spawn(move || {
            let (access, _) = access(&path);
            (0..5).filter(|_| access.spend(id, now).is_ok()).count()
        })
    };
    let threads: Vec<_> = (0..4).map(spend).collect();
    let spent: usize = threads.into_iter().map(|thread| thread.join().expect("done")).sum();
    assert_eq!(spent, 10);
    first.refresh(now).expect("read");
    assert!(
        first
            .find(&ada(), &Use { approval: &name("finance"), route: &name("x"), method: "GET", exact: None }, now)
            .is_none(),
        "none is left"
    );
}

#[test]
fn of_two_who_decide_at_once_one_is_too_late() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("claviger.db");
    let ((one, _), (other, _)) = (access(&path), access(&path));
    let now = SystemTime::now();
    let request = asked(None, Bounds::default(), now);
    one.ask(&request, now).expect("asked");
    one.change(request.id, |request| request.vote("corp:bob", false, None, 1, now)).expect("denied");
    let late = other.change(request.id, |request| request.vote("corp:eve", true, None, 1, now));
    assert!(matches!(late, Err(AccessError::Fault(AccessFault::Decided))), "{late:?}");
    let unknown = other.change(Id([0; 16]), |_| Ok(()));
    assert!(matches!(unknown, Err(AccessError::Fault(AccessFault::Unknown))));
}

#[test]
fn each_event_is_told_until_it_is_written_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("claviger.db");
    let now = SystemTime::now();
    let request = asked(None, Bounds::default(), now);
    let (access_one, _) = access(&path);
    let deeds = |untold: Vec<Untold>| -> Vec<_> {
        untold
            .into_iter()
            .flat_map(|one| one.request.events.into_iter().skip(one.from))
            .map(|event| event.deed)
            .collect()
    };
    access_one.ask(&request, now).expect("asked");
    assert_eq!(deeds(access_one.refresh(now).expect("read")), [AccessDeed::Asked]);
    assert!(deeds(access_one.refresh(now).expect("read")).is_empty(), "nothing new");
    access_one.told(request.id, 1).expect("written");
    access_one.settle(now + Duration::from_secs(50)).expect("settled");
    assert_eq!(deeds(access_one.refresh(now).expect("read")), [AccessDeed::Expired]);
    access_one.settle(now + KEPT + Duration::from_secs(200)).expect("settled");
    assert_eq!(access_one.all().expect("read").len(), 1, "the last change stays");
    for _ in 0..Access::MAX_PENDING {
        access_one.ask(&asked(None, Bounds::default(), now), now).expect("asked");
    }
    let more = access_one.ask(&asked(None, Bounds::default(), now), now);
    assert!(matches!(more, Err(AccessError::Fault(AccessFault::TooMany))));
}

#[test]
fn a_clock_that_was_ahead_ends_a_grant_for_good_only_where_it_was_looked_for_what_is_over_meanwhile() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, _) = access(&folder.path().join("claviger.db"));
    let now = SystemTime::now();
    let request = asked(None, Bounds::default(), now);
    one.ask(&request, now).expect("asked");
    one.change(request.id, |request| request.vote("corp:bob", true, None, 1, now)).expect("approved");
    one.refresh(now).expect("read");
    let wanted = Use { approval: &name("finance"), route: &name("stripe"), method: "GET", exact: None };
    let is_found = |now| one.find(&ada(), &wanted, now).is_some();
    let ahead = now + Duration::from_secs(3600);
    assert_eq!([now, ahead, now].map(is_found), [true, false, true]);
    one.settle(ahead).expect("settled");
    assert!(!is_found(now));
}
