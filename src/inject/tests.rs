//! Each way to put a secret on a request, and what it leaves of the client's own.

use std::sync::Arc;

use http::HeaderValue;

use super::*;
use crate::domain::Secret;

fn prepared(method: Method, secret: &str) -> Option<Injection> {
    let secret = Arc::new(Secret::new(secret.as_bytes().to_vec()));
    let part = method.prepare(&[Arc::clone(&secret)]).ok()?;
    let name = Name::parse("x").expect("name");
    let prepared = Arc::new(Prepared::new(vec![1], vec![part], vec![Arc::clone(&secret)], vec![secret]));
    Some(Injection {
        credential: name.clone(),
        target: name,
        prepared,
        payload: Payload::Empty,
        body: None,
        filled: None,
    })
}

#[test]
fn each_method_has_its_form() {
    let x_key = HeaderName::from_static("x-key");
    for (method, want) in [
        (Method::Bearer, "authorization: Bearer s3cret"),
        (Method::Basic { username: "user".into() }, "authorization: Basic dXNlcjpzM2NyZXQ="),
        (Method::Header { name: x_key, prefix: "Key ".into() }, "x-key: Key s3cret"),
    ] {
        let injection = prepared(method, "s3cret").expect("prepared");
        let (name, value) = injection.headers().next().expect("a header");
        assert_eq!(format!("{name}: {}", value.to_str().expect("text")), want);
        assert!(value.is_sensitive());
    }
}

#[test]
fn the_clients_own_parameter_gives_way() {
    let injection = prepared(Method::Query { parameter: "key".into() }, "a b&c").expect("prepared");
    for (query, want) in [
        (None, "key=a%20b%26c"),
        (Some(""), "key=a%20b%26c"),
        (Some("q=1"), "q=1&key=a%20b%26c"),
        (Some("key=evil&q=1&%6bey=x&KEY=y&key"), "q=1&key=a%20b%26c"),
    ] {
        assert_eq!(injection.query(query).expect("a query").as_str(), want);
    }
}

#[test]
fn the_clients_own_cookie_gives_way_and_its_others_stay() {
    let injection = prepared(Method::Cookie { name: "sid".into() }, "s3cret").expect("prepared");
    for (fields, want) in [
        (&[][..], "sid=s3cret"),
        (&["a=1"], "a=1; sid=s3cret"),
        (&["sid=evil; a=1 ;sid = x", "b=2; SID=y;"], "a=1; b=2; SID=y; sid=s3cret"),
    ] {
        let fields: Vec<_> = fields.iter().map(|text| HeaderValue::from_static(text)).collect();
        let got = injection.cookies(fields.iter()).expect("cookies");
        assert!(got.is_sensitive());
        assert_eq!(got.to_str().expect("text"), want);
    }
    for secret in ["a b", "a;b", "a\"b", "a,b"] {
        assert!(prepared(Method::Cookie { name: "sid".into() }, secret).is_none(), "{secret}");
    }
}

#[test]
fn a_secret_is_seen_when_it_comes_back() {
    let injection = prepared(Method::Query { parameter: "key".into() }, "a b&c").expect("prepared");
    for (field, want) in [("/v1/x/?key=a%20b%26c&q=1", true), ("was: a b&c", true), ("/v1/x/?q=1", false)] {
        assert_eq!(injection.needles().is_in(field.as_bytes()), want, "{field}");
    }
}

#[test]
fn what_cannot_be_sent_is_not_prepared() {
    for secret in ["", "line\nbreak", "nul\0"] {
        assert!(prepared(Method::Bearer, secret).is_none(), "{secret:?}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let injection = prepared(Method::Query { parameter: "key".into() }, "canary").expect("prepared");
    let bearer = prepared(Method::Bearer, "canary").expect("prepared");
    assert!(!format!("{injection:?}{bearer:?}").contains("canary"));
}

#[test]
fn the_key_that_a_secret_spells_must_not_come_back_either() {
    for (key_encoding, secret, sought) in [
        (KeyEncoding::Raw, "s3cr3t-key", &["s3cr3t-key"][..]),
        (KeyEncoding::Hex, "7333637233742d6b6579", &["7333637233742d6b6579", "s3cr3t-key"]),
        (KeyEncoding::Base64, "czNjcjN0LWtleQ==", &["czNjcjN0LWtleQ==", "s3cr3t-key"]),
    ] {
        let method = Method::Hmac(Box::new(HmacSettings {
            algorithm: crate::crypto::MacAlgorithm::Sha256,
            encoding: HmacEncoding::Hex,
            key_encoding,
            header: HeaderName::from_static("x-signature"),
            value: ValueTemplate::plain(),
            signed: SignedTemplate::parse("{method}").expect("a template"),
            time_header: None,
        }));
        let secret = Arc::new(Secret::new(secret.as_bytes().to_vec()));
        let part = method.prepare(&[Arc::clone(&secret)]).expect("prepared");
        let all = method.sought(vec![secret], &part);
        let all: Vec<&[u8]> = all.iter().map(|secret| secret.expose()).collect();
        assert_eq!(all, sought.iter().map(|text| text.as_bytes()).collect::<Vec<_>>());
    }
}

#[test]
fn a_client_certificate_goes_into_the_connection_and_nowhere_else() {
    let made = rcgen::generate_simple_self_signed(["api.test".to_owned()]).expect("a certificate");
    let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    let secret = Arc::new(Secret::new(pem.into_bytes()));
    let method = Method::ClientCertificate;
    let part = method.prepare(&[Arc::clone(&secret)]).expect("prepared");
    assert!(method.sought(vec![secret], &part).is_empty(), "nothing of it is sent");
    assert!(method.headers().is_empty() && !method.needs_body() && !method.is_simple());
    let injection = prepared(method, &(made.cert.pem() + &made.signing_key.serialize_pem())).expect("prepared");
    let shown = injection.client().expect("a certificate");
    assert_eq!(shown.chain(), [made.cert.der().to_vec()]);
    assert_eq!((injection.headers().count(), injection.query(Some("a")), injection.path_front()), (0, None, ""));
    assert!(injection.cookies(std::iter::empty()).is_none() && injection.filled().is_none());
    assert!(prepared(Method::Bearer, "s3cret").expect("prepared").client().is_none());
    for text in ["", "no PEM", &made.cert.pem()] {
        assert!(prepared(Method::ClientCertificate, text).is_none(), "{text}");
    }
}
