//! The demo's upstream and its issuer.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::http::{Asked, answer, read_head, stream};

/// The audience that the demo's tokens are for.
pub(super) const AUDIENCE: &str = "https://api.demo.test";
const KEY_ID: &str = "demo-1";

/// The upstream: it answers with what it receives, counts, and remembers the last.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    heard: Arc<AtomicUsize>,
    last: Arc<Mutex<Seen>>,
}

/// What the upstream saw of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) line: String,
    pub(super) fields: BTreeMap<String, String>,
}

impl Upstream {
    /// Starts it.
    pub(super) fn start() -> io::Result<Self> {
        let heard = Arc::new(AtomicUsize::new(0));
        let last = Arc::new(Mutex::new(Seen::default()));
        let (count, kept) = (Arc::clone(&heard), Arc::clone(&last));
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        serve_on(listener, move |asked| {
            count.fetch_add(1, Ordering::SeqCst);
            let headers: BTreeMap<_, _> = asked.fields.iter().cloned().collect();
            let line = asked.line.trim_end_matches(" HTTP/1.1");
            let told = json!({ "request": line, "headers": headers });
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Seen { line: line.to_owned(), fields: headers };
            if asked.line.contains("/events ") { Reply::Events } else { Reply::Json(told.to_string()) }
        });
        Ok(Self { address, heard, last })
    }

    /// How many requests came.
    pub(super) fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }

    /// What it saw last.
    pub(super) fn saw(&self) -> Seen {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An issuer of tokens, with its discovery document and its keys.
pub(super) struct Issuer {
    pub(super) address: SocketAddr,
    key: EncodingKey,
}

impl Issuer {
    /// Starts an issuer with a fresh Ed25519 key.
    pub(super) fn start() -> io::Result<Self> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(io::Error::other)?;
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(io::Error::other)?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let jwks = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": KEY_ID, "x": x }] });
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let discovery = json!({ "issuer": format!("http://{address}"), "jwks_uri": format!("http://{address}/jwks") });
        let documents = [(" /.well-known/openid-configuration ", discovery), (" /jwks ", jwks)];
        serve_on(listener, move |asked| {
            let found = documents.iter().find(|(path, _)| asked.line.contains(path));
            found.map_or(Reply::Nothing, |(_, document)| Reply::Json(document.to_string()))
        });
        Ok(Self { address, key: EncodingKey::from_ed_der(pkcs8.as_ref()) })
    }

    /// A token for somebody with a role, good for so many seconds from now.
    pub(super) fn token(&self, subject: &str, role: &str, seconds: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        let claims: Value = json!({
            "iss": format!("http://{}", self.address), "aud": AUDIENCE, "sub": subject,
            "iat": now.min(now + seconds), "exp": now + seconds, "groups": [role],
        });
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(KEY_ID.to_owned());
        // Signing with a key that was just made does not fail; were it to, the empty token would be refused and the demo with it.
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap_or_default()
    }
}

/// What is answered.
enum Reply {
    Json(String),
    /// One event, and no end.
    Events,
    Nothing,
}

/// Serves until the process ends. What goes wrong with one connection is that connection's end.
fn serve_on(listener: TcpListener, respond: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
    let respond = Arc::new(respond);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let respond = Arc::clone(&respond);
            std::thread::spawn(move || exchange(&mut stream, &*respond));
        }
    });
}

fn exchange(connection: &mut TcpStream, respond: &impl Fn(&Asked) -> Reply) -> io::Result<()> {
    let asked = read_head(connection)?;
    match respond(&asked) {
        Reply::Json(body) => answer(connection, &body),
        Reply::Events => stream(connection),
        Reply::Nothing => Ok(()),
    }
}
