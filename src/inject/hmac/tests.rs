//! What is signed, against HMACs that OpenSSL made of texts written out by hand.

use std::time::Duration;

use http::{HeaderMap, Method};

use super::*;

fn settings(signed: &str) -> HmacSettings {
    HmacSettings {
        algorithm: MacAlgorithm::Sha256,
        encoding: HmacEncoding::Hex,
        key_encoding: KeyEncoding::Raw,
        header: HeaderName::from_static("x-signature"),
        value: ValueTemplate::plain(),
        signed: SignedTemplate::parse(signed).expect("a template"),
        time_header: None,
    }
}

/// The fields that sign one request, at a time with milliseconds.
fn signed(settings: HmacSettings, secret: &[u8], query: Option<&str>, body: &str) -> Vec<String> {
    let mut headers = HeaderMap::new();
    for (name, value) in [("host", "api.test"), ("x-a", "1"), ("x-a", "2"), ("x-empty", "")] {
        headers.append(name, HeaderValue::from_static(value));
    }
    let head = Head { method: &Method::POST, path: "/v1/a%20b", query, headers: &headers };
    let hmac = Hmac::new(settings, &Secret::new(secret.to_vec())).expect("a key");
    let body = (!body.is_empty()).then(|| ReadBody::new(body.as_bytes().to_vec()));
    let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    let fields = hmac.sign(&head, body.as_ref(), at).expect("signed");
    fields.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect()
}

/// The text that a template stands for, by the HMAC of that text.
fn is_signed(template: &str, query: Option<&str>, body: &str, text: &str) {
    let mut mac = MacKey::new(MacAlgorithm::Sha256, b"Jefe").begin();
    mac.update(text.as_bytes());
    let want = format!("x-signature: {}", hex(&mac.finish()));
    assert_eq!(signed(settings(template), b"Jefe", query, body), [want], "{template}");
}

#[test]
fn each_placeholder_stands_for_its_part_of_the_request() {
    const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for (template, query, body, text) in [
        ("{time}.{body}", None, "abc", "1700000000.abc"),
        ("{time_ms}\n{method}\n{host}\n", None, "", "1700000000123\nPOST\napi.test\n"),
        ("{path}?{query}", Some("a=1&b"), "", "/v1/a%20b?a=1&b"),
        ("{path}?{query}", None, "", "/v1/a%20b?"),
        ("{target}", Some("a=1&b"), "", "/v1/a%20b?a=1&b"),
        ("{target}", Some(""), "", "/v1/a%20b?"),
        ("{target}", None, "", "/v1/a%20b"),
        ("{body_sha256}", None, "abc", OF_ABC),
        ("{body_sha256}", None, "", OF_NOTHING),
        ("[{body}]", None, "", "[]"),
        ("{header:X-A}|{header:x-empty}|{header:x-none}|", None, "", "1, 2|||"),
        ("é{method}", None, "", "éPOST"),
    ] {
        is_signed(template, query, body, text);
    }
}

#[test]
fn signatures_are_those_of_openssl() {
    // printf '%s' TEXT | openssl dgst -ALGORITHM -mac HMAC -macopt hexkey:4a656665
    let full = "{method} {target} {body}";
    let changed = |change: &dyn Fn(&mut HmacSettings)| {
        let mut settings = settings(full);
        change(&mut settings);
        settings
    };
    let rows = [
        ("e9ca65e01bba1cdfa0c1d6b7234f2c4a37ec85754453f06d57e29b3151afbceb", changed(&|_| ())),
        (
            "1a3fbc1dbf773350fd7716b870e0a83a5c2f638061222921597dc24aa55068298f77333a6a775c1580ae898b76b3eb4690aea08d52c50be0aa6fade82ccdf597",
            changed(&|settings| settings.algorithm = MacAlgorithm::Sha512),
        ),
        ("ab138b76d2ce8234b4c5b7332d99a44b83add82d", changed(&|settings| settings.algorithm = MacAlgorithm::Sha1)),
        ("6cpl4Bu6HN+gwda3I08sSjfshXVEU/BtV+KbMVGvvOs=", changed(&|settings| settings.encoding = HmacEncoding::Base64)),
    ];
    for (want, settings) in rows {
        assert_eq!(signed(settings, b"Jefe", Some("q=1"), "abc"), [format!("x-signature: {want}")]);
    }
    for (key_encoding, secret) in [
        (KeyEncoding::Hex, &b"4a656665"[..]),
        (KeyEncoding::Hex, b"4A656665"),
        (KeyEncoding::Base64, b"SmVmZQ=="),
        (KeyEncoding::Base64, b"SmVmZQ"),
    ] {
        let settings = changed(&|settings| settings.key_encoding = key_encoding);
        assert_eq!(
            signed(settings, secret, Some("q=1"), "abc"),
            ["x-signature: e9ca65e01bba1cdfa0c1d6b7234f2c4a37ec85754453f06d57e29b3151afbceb"]
        );
    }
}

#[test]
fn the_time_is_told_as_it_is_signed() {
    let with = |template: &str, value: &str| HmacSettings {
        value: ValueTemplate::parse(value).expect("a template"),
        time_header: Some(HeaderName::from_static("x-time")),
        ..settings(template)
    };
    for (template, value, want) in [
        ("{time}", "t={time},v1={signature}", ["t=1700000000,v1=", "x-time: 1700000000"]),
        ("{time_ms}", "{time_ms}:{signature}", ["1700000000123:", "x-time: 1700000000123"]),
        ("{method}", "{signature}", ["", "x-time: 1700000000"]),
    ] {
        let fields = signed(with(template, value), b"Jefe", None, "");
        assert!(fields[0].starts_with(&format!("x-signature: {}", want[0])), "{fields:?}");
        assert_eq!(fields[1], want[1]);
    }
    // The time's header can be signed as the others are.
    let fields = signed(with("{header:x-time}", "{signature}"), b"Jefe", None, "");
    assert_eq!(fields[0], signed(settings("{time}"), b"Jefe", None, "")[0]);
}

#[test]
fn keys_that_are_none_do_not_sign() {
    for (key_encoding, secret) in [
        (KeyEncoding::Raw, &b""[..]),
        (KeyEncoding::Base64, b""),
        (KeyEncoding::Base64, b"a*b="),
        (KeyEncoding::Hex, b"4a6"),
        (KeyEncoding::Hex, b"4x"),
        (KeyEncoding::Hex, b"\xff\xff"),
    ] {
        let settings = HmacSettings { key_encoding, ..settings("{method}") };
        assert!(Hmac::new(settings, &Secret::new(secret.to_vec())).is_none(), "{key_encoding:?} {secret:?}");
    }
}

#[test]
fn templates_that_mean_nothing_are_refused() {
    use SigningFault::{Brace, Character, Constant, Header, NoSignature, Placeholder};
    for (template, want) in [
        ("{time", Brace),
        ("time}", Brace),
        ("{time}}", Brace),
        ("", Constant),
        ("abc", Constant),
        ("{}", Placeholder(String::new())),
        ("{Time}", Placeholder("Time".to_owned())),
        ("{signature}", Placeholder("signature".to_owned())),
        ("{header}", Placeholder("header".to_owned())),
        ("{header:}", Header),
        ("{header:a b}", Header),
        ("{header:Connection}", Header),
        ("{header:TE}", Header),
        ("{header:x_a}", Header),
    ] {
        assert_eq!(SignedTemplate::parse(template), Err(want), "{template}");
    }
    for (template, want) in [
        ("", NoSignature),
        ("{time}", NoSignature),
        ("{signature", Brace),
        ("{body}{signature}", Placeholder("body".to_owned())),
        ("a\nb{signature}", Character),
        ("é{signature}", Character),
    ] {
        assert_eq!(ValueTemplate::parse(template), Err(want), "{template}");
    }
    for name in SignedTemplate::PLACEHOLDERS {
        assert!(SignedTemplate::parse(&format!("{{{name}}}")).is_ok(), "{name}");
    }
    for name in ValueTemplate::PLACEHOLDERS {
        assert!(ValueTemplate::parse(&format!("{{signature}}{{{name}}}")).is_ok(), "{name}");
    }
}
