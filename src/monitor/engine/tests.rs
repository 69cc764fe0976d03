//! What is told of scripted records, and for how long.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use super::super::Change;
use super::super::simulation::traffic::{MONDAY, address, bare, name, wrong_credential};
use super::*;
use crate::audit::{Act, Deed, Outcome, Phrase, RotationDeed};
use crate::domain::{AccessDeed, Bounds, Id, Lockout, Principal, PrincipalKind, Stay};

fn engine() -> Engine {
    Engine::new(Arc::new(Settings::default()), &[1; 16])
}

fn at(seconds: u64) -> u64 {
    (u64::from(MONDAY) + seconds) * 1000
}

fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(at(seconds))
}

fn told(notices: &[Notice]) -> Vec<(&'static str, &'static str, String)> {
    notices.iter().map(|one| (one.change.text(), one.alert.detection.name(), one.alert.subject.to_string())).collect()
}

/// So many guesses, one a second, each for another identity.
fn stuff(engine: &mut Engine, many: u64, from: IpAddr) -> Vec<Notice> {
    let guesses = (0..many).map(|nth| wrong_credential(at(nth), from, Some(nth)));
    guesses.flat_map(|record| engine.observe(&record.into())).collect()
}

#[test]
fn an_alert_is_raised_once_held_while_it_lasts_and_cleared() {
    let mut engine = engine();
    let from = address(1, 7);
    let notices = stuff(&mut engine, 15, from);
    assert_eq!(told(&notices), [("raised", "credential_stuffing", "address:20.0.1.8".to_owned())]);
    let alert = &notices[0].alert;
    assert_eq!(alert.evidence.text(), "identities 10, at 10, window 600");
    assert_eq!((alert.records.len(), alert.actor.is_none(), alert.times), (10, true, 1));
    assert!(engine.settle(time(20)).is_empty());
    let held = engine.settle(time(9 + 180));
    assert_eq!(told(&held), [("held", "credential_stuffing", "address:20.0.1.8".to_owned())]);
    assert_eq!((held[0].alert.times, held[0].alert.evidence.text().as_str()), (6, "identities 15, at 10, window 600"));
    assert!(told(&engine.settle(time(14 + 599))).iter().all(|(change, ..)| *change == "held"));
    let over = engine.settle(time(14 + 600));
    assert_eq!(told(&over), [("cleared", "credential_stuffing", "address:20.0.1.8".to_owned())]);
    let (active, past) = engine.alerts();
    assert_eq!((active.len(), past.len(), past[0].id, past[0].cleared), (0, 1, alert.id, Some(time(614))));
}

#[test]
fn who_is_locked_out_goes_on_guessing_for_the_monitor() {
    let mut engine = engine();
    let locked = |nth: u64| {
        let record = wrong_credential(at(nth), address(1, 7), Some(nth));
        Record { denial: Some(Denial::LockedOut(Lockout::Address, Duration::from_secs(1))), ..record }
    };
    let notices: Vec<_> = (0..20).flat_map(|nth| engine.observe(&locked(nth).into())).collect();
    let names: Vec<_> = told(&notices).into_iter().map(|(_, name, _)| name).collect();
    assert_eq!(names, ["credential_stuffing", "failed_logins"]);
}

#[test]
fn a_detection_that_is_off_is_off_and_one_that_is_stricter_is_stricter() {
    let mut settings = Settings::default();
    settings.rule_mut(Detection::CredentialStuffing).is_on = false;
    settings.rule_mut(Detection::FailedLogins).at = 3;
    let mut engine = engine();
    engine.follow(Arc::new(settings));
    let notices = stuff(&mut engine, 15, address(1, 7));
    assert_eq!(told(&notices), [("raised", "failed_logins", "address:20.0.1.8".to_owned())]);
    assert_eq!(notices[0].alert.evidence.text(), "failures 3, at 3, window 300");
}

#[test]
fn addresses_of_one_customer_are_one() {
    let mut engine = engine();
    let notices: Vec<_> = (0..10_u64)
        .flat_map(|nth| {
            let from = format!("2001:db8:0:7::{nth:x}").parse().expect("an address");
            engine.observe(&wrong_credential(at(nth), from, Some(nth)).into())
        })
        .collect();
    assert_eq!(told(&notices), [("raised", "credential_stuffing", "address:2001:db8:0:7::/64".to_owned())]);
}

#[test]
fn a_flood_of_alerts_is_bounded_and_said_so() {
    let mut engine = engine();
    let mut notices = Vec::new();
    for nth in 0..1500_u64 {
        let record = Record { reflected: 1, route: Some(name(&format!("route-{nth}"))), ..bare(at(1), address(1, 1)) };
        notices.extend(engine.observe(&record.into()));
    }
    assert_eq!(notices.len(), 1024);
    let notices = engine.settle(time(2));
    assert_eq!(told(&notices), [("raised", "monitor_behind", "part:alerts".to_owned())]);
    assert_eq!(notices[0].alert.evidence.text(), "not_raised 476");
}

#[test]
fn what_no_record_tells_of_is_told_while_it_is_so() {
    let mut engine = engine();
    let ill = Health {
        is_audit_stopped: true,
        secrets: vec!["local:stripe/key".to_owned()],
        overdue: vec![name("stripe")],
        shed: 3,
        unended: (2, 1),
        ..Health::default()
    };
    let mut names: Vec<_> =
        told(&engine.note(&ill, time(0))).into_iter().map(|(_, name, subject)| (name, subject)).collect();
    names.sort();
    let want = [
        ("audit_trouble", "part:audit"),
        ("monitor_behind", "part:endings"),
        ("monitor_behind", "part:monitor"),
        ("secret_overdue", "name:stripe"),
        ("vault_trouble", "name:local:stripe/key"),
    ];
    assert_eq!(names, want.map(|(name, subject)| (name, subject.to_owned())));
    assert!(engine.note(&ill, time(30)).is_empty(), "once");
    engine.note(&Health::default(), time(60));
    assert!(engine.settle(time(89)).is_empty());
    assert_eq!(engine.settle(time(91)).iter().filter(|one| one.change == Change::Cleared).count(), 5);
}

#[test]
fn acts_that_somebody_should_look_at_are_told() {
    let mut engine = engine();
    let act = |deed| Act {
        time: time(0),
        deed,
        id: "1".to_owned(),
        of: Phrase::who("corp:ada"),
        reason: String::new(),
        by: Phrase::who("corp:ada"),
        since: time(0),
        until: None,
        approval: None,
        ticket: None,
        terms: None,
    };
    for (deed, want) in [
        (Deed::Access(AccessDeed::BrokeGlass), Some("break_glass")),
        (Deed::Access(AccessDeed::Asked), None),
        (Deed::Rotation(RotationDeed::RolledBack), Some("rotation_failed")),
        (Deed::Rotation(RotationDeed::Promoted), None),
        (Deed::Revoked, None),
    ] {
        let notices = engine.observe(&act(deed).into());
        assert_eq!(notices.first().map(|one| one.alert.detection.name()), want, "{deed:?}");
    }
}

#[test]
fn a_clock_that_was_wrong_for_a_moment_stops_nothing() {
    let mut engine = engine();
    let future = bare(at(20 * 365 * 24 * 3600), address(1, 1));
    engine.observe(&future.into());
    let notices = stuff(&mut engine, 15, address(1, 7));
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].alert.since, time(9));
}

#[test]
fn who_raised_an_alert_is_known_where_somebody_was_proved() {
    let mut engine = engine();
    let principal = crate::domain::Principal::new(name("corp"), PrincipalKind::Service, "ci".to_owned());
    let record =
        Record { denial: Some(Denial::Canary), principal: Some(Arc::new(principal)), ..bare(at(0), address(1, 1)) };
    let notices = engine.observe(&record.into());
    let actor = super::super::Actor { authenticator: name("corp"), id: "ci".to_owned(), session: None };
    assert_eq!(notices[0].alert.actor, Some(actor));
    assert_eq!(told(&notices), [("raised", "canary", "principal:corp:ci".to_owned())]);
}

/// A decoy, used by a principal, in a session where there is one.
fn decoy(seconds: u64, authenticator: &str, session: Option<u8>) -> Record {
    let mut principal =
        crate::domain::Principal::new(name(authenticator), PrincipalKind::Service, authenticator.to_owned());
    principal.session = session.map(|id| Arc::new(Stay::new(Id([id; 16]), Bounds::default(), None, UNIX_EPOCH)));
    let record = bare(at(seconds), address(1, 7));
    Record { denial: Some(Denial::Canary), outcome: Outcome::Denied, principal: Some(Arc::new(principal)), ..record }
}

#[test]
fn nobody_in_particular_is_never_who_did_it() {
    let mut engine = engine();
    let notices = engine.observe(&decoy(0, "anonymous", None).into());
    assert_eq!(told(&notices), [("raised", "canary", "address:20.0.1.8".to_owned())]);
    assert_eq!(notices[0].alert.actor, None);
    assert_eq!(engine.size().principals, 0);
}

#[test]
fn access_is_ended_again_when_that_was_over_and_for_each_session() {
    let mut settings = Settings::default();
    let rule = settings.rule_mut(Detection::Canary);
    (rule.action, rule.freeze) = (super::super::Action::FreezeSession, Duration::from_secs(900));
    let mut engine = engine();
    engine.follow(Arc::new(settings.clone()));
    let acts = |engine: &mut Engine, seconds, session| {
        let notices = engine.observe(&decoy(seconds, "corp", session).into());
        let acts = notices.into_iter().filter(|one| one.acts);
        acts.map(|one| (one.change, one.alert.actor.and_then(|actor| actor.session).map(|id| id.0[0])))
            .collect::<Vec<_>>()
    };
    assert_eq!(acts(&mut engine, 0, Some(1)), [(Change::Raised, Some(1))]);
    assert_eq!(acts(&mut engine, 10, Some(1)), [], "it is ended");
    assert_eq!(acts(&mut engine, 20, Some(2)), [(Change::Held, Some(2))], "another one");
    assert_eq!(acts(&mut engine, 30, None), [], "none");
    assert_eq!(acts(&mut engine, 900, Some(1)), [(Change::Held, Some(1))], "it could go on by now");
    assert_eq!(acts(&mut engine, 910, Some(2)), []);
    settings.rule_mut(Detection::Canary).action = super::super::Action::FreezePrincipal;
    engine.follow(Arc::new(settings));
    assert_eq!(acts(&mut engine, 930, Some(3)), [(Change::Held, Some(3))]);
    assert_eq!(acts(&mut engine, 940, Some(4)), [], "the principal with all its sessions");
}

#[test]
fn names_that_somebody_makes_up_leave_room_for_who_is_proved() {
    let mut settings = Settings::default();
    settings.rule_mut(Detection::FailedLogins).at = 1;
    settings.rule_mut(Detection::CredentialStuffing).is_on = false;
    settings.rule_mut(Detection::SlowStuffing).is_on = false;
    let mut engine = engine();
    engine.follow(Arc::new(settings));
    let notices = stuff(&mut engine, 2000, address(1, 7));
    let strange = told(&notices).into_iter().filter(|(_, name, _)| *name == "failed_logins").count();
    assert_eq!(strange, 192);
    let strange = Record { principal: None, ..decoy(2000, "corp", None) };
    assert_eq!(told(&engine.observe(&strange.into())).len(), 1, "what is critical has room");
    assert_eq!(told(&engine.observe(&decoy(2000, "corp", None).into())).len(), 1);
}

#[test]
fn a_clock_that_is_set_back_keeps_no_alert_for_ever() {
    let mut engine = engine();
    let begin = 7200;
    let guess = |nth: u64| wrong_credential(at(begin + nth), address(1, 7), Some(nth));
    (0..10).for_each(|nth| drop(engine.observe(&guess(nth).into())));
    assert!(engine.settle(time(begin - 30)).is_empty(), "a little");
    assert_eq!(engine.alerts().0.len(), 1);
    assert!(engine.settle(time(600)).iter().all(|one| one.change == Change::Held));
    let over = engine.settle(time(600 + 600));
    assert_eq!(told(&over), [("cleared", "credential_stuffing", "address:20.0.1.8".to_owned())]);
    let notices = stuff(&mut engine, 5, address(1, 7));
    assert_eq!(told(&notices), [], "those before the clock was set back count no more");
}

#[test]
fn a_guess_that_was_right_is_told_though_its_first_request_is_refused() {
    let mut engine = engine();
    stuff(&mut engine, 15, address(1, 7));
    let denied = Record { denial: Some(Denial::NotAllowed), ..decoy(20, "corp", None) };
    let notices = engine.observe(&denied.into());
    assert!(told(&notices).iter().any(|(_, name, _)| *name == "stuffing_succeeded"), "{notices:?}");
    let (going_on, _) = engine.alerts();
    let found = going_on.iter().find(|alert| alert.detection == Detection::StuffingSucceeded).expect("told");
    assert_eq!(found.records.len(), 16, "itself, and the guesses before it");
}

/// A caller's request to a route for something that is not there.
fn missed(nth: u64, caller: u64, path: u64) -> Record {
    let principal = crate::domain::Principal::new(name("corp"), PrincipalKind::Human, format!("caller-{caller}"));
    Record {
        route: Some(name("shop")),
        path: Some(format!("/shop/{path}").into()),
        principal: Some(Arc::new(principal)),
        outcome: Outcome::Completed,
        status: Some(404),
        ..bare(at(nth), address(caller, 1))
    }
}

#[test]
fn what_all_callers_of_a_route_look_for_in_vain_is_told_of_the_route_once() {
    let mut engine = engine();
    let mut notices = Vec::new();
    for nth in 0..150 {
        for caller in 0..40 {
            notices.extend(engine.observe(&missed(nth, caller, caller * 1000 + nth).into()));
        }
    }
    assert_eq!(told(&notices), [("raised", "broken_route", "route:shop".to_owned())]);
    let over = engine.settle(time(150 + 600));
    assert_eq!(told(&over), [("cleared", "broken_route", "route:shop".to_owned())]);
}

#[test]
fn who_enumerates_among_callers_who_find_what_they_look_for_is_told_of() {
    let mut engine = engine();
    let mut notices = Vec::new();
    for nth in 0..150 {
        for caller in 1..40 {
            notices.extend(engine.observe(&Record { status: Some(200), ..missed(nth, caller, nth) }.into()));
        }
        notices.extend(engine.observe(&missed(nth, 0, 1000 + nth).into()));
    }
    assert_eq!(told(&notices), [("raised", "enumeration", "principal:corp:caller-0 route:shop".to_owned())]);
}

#[test]
fn slow_guessing_is_told_and_an_office_where_people_mistype_is_not() {
    let mut engine = engine();
    let slow = |nth: u64| wrong_credential(at(nth * 300), address(1, 7), Some(nth));
    let mut notices: Vec<_> = (0..25).flat_map(|nth| engine.observe(&slow(nth).into())).collect();
    assert_eq!(told(&notices), [("raised", "slow_stuffing", "address:20.0.1.8".to_owned())]);
    assert_eq!(notices[0].alert.evidence.text(), "identities 20, share 100, at 20, at_share 60");
    // Of forty people, thirty mistype in the course of a day, and then do not.
    let mut office = Engine::new(Arc::new(Settings::default()), &[1; 16]);
    notices.clear();
    for nth in 0..30 {
        notices.extend(office.observe(&wrong_credential(at(nth * 900), address(1, 7), Some(nth)).into()));
        for person in [nth, (nth + 10) % 40] {
            let works = Record { status: Some(200), ..missed(nth * 900 + 5, person, person) };
            notices.extend(office.observe(&Record { client: address(1, 7), ..works }.into()));
        }
    }
    assert_eq!(told(&notices), []);
}

#[test]
fn receivers_that_are_away_are_told_of_and_so_is_what_they_never_get() {
    let mut engine = engine();
    let behind = |of: &str, waits, most: Option<u64>| Behind {
        of: of.to_owned(),
        waits: Duration::from_secs(waits),
        most: most.map(Duration::from_secs),
    };
    let mut note = |behind, now| told(&engine.note(&Health { behind, ..Health::default() }, time(now)));
    assert_eq!(note(vec![behind("sink siem", 299, Some(3600)), behind("anchor", 0, None)], 0), []);
    let away = [("raised", "receiver_away", "name:sink siem".to_owned())];
    assert_eq!(note(vec![behind("sink siem", 300, Some(3600))], 1), away);
    let late = [("raised", "records_undelivered", "name:sink siem".to_owned())];
    assert_eq!(note(vec![behind("sink siem", 1800, Some(3600))], 2), late);
    assert_eq!(note(vec![behind("anchor", 300, None)], 3), [("raised", "receiver_away", "name:anchor".to_owned())]);
    let skipped =
        crate::audit::Skipped { time: time(4), sink: name("other"), count: 7, reason: crate::audit::SkippedFor::Age };
    let notices = engine.observe(&skipped.into());
    assert_eq!(told(&notices), [("raised", "records_undelivered", "name:sink other".to_owned())]);
}

#[test]
fn what_goes_on_when_the_process_ends_is_cleared_and_says_why() {
    let mut engine = engine();
    stuff(&mut engine, 15, address(1, 7));
    let over = engine.stop(time(20));
    assert_eq!(told(&over), [("cleared", "credential_stuffing", "address:20.0.1.8".to_owned())]);
    assert!(over[0].alert.is_cut_short && over[0].alert.cleared == Some(time(20)));
    assert!(engine.settle(time(2000)).is_empty(), "once");
}

#[test]
fn a_share_is_of_one_span_of_time() {
    let mut engine = engine();
    let mut notices = Vec::new();
    let found = |nth, caller| Record { status: Some(200), ..missed(nth, caller, caller) };
    for caller in 0..300 {
        notices.extend(engine.observe(&found(0, caller).into()));
    }
    for caller in 0..12 {
        notices.extend(engine.observe(&missed(10, caller, caller).into()));
    }
    // For who was counted first a span is over, and for who was counted later it is not.
    for caller in 100..105 {
        notices.extend(engine.observe(&found(305, caller).into()));
    }
    assert_eq!(told(&notices), [], "twelve of three hundred are not twelve of five");
}

#[test]
fn a_route_that_many_of_a_role_use_is_no_news_of_one_more() {
    let mut engine = engine();
    let request = |half_hour: u64, caller: u64, route: &str| Record {
        principal: Some(Arc::new(Principal::new(name("corp"), PrincipalKind::Human, format!("caller-{caller}")))),
        role: Some(if caller < 7 { "operator" } else { "auditor" }.into()),
        outcome: Outcome::Completed,
        route: Some(name(route)),
        path: Some("/x".into()),
        status: Some(200),
        ..bare(at(half_hour * 1800 + caller), address(caller, 7))
    };
    for half_hour in 0..60 {
        (0..8).for_each(|caller| drop(engine.observe(&request(half_hour, caller, "usual").into())));
    }
    let mut is_told = |caller| {
        let notices = engine.observe(&request(60, caller, "new").into());
        told(&notices).iter().any(|(_, detection, _)| *detection == "new_route")
    };
    let told: Vec<_> = (0..8).map(&mut is_told).collect();
    assert_eq!(told, [true, true, true, true, true, false, false, true], "five operators, and the auditor");
}
