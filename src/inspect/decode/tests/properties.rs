//! What holds for any bytes.

use proptest::prelude::*;

use super::*;

const TYPES: [&str; 14] = [
    "",
    "application/json",
    "application/x-ndjson",
    "application/json-seq",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "multipart/mixed; boundary=b",
    "application/xml",
    "application/graphql",
    "application/grpc",
    "application/x-protobuf",
    "text/plain",
    "application/octet-stream",
    "application/json; charset=utf-16le",
];

/// Whether a text is JSON for serde_json, which takes the last of two keys; numbers that do not fit its own are.
fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(text)
        .map_or_else(|why| why.to_string().contains("out of range"), |_| true)
}

/// Whether it is so for us, keys that are there twice apart.
fn is_read(text: &[u8]) -> bool {
    !matches!(
        values("application/json", text),
        Err(FaultKind::Malformed | FaultKind::BadText | FaultKind::TooDeep | FaultKind::TooLong | FaultKind::TooMany)
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_read_or_refused(kind in proptest::sample::select(&TYPES[..]), text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = values(kind, &text);
    }

    #[test]
    fn any_signs_are_read_or_refused(
        kind in proptest::sample::select(&TYPES[..]),
        text in "(\\{|\\}|\\[|\\]|:|,|\"|\\\\|u|d8|<|>|!|--|b|\r\n|=|&|;|%|#|\\(|\\)|a|1|\\?|xml|/|\\$|\\.|\x1e|name|[\u{0}-\u{ff}]){0,60}",
    ) {
        let _ = values(kind, &text);
    }

    #[test]
    fn any_head_is_read_or_refused(path in "[ -~é]{0,60}", query in "[ -~é]{0,60}", cookie in "[ -~]{0,60}", bytes in proptest::collection::vec(0x20u8..0x7f, 0..60)) {
        let mut all = All::default();
        let mut fields = headers(&[("cookie", &cookie)]);
        for name in ["content-type", "authorization", "x"] {
            fields.insert(name, HeaderValue::from_bytes(&bytes).expect("printable"));
        }
        let asked = Head { method: &Method::GET, path: &path, query: Some(&query), headers: &fields };
        let _ = head(&asked, &Limits::default(), &mut all);
    }

    #[test]
    fn json_is_what_another_reader_says_it_is(text in "(\\{|\\}|\\[|\\]|:|,|\"|\"|\"|\\\\|\\\\n|\\\\u0041|a|0|1|-|\\.|e|true|null| |\n|\"a\":|\"b\":|\\[1,|é){1,12}") {
        prop_assert_eq!(is_read(text.as_bytes()), is_json(text.as_bytes()), "{}", text);
    }

    #[test]
    fn json_that_is_written_is_read(text in "[ -~\u{80}-\u{ffff}\n\t\"\\\\]{0,40}", number in any::<f64>()) {
        let value = serde_json::json!({ "x": [number, { "y": text.clone() }], "z": null });
        let found = values("text/json", value.to_string());
        prop_assert!(found.is_ok(), "{:?}", found);
        if !text.trim().starts_with(['{', '[']) {
            let want = format!("body.x[1].y={text}");
            prop_assert!(found.expect("read").contains(&want));
        }
    }
}
