//! Answers that must prove nothing.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::PKCS_ECDSA_P256_SHA256;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::authn::asked::{AWAY, AskFault, AskSettings, digest};
use crate::authn::testing::{NOW, at, name, with, with_request, without};
use crate::authn::{
    Alg, Authenticator, Chain, ClientAuth, ForwardAuth, ForwardAuthSettings, Introspection, IntrospectionSettings,
    KindSource, LiveSecret, OwnToken, TokenReview, TokenReviewSettings,
};
use crate::domain::{AuthnFault, Denial, Principal, PrincipalKind};
use crate::net::{Client, Egress};
use crate::vault::{Kind, Settings, Vaults};

/// A server on loopback that gives every request this answer, whole requests as they came, and its URL.
pub(super) async fn server(answer: Vec<u8>) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (seen, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let (answer, seen) = (answer.clone(), seen.clone());
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while !is_whole(&bytes) && connection.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {}
                let _ = seen.send(String::from_utf8_lossy(&bytes).into_owned());
                let _ = connection.write_all(&answer).await;
                // The end of an answer without a length.
                let _ = connection.shutdown().await;
            });
        }
    });
    (url, requests)
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or("0", str::trim);
    body.len() >= length.parse().expect("a length")
}

pub(super) fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}\r\n{body}").into_bytes()
}

pub(super) fn ask_settings(url: &str, cache: u64) -> AskSettings {
    AskSettings {
        name: name("corp"),
        url: url.to_owned(),
        timeout: Duration::from_millis(1500),
        cache: Duration::from_secs(cache),
    }
}

pub(super) fn client() -> Arc<Client> {
    let limits = AskSettings::limits(Duration::from_millis(1500), Egress::default(), None);
    Arc::new(Client::new(limits).expect("a client"))
}

/// A secret in a folder that is not looked at again.
pub(super) fn secret(value: &[u8]) -> LiveSecret {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("own"), value).expect("written");
    let kind = Kind::Directory { path: folder.path().to_owned() };
    let settings = Settings { name: name("dir"), kind, max_stale: Settings::DEFAULT_STALE };
    LiveSecret::new(Vaults::default().open(&settings).slot("own"))
}

fn introspection(url: &str, client_auth: ClientAuth, cache: u64) -> Result<Introspection, AskFault> {
    let settings = IntrospectionSettings {
        ask: ask_settings(url, cache),
        client_id: "our:id".to_owned(),
        client_auth,
        audiences: vec!["https://api.example.com".to_owned()],
        issuer: Some("https://login.example.com".to_owned()),
        id_claim: "sub".to_owned(),
        roles_claim: Some("realm_access.roles".to_owned()),
        scopes_claim: "scope".to_owned(),
        kind: KindSource::Fixed(PrincipalKind::Human),
    };
    Introspection::new(settings, &client())
}

fn good() -> Value {
    json!({
        "active": true, "iss": "https://login.example.com", "aud": ["x", "https://api.example.com"], "sub": "alice",
        "exp": NOW + 600, "nbf": NOW, "realm_access": {"roles": ["ops"]}, "scope": "read write", "token_type": "Bearer",
        "cnf": {"jkt": URL_SAFE_NO_PAD.encode([7; 32])}, "act": {"sub": "helper"},
    })
}

const REDIRECT: &str = "location: /yes\r\ncontent-length: 0\r\n";

#[tokio::test]
async fn nothing_but_a_plain_yes_of_the_authorization_server_proves_anything() {
    use AuthnFault::{Audience, Binding, Claim, Expired, Inactive, Issuer, NotYetValid, Type};
    let no = |fault| Err(Denial::Unauthenticated(fault));
    let twice = good().to_string().replacen('{', r#"{"active":false,"#, 1);
    let huge = with(good(), "pad", Value::from("x".repeat(70_000)));
    for (what, status, headers, body, want) in [
        ("a plain yes", 200, "", good().to_string(), Ok(())),
        ("an outage", 500, "", good().to_string(), Err(AWAY)),
        ("our secret is refused", 401, "", good().to_string(), Err(AWAY)),
        ("a redirect", 302, REDIRECT, String::new(), Err(AWAY)),
        ("another success", 201, "", good().to_string(), Err(AWAY)),
        ("nothing", 204, "", String::new(), Err(AWAY)),
        ("garbage", 200, "", "<html>active: true</html>".to_owned(), Err(AWAY)),
        ("cut off", 200, "content-length: 9000\r\n", good().to_string(), Err(AWAY)),
        ("a list", 200, "", format!("[{}]", good()), Err(AWAY)),
        ("two objects", 200, "", format!("{}{}", good(), good()), Err(AWAY)),
        ("too large", 200, "", huge, Err(AWAY)),
        ("active twice", 200, "", twice, Err(AWAY)),
        ("active as text", 200, "", with(good(), "active", "true".into()), Err(AWAY)),
        ("active as number", 200, "", with(good(), "active", 1.into()), Err(AWAY)),
        ("active as list", 200, "", with(good(), "active", json!([true])), Err(AWAY)),
        ("without active", 200, "", without(good(), "active"), Err(AWAY)),
        ("a plain no", 200, "", with(good(), "active", false.into()), no(Inactive)),
        ("another audience", 200, "", with(good(), "aud", "https://other.example.com".into()), no(Audience)),
        ("no audience", 200, "", without(good(), "aud"), no(Claim)),
        ("another issuer", 200, "", with(good(), "iss", "https://login.example.com/".into()), no(Issuer)),
        ("no issuer", 200, "", without(good(), "iss"), no(Claim)),
        ("over", 200, "", with(good(), "exp", NOW.into()), no(Expired)),
        ("an end in words", 200, "", with(good(), "exp", "never".into()), no(Claim)),
        ("to come", 200, "", with(good(), "nbf", (NOW + 60).into()), no(NotYetValid)),
        ("nobody", 200, "", without(good(), "sub"), no(Claim)),
        ("two people", 200, "", with(good(), "sub", json!(["alice", "root"])), no(Claim)),
        ("an id with two signs", 200, "", with(good(), "sub", "root@evil@corp".into()), no(Claim)),
        ("a refresh token", 200, "", with(good(), "token_type", "refresh_token".into()), no(Type)),
        ("bound to what is not known", 200, "", with(good(), "cnf", json!({"kid": "k"})), no(Binding)),
        ("bound to garbage", 200, "", with(good(), "cnf", "x".into()), no(Claim)),
        ("an actor without a name", 200, "", with(good(), "act", json!({})), no(Claim)),
    ] {
        let (url, _) = server(answer(status, headers, &body)).await;
        let service = introspection(&url, ClientAuth::Basic(secret(b"s")), 30).expect("settings");
        let proved = service.verify("opaque", at(NOW)).await;
        assert_eq!(proved.as_ref().map(|_| ()).map_err(|denial| *denial), want, "{what}");
        if let Ok(alice) = proved {
            assert_eq!((alice.id.as_str(), &*alice.roles[0], &*alice.scopes[1]), ("alice", "ops", "write"));
            assert_eq!((alice.actor.as_deref(), alice.confirmation.key), (Some("helper"), Some([7; 32])));
            assert_eq!((alice.expires, alice.confirmation.certificate), (Some(at(NOW + 600)), None));
        }
    }
}

#[tokio::test]
async fn tokens_that_cannot_be_one_are_not_asked_about() {
    let (url, mut requests) = server(answer(200, "", &good().to_string())).await;
    let service = introspection(&url, ClientAuth::Post(secret(b"s")), 30).expect("settings");
    for token in ["x".repeat(8193), "a b".to_owned(), "a\u{7f}".to_owned(), "\u{e9}".to_owned()] {
        let refused = service.verify(&token, at(NOW)).await;
        assert_eq!(refused, Err(Denial::Unauthenticated(AuthnFault::Malformed)), "{token:?}");
    }
    assert!(requests.try_recv().is_err());
    assert!(service.verify(&"x".repeat(8192), at(NOW)).await.is_ok());
}

#[tokio::test]
async fn the_client_proves_itself_as_the_standards_say() {
    let yes = answer(200, "", &good().to_string());
    let (url, mut requests) = server(yes).await;
    let pair = rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let own_key = |alg| ClientAuth::PrivateKeyJwt {
        key: secret(pair.serialize_pem().as_bytes()),
        alg,
        key_id: Some("k1".to_owned()),
        audience: "https://login.example.com/token".to_owned(),
    };
    let mut bodies = Vec::new();
    for way in [ClientAuth::Basic(secret(b"s&:%")), ClientAuth::Post(secret(b"s&:%")), own_key(Alg::Es256)] {
        let service = introspection(&url, way, 0).expect("settings");
        service.verify("to+ken/=", at(NOW)).await.expect("proved");
        bodies.push(requests.recv().await.expect("a request"));
    }
    let token = "token=to%2Bken%2F%3D&token_type_hint=access_token";
    let basic = format!("authorization: Basic {}\r\n", STANDARD.encode("our%3Aid:s%26%3A%25"));
    assert!(bodies[0].contains(&basic) && bodies[0].ends_with(&format!("\r\n\r\n{token}")), "{}", bodies[0]);
    let posted = format!("\r\n\r\n{token}&client_id=our%3Aid&client_secret=s%26%3A%25");
    assert!(bodies[1].ends_with(&posted) && !bodies[1].contains("authorization"), "{}", bodies[1]);
    let (form, assertion) = bodies[2].split_once("&client_assertion=").expect("an assertion");
    assert!(form.ends_with("client-assertion-type%3Ajwt-bearer"), "{form}");
    let parts: Vec<_> = assertion.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url")).collect();
    let header: Value = serde_json::from_slice(&parts[0]).expect("JSON");
    let claims: Value = serde_json::from_slice(&parts[1]).expect("JSON");
    assert_eq!((&header["alg"], &header["kid"]), (&json!("ES256"), &json!("k1")));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("our:id"), &json!("our:id")));
    assert_eq!((&claims["aud"], &claims["exp"]), (&json!("https://login.example.com/token"), &json!(NOW + 60)));
    assert_eq!(claims["jti"].as_str().map(str::len), Some(22));
    let public = aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED,
        pair.public_key_raw(),
    );
    let (signed, _) = assertion.rsplit_once('.').expect("a signature");
    public.verify(signed.as_bytes(), &parts[2]).expect("signed by the client's key");

    for (way, want) in [
        (own_key(Alg::Rs256), AskFault::Key),
        (own_key(Alg::Hs256), AskFault::Algorithm),
        (own_key(Alg::Ps256), AskFault::Algorithm),
    ] {
        assert_eq!(introspection(&url, way, 0).err(), Some(want));
    }
    let away = introspection(&url, ClientAuth::Post(secret(b"")), 0).expect("settings");
    assert_eq!(away.verify("t", at(NOW)).await, Err(AWAY), "without its own secret it asks nobody");
    assert!(requests.try_recv().is_err());
}

pub(super) fn review() -> Value {
    json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
        "status": {
            "authenticated": true, "audiences": ["claviger"],
            "user": {"username": "system:serviceaccount:shop:billing", "groups": ["system:authenticated"]},
        },
    })
}

fn with_status(key: &str, member: Value) -> String {
    let mut review = review();
    review["status"][key] = member;
    review.to_string()
}

#[tokio::test]
async fn nothing_but_a_plain_yes_of_the_cluster_proves_anything() {
    use AuthnFault::{Audience, Claim, Inactive};
    let no = |fault| Err(Denial::Unauthenticated(fault));
    let mut silent = review();
    silent["status"].as_object_mut().expect("an object").remove("audiences");
    for (what, status, body, want) in [
        ("a plain yes", 201, review().to_string(), Ok(())),
        ("an outage", 503, review().to_string(), Err(AWAY)),
        ("we may not ask", 403, review().to_string(), Err(AWAY)),
        ("another document", 201, with(review(), "kind", "Status".into()), Err(AWAY)),
        ("no status", 201, without(review(), "status"), Err(AWAY)),
        ("yes as text", 201, with_status("authenticated", "true".into()), Err(AWAY)),
        ("a plain no", 201, with_status("authenticated", false.into()), no(Inactive)),
        ("a no that is left out", 201, with(review(), "status", json!({"error": "x"})), no(Inactive)),
        ("for the API server", 201, with_status("audiences", json!(["kubernetes"])), no(Audience)),
        ("for whomever", 201, silent.to_string(), no(Claim)),
        ("nobody", 201, with_status("user", json!({})), no(Claim)),
        ("groups as text", 201, with_status("user", json!({"username": "a", "groups": {}})), no(Claim)),
    ] {
        let (url, mut requests) = server(answer(status, "", &body)).await;
        let settings = TokenReviewSettings {
            ask: ask_settings(&format!("{url}/"), 30),
            own_token: OwnToken::Vault(secret(b"own-token")),
            audiences: vec!["claviger".to_owned()],
            kind: PrincipalKind::Service,
        };
        let none = TokenReview::new(TokenReviewSettings { audiences: Vec::new(), ..settings.clone() }, &client());
        assert_eq!(none.err(), Some(AskFault::Audience), "a token for anybody could be for the API server");
        let service = TokenReview::new(settings, &client()).expect("settings");
        let proved = service.verify("opaque", at(NOW)).await;
        assert_eq!(proved.as_ref().map(|_| ()).map_err(|denial| *denial), want, "{what}");
        let request = requests.recv().await.expect("a request");
        assert!(request.starts_with("POST /apis/authentication.k8s.io/v1/tokenreviews HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Bearer own-token\r\n"), "{request}");
        assert!(request.contains(r#""audiences":["claviger"]"#), "{request}");
        if let Ok(account) = proved {
            assert_eq!(account.id, "system:serviceaccount:shop:billing");
            assert_eq!(&*account.roles[0], "system:authenticated");
        }
    }
}

fn forward_settings(url: &str) -> ForwardAuthSettings {
    ForwardAuthSettings {
        ask: ask_settings(url, 30),
        credential_headers: vec![http::HeaderName::from_static("x-session")],
        request_headers: vec![http::HeaderName::from_static("x-device")],
        id_header: http::HeaderName::from_static("x-user"),
        roles_header: Some(http::HeaderName::from_static("x-roles")),
        kind: PrincipalKind::Human,
    }
}

/// What a service answers for this request.
async fn forwarded(service: &ForwardAuth, headers: &[(&str, &str)]) -> Result<Arc<Principal>, Denial> {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| with_request(headers, |request| runtime.block_on(service.verify(request, at(NOW)))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_a_plain_yes_of_a_service_proves_anything() {
    let no = Err(Denial::Unauthenticated(AuthnFault::Inactive));
    let many: String = (0..257).map(|n| format!("x-roles: r{n}\r\n")).collect();
    let long = format!("x-user: alice\r\nx-roles: {}\r\n", "r".repeat(129));
    let huge = "x".repeat(70_000);
    for (what, status, headers, body, want) in [
        ("a plain yes", 200, "x-user: alice\r\nx-roles: a, ,b\r\nx-roles: c\r\n", "ignored", Ok(())),
        ("another plain yes", 204, "x-user: alice\r\nx-roles: a,b,c\r\n", "", Ok(())),
        ("no", 401, "x-user: alice\r\n", "", no),
        ("not he", 403, "x-user: alice\r\n", "", no),
        ("a redirect", 302, REDIRECT, "", Err(AWAY)),
        ("an outage", 500, "x-user: alice\r\n", "", Err(AWAY)),
        ("not there", 404, "x-user: alice\r\n", "", Err(AWAY)),
        ("accepted", 202, "x-user: alice\r\n", "", Err(AWAY)),
        ("without an id", 200, "x-roles: admin\r\n", "", Err(AWAY)),
        ("an empty id", 200, "x-user: \r\n", "", Err(AWAY)),
        ("two ids", 200, "x-user: alice\r\nx-user: root\r\n", "", Err(AWAY)),
        ("an id with two signs", 200, "x-user: a@b@c\r\n", "", Err(AWAY)),
        ("too many roles", 200, &format!("x-user: alice\r\n{many}"), "", Err(AWAY)),
        ("too long a role", 200, &long, "", Err(AWAY)),
        ("too large", 200, "x-user: alice\r\n", &huge, Err(AWAY)),
    ] {
        let (url, mut requests) = server(answer(status, headers, body)).await;
        let service = ForwardAuth::new(forward_settings(&url), &client()).expect("settings");
        let sent = [("x-session", "s3"), ("x-device", "d"), ("x-other", "o"), ("x-forwarded-for", "9.9.9.9")];
        let proved = forwarded(&service, &sent).await;
        assert_eq!(proved.as_ref().map(|_| ()).map_err(|denial| *denial), want, "{what}");
        if let Ok(alice) = proved {
            assert_eq!((alice.id.as_str(), alice.roles.len()), ("alice", 3), "{what}");
        }
        let request = requests.recv().await.expect("a request");
        for line in [
            "x-session: s3",
            "x-device: d",
            "x-forwarded-method: GET",
            "x-forwarded-uri: /",
            "x-forwarded-host: api.example.com",
            "x-forwarded-for: 192.0.2.1",
        ] {
            assert_eq!(request.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line}: {request}");
        }
        assert!(!request.contains("x-other") && !request.contains("9.9.9.9"), "{request}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_holds_for_exactly_what_was_asked() {
    let (url, mut requests) = server(answer(200, "x-user: alice\r\n", "")).await;
    let service = ForwardAuth::new(forward_settings(&url), &client()).expect("settings");
    for (headers, want) in [
        (&[("x-session", "ab")][..], 1),
        (&[("x-session", "ab")], 0),
        (&[("x-session", "a")], 1),
        (&[("x-session", "a"), ("x-device", "b")], 1),
        (&[("x-session", "a"), ("x-device", "b")], 0),
        (&[("x-session", "abc")], 1),
    ] {
        forwarded(&service, headers).await.expect("proved");
        let mut asked = 0;
        while requests.try_recv().is_ok() {
            asked += 1;
        }
        assert_eq!(asked, want, "{headers:?}");
    }
    assert_ne!(digest([&b"ab"[..], b"c"]), digest([&b"a"[..], b"bc"]));
    assert_ne!(digest([&b"ab"[..]]), digest([&b"ab"[..], b""]));
}

#[test]
fn a_service_is_sent_nothing_that_is_not_its_own() {
    let header = |name: &'static str| http::HeaderName::from_static(name);
    let new = |change: &dyn Fn(&mut ForwardAuthSettings)| {
        let mut settings = forward_settings("https://auth.example.com/check");
        change(&mut settings);
        ForwardAuth::new(settings, &client())
    };
    assert!(new(&|_| {}).is_ok());
    assert_eq!(new(&|s| s.credential_headers.clear()).err(), Some(AskFault::NoHeader));
    for name in ["host", "connection", "content-length", "transfer-encoding", "x-forwarded-uri", "authorization"] {
        assert_eq!(new(&|s| s.request_headers.push(header(name))).err(), Some(AskFault::Header), "{name}");
    }
    assert_eq!(new(&|s| s.credential_headers.push(header("host"))).err(), Some(AskFault::Header));
    assert_eq!(new(&|s| s.ask.cache = Duration::from_secs(301)).err(), Some(AskFault::Cache));
    assert_eq!(new(&|s| s.ask.timeout = Duration::from_secs(31)).err(), Some(AskFault::Timeout));
    assert!(matches!(new(&|s| s.ask.url = "http://auth.example.com/".to_owned()).err(), Some(AskFault::Net(_))));

    let service = |names: &[&'static str]| {
        let headers = names.iter().map(|name| header(name)).collect::<Vec<_>>();
        Authenticator::ForwardAuth(Arc::new(new(&|s| s.credential_headers.clone_from(&headers)).expect("settings")))
    };
    let tokens = || {
        let auth = ClientAuth::Basic(secret(b"s"));
        let service = introspection("https://login.example.com/introspect", auth, 0).expect("settings");
        Authenticator::Introspection(Arc::new(service))
    };
    for (all, want) in [
        (vec![service(&["x-session"]), tokens()], true),
        (vec![service(&["authorization"])], true),
        (vec![service(&["authorization"]), tokens()], false),
        (vec![tokens(), service(&["authorization"])], false),
        (vec![service(&["x-a", "x-b"]), service(&["x-b"])], false),
        (vec![tokens(), tokens()], false),
    ] {
        let shown = format!("{all:?}");
        assert_eq!(Chain::new(all, &name("api"), Arc::default()).is_ok(), want, "{shown}");
    }
}
