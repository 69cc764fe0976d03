//! No path leads to a grant but by the approvals that are needed, or by breaking the glass.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::domain::PrincipalKind;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
}

fn ada() -> Principal {
    Principal::new(Name::parse("corp").expect("a name"), PrincipalKind::Human, "ada".to_owned())
}

fn request(uses: Option<u32>) -> AccessRequest {
    let asked = NewAccess {
        approval: Name::parse("finance").expect("a name"),
        bounds: Bounds::default(),
        uses,
        exact: None,
        lasts: Duration::from_secs(100),
        reason: "case 7".to_owned(),
        ticket: None,
        expires: at(1000),
    };
    AccessRequest::new(asked, &ada(), at(0))
}

#[test]
fn the_clock_of_a_grant_begins_with_the_last_approval() {
    let mut request = request(Some(2));
    request.vote("corp:bob", true, None, 2, at(10)).expect("one");
    assert!(!request.is_granted(at(10)));
    assert_eq!(request.vote("corp:bob", true, None, 2, at(11)), Err(AccessFault::Voted));
    assert_eq!(request.vote("corp:ada", true, None, 2, at(11)), Err(AccessFault::SelfApproval));
    request.vote("corp:eve", true, None, 2, at(500)).expect("two");
    assert_eq!(request.state, AccessState::Granted { since: at(500), until: at(600), used: 0 });
    assert!(request.is_granted(at(599)) && !request.is_granted(at(600)));
    let begun = match request.state {
        AccessState::Granted { since, .. } => since,
        AccessState::Pending | AccessState::Denied | AccessState::Expired | AccessState::Ended => panic!("no grant"),
    };
    assert!(request.is_granted(begun - Duration::from_secs(10)), "another node's clock may be behind");
    assert!(!request.is_granted(begun - Duration::from_secs(11)), "given by a clock that was wrong");
    assert_eq!(request.vote("corp:kim", true, None, 2, at(501)), Err(AccessFault::Decided), "it was decided");
    assert_eq!(request.vote("corp:kim", false, None, 2, at(501)), Err(AccessFault::Decided));
    request.spend(at(510)).expect("one");
    request.spend(at(511)).expect("two");
    assert_eq!(request.spend(at(512)), Err(AccessFault::Decided), "no use is left");
    let mut last = request.clone();
    last.end("corp:eve", None, at(513)).expect("what the last use is for may be under way");
    assert_eq!(last.state, AccessState::Ended);
    assert_eq!(request.clone().end("corp:eve", None, at(600)), Err(AccessFault::Decided), "over by itself");
    let deeds: Vec<_> = request.events.iter().map(|event| event.deed.text()).collect();
    assert_eq!(deeds, ["asked", "approved", "approved", "granted"]);
}

#[test]
fn one_no_is_the_end_and_so_is_nobody_in_time() {
    let mut denied = request(None);
    denied.vote("corp:bob", true, None, 2, at(1)).expect("a yes");
    denied.vote("corp:eve", false, Some("no".to_owned()), 2, at(2)).expect("a no");
    assert_eq!(denied.vote("corp:kim", true, None, 1, at(3)), Err(AccessFault::Decided));
    let mut late = request(None);
    assert!(!late.expire(at(999)));
    assert_eq!(late.vote("corp:bob", true, None, 1, at(1000)), Err(AccessFault::Decided));
    assert_eq!((late.state, late.expire(at(2000))), (AccessState::Expired, false), "noted once");
    assert_eq!(late.break_glass(at(2000)), Err(AccessFault::Decided));
    assert_eq!(late.end("corp:ada", None, at(2000)), Err(AccessFault::Decided));
}

#[test]
fn who_acts_for_the_requester_does_not_decide() {
    let mut request = request(None);
    request.actor = Some("bob".to_owned());
    for themselves in ["corp:ada", "corp:bob", "other:bob"] {
        assert_eq!(request.vote(themselves, true, None, 1, at(1)), Err(AccessFault::SelfApproval), "{themselves}");
    }
    request.vote("corp:eve", true, None, 1, at(2)).expect("somebody else");
}

#[test]
fn broken_glass_is_looked_at_by_somebody_else_once() {
    let mut request = request(None);
    assert_eq!(request.review("corp:bob", None, at(1)), Err(AccessFault::Decided), "nothing to look at");
    request.break_glass(at(1)).expect("at once");
    assert!(request.is_granted(at(2)) && request.needs_review());
    assert_eq!(request.review("corp:ada", None, at(3)), Err(AccessFault::SelfApproval));
    request.review("corp:bob", None, at(5000)).expect("also long after");
    assert_eq!(request.review("corp:eve", None, at(5001)), Err(AccessFault::Decided));
    request.end("corp:bob", None, at(50)).expect("ended");
    assert!(!request.is_granted(at(51)));
}

#[test]
fn it_is_read_as_it_was_written() {
    let mut one = request(Some(3));
    one.vote("corp:bob", true, Some("fine".to_owned()), 1, at(10)).expect("granted");
    one.bounds.routes = Some(vec![Name::parse("stripe").expect("a name")]);
    let text = serde_json::to_string(&one).expect("JSON");
    assert_eq!(serde_json::from_str::<AccessRequest>(&text).expect("read"), one);
    assert!(serde_json::from_str::<AccessRequest>(&text.replacen("\"reason\"", "\"reasons\"", 1)).is_err());
}

/// What anybody may try, at any time.
#[derive(Debug, Clone)]
enum Try {
    Vote(u8, bool),
    End(u8),
    Spend,
    Review(u8),
    Expire,
}

fn tries() -> impl Strategy<Value = Vec<(u64, Try)>> {
    let one = prop_oneof![
        8 => (0u8..5, prop::bool::weighted(0.9)).prop_map(|(who, yes)| Try::Vote(who, yes)),
        1 => (0u8..5).prop_map(Try::End),
        3 => Just(Try::Spend),
        1 => (0u8..5).prop_map(Try::Review),
        1 => Just(Try::Expire),
    ];
    prop::collection::vec((0u64..120, one), 0..40)
}

/// The first of these is who asks.
const PEOPLE: [&str; 5] = ["corp:ada", "corp:bob", "corp:eve", "keys:ada", "corp:kim"];

proptest! {
    #[test]
    fn there_is_no_grant_without_the_approvals_that_are_needed(needed in 1u32..4, uses in prop::option::of(1u32..4), tries in tries()) {
        let mut request = request(uses);
        let (mut now, mut yes, mut spent, mut granted_at) = (0, BTreeSet::new(), 0, None);
        for (later, one) in tries {
            now += later;
            let was = request.clone();
            let done = match &one {
                Try::Vote(who, approves) => {
                    let who = PEOPLE[usize::from(*who)];
                    let done = request.vote(who, *approves, None, needed, at(now));
                    if done.is_ok() && *approves {
                        prop_assert!(yes.insert(who), "each counts once");
                    }
                    done
                }
                Try::End(who) => request.end(PEOPLE[usize::from(*who)], None, at(now)),
                Try::Spend => request.spend(at(now)).inspect(|()| spent += 1),
                Try::Review(who) => request.review(PEOPLE[usize::from(*who)], None, at(now)),
                Try::Expire => {
                    request.expire(at(now));
                    Ok(())
                }
            };
            if done.is_err() {
                prop_assert!(request == was || request.state == AccessState::Expired, "what is refused changes nothing");
            }
            if let AccessState::Granted { since, until, used } = request.state {
                prop_assert!(yes.len() >= needed as usize && !yes.contains(PEOPLE[0]));
                let began = *granted_at.get_or_insert(since);
                prop_assert!(since == began && until == since + Duration::from_secs(100) && since < at(1000));
                prop_assert_eq!(used, spent);
                prop_assert!(uses.is_none_or(|uses| used <= uses));
            }
            if request.is_granted(at(now)) {
                prop_assert!(granted_at.is_some_and(|since| at(now) < since + Duration::from_secs(100)));
            }
            prop_assert!(granted_at.is_none() || !matches!(request.state, AccessState::Pending | AccessState::Denied | AccessState::Expired));
        }
    }
}

#[test]
fn with_the_approval_of_a_hold_nothing_is_granted_and_nobody_approves_their_own() {
    let name = |text| Name::parse(text).expect("a name");
    let of = |of: &str| Revocation::new(of.parse().expect(of), "probing".into(), "monitor:7".into(), at(0), None);
    assert_eq!(AccessRequest::of_hold(&of("principal:corp:ada")), None, "it waits for nobody");
    assert_eq!(
        AccessRequest::of_hold(&of("role:ops").waits_for(name("security"))),
        None,
        "it is of nobody in particular"
    );
    let hold = of("principal:corp:ada").waits_for(name("security"));
    let mut request = AccessRequest::of_hold(&hold).expect("a request");
    assert_eq!((request.id, request.requester(), &*request.events[0].by), (hold.id, "corp:ada".into(), "monitor:7"));
    assert_eq!(request.vote("corp:ada", true, None, 1, at(1)), Err(AccessFault::SelfApproval));
    request.vote("corp:bob", true, None, 1, at(1)).expect("approved");
    assert!(
        matches!(request.state, AccessState::Granted { .. })
            && !request.is_granted(at(1))
            && !request.is_granted(at(0))
    );
    let text = serde_json::to_string(&request).expect("JSON");
    assert_eq!(serde_json::from_str::<AccessRequest>(&text).expect("the same"), request);
}
