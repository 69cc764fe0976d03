//! A server that speaks as much of Vault's HTTP API as tests need, and does what they say: tokens, version 2 of the key-value engine, and
//! secrets for a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rustls::ServerConfig;
use serde_json::{Value, json};

use super::{
    http1::Message,
    upstream::{Then, Upstream, Wire},
};

/// The server; it ends with the test.
pub(crate) struct Vault {
    server: Upstream,
    state: Arc<Mutex<State>>,
}

/// What it knows, and how it behaves.
#[derive(Default)]
pub(crate) struct State {
    /// Documents by mount and path.
    pub(crate) documents: HashMap<String, Value>,
    /// Tokens that are good, and until when.
    pub(crate) tokens: HashMap<String, Option<Instant>>,
    /// Leases under way.
    pub(crate) leases: Vec<String>,
    /// What no token may read.
    pub(crate) forbidden: Option<String>,
    /// How long tokens that are had by logging in, and leases, last, in seconds.
    pub(crate) token_lasts: u64,
    pub(crate) lease_lasts: u64,
    /// Whether leases can be renewed.
    pub(crate) renews: bool,
    /// A status that answers everything.
    pub(crate) status: Option<u16>,
    /// How long it takes to answer.
    pub(crate) delay: Duration,
    /// How often what was asked.
    pub(crate) asked: HashMap<String, usize>,
    made: usize,
}

impl Vault {
    /// One with the AppRole `role`, whose secret id is `secret-id`.
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// The same over TLS. Where it demands client certificates, all of them have the role `gateway`.
    pub(crate) fn start_tls(tls: Arc<ServerConfig>) -> Self {
        Self::start_with(Some(tls))
    }

    fn start_with(tls: Option<Arc<ServerConfig>>) -> Self {
        let state = State { token_lasts: 3600, lease_lasts: 3600, renews: true, ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let answer = move |request: &Message, wire: &mut Wire<'_>| {
            let delay = shared.lock().expect("no panic").delay;
            std::thread::sleep(delay);
            let (status, body) = answer(&mut shared.lock().expect("no panic"), request);
            reply(wire, status, &body)
        };
        let server = match tls {
            None => Upstream::start(answer),
            Some(tls) => Upstream::start_tls(tls, answer),
        };
        Self { server, state }
    }

    /// The server underneath.
    pub(crate) fn server(&self) -> &Upstream {
        &self.server
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// What it knows, to look at and change.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().expect("no panic"))
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.with(|state| state.asked.get(path).copied().unwrap_or_default())
    }

    /// All that it was sent.
    pub(crate) fn requests(&self) -> Vec<Message> {
        self.server.requests()
    }
}

fn reply(wire: &mut Wire<'_>, status: u16, body: &Value) -> std::io::Result<Then> {
    if status == 204 { wire.respond(204, &[], b"") } else { wire.json(status, body) }
}

fn answer(state: &mut State, request: &Message) -> (u16, Value) {
    let path = request.path().trim_start_matches("/v1/").to_owned();
    *state.asked.entry(path.clone()).or_default() += 1;
    if let Some(status) = state.status {
        return (status, json!({"errors": ["as told"]}));
    }
    let body: Value = serde_json::from_str(&request.text()).unwrap_or_default();
    match path.as_str() {
        "auth/approle/login" if body["role_id"] == "role" && body["secret_id"] == "secret-id" => return log_in(state),
        "auth/approle/login" => return (400, json!({"errors": ["invalid role or secret ID"]})),
        // That there is a certificate, the connection proves.
        "auth/cert/login" if body["name"] == "gateway" => return log_in(state),
        "auth/cert/login" => {
            return (400, json!({"errors": ["invalid certificate or no client certificate supplied"]}));
        }
        _ => {}
    }
    let now = Instant::now();
    let token = request.header("x-vault-token").unwrap_or_default();
    let is_good = state.tokens.get(token).is_some_and(|until| until.is_none_or(|until| now < until));
    if !is_good || state.forbidden.as_ref() == Some(&path) || request.header("x-vault-request") != Some("true") {
        return (403, json!({"errors": ["permission denied"]}));
    }
    let lasts = Duration::from_secs(state.token_lasts);
    match path.as_str() {
        "auth/token/lookup-self" => (200, json!({"data": {"ttl": 0, "renewable": false}})),
        "auth/token/renew-self" => {
            state.tokens.insert(token.to_owned(), Some(now + lasts));
            (200, json!({"auth": {"client_token": token, "lease_duration": state.token_lasts, "renewable": true}}))
        }
        "auth/token/revoke-self" => {
            state.tokens.remove(token);
            (204, Value::Null)
        }
        "sys/leases/renew" => {
            let is_known = state.leases.iter().any(|lease| body["lease_id"] == lease.as_str());
            let renewed = json!({"lease_id": body["lease_id"], "lease_duration": state.lease_lasts, "renewable": true});
            if is_known && state.renews { (200, renewed) } else { (400, json!({"errors": ["lease not found"]})) }
        }
        "sys/leases/revoke" => {
            state.leases.retain(|lease| body["lease_id"] != lease.as_str());
            (204, Value::Null)
        }
        "database/creds/app" => {
            state.made += 1;
            let lease = format!("database/creds/app/{}", state.made);
            state.leases.push(lease.clone());
            let data =
                json!({"username": format!("user-{}", state.made), "password": format!("password-of-{}", state.made)});
            (
                200,
                json!({"lease_id": lease, "lease_duration": state.lease_lasts, "renewable": state.renews, "data": data}),
            )
        }
        other => match state.documents.get(other) {
            Some(document) => (200, json!({"data": document})),
            None => (404, json!({"errors": []})),
        },
    }
}

fn log_in(state: &mut State) -> (u16, Value) {
    state.made += 1;
    let token = format!("hvs.{}", state.made);
    state.tokens.insert(token.clone(), Some(Instant::now() + Duration::from_secs(state.token_lasts)));
    (200, json!({"auth": {"client_token": token, "lease_duration": state.token_lasts, "renewable": true}}))
}
