//! What is told of scripted records, and for how long.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use super::super::Change;
use super::super::simulation::traffic::{MONDAY, address, bare, name, wrong_credential};
use super::*;
use crate::domain::{Lockout, PrincipalKind};

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
        ..Health::default()
    };
    let mut names: Vec<_> =
        told(&engine.note(&ill, time(0))).into_iter().map(|(_, name, subject)| (name, subject)).collect();
    names.sort();
    let want = [
        ("audit_trouble", "part:audit"),
        ("monitor_behind", "part:monitor"),
        ("secret_overdue", "name:stripe"),
        ("vault_trouble", "name:local:stripe/key"),
    ];
    assert_eq!(names, want.map(|(name, subject)| (name, subject.to_owned())));
    assert!(engine.note(&ill, time(30)).is_empty(), "once");
    engine.note(&Health::default(), time(60));
    assert!(engine.settle(time(89)).is_empty());
    assert_eq!(engine.settle(time(91)).iter().filter(|one| one.change == Change::Cleared).count(), 4);
}

#[test]
fn acts_that_somebody_should_look_at_are_told() {
    let mut engine = engine();
    let act = |deed| Act {
        time: time(0),
        deed,
        id: "1".to_owned(),
        of: "corp:ada".to_owned(),
        reason: String::new(),
        by: "corp:ada".to_owned(),
        since: time(0),
        until: None,
        approval: None,
        ticket: None,
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
    let actor = Actor { authenticator: name("corp"), id: "ci".to_owned(), session: None };
    assert_eq!(notices[0].alert.actor, Some(actor));
    assert_eq!(told(&notices), [("raised", "canary", "principal:corp:ci".to_owned())]);
}
