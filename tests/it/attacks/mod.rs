//! Attacks on every way to prove an identity, one row each: what is presented, and the status, code and detail that it meets.
//!
//! Of every row [`Bench::judge`] asserts more than the row says: nothing of it reaches the upstream, its record says what was wrong, its
//! answer is the same as that to every other attack with this code, and a 401 challenges with the schemes that the route takes.

mod asked;
mod bound;
mod certificates;
mod secrets;
mod signed;
mod tokens;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use rustls::ClientConfig;
use serde_json::Value;

use crate::support::{
    gateway::Gateway,
    http1::Message,
    raw::{self, Client},
    scene::code,
    upstream::Upstream,
};

/// Status, code, and detail in the record.
type Want = (u16, &'static str, &'static str);
/// Method, attack, what is sent, what it meets.
type Row = (&'static str, &'static str, Sent, Want);

/// A credential that was looked at and not taken.
fn refused(detail: &'static str) -> Want {
    (401, "credential_invalid", detail)
}

const MISSING: Want = (401, "credential_missing", "missing");
const SEVERAL: Want = (401, "credential_ambiguous", "several");
const AWAY: Want = (503, "unavailable", "authenticator");
const GOOD: Want = (200, "", "");

/// One request, and over what it comes.
#[derive(Clone)]
struct Sent {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: &'static [u8],
    /// Another listener than the public one.
    at: Option<SocketAddr>,
    tls: Option<Arc<ClientConfig>>,
}

impl Sent {
    /// A GET with these fields over the public listener.
    fn get<V: Into<String>>(path: &str, headers: impl IntoIterator<Item = (&'static str, V)>) -> Self {
        let headers = headers.into_iter().map(|(name, value)| (name, value.into())).collect();
        Self { method: "GET", path: path.to_owned(), headers, body: b"", at: None, tls: None }
    }

    /// A POST of this body.
    fn with_body(self, body: &'static [u8]) -> Self {
        Self { method: "POST", body, ..self }
    }

    /// With a field more.
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Over another listener.
    fn at(self, address: SocketAddr) -> Self {
        Self { at: Some(address), ..self }
    }

    /// Over TLS.
    fn over(self, tls: Arc<ClientConfig>) -> Self {
        Self { tls: Some(tls), ..self }
    }

    fn send(&self, gateway: &Gateway) -> Message {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let bytes = raw::request(self.method, &self.path, &headers, self.body);
        let address = self.at.unwrap_or(gateway.public());
        let mut client = match &self.tls {
            None => Client::connect(address),
            Some(tls) => Client::connect_tls(address, "gateway.test", Arc::clone(tls)).expect("a handshake"),
        };
        client.send(&bytes).response()
    }
}

/// What attacks are tried on.
struct Bench<'a> {
    gateway: &'a Gateway,
    upstream: &'a Upstream,
    /// The schemes that each route challenges with. The route at `/name/**` has this name.
    schemes: &'static [(&'static str, &'static [&'static str])],
}

impl Bench<'_> {
    /// Tries every row, and says of all at once what went otherwise.
    fn judge(&self, rows: Vec<Row>) {
        let mut wrong = Vec::new();
        let mut told: BTreeMap<(u16, String), (Value, Vec<String>)> = BTreeMap::new();
        for (method, attack, sent, want) in rows {
            let response = sent.send(self.gateway);
            let record = self.record_of(&response);
            let said = if response.status() == 200 { String::new() } else { code(&response) };
            let got = (response.status(), &*said, record["detail"].as_str().unwrap_or_default());
            if got != want {
                wrong.push(format!("{method}: {attack}: {got:?} instead of {want:?}"));
                continue;
            }
            let outcome = if want.0 == 200 { "completed" } else { "denied" };
            if (&record["outcome"], record["code"].as_str().unwrap_or_default()) != (&outcome.into(), want.1) {
                wrong.push(format!("{method}: {attack}: recorded as {record}"));
            }
            let challenged = (response.all("www-authenticate"), response.header("dpop-nonce").is_some());
            let wanted = self.challenges(&sent, &want);
            if challenged != (wanted.iter().map(String::as_str).collect(), want.2 == "proof_nonce") {
                wrong.push(format!("{method}: {attack}: challenged with {challenged:?} instead of {wanted:?}"));
            }
            if want.0 != 200 {
                let shown = shown(&response);
                let before = told.entry((want.0, said)).or_insert_with(|| shown.clone());
                if *before != shown {
                    wrong.push(format!("{method}: {attack}: tells {shown:?}, where others tell {before:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// The same, and nothing of it reaches the upstream: not a byte, not a connection.
    fn refuses(&self, rows: Vec<Row>) {
        assert!(rows.iter().all(|(.., want)| want.0 >= 400), "only refusals send nothing");
        self.judge(rows);
        assert_eq!(self.upstream.connection_count(), 0, "nothing went upstream");
    }

    fn record_of(&self, response: &Message) -> Value {
        let id = response.header("x-request-id").expect("a request id").to_owned();
        self.gateway.audited(&format!("the record of {id}"), |entry| entry["id"] == id.as_str())
    }

    /// `WWW-Authenticate` as RFC 6750 §3, RFC 7617 §2 and RFC 9449 §7.1 have it.
    fn challenges(&self, sent: &Sent, (status, _, detail): &Want) -> Vec<String> {
        if *status != 401 {
            return Vec::new();
        }
        let route = sent.path.split('/').nth(1).expect("a path");
        let (_, schemes) = self.schemes.iter().find(|(name, _)| *name == route).expect("a route of the table");
        let one = |scheme: &&str| {
            let error = match (*scheme, *detail) {
                ("DPoP", "proof_nonce") => ", error=\"use_dpop_nonce\"",
                ("DPoP", detail) if detail.starts_with("proof_") => ", error=\"invalid_dpop_proof\"",
                (_, "missing") | ("Basic" | "Signature", _) => "",
                _ => ", error=\"invalid_token\"",
            };
            let more = match *scheme {
                "DPoP" => ", algs=\"ES256 ES384 EdDSA PS256 RS256\"",
                "Basic" => ", charset=\"UTF-8\"",
                _ => "",
            };
            format!("{scheme} realm=\"{route}\"{error}{more}")
        };
        // Who is to make another proof is not to take another scheme.
        schemes.iter().filter(|scheme| !detail.starts_with("proof_") || **scheme == "DPoP").map(one).collect()
    }
}

/// All that an answer tells besides its challenge and what is its own: the problem, and the names of the fields.
fn shown(response: &Message) -> (Value, Vec<String>) {
    let mut problem = response.json();
    problem.as_object_mut().expect("an object").remove("request_id").expect("its id");
    let names = response.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    let mut names: Vec<_> =
        names.filter(|name| !["www-authenticate", "accept-signature", "dpop-nonce"].contains(&&**name)).collect();
    names.sort();
    (problem, names)
}
