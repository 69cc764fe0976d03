//! Bytes that nobody would send: nothing panics, and nothing takes longer than its length allows.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use claviger::inspect::{Engine, FieldKind, FieldRule, Part, Profile, RuleFile, Settings};

use crate::numbers::Numbers;
use crate::request::{Request, json, percent, query};
use crate::seeds::{Form, built_in};
use crate::{corpus, number_of, profile};

/// The longest input, in bytes.
const LONGEST: usize = 64 << 10;
/// How long 64 KiB may take to be judged in a build that is not optimized, on a machine that does other things too.
const MOST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 40 });
/// What is judged too slowly is judged so often again, and the fastest counts: the machine may have been busy.
const AGAIN: usize = 4;

/// What grammars are made of: what opens, closes, escapes and repeats in them.
const PIECES: &[&str] = &[
    "'",
    "\"",
    "`",
    "\\",
    "/",
    "*/",
    "/*",
    "--",
    "#",
    ";",
    "(",
    ")",
    "((",
    "{",
    "}",
    "{{",
    "}}",
    "${",
    "#{",
    "%{",
    "<",
    ">",
    "<!--",
    "-->",
    "</",
    "<![CDATA[",
    "]]>",
    "<!DOCTYPE",
    "&",
    "&#",
    "&#x41;",
    "&amp;",
    "%",
    "%25",
    "%u0041",
    "%2e",
    "\\u0041",
    "\\x41",
    "\\u",
    "=",
    "||",
    "&&",
    "|",
    "$(",
    "$IFS",
    "../",
    "..\\",
    "\r\n",
    "\n",
    "\t",
    " ",
    "\0",
    "\u{1e}",
    "SEND\ncontent-length:999\n\n",
    "\0SEND\n\n",
    "42[\"",
    ",",
    ":",
    "::",
    "@",
    "[",
    "]",
    "[]",
    "[[",
    "union",
    "select ",
    " or ",
    " and ",
    "from ",
    "sleep(",
    "script",
    "<script",
    " on",
    "onerror=",
    "javascript:",
    "data:",
    "jndi:",
    "lower:",
    "${lower:",
    "${::-",
    "cat ",
    "/etc/passwd",
    "http://",
    "169.254.169.254",
    "1",
    "1=1",
    "0x",
    "O:8:",
    "a:1:{",
    "<?php",
    "<?",
    "__proto__",
    "constructor",
    "require(",
    "$ne",
    "(|(",
    "*)(",
    "--b1",
    "--b1\r\n",
    "filename=",
    "fragment f on T{",
    "...f",
    "query{",
    "{\"a\":",
    "[1,",
    "é",
    "\u{ff07}",
    "\u{202e}",
    "PD9waHA",
    "H4sIAAAA",
    "AAAA",
    "JAVA",
    "class.",
    "T(",
    ".exec(",
    "eval(",
    "like null",
    "http://10.0.0.1",
    "localhost",
    "classLoader",
    "curl ",
    "$in",
];

const KINDS: &[&str] = &[
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b1",
    "application/xml",
    "text/plain",
    "application/graphql",
    "application/grpc",
    "application/x-protobuf",
    "application/x-ndjson",
    "text/xml; charset=utf-16",
    "application/json; charset=utf-16le",
    "application/octet-stream",
    "text/html",
    "multipart/mixed; boundary=b1",
    "websocket/text",
    "websocket/binary",
];

const CODINGS: &[&str] = &["gzip", "deflate", "br", "zstd", "gzip, br", "identity", "x"];

fn bodies() -> Vec<Request> {
    let part = "--b1\r\nContent-Disposition: form-data; name=\"a\"; filename*=UTF-8''x.php\r\nContent-Type: text/xml\r\n\r\n<a b='c'>d</a>\r\n--b1--\r\n";
    let graphql = "query A($a: [B!]! = [1]) @c { d: e(f: {g: \"h\", i: $a}) { ...j } } fragment j on K { l }";
    let grpc = b"\0\0\0\0\x10\x0a\x05hello\x12\x07\x0a\x05world";
    vec![
        Request::with_body("multipart/form-data; boundary=b1", part),
        Request::with_body("application/graphql", graphql),
        Request::with_body("application/json", serde_json::json!({ "query": graphql, "variables": {} }).to_string()),
        Request::with_body(
            "application/graphql",
            "{ ...a } fragment a on T { b: c ...d ...d } fragment d on T { e ...f } fragment f on T { g }",
        ),
        Request::with_body("application/grpc", grpc.to_vec()),
        Request::with_body(
            "application/xml",
            "<?xml version=\"1.0\"?><a xmlns:b=\"c\"><b:d e='&#65;'>f<![CDATA[g]]></b:d><!-- h --></a>",
        ),
        Request::with_body("application/json", r#"{"a":[1,2.5e-3,true,null,"\u00e9\ud83d\ude00",{"b":{}}]}"#),
        Request::with_body("application/x-ndjson", "{\"a\":1}\n{\"b\":[2]}\n"),
        Request::with_body("websocket/text", "42/chat,[\"say\",{\"a\":\"<b>\",\"payload\":{\"query\":\"{ c }\"}}]"),
        Request::with_body(
            "websocket/text",
            "SEND\nx:y\\cz\ncontent-length:12\n\n{\"a\":1}\0b\n[]\0\n\nSEND\r\n\r\nc\0",
        ),
        Request::with_body(
            "websocket/text",
            "[\"SEND\\ncontent-length:1\\n\\n{\\u0000\",1e999,\"{\\\"a\\\":[]}\\n{}\"]",
        ),
        Request::with_body("websocket/text", "{\"type\":1}\u{1e}null\n{\"b\":2}\r\n[NaN]\u{1e}450-/a?b,1 [\"c\"]"),
        Request::with_body("websocket/bytes", "bPHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="),
        Request::with_body("text/plain", "42[\"a\"]\u{1e}bPHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\u{1e}2"),
    ]
}

/// What routes may declare besides: what fields hold, and rules of one's own for single values.
fn declaring() -> Profile {
    let own = r#"
        rule = [
            { id = "own.word", class = "custom", score = 1, about = "", where = ["body:**a*.b**.c"], any = ["select", "script"] },
            { id = "own.form", class = "custom", score = 1, about = "", where = ["body:**a*.[*]"], regex = "^[a-z]+$", unfiltered = true },
        ]
    "#;
    let rules = [RuleFile::ready_made().expect("rules"), RuleFile::parse(own).expect("rules").rule].concat();
    let field = |trail: &str, kind| FieldRule { part: Part::Body, trail: trail.to_owned(), kind };
    let fields = vec![
        field("messages[*].content", FieldKind::Code),
        field("**.query", FieldKind::Query),
        field("**a*.[*].b**", FieldKind::Opaque),
    ];
    let engine = Arc::new(Engine::new(rules).expect("compiled"));
    Profile::new(engine, Settings { fields, ..Settings::default() }).expect("a profile")
}

/// Bytes are changed, put in, taken out, repeated.
fn mangle(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(bytes.len() + 1);
        let end = (at + 1 + numbers.below(40)).min(bytes.len());
        match numbers.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            1 if at < bytes.len() => bytes[at] = u8::try_from(numbers.below(256)).expect("a byte"),
            2 => drop(bytes.drain(at.min(end)..end)),
            3 => bytes.truncate(at),
            4 => {
                let piece = bytes[at.min(end)..end].repeat(1 + numbers.below(60));
                bytes.splice(at..at, piece);
            }
            5 => {
                let from = numbers.below(other.len() + 1);
                let piece = &other[from..(from + numbers.below(400)).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            _ => {
                let piece = numbers.pick(PIECES).repeat(1 + numbers.below(3));
                bytes.splice(at..at, piece.into_bytes());
            }
        }
    }
    bytes.truncate(LONGEST);
}

/// One or two, sometimes more, texts over and over: what is quadratic shows here.
fn repeated(numbers: &mut Numbers) -> Vec<u8> {
    let front = if numbers.is_one_in(2) { *numbers.pick(PIECES) } else { "" };
    let unit: String = (0..=numbers.below(3)).map(|_| *numbers.pick(PIECES)).collect();
    let mut bytes = front.as_bytes().to_vec();
    bytes.extend(unit.as_bytes().repeat(LONGEST / unit.len()));
    bytes
}

/// The same short value many times, as texts or as names, and a long way to it: what is asked of the way for each shows here.
fn nested(numbers: &mut Numbers) -> Vec<u8> {
    let quoted = |text: String| serde_json::Value::from(text).to_string();
    let key: String = (0..=numbers.below(3)).map(|_| *numbers.pick(PIECES)).collect();
    let key = quoted(key.repeat(1 + numbers.below(40)));
    let value = quoted((0..=numbers.below(2)).map(|_| *numbers.pick(PIECES)).collect());
    let value = if numbers.is_one_in(3) { format!("{{{value}:1}},") } else { format!("{value},") };
    let depth = 1 + numbers.below(30);
    let front = format!("{{{key}:").repeat(depth);
    let values = value.repeat(LONGEST.saturating_sub(front.len()) / value.len());
    format!("{front}[{}]{}", values.trim_end_matches(','), "}".repeat(depth)).into_bytes()
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A request that is like one of these, or is like nothing.
fn next(seeds: &[Request], numbers: &mut Numbers) -> Request {
    if numbers.is_one_in(8) {
        return Request::with_body("application/json", nested(numbers));
    }
    if numbers.is_one_in(4) {
        let bytes = repeated(numbers);
        return match numbers.below(5) {
            0 => query(&text_of(&bytes[..LONGEST / 3])),
            1 => Request::with_query(text_of(&bytes)),
            2 => json(&text_of(&bytes)),
            3 => Request { path: format!("/{}", percent(&text_of(&bytes[..8 << 10]))), ..Request::default() },
            _ => Request::with_body(numbers.pick::<&str>(KINDS), bytes),
        };
    }
    let (mut request, other) = (numbers.pick(seeds).clone(), numbers.pick(seeds));
    match numbers.below(10) {
        0 => request.path = format!("/{}", text_of(&mangled(request.path.as_bytes(), &other.body, numbers))),
        1 | 2 => {
            let query = request.query.clone().unwrap_or_default();
            request.query = Some(text_of(&mangled(query.as_bytes(), &other.body, numbers)));
        }
        3 => {
            let names =
                ["cookie", "user-agent", "x-note", "content-type", "referer", "x-forwarded-for", "authorization"];
            let value = mangled(b"a=1; b=2", &other.body, numbers);
            request.headers.push(((*numbers.pick(&names)).to_owned(), value));
        }
        _ => request.body = mangled(&request.body, &other.body, numbers),
    }
    if numbers.is_one_in(4) {
        request.headers.retain(|(name, _)| name != "content-type");
        request.headers.push(("content-type".to_owned(), numbers.pick(KINDS).as_bytes().to_vec()));
    }
    if numbers.is_one_in(8) {
        let coding = numbers.pick(CODINGS);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&request.body).expect("written");
        request.body = encoder.finish().expect("finished");
        if numbers.is_one_in(3) {
            request.body = mangled(&request.body, &other.body, numbers);
        }
        request.headers.push(("content-encoding".to_owned(), coding.as_bytes().to_vec()));
    }
    request
}

fn mangled(bytes: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    mangle(&mut bytes, other, numbers);
    bytes
}

/// How long it takes; panics with the request where something panics.
fn time(profile: &Profile, request: &Request) -> Duration {
    let began = spent();
    let judged = catch_unwind(AssertUnwindSafe(|| drop(request.judge(profile))));
    assert!(judged.is_ok(), "panics at {request:?}");
    spent().saturating_sub(began)
}

/// How long this thread was on a processor: a machine that does other things too makes nothing slower by it.
fn spent() -> Duration {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").expect("times of this thread");
    Duration::from_nanos(times.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds"))
}

/// The same at its fastest, if it was slower than `most` once.
fn fastest(profile: &Profile, request: &Request, most: Duration) -> Duration {
    let first = time(profile, request);
    if first <= most { first } else { (0..AGAIN).map(|_| time(profile, request)).fold(first, Duration::min) }
}

fn show(request: &Request) -> String {
    let text = format!(
        "{:?} {:?} {:?} {}",
        request.path.chars().take(60).collect::<String>(),
        request.query.as_ref().map(|query| query.chars().take(120).collect::<String>()),
        request.headers.iter().map(|(name, value)| format!("{name}: {}", value.escape_ascii())).collect::<Vec<_>>(),
        request.body[..request.body.len().min(120)].escape_ascii()
    );
    format!("{} bytes: {}", request.len(), text.chars().take(600).collect::<String>())
}

#[test]
fn nothing_panics_and_nothing_takes_long() {
    let profiles = [profile(), declaring()];
    let attacks = built_in();
    let mut seeds: Vec<Request> =
        attacks.iter().flat_map(|seed| seed.form.places().iter().map(|place| place(&seed.text))).collect();
    seeds.extend(
        attacks
            .iter()
            .filter(|seed| seed.form == Form::Value)
            .map(|seed| Request::with_body("text/plain", &*seed.text)),
    );
    seeds.extend(bodies());
    seeds.extend(corpus::requests(10));
    let mut numbers = Numbers::new(number_of("FUZZ_SEED", 1));
    let deadline = Instant::now() + Duration::from_secs(number_of("FUZZ_SECONDS", 5));
    let (mut judged, mut worst, mut slow) = (0u64, (Duration::ZERO, String::new()), Vec::new());
    while Instant::now() < deadline {
        let request = next(&seeds, &mut numbers);
        let took = fastest(numbers.pick(&profiles), &request, MOST.max(worst.0));
        judged += 1;
        if took > worst.0 {
            worst = (took, show(&request));
        }
        if took > MOST {
            slow.push((took, show(&request)));
        }
    }
    println!("{judged} requests judged; the slowest took {:?}: {}", worst.0, worst.1);
    slow.sort_unstable_by(|a, b| b.cmp(a));
    slow.truncate(10);
    assert!(slow.is_empty(), "longer than {MOST:?}:\n{slow:#?}");
}
