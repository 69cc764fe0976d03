//! What is signed and what is set, whatever the client sent, and what is refused.

mod vectors;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;

const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Noon of 2015-08-30, and some.
fn at() -> SigningTime {
    SigningTime::new(UNIX_EPOCH + Duration::from_secs(1_440_938_160)).expect("a time")
}

pub(super) fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        (
            HeaderName::from_bytes(name.as_bytes()).expect("a name"),
            HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
        )
    };
    let mut map = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        map.append(name, value);
    }
    map
}

/// The signature of a GET, and the canonical request.
fn sign(service: &str, target: &str, headers: &HeaderMap, payload: Payload) -> Result<(Signature, String), Fault> {
    let access = AccessKey::new("AKIDEXAMPLE", Some(b"canary-token"))?;
    let key = DayKey::derive(SECRET, &at(), "us-east-1", service)?;
    let settings = Settings::for_service(service);
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let head = Head { method: &Method::GET, path, query, headers };
    let mut told = Vec::new();
    let signer = Signer { access: &access, key: &key, settings: &settings };
    let signature = signer.sign_telling(&head, payload, &at(), |text| told.push(text.to_owned()))?;
    Ok((signature, told.remove(0)))
}

/// Path and query of the canonical request.
fn canonical(service: &str, target: &str) -> String {
    let (_, text) = sign(service, target, &headers(&[("host", "h")]), Payload::Empty).expect("signed");
    let mut lines = text.lines().skip(1);
    format!("{}?{}", lines.next().expect("a path"), lines.next().expect("a query"))
}

#[test]
fn paths_are_escaped_as_the_service_reads_them() {
    for (path, general, s3) in [
        ("", "/", "/"),
        ("/", "/", "/"),
        ("//", "/", "//"),
        ("//a//b//", "/a/b/", "//a//b//"),
        ("/a/./b/../c", "/a/c", "/a/./b/../c"),
        ("/../..", "/", "/../.."),
        ("/a/..b/.c", "/a/..b/.c", "/a/..b/.c"),
        ("/a%2Fb", "/a%252Fb", "/a%2Fb"),
        ("/a%2fb", "/a%252fb", "/a%2Fb"),
        ("/%41%7E", "/%2541%257E", "/A~"),
        ("/a+b", "/a%2Bb", "/a%2Bb"),
        ("/a%2Bb", "/a%252Bb", "/a%2Bb"),
        ("/a b", "/a%20b", "/a%20b"),
        ("/@:!$'()*,;=", "/%40%3A%21%24%27%28%29%2A%2C%3B%3D", "/%40%3A%21%24%27%28%29%2A%2C%3B%3D"),
        ("/ሴ", "/%E1%88%B4", "/%E1%88%B4"),
        ("/%E1%88%B4", "/%25E1%2588%25B4", "/%E1%88%B4"),
        ("/%ff", "/%25ff", "/%FF"),
        ("/%", "/%25", "/%25"),
        ("/%zz%4", "/%25zz%254", "/%25zz%254"),
        ("/%2E%2E/a", "/%252E%252E/a", "/../a"),
    ] {
        assert_eq!(canonical("sts", path), format!("{general}?"), "{path}");
        assert_eq!(canonical("s3", path), format!("{s3}?"), "{path}");
    }
}

#[test]
fn queries_are_sorted_and_escaped_once() {
    for (query, want) in [
        ("", ""),
        ("&", ""),
        ("a", "a="),
        ("a=", "a="),
        ("=", "="),
        ("=b", "=b"),
        ("b=2&a=1", "a=1&b=2"),
        ("a=2&a=1&a", "a=&a=1&a=2"),
        ("a=1&&b=2&", "a=1&b=2"),
        ("a=1&a=1", "a=1&a=1"),
        // By names first: `-` is before `=`.
        ("a-b=1&a=2", "a=2&a-b=1"),
        ("b=1&B=2", "B=2&b=1"),
        ("a=b=c", "a=b%3Dc"),
        ("a=b/c?d", "a=b%2Fc%3Fd"),
        ("a=b%2fc", "a=b%2Fc"),
        ("a=b+c", "a=b%20c"),
        ("a+b=%2B", "a%20b=%2B"),
        ("%61=%7e", "a=~"),
        ("ሴ=bar", "%E1%88%B4=bar"),
        ("a=%E1%88%b4&a=%ff", "a=%E1%88%B4&a=%FF"),
        ("a=%&b=%zz", "a=%25&b=%25zz"),
        ("a=1;b=2", "a=1%3Bb%3D2"),
        ("acl", "acl="),
    ] {
        for service in ["s3", "dynamodb"] {
            assert_eq!(canonical(service, &format!("/?{query}")), format!("/?{want}"), "{query}");
        }
        // What is sent instead is signed alike.
        assert_eq!(canonical("s3", &format!("/?{}", query_to_send(query))), format!("/?{want}"), "{query}");
    }
}

#[test]
fn fields_are_signed_by_name_and_those_of_the_way_never_are() {
    let all = headers(&[
        ("host", "h"),
        ("x-amz-target", "a  b\t c "),
        ("x-amz-meta-x", ""),
        ("content-type", "t"),
        ("content-md5", "m"),
        ("range", "bytes=0-1"),
        ("accept", "*/*"),
        ("user-agent", "u"),
        ("via", "v"),
        ("x-forwarded-for", "f"),
        ("x-request-id", "r"),
        ("transfer-encoding", "chunked"),
        ("x-amzn-trace-id", "x"),
    ]);
    let key = DayKey::derive(SECRET, &at(), "us-east-1", "s3").expect("derived");
    let access = AccessKey::new("AKIDEXAMPLE", None).expect("a key");
    let also_signed = ["range", "via", "x-forwarded-for", "authorization", "x-absent"].map(HeaderName::from_static);
    let settings = Settings { also_signed: also_signed.to_vec(), ..Settings::for_service("s3") };
    let head = Head { method: &Method::GET, path: "/", query: None, headers: &all };
    let mut told = Vec::new();
    let signer = Signer { access: &access, key: &key, settings: &settings };
    signer.sign_telling(&head, Payload::Unsigned, &at(), |text| told.push(text.to_owned())).expect("signed");
    let want = "GET\n/\n\ncontent-md5:m\ncontent-type:t\nhost:h\nrange:bytes=0-1\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n\
                x-amz-date:20150830T123600Z\nx-amz-meta-x:\nx-amz-target:a b c\n\n\
                content-md5;content-type;host;range;x-amz-content-sha256;x-amz-date;x-amz-meta-x;x-amz-target\nUNSIGNED-PAYLOAD";
    assert_eq!(told[0], want);
}

#[test]
fn nothing_of_a_clients_signature_is_signed_or_sent() {
    let mut own = headers(&[("host", "h"), ("authorization", "AWS4-HMAC-SHA256 evil"), ("x-kept", "1")]);
    for name in ["x-amz-date", "x-amz-security-token", "x-amz-content-sha256"] {
        own.append(name, HeaderValue::from_static("evil-1"));
        own.append(name, HeaderValue::from_static("evil-2"));
    }
    let (before, text) = sign("s3", "/", &own, Payload::Empty).expect("signed");
    assert!(!text.contains("evil"), "{text}");
    take_off(&mut own);
    assert_eq!(own, headers(&[("host", "h"), ("x-kept", "1")]));
    let (after, _) = sign("s3", "/", &own, Payload::Empty).expect("signed");
    assert_eq!(before, after);
    let set: Vec<_> = after.into_headers().collect();
    assert_eq!(set.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), CLIENTS_OWN);
    assert!(set.iter().all(|(_, value)| !value.as_bytes().starts_with(b"evil")));
}

#[test]
fn what_only_the_client_knows_of_the_body_is_always_sent() {
    for (service, payload, want) in [
        ("sts", Payload::Empty, None),
        ("sts", Payload::Signed([0xab; 32]), None),
        ("sts", Payload::Unsigned, Some(UNSIGNED_PAYLOAD)),
        ("s3", Payload::Empty, Some(EMPTY_SHA256)),
        ("s3", Payload::Unsigned, Some(UNSIGNED_PAYLOAD)),
        ("s3", Payload::UnsignedTrailer, Some(UNSIGNED_TRAILER)),
        ("s3", Payload::Signed([0xab; 32]), Some(&*"ab".repeat(32))),
    ] {
        let (signature, text) = sign(service, "/", &headers(&[("host", "h")]), payload).expect("signed");
        let sent = signature.into_headers().find(|(name, _)| *name == AMZ_CONTENT_SHA256);
        assert_eq!(sent.as_ref().map(|(_, value)| value.to_str().expect("text")), want, "{service} {payload:?}");
        assert!(text.ends_with(&*payload.text()));
    }
    assert_eq!(Payload::Signed(sha256(b"")).text(), EMPTY_SHA256);
}

#[test]
fn what_cannot_be_signed_has_a_fault_of_its_own() {
    let host = headers(&[("host", "h")]);
    let mut binary = host.clone();
    binary.insert("x-amz-meta-x", HeaderValue::from_bytes(b"\xff").expect("a value"));
    for (fields, want) in [(HeaderMap::new(), Fault::NoHost), (binary, Fault::Field)] {
        assert_eq!(sign("s3", "/", &fields, Payload::Empty).err(), Some(want));
    }
    let long = "A".repeat(129);
    for id in ["", "AKID/EXAMPLE", "AKID\n", &long] {
        assert_eq!(AccessKey::new(id, None).err(), Some(Fault::AccessKeyId), "{id}");
    }
    for token in [&b""[..], b"to ken", b"token\n", b"\xff"] {
        assert_eq!(AccessKey::new("AKID", Some(token)).err(), Some(Fault::SessionToken), "{token:?}");
    }
    for (secret, region, service, want) in [
        (&b""[..], "us-east-1", "s3", Fault::Secret),
        (SECRET, "", "s3", Fault::Scope),
        (SECRET, "us-east-1", "", Fault::Scope),
        (SECRET, "us/east", "s3", Fault::Scope),
        (SECRET, "us-east-1", "s3\n", Fault::Scope),
    ] {
        assert_eq!(DayKey::derive(secret, &at(), region, service).err(), Some(want), "{region} {service}");
    }
}

#[test]
fn a_key_signs_on_its_day_and_on_no_other() {
    let midnight = UNIX_EPOCH + Duration::from_secs(1_440_892_800);
    let time = |seconds: u64| SigningTime::new(midnight + Duration::from_secs(seconds)).expect("a time");
    let key = DayKey::derive(SECRET, &time(0), "us-east-1", "s3").expect("derived");
    assert!(key.is_for(&time(0)) && key.is_for(&time(86_399)) && !key.is_for(&time(86_400)));
    let (access, settings) = (AccessKey::new("AKID", None).expect("a key"), Settings::for_service("s3"));
    let fields = headers(&[("host", "h")]);
    let head = Head { method: &Method::GET, path: "/", query: None, headers: &fields };
    let signer = Signer { access: &access, key: &key, settings: &settings };
    assert_eq!(signer.sign(&head, Payload::Empty, &time(86_400)).err(), Some(Fault::Day));
    assert!(signer.sign(&head, Payload::Empty, &time(86_399)).is_ok());
    let far = |seconds| SigningTime::new(SystemTime::UNIX_EPOCH - Duration::from_secs(seconds));
    assert_eq!(far(62_167_219_201).err(), Some(Fault::Time));
    assert_eq!(far(62_167_219_200).expect("the year 0").as_str(), "00000101T000000Z");
}

#[test]
fn debug_shows_no_secret() {
    let access = AccessKey::new("AKIDEXAMPLE", Some(b"canary-token")).expect("a key");
    let key = DayKey::derive(b"canary-secret", &at(), "us-east-1", "s3").expect("derived");
    let settings = Settings::for_service("s3");
    let signer = Signer { access: &access, key: &key, settings: &settings };
    let (signature, _) = sign("s3", "/", &headers(&[("host", "h")]), Payload::Empty).expect("signed");
    let bytes: &[u8; 32] = &key.sign(b"x");
    assert_eq!(format!("{key:?}"), "[redacted]");
    let shown =
        format!("{access:?}{key:?}{signer:?}{signature:?}{:?}", signature.clone().into_headers().collect::<Vec<_>>());
    for secret in ["canary", "Signature=", &format!("{bytes:?}")] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    let sensitive: Vec<_> =
        signature.into_headers().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name).collect();
    assert_eq!(sensitive, [header::AUTHORIZATION, AMZ_SECURITY_TOKEN.clone()]);
}

/// The request text is not to be moved as it grows: what it leaves behind holds the token.
#[test]
fn the_text_has_the_room_it_needs() {
    let target = format!("/{}?{}", "é%3A".repeat(500), "!&é=%".repeat(500));
    let fields: Vec<_> = (0..50).map(|_| ("x-amz-meta-a", "v")).chain([("host", "h")]).collect();
    let fields = headers(&fields);
    for service in ["s3", "sts"] {
        let (_, text) = sign(service, &target, &fields, Payload::Unsigned).expect("signed");
        let (path, query) = target.split_once('?').expect("a query");
        let head = Head { method: &Method::GET, path, query: Some(query), headers: &fields };
        let access = AccessKey::new("AKIDEXAMPLE", Some(b"canary-token")).expect("a key");
        let key = DayKey::derive(SECRET, &at(), "us-east-1", service).expect("derived");
        let signer = Signer { access: &access, key: &key, settings: &Settings::for_service(service) };
        assert!(text.len() <= signer.room(&head), "{}", text.len());
    }
}
