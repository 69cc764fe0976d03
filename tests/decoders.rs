//! What public vectors say of the decoders: texts that are JSON are read, those that are none are refused, and strings that break others break nothing.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use claviger::inspect::{Engine, FaultKind, Head, Limits, Profile, Report, RuleFile, Settings};
use http::{HeaderMap, HeaderValue, Method};

#[path = "decoders/hidden.rs"]
mod hidden;

fn vectors(name: &str) -> Option<PathBuf> {
    let data = std::env::var_os("CLAVIGER_TEST_DATA").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let vectors = data.join("vectors").join(name);
    if vectors.is_dir() {
        return Some(vectors);
    }
    println!("skipped: vectors absent ({})", vectors.display());
    None
}

fn profile() -> Profile {
    let engine = Arc::new(Engine::new(RuleFile::ready_made().expect("rules")).expect("compiled"));
    // Vectors go beyond limits on purpose.
    let limits = Limits { depth: 1_000, digits: 10_000, ..Limits::default() };
    Profile::new(engine, Settings { limits, ..Settings::default() }).expect("a profile")
}

fn judge(profile: &Profile, kind: &str, query: Option<&str>, body: &[u8]) -> Report {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_str(kind).expect("a type"));
    profile.judge(&Head { method: &Method::POST, path: "/", query, headers: &headers }, Some(body))
}

#[test]
fn json_texts_are_read_or_refused_as_the_suite_says() {
    let Some(suite) = vectors("json-test-suite") else { return };
    let profile = profile();
    let (mut accepted, mut refused, mut either, mut twice) = (0, 0, 0, 0);
    for file in std::fs::read_dir(suite.join("test_parsing")).expect("a suite") {
        let file = file.expect("a file");
        let name = file.file_name().into_string().expect("a name");
        let text = std::fs::read(file.path()).expect("a text");
        let fault = judge(&profile, "application/json", None, &text).fault.map(|fault| fault.kind);
        match name.get(..2) {
            // One of two keys is taken by nobody here.
            Some("y_") if fault == Some(FaultKind::DuplicateKey) => twice += 1,
            Some("y_") => {
                assert_eq!(fault, None, "{name}");
                accepted += 1;
            }
            // An empty body is none.
            Some("n_") if text.is_empty() => {}
            Some("n_") => {
                assert!(fault.is_some(), "{name}");
                refused += 1;
            }
            _ => either += 1,
        }
    }
    println!("json-test-suite: {accepted} accepted, {refused} refused, {twice} with a key twice, {either} either way");
    assert!(accepted > 80 && refused > 150 && twice <= 2);
}

#[test]
fn naughty_strings_go_through_every_decoder() {
    let Some(folder) = vectors("naughty-strings") else { return };
    let profile = profile();
    let text = std::fs::read_to_string(folder.join("blns.json")).expect("strings");
    let strings: Vec<String> = serde_json::from_str(&text).expect("a list");
    let mut judged = 0;
    let mut stopped = 0;
    for string in strings.iter().filter(|string| !string.is_empty()) {
        let quoted = serde_json::to_string(string).expect("a string");
        let query: String = form_urlencoded::byte_serialize(string.as_bytes()).collect();
        let escaped = string.replace('&', "&amp;").replace('<', "&lt;");
        let encoded = base64::engine::general_purpose::STANDARD.encode(string);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(string.as_bytes()).expect("written");
        let wide: Vec<u8> = quoted.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let part = format!("--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n{string}\r\n--b--\r\n");
        let bodies: [(&str, Vec<u8>); 14] = [
            ("application/json", format!("{{\"a\":{quoted}}}").into_bytes()),
            ("application/json", format!("[\"{encoded}\"]").into_bytes()),
            ("application/json", string.clone().into_bytes()),
            ("application/json; charset=utf-16le", wide),
            ("application/x-ndjson", format!("{quoted}\n{quoted}").into_bytes()),
            ("application/x-www-form-urlencoded", format!("a={query}").into_bytes()),
            ("multipart/form-data; boundary=b", part.into_bytes()),
            ("application/xml", format!("<a>{escaped}</a>").into_bytes()),
            ("application/xml", string.clone().into_bytes()),
            ("application/graphql", format!("{{a(b:{quoted})}}").into_bytes()),
            ("application/grpc", string.clone().into_bytes()),
            ("application/x-protobuf", string.clone().into_bytes()),
            ("text/plain", string.clone().into_bytes()),
            ("application/octet-stream", gzip.finish().expect("finished")),
        ];
        for (kind, body) in bodies {
            let report = judge(&profile, kind, Some(&query), &body);
            judged += 1;
            stopped += usize::from(report.is_attack);
            let is_well_formed =
                kind == "application/x-ndjson" || (kind == "application/json" && body.starts_with(b"{\"a\":"));
            assert!(!is_well_formed || report.fault.is_none(), "{kind} {string:?} {:?}", report.fault);
        }
    }
    println!("naughty-strings: {} strings, {judged} requests judged, {stopped} of them stopped", strings.len());
    assert!(judged > 5_000);
}
