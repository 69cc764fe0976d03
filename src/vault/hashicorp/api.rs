//! The calls to the server (Vault HTTP API: authentication, key-value engines, leases), with a token that is kept alive.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::{Zeroize as _, Zeroizing};

use super::absent::{BARE_404, is_bare_404, not_found};
use super::shown::Shown;
use super::{HashicorpSettings, Login, secret};
use crate::domain::{Secret, Wiped};
use crate::net::{Answer, Client, NetError, Question, sensitive};
use crate::vault::VaultError;
use crate::vault::files::{self, Access};
use crate::vault::provider::lasting;

/// One server, and the token that it gave.
#[derive(Debug)]
pub(super) struct Api {
    settings: HashicorpSettings,
    client: Result<Client, NetError>,
    shown: Option<Shown>,
    token: Option<Token>,
    /// How often a token was had: what was leased with one ends with it.
    pub(super) logins: u64,
}

struct Token {
    value: Secret,
    /// Whether it was had by logging in, and so is ended with this process.
    is_own: bool,
    is_renewable: bool,
    renew_at: Option<Instant>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What was read at one path.
#[derive(Debug)]
pub(super) struct Document {
    fields: BTreeMap<String, Secret>,
    pub(super) lease: Option<Lease>,
}

/// How long it is good for.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) id: String,
    pub(super) lasts: Duration,
    pub(super) renewable: bool,
}

/// What every answer is.
#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    auth: Option<Auth>,
    #[serde(default)]
    lease_id: String,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

/// What is at a path. Its texts are wiped; the room in which the parser resolves escapes is too, by the allocator, when it is freed.
#[derive(Deserialize)]
#[serde(transparent)]
struct Data(Value);

impl Drop for Data {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(list) => list.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[derive(Deserialize)]
struct Auth {
    client_token: Zeroizing<String>,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// What clients say so that no page in a browser can (Vault HTTP API, "The X-Vault-Request Header").
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
/// What a path may not hold as it is.
const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'?').add(b'#').add(b'%').add(b'"').add(b'<').add(b'>').add(b'`');
/// When it is tried again to renew a token.
const RENEW_AGAIN: Duration = Duration::from_secs(5);
/// The longest file with something to log in with, in bytes.
pub(super) const MAX_FILE: usize = 64 * 1024;

impl Document {
    /// One of its fields.
    pub(super) fn field(&self, name: &str) -> Result<Secret, VaultError> {
        let field = self.fields.get(name).ok_or(VaultError::NotFound)?;
        Ok(Secret::new(field.expose().to_vec()))
    }
}

impl Api {
    pub(super) fn new(settings: HashicorpSettings) -> Self {
        let client = Client::new(settings.client.clone());
        let shown = Shown::by(&settings.login);
        Self { settings, client, shown, token: None, logins: 0 }
    }

    /// What is at a path: its mount, and the path below it.
    pub(super) async fn read(&mut self, base: &str) -> Result<Document, VaultError> {
        let mount = self.settings.kv2.iter().find(|mount| {
            base.strip_prefix(mount.as_str()).is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
        });
        let path = match mount {
            Some(mount) => format!("{mount}/data{}", &base[mount.len()..]),
            None => base.to_owned(),
        };
        let is_kv2 = mount.is_some();
        let mut read = self.ask_known(Method::GET, &path, None).await;
        if is_bare_404(&read) && self.is_known().await {
            read = self.ask_known(Method::GET, &path, None).await;
            if is_bare_404(&read) {
                return Err(VaultError::NotFound);
            }
        }
        let body = read?;
        // Only what Vault says itself is gone: the last value is kept where something else answers, or nothing that makes sense.
        let data = body.data.ok_or(VaultError::Answer)?;
        let fields = match if is_kv2 { data.0.get("data") } else { Some(&data.0) } {
            Some(Value::Object(fields)) => fields,
            // What was deleted in version 2.
            Some(Value::Null) => return Err(VaultError::NotFound),
            None | Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                return Err(VaultError::Answer);
            }
        };
        let fields = fields.iter().filter(|(_, value)| !value.is_null());
        let fields = fields.map(|(name, value)| value_of(value).map(|value| (name.clone(), value)));
        let fields = fields.collect::<Result<_, _>>()?;
        let lasts = lasting(body.lease_duration);
        let lease = (!body.lease_id.is_empty() && body.lease_duration > 0).then_some(Lease {
            id: body.lease_id,
            lasts,
            renewable: body.renewable,
        });
        Ok(Document { fields, lease })
    }

    /// Renews a lease; tells for how long.
    pub(super) async fn renew(&mut self, lease: &str) -> Result<Duration, VaultError> {
        let asked = json!({ "lease_id": lease });
        let body = self.ask_known(Method::PUT, "sys/leases/renew", Some(asked)).await?;
        Ok(lasting(body.lease_duration))
    }

    /// Ends leases. One that cannot be ended now ends by itself.
    pub(super) async fn revoke(&mut self, leases: &[String]) {
        for lease in leases {
            if self.ask_known(Method::PUT, "sys/leases/revoke", Some(json!({ "lease_id": lease }))).await.is_err() {
                log::warn!("a lease of {} could not be ended and ends by itself", self.settings.url);
            }
        }
    }

    /// Whether there is a token that was had by logging in.
    pub(super) fn is_logged_in(&self) -> bool {
        self.token.as_ref().is_some_and(|token| token.is_own)
    }

    /// Ends the token that was had by logging in.
    pub(super) async fn log_out(&mut self) {
        if let Some(token) = self.token.take().filter(|token| token.is_own) {
            let _ = self.ask(Method::POST, "auth/token/revoke-self", Wiped::default(), Some(&token.value)).await;
        }
    }

    /// Asks with a token; once more with another where that is not taken any more.
    async fn ask_known(&mut self, method: Method, path: &str, body: Option<Value>) -> Result<Body, VaultError> {
        self.keep_token().await?;
        match self.ask_with_token(method.clone(), path, body.as_ref()).await {
            // A policy may forbid this one thing; another token helps only where this one is no good.
            Err(VaultError::Refused) if self.is_refused().await => {
                self.token = None;
                self.keep_token().await?;
                self.ask_with_token(method, path, body.as_ref()).await
            }
            // A certificate that is over is refused before anything is asked, and its successor may be there.
            Err(VaultError::Call(NetError::Connect | NetError::Interrupted))
                if self.shown.as_ref().is_some_and(Shown::has_changed) =>
            {
                self.show()?;
                self.ask_with_token(method, path, body.as_ref()).await
            }
            other => other,
        }
    }

    /// Shows the certificate that is in the files now, where it is others than before. The token is kept: what is leased hangs on it.
    fn show(&mut self) -> Result<(), VaultError> {
        if let Some(shown) = self.shown.as_mut().filter(|shown| shown.has_changed()) {
            self.client = Ok(shown.client(&self.settings.client)?);
        }
        Ok(())
    }

    async fn is_refused(&self) -> bool {
        matches!(self.ask_with_token(Method::GET, "auth/token/lookup-self", None).await, Err(VaultError::Refused))
    }

    /// Whether it is Vault that answers, and knows the token.
    async fn is_known(&self) -> bool {
        let known = self.ask_with_token(Method::GET, "auth/token/lookup-self", None).await;
        known.is_ok_and(|body| body.data.is_some())
    }

    async fn ask_with_token(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Body, VaultError> {
        let token = self.token.as_ref().map(|token| &token.value).ok_or(VaultError::Refused)?;
        let body = body.map_or_else(|| Ok(Wiped::default()), json_of)?;
        self.ask(method, path, body, Some(token)).await
    }

    /// Has a token that is good: logs in, or renews.
    async fn keep_token(&mut self) -> Result<(), VaultError> {
        let is_due = self.token.as_ref().is_some_and(|token| token.renew_at.is_some_and(|at| Instant::now() >= at));
        // It stays where it is meanwhile: this may be given up in the middle, and what was leased hangs on it.
        if is_due && let Some(token) = &self.token {
            let is_own = token.is_own;
            let renewed = match token.is_renewable {
                true => self.ask(Method::POST, "auth/token/renew-self", json_of(&json!({}))?, Some(&token.value)).await,
                false => Err(VaultError::Refused),
            };
            match renewed {
                Ok(body) => self.token = body.auth.map(|auth| Token::of(&auth, is_own)),
                Err(VaultError::Refused | VaultError::Call(NetError::Status(400))) => self.token = None,
                // It may be good still.
                Err(_) => self.token.iter_mut().for_each(|token| token.renew_at = Some(Instant::now() + RENEW_AGAIN)),
            }
        }
        if self.token.is_none() {
            self.token = Some(self.log_in().await?);
            self.logins += 1;
        }
        Ok(())
    }

    async fn log_in(&mut self) -> Result<Token, VaultError> {
        self.show()?;
        let (mount, body) = match &self.settings.login {
            Login::TokenFile(path) => return self.given(read_file(path)?).await,
            Login::TokenEnv(name) => {
                let value =
                    std::env::var(name).map_err(|_| VaultError::LoginUnreadable(std::io::ErrorKind::NotFound))?;
                return self.given(secret(value.trim())).await;
            }
            Login::AppRole { mount, role_id, secret_id_file } => {
                let id = read_file(secret_id_file)?;
                (mount, json_of(&BTreeMap::from([("role_id", &**role_id), ("secret_id", text(&id)?)]))?)
            }
            Login::Kubernetes { mount, role, token_file } => {
                let jwt = read_file(token_file)?;
                (mount, json_of(&BTreeMap::from([("role", &**role), ("jwt", text(&jwt)?)]))?)
            }
            Login::Cert { mount, role, .. } => {
                let named: BTreeMap<_, _> = role.iter().map(|role| ("name", role)).collect();
                (mount, json_of(&named)?)
            }
        };
        let body = match self.ask(Method::POST, &format!("auth/{mount}/login"), body, None).await {
            // A method that is not there says nothing of secrets.
            Err(VaultError::NotFound | VaultError::Call(NetError::Status(400 | BARE_404))) => {
                return Err(VaultError::Refused);
            }
            other => other?,
        };
        body.auth.map(|auth| Token::of(&auth, true)).ok_or(VaultError::Answer)
    }

    /// A token that somebody else had, with its end.
    async fn given(&self, value: Secret) -> Result<Token, VaultError> {
        let body = self.ask(Method::GET, "auth/token/lookup-self", Wiped::default(), Some(&value)).await?;
        let told = |name: &str| body.data.as_ref().and_then(|data| data.0.get(name));
        let lasts = told("ttl").and_then(Value::as_u64).unwrap_or_default();
        let is_renewable = told("renewable").and_then(Value::as_bool).unwrap_or_default();
        Ok(Token { value, is_own: false, is_renewable, renew_at: renew_at(lasts) })
    }

    async fn ask(&self, method: Method, path: &str, body: Wiped, token: Option<&Secret>) -> Result<Body, VaultError> {
        let client = self.client.as_ref().map_err(|error| VaultError::Call(*error))?;
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST, HeaderValue::from_static("true"));
        if let Some(namespace) = &self.settings.namespace {
            headers.insert(NAMESPACE, HeaderValue::try_from(namespace).map_err(|_| VaultError::Answer)?);
        }
        if let Some(token) = token {
            let mut value = Wiped::with_capacity(token.expose().len());
            value.extend(token.expose());
            headers.insert(TOKEN, sensitive(value).ok_or(VaultError::KeyMalformed)?);
        }
        let url = format!("{}/v1/{}", self.settings.url.trim_end_matches('/'), utf8_percent_encode(path, PATH));
        let question = Question { method, headers, body: Bytes::from_owner(body) };
        read_answer(&client.ask(&url, question).await.map_err(VaultError::Call)?)
    }
}

fn read_answer(answer: &Answer) -> Result<Body, VaultError> {
    match answer.status {
        StatusCode::OK => serde_json::from_slice(&answer.body).map_err(|_| VaultError::Answer),
        StatusCode::NO_CONTENT => {
            Ok(Body { data: None, auth: None, lease_id: String::new(), lease_duration: 0, renewable: false })
        }
        StatusCode::NOT_FOUND => Err(not_found(&answer.body)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(VaultError::Refused),
        // It is sealed, or stands by (Vault HTTP API, "HTTP Status Codes").
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Err(VaultError::Closed),
        other => Err(VaultError::Call(NetError::Status(other.as_u16()))),
    }
}

impl Token {
    fn of(auth: &Auth, is_own: bool) -> Self {
        let (value, is_renewable) = (secret(&auth.client_token), auth.renewable);
        Self { value, is_own, is_renewable, renew_at: renew_at(auth.lease_duration) }
    }
}

/// When two thirds of so many seconds are over; never where there is no end.
fn renew_at(seconds: u64) -> Option<Instant> {
    (seconds > 0).then(|| Instant::now() + lasting(seconds) * 2 / 3)
}

fn read_file(path: &Path) -> Result<Secret, VaultError> {
    let (mut content, _) = files::read(path, MAX_FILE, Access::Any).map_err(files::ReadError::of_login)?;
    Ok(Secret::new(std::mem::take(&mut *content)).trim_line_end())
}

/// One value of a document: a text as it is, all else as JSON.
fn value_of(value: &Value) -> Result<Secret, VaultError> {
    value.as_str().map_or_else(|| json_of(value).map(Wiped::into_secret), |text| Ok(secret(text)))
}

fn json_of(value: &impl Serialize) -> Result<Wiped, VaultError> {
    let mut json = Wiped::default();
    serde_json::to_writer(&mut json, value).map_err(|_| VaultError::Answer)?;
    Ok(json)
}

fn text(secret: &Secret) -> Result<&str, VaultError> {
    std::str::from_utf8(secret.expose()).map_err(|_| VaultError::KeyMalformed)
}
