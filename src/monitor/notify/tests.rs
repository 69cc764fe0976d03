//! What is sent.

use serde_json::Value;

use super::super::alert::{Evidence, Subject};
use super::super::detection::Detection;
use super::*;

fn notice(change: Change) -> Notice {
    let subject = Subject::Principal("corp:<!channel> & ada".to_owned());
    let evidence = Evidence::new(&[("bytes", 3e9), ("usual", 12.345), ("at", 268_435_456.0)]);
    let mut alert =
        Alert::raised(Detection::Exfiltration, Severity::Critical, (subject, None), evidence, 1_700_000_000);
    if change == Change::Cleared {
        alert.cleared = Some(alert.last + std::time::Duration::from_secs(60));
    }
    Notice { change, alert, acts: false }
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

#[test]
fn a_chat_is_told_in_words_and_no_name_is_a_mention() {
    let body = json(&slack::body(&[notice(Change::Raised)]));
    let want = "CRITICAL raised: exfiltration (principal:corp:&lt;!channel&gt; &amp; ada): bytes 3000000000, usual 12.35, at 268435456";
    assert_eq!(body, serde_json::json!({ "text": want }));
}

#[test]
fn alertmanager_is_told_until_when_an_alert_goes_on_and_when_it_is_over() {
    let body = json(&alertmanager::body(&[notice(Change::Raised), notice(Change::Cleared)]));
    let (raised, cleared) = (&body[0], &body[1]);
    assert_eq!(raised["labels"]["alertname"], "exfiltration");
    assert_eq!(
        (&raised["startsAt"], &cleared["endsAt"]),
        (&"2023-11-14T22:13:20.000Z".into(), &"2023-11-14T22:14:20.000Z".into())
    );
    assert!(raised["endsAt"].as_str() > Some("2026"), "{raised}");
    let texts = |part: &Value| part.as_object().expect("an object").values().all(Value::is_string);
    assert!(texts(&raised["labels"]) && texts(&raised["annotations"]), "the API takes nothing else");
}

#[test]
fn that_an_alert_goes_on_is_not_told_to_people() {
    let alert = notice(Change::Held).json();
    assert_eq!((&alert["alert"], &alert["evidence"]["bytes"]), (&"held".into(), &3_000_000_000_u64.into()));
}

impl Notice {
    fn json(&self) -> Value {
        self.alert.json(self.change)
    }
}
