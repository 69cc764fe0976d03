//! Attacks on signed requests (RFC 9421) and signed bodies (RFC 9530).

use super::{Bench, GOOD, MISSING, Row, SEVERAL, Sent, refused};
use crate::support::{
    gateway::Gateway,
    issuer::now,
    setup::{Parts, config},
    signer::{SHARED, content_digest, lines, sign, signed, sound},
    upstream::Upstream,
};

const SCHEMES: &[(&str, &[&str])] = &[("signed", &["Signature"]), ("tagged", &["Signature"]), ("none", &["Signature"])];
const OTHER: &str = "another secret of more than 32 bytes";

const TABLES: &str = r#"
[authn.partners.http_signature.key.acme]
algorithm = "hmac-sha256"
secret = "files:acme"
owner = "acme"
[authn.partners.http_signature.key.other]
algorithm = "hmac-sha256"
secret = "files:other"
owner = "other"
[authn.partners.http_signature.key.ended]
algorithm = "hmac-sha256"
secret = "files:acme"
owner = "ended"
expires = "2020-01-01T00:00:00Z"
[authn.partners.http_signature.key.elsewhere]
algorithm = "hmac-sha256"
secret = "files:acme"
owner = "elsewhere"
networks = ["10.0.0.0/8"]
[authn.bank.http_signature]
tag = "bank"
[authn.bank.http_signature.key.acme]
algorithm = "hmac-sha256"
secret = "files:acme"
owner = "acme"
[route.signed]
path = "/signed/**"
target = "api"
authn = ["partners"]
allow = [{ principal = "partners:acme" }]
[route.tagged]
path = "/tagged/**"
target = "api"
authn = ["bank"]
allow = [{ principal = "bank:acme" }]
[route.none]
path = "/none/**"
target = "api"
authn = ["partners"]
allow = [{ role = "nobody" }]
"#;

/// A GET of a path with what covers these lines under these parameters.
fn covering(path: &str, lines: &[(&str, &str)], parameters: &str) -> Sent {
    Sent::get(path, signed(SHARED, lines, parameters))
}

/// A GET that is sound but for these parameters.
fn with(parameters: &str) -> Sent {
    covering("/signed/x", &lines("GET", "/signed/x"), parameters)
}

fn good(nonce: &str) -> Sent {
    with(&sound(nonce))
}

/// The request with another value of this field.
fn changed(mut sent: Sent, name: &str, change: impl Fn(&str) -> String) -> Sent {
    for (_, value) in sent.headers.iter_mut().filter(|(other, _)| *other == name) {
        *value = change(value);
    }
    sent
}

fn without(mut sent: Sent, name: &str) -> Sent {
    sent.headers.retain(|(other, _)| *other != name);
    sent
}

/// What the parameters say.
fn parameters() -> Vec<Row> {
    let at = |created: u64, rest: &str| with(&format!("created={created};nonce=\"p\";keyid=\"acme\"{rest}"));
    let of = |keyid: &str| with(&format!("created={};nonce=\"p\";keyid=\"{keyid}\"", now()));
    let others = Sent::get("/signed/x", signed(OTHER, &lines("GET", "/signed/x"), &sound("p")));
    let tagged = |tag: &str| covering("/tagged/x", &lines("GET", "/tagged/x"), &format!("{}{tag}", sound("p")));
    vec![
        ("http_signature", "of another key's secret", others, refused("signature")),
        ("http_signature", "under another key's id", of("other"), refused("signature")),
        ("http_signature", "under an id that is not known", of("nobody"), refused("unknown_key")),
        ("http_signature", "under an id in another case", of("ACME"), refused("unknown_key")),
        ("http_signature", "under the id of a key that ended", of("ended"), refused("expired")),
        ("http_signature", "under the id of a key for another network", of("elsewhere"), refused("network")),
        ("http_signature", "without a key id", with(&format!("created={};nonce=\"p\"", now())), refused("claim")),
        ("http_signature", "an alg that is not the key's", at(now(), ";alg=\"ed25519\""), refused("algorithm")),
        ("http_signature", "alg none", at(now(), ";alg=\"none\""), refused("algorithm")),
        ("http_signature", "made 2 minutes ago", at(now() - 120, ""), refused("expired")),
        ("http_signature", "made in 2 minutes", at(now() + 120, ""), refused("not_yet_valid")),
        ("http_signature", "made at no time", with("nonce=\"p\";keyid=\"acme\""), refused("claim")),
        ("http_signature", "ended", at(now() - 5, &format!(";expires={}", now() - 1)), refused("expired")),
        ("http_signature", "without a nonce", with(&format!("created={};keyid=\"acme\"", now())), refused("claim")),
        ("http_signature", "a parameter that is not known", at(now(), ";x=1"), refused("critical")),
        ("http_signature", "for another tag", tagged(";tag=\"shop\""), refused("claim")),
        ("http_signature", "for no tag where one is wanted", tagged(""), refused("claim")),
    ]
}

/// What is covered, and what was changed since.
fn coverage() -> Vec<Row> {
    let path = "/signed/x";
    let all = lines("GET", path);
    let leaving_out = |name: &str| {
        let rest: Vec<_> = all.iter().copied().filter(|(other, _)| *other != name).collect();
        covering(path, &rest, &sound("c"))
    };
    let also = |name, value| covering(path, &[all.clone(), vec![(name, value)]].concat(), &sound("c"));
    let posted = |sent: Sent| sent.with_body(b"body");
    let elsewhere = |path: &str| Sent { path: path.to_owned(), ..good("c") };
    let uncovered = posted(covering(path, &lines("POST", path), &sound("c")));
    let added = uncovered.clone().with("content-digest", content_digest(b"body"));
    vec![
        ("http_signature", "without the method", leaving_out("@method"), refused("component")),
        ("http_signature", "without the authority", leaving_out("@authority"), refused("component")),
        ("http_signature", "without the path", leaving_out("@path"), refused("component")),
        ("http_signature", "without the query", leaving_out("@query"), refused("component")),
        ("http_signature", "of nothing", covering(path, &[], &sound("c")), refused("component")),
        ("http_signature", "a component twice", also("@method", "GET"), refused("component")),
        ("http_signature", "a field that is not there", also("x-missing", ""), refused("component")),
        ("http_signature", "a field's name in capitals", also("Accept", "*/*"), refused("component")),
        ("http_signature", "the status of no answer", also("@status", "200"), refused("component")),
        ("http_signature", "a body that is not covered", uncovered, refused("component")),
        ("http_signature", "a digest that is not covered", added, refused("component")),
        ("http_signature", "another path", elsewhere("/signed/y"), refused("signature")),
        ("http_signature", "the path in another spelling", elsewhere("/signed/%78"), refused("signature")),
        ("http_signature", "another query", elsewhere("/signed/x?a"), refused("signature")),
        ("http_signature", "another method", Sent { method: "DELETE", ..good("c") }, refused("signature")),
        ("http_signature", "another host", good("c").with("Host", "other.test"), refused("signature")),
    ]
}

/// The two fields themselves.
fn fields() -> Vec<Row> {
    let path = "/signed/x";
    let (input, signature) = ("signature-input", "signature");
    let sent = good("f");
    let one = sent.headers[0].1.clone();
    let signature_becomes = |text: &str| changed(sent.clone(), signature, |_| text.to_owned());
    let input_becomes = |change: fn(&str) -> String| changed(sent.clone(), input, change);
    vec![
        ("http_signature", "none", without(without(sent.clone(), input), signature), MISSING),
        ("http_signature", "a signature of nothing", without(sent.clone(), input), MISSING),
        ("http_signature", "no signature", without(sent.clone(), signature), refused("malformed")),
        ("http_signature", "two inputs", sent.clone().with(input, one.replacen("sig", "two", 1)), SEVERAL),
        ("http_signature", "the same input twice", sent.clone().with(input, &one), SEVERAL),
        ("http_signature", "two signatures", sent.clone().with(signature, "two=:AAAA:"), SEVERAL),
        ("http_signature", "two in one field", input_becomes(|one| format!("{one}, two=();created=1")), SEVERAL),
        (
            "http_signature",
            "under another label",
            input_becomes(|one| one.replacen("sig", "two", 1)),
            refused("malformed"),
        ),
        ("http_signature", "not base64", signature_becomes("sig=:%%%%:"), refused("malformed")),
        ("http_signature", "base64url", signature_becomes("sig=:AA-_:"), refused("malformed")),
        (
            "http_signature",
            "unpadded",
            changed(sent.clone(), signature, |one| one.replace("=:", ":").replacen("sig:", "sig=:", 1)),
            refused("malformed"),
        ),
        ("http_signature", "as text", signature_becomes("sig=\"AAAA\""), refused("malformed")),
        ("http_signature", "of no byte", signature_becomes("sig=::"), refused("signature")),
        ("http_signature", "short", signature_becomes("sig=:AAAA:"), refused("signature")),
        ("http_signature", "no structured field", input_becomes(|_| "sig=(".to_owned()), refused("malformed")),
        ("http_signature", "blanks added", input_becomes(|one| one.replacen('(', "( ", 1)), refused("malformed")),
        (
            "http_signature",
            "more than 8 KiB",
            input_becomes(|one| format!("{one};tag=\"{}\"", "x".repeat(8192))),
            refused("malformed"),
        ),
        ("http_signature", "beside another credential", sent.clone().with("Authorization", "Bearer x"), SEVERAL),
        (
            "http_signature",
            "an input cut short",
            input_becomes(|one| one.replacen("\"@query\"", "", 1)),
            refused("malformed"),
        ),
        (
            "http_signature",
            "another nonce than was signed",
            input_becomes(|one| one.replace("\"f\"", "\"g\"")),
            refused("signature"),
        ),
        (
            "http_signature",
            "the order changed",
            input_becomes(|one| one.replace("\"@method\" \"@authority\"", "\"@authority\" \"@method\"")),
            refused("signature"),
        ),
        (
            "http_signature",
            "a second digest",
            Sent::get(path, sign("GET", path, b"", "f")).with("content-digest", content_digest(b"x")),
            refused("signature"),
        ),
    ]
}

/// Nonces that were used, where no rule allows anything.
fn replayed() -> Vec<Row> {
    let once = |nonce: &str, created: u64| {
        let parameters = format!("created={created};nonce=\"{nonce}\";keyid=\"acme\"");
        covering("/none/x", &lines("GET", "/none/x"), &parameters)
    };
    let first = once("once", now());
    vec![
        ("http_signature", "the first time, where no rule allows it", first.clone(), (403, "not_allowed", "")),
        ("http_signature", "a second time", first, refused("replay")),
        ("http_signature", "the nonce again in another signature", once("once", now() - 1), refused("replay")),
    ]
}

/// Bodies that are not the signed one. Of such a request the head may reach the upstream, and never the whole.
fn bodies() -> Vec<Row> {
    let path = "/signed/x";
    let of = |body: &[u8], nonce: &str| Sent::get(path, sign("POST", path, body, nonce));
    let digest = |digest: &str, nonce: &str| {
        let covered = [lines("POST", path), vec![("content-digest", digest)]].concat();
        covering(path, &covered, &sound(nonce)).with("content-digest", digest).with_body(b"pay 5 to ada")
    };
    let stale = changed(of(b"pay 5 to ada", "b3"), "content-digest", |_| content_digest(b"pay 5 to eve"));
    vec![
        ("http_signature", "another body", of(b"pay 5 to ada", "b1").with_body(b"pay 5 to eve"), refused("digest")),
        ("http_signature", "a shorter body", of(b"pay 5 to ada", "b2").with_body(b"pay 5 to"), refused("digest")),
        ("http_signature", "another digest", stale.with_body(b"pay 5 to eve"), refused("signature")),
        ("http_signature", "a digest by MD5", digest("md5=:AAAAAAAAAAAAAAAAAAAAAA==:", "b4"), refused("digest")),
        ("http_signature", "no digest", digest("x", "b5"), refused("digest")),
        ("http_signature", "no body", Sent { method: "POST", ..of(b"pay 5 to ada", "b6") }, refused("digest")),
        (
            "http_signature",
            "two digests",
            of(b"pay 5 to ada", "b7").with("content-digest", content_digest(b"x")).with_body(b"pay 5 to ada"),
            refused("signature"),
        ),
    ]
}

#[test]
fn every_attack_on_a_signed_request_meets_its_answer() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(|site| {
        site.write("secrets/acme", SHARED);
        site.write("secrets/other", OTHER);
        config(site, &upstream, &Parts { more: TABLES, ..Parts::default() })
    });
    let bench = Bench { gateway: &gateway, upstream: &upstream, schemes: SCHEMES };
    bench.refuses([parameters(), coverage(), fields(), replayed()].concat());
    bench.judge(bodies());
    assert!(upstream.requests().is_empty(), "no whole request went upstream");

    let tagged = covering("/tagged/x", &lines("GET", "/tagged/x"), &format!("{};tag=\"bank\"", sound("t")));
    let whole = Sent::get("/signed/x", sign("POST", "/signed/x", b"pay 5 to ada", "w")).with_body(b"pay 5 to ada");
    bench.judge(vec![
        ("http_signature", "a sound one", good("g"), GOOD),
        ("http_signature", "with the tag", tagged, GOOD),
        ("http_signature", "with its body", whole, GOOD),
    ]);
}
