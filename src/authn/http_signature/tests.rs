//! Attacks on signed requests.

mod vectors;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, Method};

use super::*;
use crate::authn::testing::{NOW, at, name, with_request};
use crate::authn::{Authenticator, Chain};
use crate::domain::{Denial, Secret};

const SHARED: &[u8] = b"0123456789abcdef0123456789abcdef";

/// A request, as a client or an attacker sends it.
#[derive(Clone)]
struct Sent {
    method: &'static str,
    target: &'static str,
    authority: &'static str,
    headers: Vec<(&'static str, String)>,
    has_body: bool,
}

impl Sent {
    fn new() -> Self {
        let target = "/v1/pay?to=ada&sum=5";
        Self { method: "POST", target, authority: "api.test", headers: vec![DATE.to_owned_pair()], has_body: false }
    }

    fn look<R>(&self, look: impl FnOnce(&RequestView<'_>) -> R) -> R {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        let method: Method = self.method.parse().expect("a method");
        let (target, authority, has_body) = (self.target, self.authority, self.has_body);
        with_request(&[], |view| {
            look(&RequestView { method: &method, headers: &headers, target, authority, has_body, ..*view })
        })
    }

    /// Signs what `input` covers, with the shared secret.
    fn sign(mut self, input: &str) -> Self {
        let presented = input::parse(format!("s={input}").as_bytes(), b"s=:AAAA:", None).expect("an input");
        let base = self.look(|view| base::signature_base(&presented, view)).expect("a base");
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SHARED);
        let tag = STANDARD.encode(aws_lc_rs::hmac::sign(&key, base.as_bytes()));
        self.headers.push(("signature-input", format!("s={input}")));
        self.headers.push(("signature", format!("s=:{tag}:")));
        self
    }

    fn set(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn add(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &'static str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self
    }

    fn value(&self, name: &str) -> String {
        self.headers.iter().find(|(other, _)| *other == name).expect("a field").1.clone()
    }
}

struct Line(&'static str, &'static str);

const DATE: Line = Line("date", "Tue, 14 Nov 2023 22:13:20 GMT");

impl Line {
    fn to_owned_pair(&self) -> (&'static str, String) {
        (self.0, self.1.to_owned())
    }
}

fn key_entry(id: &str, key: SignatureKey) -> SignatureKeyEntry {
    SignatureKeyEntry {
        id: id.to_owned(),
        key,
        place: None,
        nonces: Arc::new(ReplayCache::new(1000, 1, 1)),
        owner: format!("owner-of-{id}"),
        roles: vec!["payer".into()],
        scopes: Vec::new(),
        kind: PrincipalKind::Service,
        expires: None,
        networks: None,
    }
}

fn shared() -> SignatureKey {
    SignatureKey::shared(&Secret::new(SHARED.to_vec())).expect("a key")
}

fn ed25519() -> SignatureKey {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a pair");
    SignatureKey::public(SignatureAlgorithm::Ed25519, pair.public_key_pem().as_bytes()).expect("a key")
}

fn settings() -> HttpSignatureSettings {
    let mut old = key_entry("old", shared());
    old.expires = Some(at(NOW));
    let mut far = key_entry("far", shared());
    far.networks = Some(NetworkSet::new(vec!["10.0.0.0/8".parse().expect("a network")]));
    HttpSignatureSettings {
        name: name("partners"),
        components: ["@method", "@authority", "@path", "@query", "content-digest"].map(str::to_owned).to_vec(),
        max_age: Duration::from_secs(60),
        leeway: Duration::from_secs(10),
        tag: None,
        label: None,
        nonce_required: true,
        keys: vec![key_entry("k", shared()), key_entry("ed", ed25519()), old, far],
    }
}

fn signatures() -> HttpSignature {
    HttpSignature::new(settings()).expect("an authenticator")
}

fn judge(signatures: &HttpSignature, sent: &Sent) -> Result<Option<BodyDigest>, AuthnFault> {
    match sent.look(|view| signatures.verify_here(view, at(NOW)).map(|(proof, _)| proof)) {
        Ok(proof) => {
            assert_eq!(proof.principal.id, "owner-of-k");
            Ok(proof.body)
        }
        Err(Denial::Unauthenticated(fault)) => Err(fault),
        Err(other) => panic!("{other:?}"),
    }
}

const COVERED: &str = r#"("@method" "@authority" "@path" "@query" "date");created=1700000000;nonce="n";keyid="k""#;
const EMPTY_DIGEST: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

/// The usual input with another end.
fn input(end: &str) -> String {
    format!(r#"("@method" "@authority" "@path" "@query" "date"){end}"#)
}

#[test]
fn a_signed_request_proves_its_signer_once() {
    let signatures = signatures();
    let sent = Sent::new().sign(COVERED);
    assert_eq!(judge(&signatures, &sent), Ok(None));
    assert_eq!(judge(&signatures, &sent), Err(AuthnFault::Replay));
    let wider = r#"("@method" "@target-uri");created=1700000000;nonce="m";keyid="k";alg="hmac-sha256""#;
    assert_eq!(judge(&signatures, &Sent::new().sign(wider)), Ok(None));
}

#[test]
fn what_was_signed_cannot_be_changed() {
    use AuthnFault::{Malformed, Several, Signature};
    let signed = Sent::new().sign(COVERED);
    let (signature, presented) = (signed.value("signature"), signed.value("signature-input"));
    let change = |change: fn(&mut Sent)| {
        let mut sent = signed.clone();
        change(&mut sent);
        sent
    };
    for (what, sent, want) in [
        ("method", change(|sent| sent.method = "PUT"), Signature),
        ("path", change(|sent| sent.target = "/v1/pax?to=ada&sum=5"), Signature),
        ("path spelled otherwise", change(|sent| sent.target = "/v1/p%61y?to=ada&sum=5"), Signature),
        ("query", change(|sent| sent.target = "/v1/pay?to=eve&sum=5"), Signature),
        ("order of the query", change(|sent| sent.target = "/v1/pay?sum=5&to=ada"), Signature),
        ("no query", change(|sent| sent.target = "/v1/pay"), Signature),
        ("authority", change(|sent| sent.authority = "evil.test"), Signature),
        ("port", change(|sent| sent.authority = "api.test:8443"), Signature),
        ("field", signed.clone().set("date", "Wed, 15 Nov 2023 22:13:20 GMT"), Signature),
        ("field repeated", signed.clone().add("date", DATE.1), Signature),
        ("field gone", signed.clone().without("date"), AuthnFault::Component),
        ("created", signed.clone().set("signature-input", &presented.replace("1700000000", "1700000001")), Signature),
        ("nonce", signed.clone().set("signature-input", &presented.replace("\"n\"", "\"o\"")), Signature),
        ("key", signed.clone().set("signature-input", &presented.replace("\"k\"", "\"ed\"")), Signature),
        (
            "order",
            signed.clone().set("signature-input", &presented.replace(r#""@path" "@query""#, r#""@query" "@path""#)),
            Signature,
        ),
        ("cover less", signed.clone().set("signature-input", &presented.replace(" \"date\"", "")), Signature),
        (
            "signature",
            signed.clone().set("signature", &signature.replacen(|c: char| c.is_ascii_lowercase(), "Z", 2)),
            Malformed,
        ),
        ("no signature", signed.clone().without("signature"), Malformed),
        ("empty", signed.clone().set("signature", "s=::"), Signature),
        ("short", signed.clone().set("signature", "s=:AAAA:"), Signature),
        ("two lines of signatures", signed.clone().add("signature", "t=:AAAA:"), Several),
        ("the same line twice", signed.clone().add("signature", &signature), Several),
        ("two lines of inputs", signed.clone().add("signature-input", &presented), Several),
        ("two labels", signed.clone().set("signature", &format!("{signature}, t=:AAAA:")), Several),
        ("no padding", signed.clone().set("signature", &signature.replace('=', "").replacen('s', "s=", 1)), Malformed),
        ("another label", signed.clone().set("signature", &signature.replacen('s', "t", 1)), Malformed),
    ] {
        let want = if what == "signature" { [Malformed, Signature] } else { [want, want] };
        let got = judge(&signatures(), &sent).expect_err(what);
        assert!(want.contains(&got), "{what}: {got:?}");
    }
    assert_eq!(judge(&signatures(), &signed), Ok(None));
}

#[test]
fn a_signature_that_signs_too_little_or_at_another_time_is_refused() {
    use AuthnFault::{Algorithm, Claim, Component, Critical, Expired, Network, NotYetValid, UnknownKey};
    for (input, want) in [
        (input(";created=1699999940;nonce=\"n\";keyid=\"k\""), None),
        (input(";created=1699999939;nonce=\"n\";keyid=\"k\""), Some(Expired)),
        (input(";created=1700000010;nonce=\"n\";keyid=\"k\""), None),
        (input(";created=1700000011;nonce=\"n\";keyid=\"k\""), Some(NotYetValid)),
        (input(";created=999999999999999;nonce=\"n\";keyid=\"k\""), Some(NotYetValid)),
        (input(";created=0;nonce=\"n\";keyid=\"k\""), Some(Expired)),
        (input(";nonce=\"n\";keyid=\"k\""), Some(Claim)),
        (input(";expires=1700000060;nonce=\"n\";keyid=\"k\""), Some(Claim)),
        (input(";created=1700000000;expires=1700000001;nonce=\"n\";keyid=\"k\""), None),
        (input(";created=1700000000;expires=1700000000;nonce=\"n\";keyid=\"k\""), Some(Expired)),
        (input(";created=1700000000;keyid=\"k\""), Some(Claim)),
        (input(";created=1700000000;nonce=\"n\""), Some(Claim)),
        (input(";created=1700000000;nonce=\"n\";keyid=\"q\""), Some(UnknownKey)),
        (input(";created=1700000000;nonce=\"n\";keyid=\"old\""), Some(Expired)),
        (input(";created=1700000000;nonce=\"n\";keyid=\"far\""), Some(Network)),
        (input(";created=1700000000;nonce=\"n\";keyid=\"k\";alg=\"hmac-sha256\""), None),
        (input(";created=1700000000;nonce=\"n\";keyid=\"k\";alg=\"ed25519\""), Some(Algorithm)),
        (input(";created=1700000000;nonce=\"n\";keyid=\"k\";alg=\"none\""), Some(Algorithm)),
        (input(";created=1700000000;nonce=\"n\";keyid=\"ed\";alg=\"hmac-sha256\""), Some(Algorithm)),
        ("();created=1700000000;nonce=\"n\";keyid=\"k\"".to_owned(), Some(Component)),
        (r#"("@method" "@authority" "@path");created=1700000000;nonce="n";keyid="k""#.to_owned(), Some(Component)),
        (
            r#"("@method" "@authority" "@path" "@query-param";name="to");created=1700000000;nonce="n";keyid="k""#
                .to_owned(),
            Some(Component),
        ),
        (r#"("@authority" "@path" "@query");created=1700000000;nonce="n";keyid="k""#.to_owned(), Some(Component)),
    ] {
        assert_eq!(judge(&signatures(), &Sent::new().sign(&input)).err(), want, "{input}");
    }
    let unknown = input(";created=1700000000;nonce=\"n\";keyid=\"k\";audience=\"x\"");
    let sent = Sent::new().sign(COVERED).set("signature-input", &format!("s={unknown}"));
    assert_eq!(judge(&signatures(), &sent), Err(Critical));
}

/// A caller whose secret is the bytes of somebody's public key, as where an implementation lets the signature choose the algorithm.
#[test]
fn a_public_key_is_no_shared_secret() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a pair");
    let presented = format!("s={}", COVERED.replace("\"k\"", "\"ed\""));
    let mut sent = Sent::new().add("signature-input", &presented);
    let parsed = input::parse(presented.as_bytes(), b"s=:AAAA:", None).expect("an input");
    let base = sent.look(|view| base::signature_base(&parsed, view)).expect("a base");
    let key = SignatureKey::public(SignatureAlgorithm::Ed25519, pair.public_key_pem().as_bytes()).expect("a key");
    let signatures = HttpSignature::new(HttpSignatureSettings { keys: vec![key_entry("ed", key)], ..settings() });
    let signatures = signatures.expect("an authenticator");
    for secret in [pair.public_key_raw().to_vec(), pair.public_key_pem().into_bytes()] {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
        let tag = STANDARD.encode(aws_lc_rs::hmac::sign(&key, base.as_bytes()));
        sent = sent.set("signature", &format!("s=:{tag}:"));
        assert_eq!(judge(&signatures, &sent), Err(AuthnFault::Signature));
    }
}

#[test]
fn a_body_is_signed_by_its_digest() {
    use AuthnFault::{Component, Digest};
    let with_digest = COVERED.replace("\"date\"", "\"content-digest\"");
    let sent = |digest: &str, has_body| {
        let mut sent = Sent::new().add("content-digest", digest);
        sent.has_body = has_body;
        sent
    };
    let hello = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
    let want = BodyDigest::parse(hello.as_bytes()).expect("a digest");
    assert_eq!(judge(&signatures(), &sent(hello, true).sign(&with_digest)), Ok(Some(want)));
    for (what, sent, want) in [
        ("a body that is not covered", sent(hello, true).sign(COVERED), Err(Component)),
        ("a body that is not there", sent(hello, false).sign(&with_digest), Err(Digest)),
        ("no body", sent(EMPTY_DIGEST, false).sign(&with_digest), Ok(None)),
        ("no body and no digest", Sent::new().sign(COVERED), Ok(None)),
        (
            "digest changed",
            sent(hello, true).sign(&with_digest).set("content-digest", EMPTY_DIGEST),
            Err(AuthnFault::Signature),
        ),
        ("no digest that is known", sent("md5=:AAAA:", true).sign(&with_digest), Err(Digest)),
        ("two lines", sent(hello, true).add("content-digest", hello).sign(&with_digest), Err(Digest)),
        ("no digest", Sent::new().add("content-digest", "x").sign(&with_digest), Err(Digest)),
    ] {
        assert_eq!(judge(&signatures(), &sent), want, "{what}");
    }
}

#[test]
fn a_tag_and_a_label_are_those_that_were_asked_for() {
    let tagged =
        || HttpSignature::new(HttpSignatureSettings { tag: Some("pay".to_owned()), ..settings() }).expect("one");
    let asked = r#"sig=("@method" "@authority" "@path" "@query" "content-digest");created;keyid;tag="pay""#;
    assert_eq!(tagged().asked_for(), asked);
    for (tag, want) in
        [(";tag=\"pay\"", None), (";tag=\"bank\"", Some(AuthnFault::Claim)), ("", Some(AuthnFault::Claim))]
    {
        let sent = Sent::new().sign(&format!("{COVERED}{tag}"));
        assert_eq!(judge(&tagged(), &sent).err(), want, "{tag}");
    }
    let labelled = |label: &str| {
        HttpSignature::new(HttpSignatureSettings { label: Some(label.to_owned()), ..settings() }).expect("one")
    };
    let sent = Sent::new().sign(COVERED);
    let (one, input) = (sent.value("signature"), sent.value("signature-input"));
    let both = sent
        .set("signature", &format!("proxy=:AAAA:, {one}"))
        .set("signature-input", &format!("proxy=(\"@method\");created=1, {input}"));
    assert_eq!(judge(&labelled("s"), &both), Ok(None));
    assert_eq!(judge(&labelled("t"), &both), Err(AuthnFault::Malformed));
    assert_eq!(judge(&signatures(), &both), Err(AuthnFault::Several));
}

#[test]
fn a_signature_beside_another_credential_is_refused_before_either_is_looked_at() {
    let authenticators = vec![Authenticator::HttpSignature(Arc::new(signatures()))];
    let chain = Chain::new(authenticators, &name("api"), Arc::default()).expect("a chain");
    let judge = |sent: &Sent| {
        sent.look(|view| crate::authn::testing::ready(chain.authenticate(view, at(NOW))).map(|proof| proof.principal))
    };
    let sent = Sent::new().sign(COVERED);
    for (sent, want) in [
        (sent.clone().add("authorization", "Bearer x"), AuthnFault::Several),
        (sent.clone().add("signature-input", "t=()"), AuthnFault::Several),
        (sent.clone().without("signature-input"), AuthnFault::Missing),
    ] {
        assert_eq!(judge(&sent), Err(Denial::Unauthenticated(want)));
    }
    assert_eq!(judge(&sent).expect("a principal").id, "owner-of-k");
    assert!([SIGNATURE, SIGNATURE_INPUT].iter().all(|place| chain.places().contains(place)), "neither goes upstream");
}

#[test]
fn settings_that_ask_for_nothing_or_too_much_make_no_authenticator() {
    type Change = fn(&mut HttpSignatureSettings);
    let component = |name: &str| HttpSignatureFault::Component(name.to_owned());
    let cases: [(Change, HttpSignatureFault); 10] = [
        (|s| s.components.clear(), HttpSignatureFault::NoComponents),
        (|s| s.components.push("@status".to_owned()), component("@status")),
        (|s| s.components.push("@query-param".to_owned()), component("@query-param")),
        (|s| s.components.push("Date".to_owned()), component("Date")),
        (|s| s.max_age = Duration::ZERO, HttpSignatureFault::Time),
        (|s| s.max_age = Duration::from_secs(301), HttpSignatureFault::Time),
        (|s| s.leeway = Duration::from_secs(31), HttpSignatureFault::Time),
        (|s| s.tag = Some(String::new()), HttpSignatureFault::Text),
        (|s| s.keys[0].owner = "a@b@c".to_owned(), HttpSignatureFault::Owner("k".to_owned())),
        (|s| s.keys[0].networks = Some(NetworkSet::default()), HttpSignatureFault::NoNetwork("k".to_owned())),
    ];
    for (change, want) in cases {
        let mut settings = settings();
        change(&mut settings);
        assert_eq!(HttpSignature::new(settings).err(), Some(want));
    }
}
