//! Issuers that are found by their discovery document, and authenticators across reloads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::authn::testing::{NOW, Signer, claims, client, header, prove, settings, with};
use crate::authn::{Authenticators, Jwt, JwtSettings, KeyFault, KeySource};
use crate::domain::{AuthnFault, Denial};
use crate::net::{Client, ClientSettings, NetError};

/// A server on loopback with documents by path, which tests may change while it runs.
struct Server {
    issuer: String,
    documents: Arc<Mutex<HashMap<&'static str, Value>>>,
}

const DISCOVERY: &str = "/.well-known/openid-configuration";

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("bound"));
        let documents: Arc<Mutex<HashMap<&'static str, Value>>> = Arc::default();
        let served = Arc::clone(&documents);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut head = [0; 2048];
                let read = connection.read(&mut head).await.unwrap_or_default();
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default();
                let body = served.lock().expect("lock").get(path).map(Value::to_string);
                let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
                let body = body.unwrap_or_default();
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
                let _ = connection.write_all(answer.as_bytes()).await;
            }
        });
        Self { issuer, documents }
    }

    fn serve(&self, path: &'static str, document: Value) {
        self.documents.lock().expect("lock").insert(path, document);
    }

    fn settings(&self, keys: KeySource) -> JwtSettings {
        JwtSettings { issuer: self.issuer.clone(), ..settings(keys) }
    }

    fn token(&self, signer: &Signer, kid: &str) -> String {
        signer.token(&header("EdDSA", kid).to_string(), &with(claims(), "iss", json!(self.issuer)))
    }
}

#[tokio::test]
async fn discovery_finds_the_keys_of_exactly_this_issuer() {
    let server = Server::start().await;
    let signer = Signer::ed();
    let jwt = Arc::new(Jwt::new(server.settings(KeySource::Discovery), &client()).expect("an authenticator"));
    let issuer = server.issuer.as_str();
    for (document, want) in [
        (json!({"issuer": issuer}), Err(KeyFault::Discovery)),
        (json!({"issuer": format!("{issuer}/"), "jwks_uri": format!("{issuer}/jwks")}), Err(KeyFault::Issuer)),
        (json!({"issuer": issuer, "jwks_uri": "/jwks"}), Err(KeyFault::Net(NetError::Url))),
        (json!({"issuer": issuer, "jwks_uri": "http://169.254.169.254/latest"}), Err(KeyFault::Net(NetError::Scheme))),
        (json!({"issuer": issuer, "jwks_uri": "https://127.0.0.1:1/"}), Err(KeyFault::Net(NetError::Address))),
        (json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks")}), Err(KeyFault::Net(NetError::Status(404)))),
    ] {
        server.serve(DISCOVERY, document.clone());
        assert_eq!(jwt.refresh().await, want, "{document}");
        assert!(!jwt.is_ready());
    }
    server.serve("/jwks", json!({"keys": [signer.jwk("k1")]}));
    assert_eq!(jwt.refresh().await, Ok(()));
    assert!(prove(&jwt, &server.token(&signer, "k1"), NOW).is_ok());
}

#[tokio::test]
async fn an_unknown_key_is_refused_and_asked_for_in_the_background() {
    let server = Server::start().await;
    let (old, new) = (Signer::ed(), Signer::ed());
    let url = KeySource::JwksUrl(format!("{}/jwks", server.issuer));
    let authenticators = Authenticators::default();
    let jwt = authenticators.jwt(server.settings(url), &client()).expect("an authenticator");
    server.serve("/jwks", json!({"keys": [old.jwk("old")]}));
    authenticators.prime().await;
    let token = server.token(&new, "new");
    assert!(prove(&jwt, &server.token(&old, "old"), NOW).is_ok() && !jwt.is_due());

    server.serve("/jwks", json!({"keys": [new.jwk("new")]}));
    assert_eq!(prove(&jwt, &token, NOW), Err(Denial::Unauthenticated(AuthnFault::UnknownKey)));
    assert!(jwt.is_due());
    authenticators.prime().await;
    assert!(prove(&jwt, &token, NOW).is_ok());

    assert_eq!(prove(&jwt, &server.token(&old, "third"), NOW), Err(Denial::Unauthenticated(AuthnFault::UnknownKey)));
    assert!(!jwt.is_due(), "asked once in 30 s");
}

#[test]
fn equal_settings_and_rules_reuse_the_running_authenticator() {
    let authenticators = Authenticators::default();
    let wanted = || settings(KeySource::Discovery);
    let first = authenticators.jwt(wanted(), &client()).expect("made");
    let again = authenticators.jwt(wanted(), &client()).expect("kept");
    assert!(Arc::ptr_eq(&first, &again));
    let stricter = JwtSettings { types: Vec::new(), ..wanted() };
    assert!(!Arc::ptr_eq(&first, &authenticators.jwt(stricter, &client()).expect("made")));
    let rules = ClientSettings { max_body: 1024, ..ClientSettings::default() };
    let other_rules = Arc::new(Client::new(rules).expect("a client"));
    assert!(!Arc::ptr_eq(&first, &authenticators.jwt(wanted(), &other_rules).expect("made")));
}
