//! Every ready-made rule that looks for texts is met where one of its texts stands, and is not met where none does.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use claviger::inspect::{Engine, Head, Profile, Report, Rule, RuleFile, Settings};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

fn profile(rules: Vec<Rule>) -> Profile {
    let engine = Arc::new(Engine::new(rules).expect("compiled"));
    Profile::new(engine, Settings { paranoia: 4, ..Settings::default() }).expect("a profile")
}

/// A request that has the text at a place of the kind that `where` names.
fn judge(profile: &Profile, place: &str, text: &str) -> Report {
    let (part, name) = place.split_once(':').unwrap_or((place, "q"));
    let encoded = percent_encoding::percent_encode(text.as_bytes(), percent_encoding::NON_ALPHANUMERIC).to_string();
    let name = name.replace('*', "a");
    let mut headers = HeaderMap::new();
    let (mut path, mut query, mut body) = ("/x".to_owned(), None, None);
    match part {
        "path" => path = format!("/{}", text.trim_start_matches('/')),
        "query" => query = Some(format!("{name}={encoded}")),
        "name" => query = Some(format!("{encoded}=1")),
        "cookie" => {
            headers.insert("cookie", HeaderValue::from_str(&format!("{name}={text}")).expect("a header"));
        }
        "header" => {
            let name = if name == "q" { "x-note" } else { &name };
            let name: HeaderName = name.parse().expect("a name");
            headers.insert(name, HeaderValue::from_str(text).expect("a header"));
        }
        _ => {
            headers.insert("content-type", HeaderValue::from_static("application/json"));
            body = Some(serde_json::json!({ name: text }).to_string());
        }
    }
    let head = Head { method: &Method::POST, path: &path, query: query.as_deref(), headers: &headers };
    profile.judge(&head, body.as_deref().map(str::as_bytes))
}

fn is_met(report: &Report, rule: &Rule) -> bool {
    report.findings.iter().any(|finding| finding.rule == rule.id)
}

#[test]
fn rules_of_texts_are_met_by_each_of_their_texts() {
    let rules = RuleFile::ready_made().expect("rules");
    let mut looked = 0;
    for rule in rules.iter().filter(|rule| !rule.any.is_empty() && rule.regex.is_none()) {
        let alone = profile(vec![rule.clone()]);
        let place = rule.places.first().map_or("body", String::as_str);
        for text in &rule.any {
            let report = judge(&alone, place, text);
            assert!(is_met(&report, rule), "{}: {text} at {place}: {report:?}", rule.id);
            looked += 1;
        }
        let report = judge(&alone, place, "a note on the weather, 12 degrees and rain");
        assert!(!is_met(&report, rule), "{}: {report:?}", rule.id);
    }
    assert!(looked > 20, "{looked} texts");
}

#[test]
fn what_would_take_too_long_is_refused_and_not_looked_at() {
    let usual = profile(RuleFile::ready_made().expect("rules"));
    let unit = b"<a href='${{1}}' ;|&(select http://x/../ eval( java.lang $where )(|";
    let window: Vec<u8> = unit.iter().copied().cycle().take(24 << 20).collect();
    let report = usual.judge_window(&window);
    assert!(report.is_attack && report.findings.iter().all(|finding| finding.rule == "structure.too-costly"));
    let report = usual.judge_window(b"a note on the weather, 12 degrees and rain");
    assert!(!report.is_attack && report.findings.is_empty());
}
