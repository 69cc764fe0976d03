//! Access tokens of an authorization server, had with the gateway's own credentials and ahead of their end (RFC 6749 §4.4 and §6, RFC 7523, RFC 8693).

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::exchange::TokenType;
use super::provider::{Look, Mark, lasting};
use super::sealed::check_secret;
use super::worker::Worker;
use super::{Slot, VaultError};
use crate::crypto::{constant_time_eq, random};
use crate::domain::{Secret, Wiped, seconds};
use crate::net::{Client, ClientSettings, NetError, Question, sensitive};

/// Where tokens are had, and with what.
#[derive(Debug, Clone)]
pub struct Oauth2Settings {
    /// The token endpoint.
    pub url: String,
    /// What is handed in.
    pub grant: Oauth2Grant,
    /// Who asks, where the server wants to know.
    pub client_id: Option<String>,
    /// How that is proved.
    pub proof: Oauth2Proof,
    /// What else stands in the form: `scope`, `audience`, `resource`.
    pub more: Vec<(String, String)>,
    /// The rules and limits of calls.
    pub client: ClientSettings,
}

/// What a token is had for.
#[derive(Debug, Clone)]
pub enum Oauth2Grant {
    /// The client's own credentials (RFC 6749 §4.4).
    ClientCredentials,
    /// A refresh token (RFC 6749 §6). One by which the server replaces it is used from then on, until another one is configured.
    RefreshToken(Arc<Slot>),
    /// An assertion (RFC 7523 §2.1), such as those of service accounts.
    JwtBearer(Assertion),
    /// A token about somebody, for one to act on their behalf with (RFC 8693 §2.1): of this sort, where the server has to be told.
    TokenExchange(Option<TokenType>),
}

/// How a client proves who it is.
#[derive(Debug, Clone)]
pub enum Oauth2Proof {
    /// It does not.
    None,
    /// `client_secret_basic`.
    Basic(Arc<Slot>),
    /// `client_secret_post`.
    Post(Arc<Slot>),
    /// `private_key_jwt` (RFC 7523 §2.2).
    PrivateKeyJwt(Assertion),
}

/// What is signed anew each time.
#[derive(Debug, Clone)]
pub struct Assertion {
    /// The `iss`.
    pub issuer: String,
    /// The `sub`.
    pub subject: String,
    /// The `aud`.
    pub audience: String,
    /// A `scope`, where the server looks for it there.
    pub scope: Option<String>,
    /// The private key, PEM.
    pub key: Arc<Slot>,
    /// RS256, ES256 or EdDSA.
    pub algorithm: Algorithm,
    /// The `kid`.
    pub key_id: Option<String>,
}

/// By what tells settings apart: secrets by where they are.
impl PartialEq for Oauth2Settings {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity() && self.client == other.client
    }
}

impl Eq for Oauth2Settings {}

impl Hash for Oauth2Settings {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl Oauth2Settings {
    fn identity(&self) -> String {
        let slot = |slot: &Arc<Slot>| format!("{:p}", Arc::as_ptr(slot));
        let assertion = |one: &Assertion| {
            let Assertion { issuer, subject, audience, scope, key, algorithm, key_id } = one;
            format!("{issuer} {subject} {audience} {scope:?} {} {algorithm:?} {key_id:?}", slot(key))
        };
        let grant = match &self.grant {
            Oauth2Grant::ClientCredentials => String::new(),
            Oauth2Grant::RefreshToken(token) => slot(token),
            Oauth2Grant::JwtBearer(one) => assertion(one),
            Oauth2Grant::TokenExchange(wanted) => format!("exchange {wanted:?}"),
        };
        let proof = match &self.proof {
            Oauth2Proof::None => String::new(),
            Oauth2Proof::Basic(secret) => format!("basic {}", slot(secret)),
            Oauth2Proof::Post(secret) => format!("post {}", slot(secret)),
            Oauth2Proof::PrivateKeyJwt(one) => assertion(one),
        };
        format!("{} {:?} {:?} {grant} {proof}", self.url, self.client_id, self.more)
    }
}

/// One who has tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    settings: Oauth2Settings,
    client: Result<Client, NetError>,
    worker: Worker,
    successor: Option<Successor>,
    /// When the last token ends.
    ends: Option<Instant>,
    failed: Option<(VaultError, Instant)>,
    failures: u32,
}

/// The refresh token by which the server replaced the one that is configured. It is in memory alone.
#[derive(Debug)]
struct Successor {
    /// The configured one. Where there is another, somebody knows better than we do.
    of: Arc<Secret>,
    token: Arc<Secret>,
}

/// What is answered (RFC 6749 §5.1).
#[derive(Deserialize)]
pub(super) struct Issued {
    #[serde(default)]
    access_token: Option<Zeroizing<String>>,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    issued_token_type: Option<String>,
    #[serde(default)]
    expires_in: serde_json::Value,
    #[serde(default)]
    refresh_token: Option<Zeroizing<String>>,
}

/// How long a token is taken for good whose end the server does not tell.
const UNTOLD: u64 = 300;
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// How long an assertion is good, in seconds.
const ASSERTION_LIFE: u64 = 300;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub(super) const FIRST_RETRY: Duration = Duration::from_secs(1);
pub(super) const LAST_RETRY: Duration = Duration::from_secs(30);

impl Tokens {
    pub(super) fn new(settings: &Oauth2Settings) -> Self {
        let client = Client::new(settings.client.clone());
        let (worker, successor) = (Worker::default(), None);
        Self { settings: settings.clone(), client, worker, successor, ends: None, failed: None, failures: 0 }
    }

    /// Has a token, where the last one has lived for two thirds of its time.
    pub(super) fn look(&mut self, seen: Option<Mark>, now: Instant) -> Result<Look, VaultError> {
        if let Some(Mark::Until(due)) = seen
            && now < due
        {
            return Ok(Look::Renewed { ends: self.ends, confirmed: None });
        }
        if let Some((fault, until)) = self.failed
            && now < until
        {
            return Err(fault);
        }
        match self.ask() {
            Ok((token, lasts)) => {
                (self.failed, self.failures) = (None, 0);
                let mark = Some(Mark::Until(now + next_after(lasts)));
                self.ends = Some(now + lasts);
                Ok(Look::Read { mark, outcome: Ok(token), ends: self.ends, confirmed: None })
            }
            Err(fault) => Err(self.fail(fault, now)),
        }
    }

    /// A token, and how long it is good.
    fn ask(&mut self) -> Result<(Secret, Duration), VaultError> {
        let configured = match &self.settings.grant {
            Oauth2Grant::RefreshToken(slot) => Some(slot.load()?),
            Oauth2Grant::ClientCredentials | Oauth2Grant::JwtBearer(_) | Oauth2Grant::TokenExchange(_) => None,
        };
        let is_of = |known: &Successor, one: &Arc<Secret>| constant_time_eq(known.of.expose(), one.expose());
        self.successor.take_if(|known| !configured.as_ref().is_some_and(|one| is_of(known, one)));
        let refresh = self.successor.as_ref().map(|known| Arc::clone(&known.token)).or_else(|| configured.clone());
        let asked = self.worker.wait(ask(&self.settings, refresh.as_deref(), &self.client));
        let issued = asked.unwrap_or(Err(VaultError::Stale))?;
        // Before anything else is looked at: the one that was handed in may be good no more.
        if let (Some(of), Some(next)) = (configured, issued.refresh_token.as_deref()) {
            let token = Secret::new(next.as_bytes().to_vec());
            if check_secret(&token).is_ok() {
                self.successor = Some(Successor { of, token: Arc::new(token) });
            }
        }
        issued.token(&self.settings.grant)
    }

    fn fail(&mut self, fault: VaultError, now: Instant) -> VaultError {
        (self.failed, self.failures) = (Some((fault, now + wait_after(self.failures))), self.failures + 1);
        fault
    }
}

/// How long after a token of this life the next is had. One that is over at once must not be asked for without end.
pub(super) fn next_after(lasts: Duration) -> Duration {
    (lasts * 2 / 3).max(FIRST_RETRY)
}

/// How long nobody is asked after so many failures and another one.
pub(super) fn wait_after(failures: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << failures.min(16)).min(LAST_RETRY)
}

impl Issued {
    /// The token, if it is one that may be carried to a target, and how long it is good.
    pub(super) fn token(&self, grant: &Oauth2Grant) -> Result<(Secret, Duration), VaultError> {
        // A token of another type is no good to whoever only carries it (RFC 6749 §7.1).
        let is_bearer = self.token_type.as_deref().map(|kind| kind.eq_ignore_ascii_case("bearer"));
        let is_wanted = match grant {
            Oauth2Grant::ClientCredentials | Oauth2Grant::RefreshToken(_) | Oauth2Grant::JwtBearer(_) => {
                is_bearer.unwrap_or(true)
            }
            // Both have to be told (RFC 8693 §2.2.1).
            Oauth2Grant::TokenExchange(wanted) => {
                let sort = self.issued_token_type.as_deref().and_then(TokenType::parse);
                is_bearer == Some(true) && sort.is_some_and(|sort| wanted.is_none_or(|wanted| wanted == sort))
            }
        };
        if !is_wanted {
            return Err(VaultError::Answer);
        }
        // What has no place in a field would refuse every request (RFC 6749 §A.12: visible characters and blanks).
        let is_visible = |token: &&Zeroizing<String>| token.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let token = self.access_token.as_ref().filter(is_visible).ok_or(VaultError::Answer)?;
        let token = Secret::new(token.as_bytes().to_vec());
        check_secret(&token)?;
        Ok((token, lasting(self.lasts()?)))
    }

    /// For how many seconds it is good. A number, but some servers have it as a text, or with a fraction.
    fn lasts(&self) -> Result<u64, VaultError> {
        let text = self.expires_in.as_str().and_then(|text| text.trim().parse::<f64>().ok());
        match self.expires_in.as_f64().or(text) {
            // What is less than none is none.
            Some(seconds) => Ok(seconds as u64),
            None if self.expires_in.is_null() => Ok(UNTOLD),
            None => Err(VaultError::Answer),
        }
    }
}

/// Asks for a token, for the one that is handed in where the grant takes one.
pub(super) async fn ask(
    settings: &Oauth2Settings,
    handed_in: Option<&Secret>,
    client: &Result<Client, NetError>,
) -> Result<Issued, VaultError> {
    let client = client.as_ref().map_err(|error| VaultError::Call(*error))?;
    let answer = client.ask(&settings.url, question(settings, handed_in)?).await.map_err(VaultError::Call)?;
    match answer.status {
        StatusCode::OK => serde_json::from_slice(&answer.body).map_err(|_| VaultError::Answer),
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(VaultError::NoToken),
        other => Err(VaultError::Call(NetError::Status(other.as_u16()))),
    }
}

fn question(settings: &Oauth2Settings, handed_in: Option<&Secret>) -> Result<Question, VaultError> {
    let mut form = Form::default();
    match &settings.grant {
        Oauth2Grant::ClientCredentials => form.pair("grant_type", "client_credentials"),
        Oauth2Grant::RefreshToken(_) => {
            form.pair("grant_type", "refresh_token");
            form.pair("refresh_token", text(handed_in.ok_or(VaultError::Stale)?)?);
        }
        Oauth2Grant::JwtBearer(assertion) => {
            form.pair("grant_type", JWT_BEARER);
            form.pair("assertion", &assertion.signed()?);
        }
        Oauth2Grant::TokenExchange(wanted) => {
            form.pair("grant_type", TOKEN_EXCHANGE);
            form.pair("subject_token", text(handed_in.ok_or(VaultError::Stale)?)?);
            form.pair("subject_token_type", TokenType::Jwt.uri());
            wanted.iter().for_each(|wanted| form.pair("requested_token_type", wanted.uri()));
        }
    }
    let mut headers = HeaderMap::new();
    let id = settings.client_id.as_deref().unwrap_or_default();
    match &settings.proof {
        Oauth2Proof::None if id.is_empty() => {}
        Oauth2Proof::None => form.pair("client_id", id),
        Oauth2Proof::Basic(slot) => {
            headers.insert(header::AUTHORIZATION, basic(id, text(&*slot.load()?)?)?);
        }
        Oauth2Proof::Post(slot) => {
            form.pair("client_id", id);
            form.pair("client_secret", text(&*slot.load()?)?);
        }
        Oauth2Proof::PrivateKeyJwt(assertion) => {
            form.pair("client_id", id);
            form.pair("client_assertion_type", ASSERTION_TYPE);
            form.pair("client_assertion", &assertion.signed()?);
        }
    }
    settings.more.iter().for_each(|(name, value)| form.pair(name, value));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    Ok(Question { method: Method::POST, headers, body: Bytes::from_owner(form.0) })
}

/// A form with secrets in it.
#[derive(Default)]
struct Form(Wiped);

impl Form {
    fn pair(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.extend(b"&");
        }
        self.text(name);
        self.0.extend(b"=");
        self.text(value);
    }

    fn text(&mut self, text: &str) {
        form_urlencoded::byte_serialize(text.as_bytes()).for_each(|piece| self.0.extend(piece.as_bytes()));
    }
}

/// Both parts are encoded as in a form first (RFC 6749 §2.3.1), so that a colon in them is no end.
fn basic(id: &str, secret: &str) -> Result<HeaderValue, VaultError> {
    let mut pair = Form::default();
    pair.text(id);
    pair.0.extend(b":");
    pair.text(secret);
    let mut value = Wiped::default();
    value.extend(b"Basic ");
    let encoded = Zeroizing::new(STANDARD.encode(&pair.0));
    value.extend(encoded.as_bytes());
    sensitive(value).ok_or(VaultError::Unfit)
}

impl Assertion {
    /// It, good for a while, with an id that is never used again (RFC 7523 §3). What the library makes of the key is not wiped.
    fn signed(&self) -> Result<Zeroizing<String>, VaultError> {
        let pem = self.key.load()?;
        let key = if self.algorithm == Algorithm::RS256 {
            EncodingKey::from_rsa_pem(pem.expose())
        } else if self.algorithm == Algorithm::ES256 {
            EncodingKey::from_ec_pem(pem.expose())
        } else {
            EncodingKey::from_ed_pem(pem.expose())
        };
        let now = seconds(SystemTime::now());
        let mut claims = json!({
            "iss": self.issuer, "sub": self.subject, "aud": self.audience, "iat": now, "exp": now + ASSERTION_LIFE,
            "jti": URL_SAFE_NO_PAD.encode(random::<16>()),
        });
        if let Some(scope) = &self.scope {
            claims["scope"] = scope.as_str().into();
        }
        let header = Header { kid: self.key_id.clone(), ..Header::new(self.algorithm) };
        let signed = key.and_then(|key| jsonwebtoken::encode(&header, &claims, &key));
        signed.map(Zeroizing::new).map_err(|_| VaultError::Unfit)
    }
}

fn text(secret: &Secret) -> Result<&str, VaultError> {
    std::str::from_utf8(secret.expose()).map_err(|_| VaultError::Unfit)
}
