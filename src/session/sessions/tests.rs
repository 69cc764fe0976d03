//! Sessions outlive the process that began them, and are told in tokens of RFC 9068.

use std::path::Path;

use super::*;
use crate::domain::{Confirmation, Methods, Name, PrincipalKind};

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn ada() -> Principal {
    Principal {
        roles: vec!["reader".into()],
        scopes: vec!["a:read".into(), "b c".into()],
        actor: Some("agent-7".into()),
        key: Some("laptop".into()),
        confirmation: Confirmation { certificate: Some([1; 32]), key: Some([2; 32]) },
        ..Principal::new(name("corp"), PrincipalKind::Agent, "ada".to_owned())
    }
}

fn new(until: SystemTime) -> NewSession {
    let bounds = Bounds {
        roles: Some(vec!["reader".into()]),
        routes: Some(vec![name("stripe")]),
        methods: Some(Methods::of("GET").union(Methods::of("POST"))),
        uses: Some(3),
    };
    let idle = Some(Duration::from_secs(80));
    NewSession { principal: ada(), bounds, roles: vec!["reader".into()], idle, until }
}

fn sessions(path: &Path, seal: &MasterKey) -> Sessions {
    let sessions = Sessions::default();
    sessions.open(Store::open(path).expect("opened")).expect("opened again");
    sessions.keep_keys(seal, Duration::from_secs(3600), SystemTime::now()).expect("keys");
    sessions
}

#[test]
fn a_session_is_found_by_every_process_as_it_was_begun_until_it_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, seal) = (folder.path().join("claviger.db"), MasterKey::generate());
    let (one, other) = (sessions(&path, &seal), sessions(&path, &seal));
    let now = SystemTime::now();
    let until = now + Duration::from_secs(100);
    let (session, _) = one.begin(new(until), "https://x.test", 10, now).expect("begun");
    let found = other.find(session.stay.id, now).expect("read").expect("there");
    let want = Principal { expires: found.principal.expires, session: found.principal.session.clone(), ..ada() };
    assert_eq!(*found.principal, want);
    assert_eq!((&found.stay.bounds, found.stay.idle), (&session.stay.bounds, session.stay.idle));
    let apart = found.until.duration_since(until).unwrap_or_else(|early| early.duration());
    assert!(apart < Duration::from_millis(1), "{apart:?}");
    assert!(other.find(session.stay.id, until).expect("read").is_none(), "it is over");
    assert!(other.find(Id([0; 16]), now).expect("read").is_none());
    one.settle(until).expect("written");
    assert!(other.find(session.stay.id, now).expect("read").is_none(), "it is forgotten");
}

#[test]
fn the_last_use_is_shared_by_all_requests_and_told_to_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, seal) = (folder.path().join("claviger.db"), MasterKey::generate());
    let (one, other) = (sessions(&path, &seal), sessions(&path, &seal));
    let now = SystemTime::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let (session, _) = one.begin(new(at(10_000)), "https://x.test", 10, now).expect("begun");
    let find = |of: &Sessions| of.find(session.stay.id, now).expect("read").expect("there").stay;
    let (first, again) = (find(&one), find(&one));
    first.touch(at(70));
    assert!(!again.is_idle(at(150)) && again.is_idle(at(151)));
    assert!(find(&other).is_idle(at(81)), "not told yet");
    one.settle(at(71)).expect("written");
    assert!(!find(&other).is_idle(at(149)));
}

#[test]
fn a_session_is_good_for_as_many_requests_as_it_was_begun_for_at_all_processes_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, seal) = (folder.path().join("claviger.db"), MasterKey::generate());
    let (one, other) = (sessions(&path, &seal), sessions(&path, &seal));
    let now = SystemTime::now();
    let until = now + Duration::from_secs(100);
    let id = one.begin(new(until), "https://x.test", 1, now).expect("begun").0.stay.id;
    assert!(matches!(one.begin(new(until), "https://x.test", 1, now), Err(SessionFault::TooMany)));
    let spent = std::thread::scope(|scope| {
        let (one, other) = (&one, &other);
        let uses: Vec<_> =
            (0..12).map(|n| scope.spawn(move || if n % 2 == 0 { one } else { other }.spend(id, now).is_ok())).collect();
        uses.into_iter().map(|one| one.join().expect("no panic")).filter(|was| *was).count()
    });
    assert_eq!(spent, 3);
    assert!(matches!(other.spend(id, now), Err(SessionFault::Spent)));
    one.begin(new(until), "https://x.test", 1, now).expect("one that is used up makes room");
    let late = one.begin(new(until), "https://x.test", 2, now).expect("begun").0.stay.id;
    assert!(matches!(one.spend(late, until), Err(SessionFault::Spent)), "it is over");
}

#[test]
fn a_principal_has_no_more_sessions_than_it_may() {
    let folder = tempfile::tempdir().expect("a folder");
    let sessions = sessions(&folder.path().join("claviger.db"), &MasterKey::generate());
    let now = SystemTime::now();
    let until = now + Duration::from_secs(100);
    let begin = |new: NewSession, now| sessions.begin(new, "https://x.test", 2, now).map(drop);
    begin(new(until), now).expect("one");
    begin(new(until), now).expect("two");
    assert!(matches!(begin(new(until), now), Err(SessionFault::TooMany)));
    let mut other = new(until);
    other.principal.id = "bob".to_owned();
    begin(other, now).expect("another principal");
    let (one, _) = sessions.begin(new(until + Duration::from_secs(100)), "https://x.test", 2, until).expect("over");
    begin(new(until + Duration::from_secs(100)), until).expect("those before are over");
    let ended = Revocation::new(crate::session::Revoked::Session(one.stay.id), "x".into(), "x".into(), until, None);
    sessions.revoke(&ended).expect("written");
    begin(new(until + Duration::from_secs(100)), until).expect("one that was ended makes room");
}

#[test]
fn nobody_fills_the_store_by_beginning_and_ending() {
    let folder = tempfile::tempdir().expect("a folder");
    let sessions = sessions(&folder.path().join("claviger.db"), &MasterKey::generate());
    let now = SystemTime::now();
    let until = now + Duration::from_secs(100);
    let churn = || {
        let id = sessions.begin(new(until), "https://x.test", 2, now)?.0.stay.id;
        sessions.revoke(&Revocation::new(crate::session::Revoked::Session(id), "x".into(), "x".into(), now, None))?;
        Ok::<(), SessionFault>(())
    };
    let begun = (0..100).take_while(|_| churn().is_ok()).count();
    assert_eq!(begun, 20, "each counts a tenth");
    sessions.begin(new(until + Duration::from_secs(100)), "https://x.test", 2, until).expect("those before are over");
}

#[test]
fn who_was_frozen_for_a_time_can_be_frozen_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let sessions = sessions(&folder.path().join("claviger.db"), &MasterKey::generate());
    let now = SystemTime::now();
    let freeze = |at: u64, lasts: Option<u64>| {
        let of = crate::session::Revoked::Principal(Name::parse("corp").expect("a name"), "ada".to_owned());
        let (at, lasts) = (now + Duration::from_secs(at), lasts.map(Duration::from_secs));
        sessions.revoke(&Revocation::new(of, "x".into(), "x".into(), at, lasts)).expect("written")
    };
    assert!(freeze(0, Some(900)));
    assert!(!freeze(0, Some(900)), "it holds already, for as long");
    assert!(freeze(901, Some(900)), "that one is over");
    assert!(freeze(901, None), "for longer");
    assert!(!freeze(10_000, Some(900)), "for good");
}

#[test]
fn a_session_that_was_frozen_for_a_time_is_ended_with_the_others_and_counts_with_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let sessions = sessions(&folder.path().join("claviger.db"), &MasterKey::generate());
    let now = SystemTime::now();
    let begin = || sessions.begin(new(now + Duration::from_secs(3600)), "https://x.test", 1, now);
    let (session, _) = begin().expect("begun");
    let of = crate::session::Revoked::Session(session.stay.id);
    let freeze = Revocation::new(of, "x".into(), "x".into(), now, Some(Duration::from_secs(60)));
    assert!(sessions.revoke(&freeze).expect("written"));
    assert!(begin().is_err(), "it goes on after a minute");
    let principal = &session.principal;
    let end = || sessions.end_all((&principal.authenticator, &principal.id), ("x", "x"), now).expect("written");
    assert_eq!((end(), end()), (1, 0));
    assert!(begin().is_ok(), "it was ended for good");
}

#[test]
fn a_token_says_all_that_rfc_9068_requires_and_what_it_is_bound_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let sessions = sessions(&folder.path().join("claviger.db"), &MasterKey::generate());
    let now = SystemTime::now();
    let (session, token) =
        sessions.begin(new(now + Duration::from_secs(100)), "https://x.test", 10, now).expect("begun");
    let parts: Vec<Value> = token
        .split('.')
        .take(2)
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON"))
        .collect();
    let signers = sessions.signers().expect("keys");
    let kid = signers.signer(now).expect("a key").kid().to_owned();
    assert_eq!(parts[0], json!({"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}));
    let (since, digest) = (seconds(now), |byte| URL_SAFE_NO_PAD.encode([byte; 32]));
    let want = json!({
        "iss": "https://x.test", "aud": "https://x.test", "sub": "corp:ada", "client_id": "corp:ada", "iat": since,
        "exp": seconds(session.until), "jti": session.stay.id.to_string(), "roles": ["reader"], "scope": "a:read",
        "act": {"sub": "agent-7"}, "cnf": {"x5t#S256": digest(1), "jkt": digest(2)},
    });
    assert_eq!(parts[1], want);
}

#[test]
fn without_a_store_or_keys_nothing_is_begun_and_nothing_found() {
    let sessions = Sessions::default();
    let now = SystemTime::now();
    assert!(matches!(sessions.begin(new(now), "x", 1, now), Err(SessionFault::Closed)));
    assert!(matches!(sessions.find(Id([0; 16]), now), Err(SessionFault::Closed)));
    sessions.settle(now).expect("nothing to do");
}

#[test]
fn a_store_of_the_form_before_gets_what_it_lacks_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("claviger.db");
    let now = SystemTime::now();
    let ada = crate::session::Revoked::All;
    Store::open(&path).expect("made").add(&[Revocation::new(ada, "x".into(), "x".into(), now, None)]).expect("written");
    let run = |text: &str| rusqlite::Connection::open(&path).and_then(|store| store.execute_batch(text));
    run("ALTER TABLE revocation DROP COLUMN approval; PRAGMA user_version = 8;").expect("made older");
    assert_eq!(Store::open(&path).expect("opened").revocations().expect("read")[0].approval, None);
    let older = "DROP TABLE session; DROP TABLE signing_key; DROP TABLE access; DROP TABLE cluster; DROP INDEX revocation_of; \
                 DROP INDEX revocation_unsent; ALTER TABLE revocation DROP COLUMN sent; ALTER TABLE revocation DROP COLUMN approval; \
                 PRAGMA user_version = 2;";
    run(older).expect("made older");
    let sessions = sessions(&path, &MasterKey::generate());
    sessions.begin(new(now + Duration::from_secs(100)), "https://x.test", 10, now).expect("begun");
    assert_eq!(Store::open(&path).expect("opened").revocations().expect("read").len(), 1);
    run("PRAGMA user_version = 99;").expect("newer");
    let refused = Store::open(&path).expect_err("of another version").to_string();
    assert!(refused.contains("form 99") && refused.contains("claviger.db"), "{refused}");
}
