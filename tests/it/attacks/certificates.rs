//! Attacks on client certificates, over handshakes and in `Client-Cert` (RFC 9440).

use std::net::SocketAddr;

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType, date_time_ymd};

use super::{Bench, GOOD, MISSING, Row, SEVERAL, Sent, refused};
use crate::support::{
    eventually,
    gateway::free_address,
    mutual::{JOB, Mutual, TLS},
    tls::{Authority, Identity},
};

/// A certificate has no scheme of its own, and RFC 9110 §15.5.2 asks for one.
const SCHEMES: &[(&str, &[&str])] = &[("mtls", &["Bearer"]), ("open", &["Bearer"])];

/// Attacks with the handshake's certificate.
fn shown(scene: &Mutual) -> Vec<Row> {
    let clients = &scene.clients;
    let over = |identity: Option<&Identity>| Sent::get("/mtls/x", [("Accept", "*/*")]).over(scene.trusting(identity));
    let with = |identity: Identity| over(Some(&identity));
    let changed = |change: fn(&mut rcgen::CertificateParams)| with(clients.client_with("job", &[JOB], change));
    // The second one, whom no rule allows, tells when the list is in force without a request that goes upstream.
    let (revoked, witness) = (scene.job(), clients.client("job", &["spiffe://prod.test/witness"]));
    scene.gateway.site().write("clients.crl", clients.revoking(&[&revoked, &witness]));
    eventually("the list is in force", || (over(Some(&witness)).send(&scene.gateway).status() == 401).then_some(()));
    let named =
        |name: SanType| with(clients.client_with("job", &[], move |params| params.subject_alt_names = vec![name]));
    let dns = SanType::DnsName("job.prod.test".try_into().expect("ASCII"));
    let mail = SanType::Rfc822Name("job@prod.test".try_into().expect("ASCII"));
    let open = |identity: Identity| Sent { path: "/open/x".to_owned(), ..with(identity) };
    vec![
        ("mtls", "none", over(None), MISSING),
        ("mtls", "of another authority", with(Authority::new("other").client("job", &[JOB])), refused("certificate")),
        (
            "mtls",
            "of another authority of the same name",
            with(Authority::new("clients").client("job", &[JOB])),
            refused("certificate"),
        ),
        ("mtls", "of the authority for servers", with(scene.servers.client("job", &[JOB])), refused("certificate")),
        ("mtls", "self-signed", with(Authority::self_signed(&["job.test"])), refused("certificate")),
        ("mtls", "revoked", over(Some(&revoked)), refused("revoked")),
        ("mtls", "ended", changed(|params| params.not_after = date_time_ymd(2020, 1, 1)), refused("expired")),
        (
            "mtls",
            "not valid yet",
            changed(|params| params.not_before = date_time_ymd(2090, 1, 1)),
            refused("not_yet_valid"),
        ),
        (
            "mtls",
            "for servers alone",
            changed(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            refused("certificate"),
        ),
        (
            "mtls",
            "for programs alone",
            changed(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning]),
            refused("certificate"),
        ),
        (
            "mtls",
            "a key that may not sign",
            changed(|params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]),
            refused("certificate"),
        ),
        (
            "mtls",
            "an authority's own",
            changed(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            refused("certificate"),
        ),
        ("mtls", "no name", with(clients.client("job", &[])), refused("claim")),
        ("mtls", "a DNS name where a URI is wanted", named(dns), refused("claim")),
        ("mtls", "an address of mail where a URI is wanted", named(mail), refused("claim")),
        ("mtls", "two URIs", with(clients.client("job", &[JOB, "spiffe://prod.test/b"])), refused("claim")),
        ("mtls", "a URI with a NUL", with(clients.client("job", &["spiffe://prod.test/job\0.evil"])), refused("claim")),
        (
            "mtls",
            "another's name",
            with(clients.client("job", &["spiffe://prod.test/other"])),
            (403, "not_allowed", ""),
        ),
        (
            "mtls",
            "a wrong one falls back to nobody",
            open(Authority::new("other").client("job", &[JOB])),
            refused("certificate"),
        ),
        (
            "mtls",
            "a good one for another host",
            Sent { headers: vec![("Host", "other.test".to_owned())], ..with(scene.job()) },
            (421, "misdirected", ""),
        ),
    ]
}

/// Attacks with `Client-Cert`, at the listener that believes this peer and at the one that does not.
fn told(scene: &Mutual, trusting: SocketAddr, plain: SocketAddr) -> Vec<Row> {
    let field = |identity: &Identity| format!(":{}:", STANDARD.encode(identity.der()));
    let (job, stranger) = (scene.job(), Authority::new("clients").client("job", &[JOB]));
    let (ours, theirs) = (field(&job), field(&stranger));
    let sent = |headers: &[&str]| {
        let headers: Vec<_> = headers.iter().map(|value| ("Client-Cert", *value)).collect();
        Sent::get("/mtls/x", headers).at(trusting)
    };
    let unpadded = ours.replace('=', "");
    let spelled = if unpadded == ours { ours.replacen(':', ":=", 1) } else { unpadded };
    let cut = format!(":{}:", STANDARD.encode(&job.der()[..100]));
    let nine = sent(&[&ours]).with("Client-Cert-Chain", [ours.as_str(); 9].join(", "));
    let over = sent(&[&ours]).at(scene.gateway.public()).over(scene.trusting(None));
    vec![
        ("client_cert", "from a peer that is not trusted", sent(&[&ours]).at(plain), MISSING),
        ("client_cert", "over TLS from a peer that is not trusted", over, MISSING),
        ("client_cert", "none", sent(&[]), MISSING),
        ("client_cert", "a stranger's", sent(&[&theirs]), refused("certificate")),
        (
            "client_cert",
            "a stranger's, with its own authority",
            sent(&[&theirs]).with("Client-Cert-Chain", &ours),
            refused("certificate"),
        ),
        ("client_cert", "two fields", sent(&[&ours, &ours]), SEVERAL),
        ("client_cert", "two fields, the first empty", sent(&["", &ours]), SEVERAL),
        ("client_cert", "a list", sent(&[&format!("{ours}, {theirs}")]), refused("malformed")),
        ("client_cert", "a list of one", sent(&[&format!("({ours})")]), refused("malformed")),
        ("client_cert", "with a parameter", sent(&[&format!("{ours};a=1")]), refused("malformed")),
        ("client_cert", "as text", sent(&["garbage"]), refused("malformed")),
        ("client_cert", "empty", sent(&[""]), refused("malformed")),
        ("client_cert", "of no byte", sent(&["::"]), refused("malformed")),
        ("client_cert", "in another spelling", sent(&[&spelled]), refused("malformed")),
        ("client_cert", "of three bytes", sent(&[":AQID:"]), refused("certificate")),
        ("client_cert", "cut", sent(&[&cut]), refused("certificate")),
        ("client_cert", "PEM as proxies used to send it", sent(&["-----BEGIN%20CERTIFICATE"]), refused("malformed")),
        ("client_cert", "only a chain", sent(&[]).with("Client-Cert-Chain", &ours), refused("malformed")),
        ("client_cert", "a chain of nine", nine, refused("malformed")),
        (
            "client_cert",
            "beside another credential",
            sent(&[&ours]).with("Authorization", "Bearer x"),
            refused("malformed"),
        ),
    ]
}

#[test]
fn every_attack_on_a_certificate_meets_its_answer() {
    let (trusting, plain) = (free_address(), free_address());
    let listeners = format!(
        "[listen.balanced]\naddress = \"{trusting}\"\nclient_cert_from = [\"127.0.0.0/8\"]\n\
         [listen.plain]\naddress = \"{plain}\"\nclient_cert_from = [\"192.0.2.0/24\"]\n"
    );
    let scene = Mutual::new(&format!("{TLS}client_certificate = \"ask\""), &listeners);
    for address in [trusting, plain] {
        eventually("the other listener is there", || std::net::TcpStream::connect(address).ok().map(drop));
    }
    let bench = Bench { gateway: &scene.gateway, upstream: &scene.upstream, schemes: SCHEMES };
    let rows = [shown(&scene), told(&scene, trusting, plain)].concat();
    bench.refuses(rows);

    let job = scene.job();
    let field = format!(":{}:", STANDARD.encode(job.der()));
    // Without a list of usages a certificate is for all of them (RFC 5280 §4.2.1.12).
    let any = scene.clients.client_with("job", &[JOB], |params| params.extended_key_usages = Vec::new());
    let over = |identity: &Identity| Sent::get("/mtls/x", [("Accept", "*/*")]).over(scene.trusting(Some(identity)));
    bench.judge(vec![
        ("mtls", "the right one", over(&job), GOOD),
        ("mtls", "one for any usage", over(&any), GOOD),
        ("client_cert", "the right one", Sent::get("/mtls/x", [("Client-Cert", field)]).at(trusting), GOOD),
    ]);
}
