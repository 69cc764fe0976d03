//! A credential that is a client certificate: the upstream sees the right one, and no connection is shared by what came as somebody else.

use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, SerialNumber};

use crate::support::{
    asking::{Asking, NOBODY},
    eventually,
    gateway::{Gateway, Site},
    http1::Message,
    load::Load,
    raw::request,
    scene::code,
    setup::{Parts, alice, config_to},
    tls::{Authority, Identity},
};

/// A gateway with a route `/NAME/**` for each way to come to one target: as `one`, as `two`, and without a certificate (`nobody`).
struct Ways {
    authority: Authority,
    upstream: Asking,
    gateway: Gateway,
}

impl Ways {
    /// With a target that speaks this version, and serves those without a certificate if none is required.
    fn new(http: &str, required: bool) -> Self {
        Self::with(http, required, |authority, name| twin(authority, name).pem())
    }

    /// The same with these secrets.
    fn with(http: &str, required: bool, secret: impl Fn(&Authority, &str) -> String) -> Self {
        let authority = Authority::new("ours");
        let upstream = Asking::start(authority.asking(&authority.server(&["api.test"]), required));
        let gateway = Gateway::start(|site| {
            for name in ["one", "two"] {
                site.write(&format!("secrets/{name}"), secret(&authority, name));
            }
            configuration(site, &authority, &upstream, http)
        });
        Self { authority, upstream, gateway }
    }

    fn get(&self, way: &str) -> Message {
        self.gateway.get(&format!("/{way}/x"), &[("Host", "api.test"), ("Authorization", &alice().bearer())])
    }

    /// Requests by these ways in turn, and what came of each: the way, the status and the body.
    fn load(&self, threads: usize, ways: &'static [&'static str]) -> Load<(u16, String)> {
        let bearer = alice().bearer();
        let send = move |thread: usize, count: usize| {
            let way = ways[(thread + count) % ways.len()];
            request("GET", &format!("/{way}/{way}"), &[("Host", "api.test"), ("Authorization", &bearer)], b"")
        };
        Load::start(threads, self.gateway.public(), send, |answer| (answer.status(), answer.text()))
    }

    fn log_count(&self, text: &str) -> usize {
        self.gateway.log().matches(text).count()
    }
}

/// A certificate with this name, of the same serial number as all others of these.
fn twin(authority: &Authority, name: &str) -> Identity {
    authority.client_with(name, &[], |params| params.serial_number = Some(SerialNumber::from(7_u64)))
}

fn configuration(site: &Site, authority: &Authority, upstream: &Asking, http: &str) -> String {
    site.write("ours.pem", authority.pem());
    site.write("secrets/key", "a-key-in-a-header");
    let target = format!("server_name = \"api.test\"\nca = \"ours.pem\"\nhttp = \"{http}\"");
    let mut more = String::new();
    for name in ["one", "two"] {
        more.push_str(&format!(
            "[credential.{name}.client_certificate]\ntarget = \"api\"\nsecret = \"files:{name}\"\n"
        ));
    }
    more.push_str(
        "[credential.both.several]\ntarget = \"api\"\nclient_certificate = \"files:one\"\nheaders = { X-Key = \"files:key\" }\n",
    );
    for (name, credential) in [
        ("one", "credential = \"one\"\n"),
        ("two", "credential = \"two\"\n"),
        ("both", "credential = \"both\"\n"),
        (NOBODY, ""),
    ] {
        more.push_str(&format!(
            "[route.{name}]\npath = \"/{name}/**\"\ntarget = \"api\"\n{credential}authn = [\"keys\"]\n\
             allow = [{{ role = \"user\" }}]\n"
        ));
    }
    config_to(site, &upstream.url(), &Parts { target: &target, more: &more, ..Parts::default() })
}

#[test]
fn the_upstream_sees_the_right_certificate() {
    for http in ["1", "2"] {
        let ways = Ways::new(http, true);
        for way in ["one", "two", "one", "both", "two"] {
            let answer = ways.get(way);
            let name = if way == "both" { "one" } else { way };
            assert_eq!((answer.status(), &*answer.text()), (200, name), "HTTP/{http} {way}");
            let id = answer.header("x-request-id").expect("an id").to_owned();
            let record = ways.gateway.audited(&id, |record| record["id"] == id.as_str());
            assert_eq!((&record["credential"], &record["reflected"]), (&way.into(), &serde_json::Value::Null));
        }
        let arrived = ways.upstream.arrived();
        assert!(arrived.iter().all(|one| one.is_h2 == (http == "2")), "{arrived:?}");
        let keys: Vec<_> = arrived.iter().map(|one| one.key.as_deref()).collect();
        assert_eq!(keys, [None, None, None, Some("a-key-in-a-header"), None]);
        assert_eq!(ways.upstream.connection_count(), 2, "one for each certificate");
        assert!(!ways.gateway.log().contains("PRIVATE KEY"));
    }
}

#[test]
fn keys_of_every_sort_prove_a_certificate() {
    for algorithm in [&PKCS_ED25519, &PKCS_RSA_SHA256, &PKCS_ECDSA_P384_SHA384] {
        let ways = Ways::with("1", true, |authority, name| {
            authority.client_of(name, KeyPair::generate_for(algorithm).expect("a key")).pem()
        });
        assert_eq!(ways.get("one").text(), "one", "{algorithm:?}");
    }
}

#[test]
fn who_comes_without_the_credential_is_refused_by_the_upstream_before_and_after_and_in_between() {
    for http in ["1", "2"] {
        let ways = Ways::new(http, true);
        for way in [NOBODY, "one", NOBODY, "two", NOBODY, "one", NOBODY] {
            let answer = ways.get(way);
            let want = if way == NOBODY { 502 } else { 200 };
            assert_eq!(answer.status(), want, "HTTP/{http} {way}: {}", answer.text());
        }
        let load = ways.load(3, &["one", NOBODY, "two"]);
        load.wait_for(300);
        let tally = load.stop();
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        let refused = tally.answers.iter().filter(|(status, _)| *status == 502).count();
        let answered = tally.answers.iter().filter(|(status, _)| *status == 200).count();
        assert_eq!(refused + answered, tally.answers.len(), "HTTP/{http}: {:?}", tally.answers);
        assert!(refused >= 90 && answered >= 180, "HTTP/{http}: {refused} {answered}");
        let arrived = ways.upstream.arrived();
        assert!(arrived.iter().all(|one| one.path != format!("/{NOBODY}")), "HTTP/{http}");
    }
}

#[test]
fn no_connection_is_shared_by_different_certificates_nor_with_those_without() {
    for http in ["1", "2"] {
        let ways = Ways::new(http, false);
        let (one, two) = (twin(&ways.authority, "one"), twin(&ways.authority, "two"));
        assert_eq!(one.serial(), two.serial());
        for way in [NOBODY, "one", "two", NOBODY, "two", "one"] {
            assert_eq!(ways.get(way).text(), way, "HTTP/{http}");
        }
        let load = ways.load(4, &["one", "two", NOBODY, "two", "one", NOBODY]);
        load.wait_for(600);
        let tally = load.stop();
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        assert!(tally.answers.iter().all(|(status, _)| *status == 200), "HTTP/{http}");
        let arrived = ways.upstream.arrived();
        for one in &arrived {
            let is_its_own = one.path == "/x" || one.path == format!("/{}", one.name);
            assert!(is_its_own, "HTTP/{http}: {one:?}");
        }
        let connections = ways.upstream.connection_count();
        assert!(connections >= 3 && connections * 4 < arrived.len(), "HTTP/{http}: {connections}, {}", arrived.len());
    }
}

#[test]
fn a_certificate_that_is_replaced_is_not_used_any_more() {
    for http in ["1", "2"] {
        let ways = Ways::new(http, true);
        assert_eq!((ways.get("one").text(), ways.get("two").text()), ("one".to_owned(), "two".to_owned()));
        let load = ways.load(1, &["one"]);
        load.wait_for(20);
        ways.gateway.site().write("secrets/one", twin(&ways.authority, "next").pem());
        eventually("the new one is shown", || (ways.get("one").text() == "next").then_some(()));
        load.wait_for(50);
        let tally = load.stop();
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        assert!(tally.answers.iter().all(|(status, _)| *status == 200), "HTTP/{http}: no request fails of it");
        let names: Vec<_> = tally.answers.iter().map(|(_, name)| name.as_str()).collect();
        let turn = names.iter().position(|name| *name == "next").expect("the new one");
        assert!(turn > 0 && names[turn..].iter().all(|name| *name == "next"), "HTTP/{http}: {names:?}");
        let before = ways.upstream.connection_count();
        assert_eq!(ways.get("two").text(), "two");
        assert_eq!(ways.upstream.connection_count(), before, "HTTP/{http}: the other one's connections are kept");
    }
}

#[test]
fn what_is_no_certificate_with_its_key_refuses_requests_before_anything_is_sent() {
    let ways = Ways::with("1", true, |authority, name| match name {
        "one" => "no PEM at all".to_owned(),
        _ => twin(authority, name).certificate_pem(),
    });
    for way in ["one", "two", "one", "two", "both"] {
        let refused = ways.get(way);
        assert_eq!((refused.status(), &*code(&refused)), (503, "unavailable"), "{way}");
    }
    assert_eq!(ways.upstream.connection_count(), 0, "not even a connection");
    let good = twin(&ways.authority, "one");
    let site = ways.gateway.site();
    let is = |status: u16| eventually("the secret is seen", || (ways.get("one").status() == status).then_some(()));
    site.write("secrets/one", good.pem());
    is(200);
    for (text, told) in [
        (good.certificate_pem() + &twin(&ways.authority, "one").key_pem(), "is not that of its first certificate"),
        (good.pem() + &good.key_pem(), "several private keys"),
        (good.key_pem(), "no certificate in PEM"),
    ] {
        let before = ways.log_count(told);
        site.write("secrets/one", text);
        is(503);
        let (connections, arrived) = (ways.upstream.connection_count(), ways.upstream.arrived().len());
        for _ in 0..3 {
            assert_eq!(code(&ways.get("one")), "unavailable");
        }
        assert_eq!((ways.upstream.connection_count(), ways.upstream.arrived().len()), (connections, arrived), "{told}");
        assert_eq!(ways.log_count(told), before + 1, "told once for each version: {}", ways.gateway.log());
        site.write("secrets/one", good.pem());
        is(200);
    }
    assert!(!ways.gateway.log().contains("PRIVATE KEY"));
}

#[test]
fn whether_a_certificate_has_ended_is_for_the_upstream_to_judge() {
    let ways = Ways::with("1", true, |authority, name| {
        let ended = |params: &mut rcgen::CertificateParams| params.not_after = rcgen::date_time_ymd(2020, 12, 31);
        authority.client_with(name, &[], ended).pem()
    });
    assert_eq!(ways.get("one").status(), 502);
    assert!(ways.upstream.connection_count() > 0, "it was asked");
    assert_eq!(ways.log_count("the client certificate has expired"), 1, "{}", ways.gateway.log());
}
