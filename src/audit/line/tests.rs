//! Tests of the lines.

use proptest::prelude::*;

use super::*;
use crate::audit::pseudonyms::{Every, Pseudonyms};
use crate::audit::record::tests::{bare, full};
use crate::audit::{AlertRecord, Outcome, Phrase};
use crate::domain::{AuthnFault, Denial, Principal, PrincipalKind};

fn name(text: &str) -> Name {
    Name::parse(text).expect("name")
}

fn line(record: &Record, node: Option<Name>) -> String {
    let mut line = Vec::new();
    Lines::new(node, None).exchange(&mut line, record);
    let members = String::from_utf8(line).expect("text");
    format!("{{{}}}", members.strip_prefix(',').expect("a comma"))
}

#[test]
fn fields_stand_in_their_documented_order() {
    let record = full("svc-refunds");
    let want = format!(
        r#"{{"time":"2023-11-14T22:13:20.123456Z","id":"{}","node":"n1","config":1,"listener":"public","client":"192.0.2.7","protocol":"HTTP/1.1","method":"POST","host":"api.example.com","path":"/v1/refunds","query":true,"route":"stripe","authenticator":"corp","principal":"svc-refunds","principal_kind":"service","actor":"agent-7","role":"billing","rule":"route.stripe.allow[1]","outcome":"completed","target":"stripe","backend":"203.0.113.9:443","credential":"stripe","status":201,"request_bytes":120,"response_bytes":4096,"authenticate_us":12,"acquire_us":1,"upstream_us":8000,"total_us":8100}}"#,
        record.id
    );
    assert_eq!(line(&record, Some(name("n1"))), want);
}

#[test]
fn fields_that_say_nothing_are_left_out() {
    let denial = Denial::Unauthenticated(AuthnFault::Expired);
    let record = Record { denial: Some(denial), outcome: Outcome::Denied, status: Some(401), ..bare() };
    let want = format!(
        r#"{{"time":"2023-11-14T22:13:20.123456Z","id":"{}","config":1,"listener":"public","client":"192.0.2.7","protocol":"HTTP/2","outcome":"denied","code":"credential_invalid","detail":"expired","status":401,"total_us":0}}"#,
        record.id
    );
    assert_eq!(line(&record, None), want);
}

#[test]
fn what_was_found_is_told_by_kind() {
    let told = line(&Record { leaks: vec![("token", 2), ("card", 1)], ..full("x") }, None);
    assert!(told.contains(r#""status":201,"leaks":{"token":2,"card":1},"request_bytes":120"#), "{told}");
}

#[test]
fn an_act_is_told_with_who_did_it_and_why() {
    let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let (of, by) = (Phrase::plain("principal:").and(Phrase::who("corp:ada")), Phrase::who("uid:0"));
    let reason = "a \"lost\" laptop".into();
    let (deed, id) = (Deed::Revoked, "0f".into());
    let act =
        Act { time: since, deed, id, of, reason, by, since, until: None, approval: None, ticket: None, terms: None };
    let mut out = Vec::new();
    Lines::new(None, None).act(&mut out, &act);
    let want = concat!(
        r#","time":"2023-11-14T22:13:20.000000Z","id":"0f","act":"revoked","of":"principal:corp:ada","#,
        r#""reason":"a \"lost\" laptop","by":"uid:0","since":"2023-11-14T22:13:20.000Z""#,
    );
    assert_eq!(String::from_utf8_lossy(&out), want);
}

#[test]
fn a_clock_that_is_far_off_is_no_reason_to_lose_a_record() {
    for time in [SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 40), SystemTime::UNIX_EPOCH + Duration::MAX / 4] {
        assert!(line(&Record { time, ..bare() }, None).contains(r#""time":""#));
    }
}

proptest! {
    #[test]
    fn whatever_was_sent_stays_on_one_line(id in any::<String>(), path in any::<String>(), host in any::<String>()) {
        let record = Record { path: Some(path.as_str().into()), host: Some(host), ..full(&id) };
        let line = line(&record, None);
        prop_assert!(!line.contains(char::is_control));
        let back: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        prop_assert_eq!(back["principal"].as_str(), Some(id.as_str()));
        prop_assert_eq!(back["path"].as_str(), Some(path.as_str()));
    }
}

/// The list of strings that break programs which were not made for them, as everything that callers can name.
#[test]
#[allow(clippy::print_stdout, reason = "it says that it did nothing")]
fn naughty_strings_stay_on_one_line_as_they_are() {
    let data = std::env::var_os("CLAVIGER_TEST_DATA").map(std::path::PathBuf::from);
    let data = data.unwrap_or_else(|| std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let Ok(text) = std::fs::read_to_string(data.join("vectors/naughty-strings/blns.json")) else {
        println!("skipped: vectors absent");
        return;
    };
    let strings: Vec<String> = serde_json::from_str(&text).expect("a list");
    assert!(strings.len() > 400);
    for naughty in strings {
        let principal = Principal {
            actor: Some(naughty.as_str().into()),
            key: Some(naughty.as_str().into()),
            ..Principal::new(name("corp"), PrincipalKind::Agent, naughty.clone())
        };
        let record = Record {
            principal: Some(std::sync::Arc::new(principal)),
            host: Some(naughty.clone()),
            path: Some(naughty.as_str().into()),
            role: Some(naughty.as_str().into()),
            ..full("x")
        };
        let line = line(&record, None);
        assert!(!line.bytes().any(|b| b < b' ' || b == 0x7f), "{line:?}");
        let back: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        for member in ["principal", "actor", "key", "host", "path", "role"] {
            assert_eq!(back[member].as_str(), Some(naughty.as_str()), "{member}");
        }
    }
}

#[test]
fn addresses_and_moments_are_as_the_library_would_write_them() {
    let mut lines = Lines::new(None, None);
    for (client, backend, nanos) in [
        ("192.0.2.7", "203.0.113.9:443", 1_700_000_000_000_000_001),
        ("0.0.0.0", "[2001:db8::1]:8443", 1_700_000_000_999_999_999),
        ("2001:db8::7", "127.0.0.1:1", 1_700_000_001_000_100_000),
    ] {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
        let (client, backend) = (client.parse().expect("address"), Some(backend.parse().expect("address")));
        let mut out = Vec::new();
        lines.exchange(&mut out, &Record { time, client, backend, ..bare() });
        out[0] = b'{';
        out.push(b'}');
        let back: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        let stamp = Timestamp::try_from(time).expect("in range");
        assert_eq!(back["time"], format!("{stamp:.6}"));
        assert_eq!(back["client"], client.to_string());
        assert_eq!(back["backend"], backend.expect("one").to_string());
    }
}

proptest! {
    // Each makes a key on the disk.
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_line_with_pseudonyms_names_nobody(id in ".{8,40}", key in "\\PC{8,20}", actor in ".{8,20}", path in any::<String>()) {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Pseudonyms {
            directory: folder.path().join("keys"),
            every: Every::Day,
            fields: Field::ALL.to_vec(),
            keep: None,
        };
        let now = SystemTime::now();
        let mut lines = Lines::new(None, Some(Names::open(settings, now).expect("opened")));
        let principal = Principal {
            actor: Some(actor.as_str().into()),
            key: Some(key.as_str().into()),
            ..Principal::new(name("corp"), PrincipalKind::Human, id.clone())
        };
        let record = Record { principal: Some(std::sync::Arc::new(principal)), path: Some(path.as_str().into()), ..full("x") };
        let act = Act {
            time: now,
            deed: Deed::Lifted,
            id: "0f".to_owned(),
            of: Phrase::plain("principal:").and(Phrase::who(&format!("corp:{id}"))),
            reason: format!("{id} of {actor}"),
            by: Phrase::who(&format!("corp:{actor}")),
            since: now,
            until: None,
            approval: None,
            ticket: Some(key.clone()),
            terms: None,
        };
        let alert = AlertRecord {
            time: now,
            id: "0f".to_owned(),
            act: "raised",
            detection: "x",
            severity: "info",
            of: act.of.clone().then(" address:").with(Field::Client, "192.0.2.7"),
            evidence: "{}".to_owned(),
            times: 1,
            since: now,
            action: None,
            records: Vec::new(),
        };
        let mut written = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        lines.exchange(&mut written[0], &record);
        lines.decision(&mut written[1], &record);
        lines.act(&mut written[2], &act);
        lines.alert(&mut written[3], &alert);
        for line in written {
            let text = format!("{{{}}}", std::str::from_utf8(&line[1..]).expect("text"));
            let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).expect("JSON");
            prop_assert!(members["period"].as_str().is_some_and(|period| period.len() == 10));
            for (member, value) in members {
                let value = value.as_str().unwrap_or_default();
                let is_told = member != "path" && [&id, &key, &actor].into_iter().any(|who| value.contains(who.as_str()));
                prop_assert!(!is_told && !value.contains("192.0.2.7"), "{}: {}", member, value);
            }
        }
    }
}
