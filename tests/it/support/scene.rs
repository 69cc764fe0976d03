//! The main job set up once: an issuer, a recording upstream, a secret in a directory, and a gateway between them.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::{
    eventually,
    gateway::{Gateway, Site},
    http1::Message,
    issuer::{AUDIENCE, Issuer},
    raw,
    upstream::Upstream,
};

/// The secret that the gateway puts on requests; clients must never see it.
pub(crate) const SECRET: &str = "sk-live-0123456789abcdef";

/// Another secret, `dir:other-key`, for tests that need two.
pub(crate) const OTHER_SECRET: &str = "sk-other-fedcba9876543210";

/// What seals the keys that sign sessions, `dir:sessions-key`.
const SEAL: &str = "clvmk_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

/// Everything that an exchange needs.
pub(crate) struct Scene {
    pub(crate) issuer: Issuer,
    pub(crate) upstream: Upstream,
    pub(crate) gateway: Gateway,
    /// How many requests were answered without a record, by the parser; all of them must have been counted in the end.
    pub(crate) bare: AtomicU32,
}

/// What a test adds to [`config`].
#[derive(Default)]
pub(crate) struct Extra<'a> {
    /// Lines in `[listen.public]`.
    pub(crate) listen: &'a str,
    /// Lines in `[target.api]`.
    pub(crate) target: &'a str,
    /// Lines in `[route.api]`.
    pub(crate) route: &'a str,
    /// Whole tables.
    pub(crate) tables: &'a str,
}

impl Scene {
    /// An echoing upstream behind [`config`].
    pub(crate) fn new(extra: &Extra<'_>) -> Self {
        Self::with(Upstream::echo(), extra)
    }

    /// This upstream behind [`config`].
    pub(crate) fn with(upstream: Upstream, extra: &Extra<'_>) -> Self {
        let issuer = Issuer::start();
        let gateway = Gateway::start(|site| config(site, &issuer, &upstream, extra));
        Self { issuer, upstream, gateway, bare: AtomicU32::new(0) }
    }

    /// A token of a reader, who may GET, HEAD and POST on the route.
    pub(crate) fn token(&self) -> String {
        self.token_of("ada", &["reader"])
    }

    /// A token of somebody with these roles.
    pub(crate) fn token_of(&self, subject: &str, roles: &[&str]) -> String {
        self.issuer.token(&self.claims_of(subject, roles))
    }

    /// Claims of somebody with these roles.
    pub(crate) fn claims_of(&self, subject: &str, roles: &[&str]) -> Value {
        let mut claims = self.issuer.claims(subject);
        claims["roles"] = json!(roles);
        claims
    }

    /// The value of `Authorization` for a reader.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token())
    }

    /// One GET by a reader.
    pub(crate) fn get(&self, path: &str) -> Message {
        self.gateway.get(path, &[("Host", "api.test"), ("Authorization", &self.bearer())])
    }

    /// The record of the exchange that this answer tells the id of.
    pub(crate) fn record_of(&self, response: &Message) -> Value {
        let id = response.header("x-request-id").expect("a request id").to_owned();
        self.gateway.audited(&format!("the record of {id}"), |entry| entry["id"] == id.as_str())
    }

    /// Asserts that of all that was sent so far nothing reached the upstream: not a byte, not a connection. Ends with one allowed request,
    /// behind which nothing could still be on its way. What was refused without a record was counted.
    pub(crate) fn nothing_went_upstream(&self) {
        let response = self.get("/api/sentinel");
        assert_eq!(response.status(), 200, "{}", response.text());
        let paths: Vec<String> = self.upstream.requests().iter().map(|request| request.path().to_owned()).collect();
        assert_eq!((self.upstream.connection_count(), paths), (1, vec!["/sentinel".to_owned()]));
        let counted = || self.gateway.metric("claviger_parser_refusals_total", &[]);
        let bare = f64::from(self.bare.load(Ordering::Relaxed));
        eventually(&format!("{bare} refusals by the parser are counted"), || counted().filter(|&n| n >= bare));
        assert_eq!(counted(), Some(bare), "none is counted twice, and none with a record");
    }
}

/// `/api/**` for readers, with a bearer secret from a directory. Clients may come over HTTP/1.1, and HTTP/2 with prior knowledge.
pub(crate) fn config(site: &Site, issuer: &Issuer, upstream: &Upstream, extra: &Extra<'_>) -> String {
    site.write("secrets/api-key", SECRET);
    site.write("secrets/other-key", OTHER_SECRET);
    site.write("secrets/sessions-key", SEAL);
    let Extra { listen, target, route, tables } = extra;
    let (public, admin, audit) = (site.public, site.admin, site.audit_path());
    let (url, jwks, api) = (issuer.url(), issuer.jwks_url(), upstream.url());
    let http2 = if listen.contains("tls") || listen.contains("http2") { "" } else { "http2 = true" };
    // A test presents in a second what only a guesser would in a minute.
    let failures = if tables.contains("[failures]") { "" } else { "[failures]\nenabled = false" };
    // A clock that a test puts forward by a day would otherwise begin the next file, where tests do not look.
    let max_age = "366d";
    format!(
        r#"
[server]
threads = 2
drain = "1s"
[admin]
address = "{admin}"
[audit]
path = "{audit}"
max_age = "{max_age}"
[store]
path = "claviger.db"
[egress]
allow = ["127.0.0.0/8"]
{failures}
[listen.public]
address = "{public}"
{http2}
{listen}
[authn.corp.jwt]
issuer = "{url}"
audience = "{AUDIENCE}"
jwks_url = "{jwks}"
roles = "roles"
[vault.dir.directory]
path = "secrets"
[target.api]
url = "{api}"
{target}
[credential.api.bearer]
target = "api"
secret = "dir:api-key"
[route.api]
path = "/api/**"
target = "api"
credential = "api"
authn = ["corp"]
allow = [{{ role = "reader", methods = ["GET", "HEAD", "POST"] }}, {{ role = "admin", paths = ["/admin/**"] }}]
{route}
{tables}
"#
    )
}

/// What becomes of a vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Want {
    /// Refused with this status, code, and detail in the record (any where that is empty).
    Refused(u16, &'static str, &'static str),
    /// Refused by the parser before any rule: a bare 400, counted.
    Bare,
}

use Want::{Bare, Refused};

/// The code of a problem document.
pub(crate) fn code(response: &Message) -> String {
    assert_eq!(response.header("content-type"), Some("application/problem+json"), "{}", response.text());
    let problem = response.json();
    assert_eq!(problem["status"], response.status());
    assert_eq!(problem["request_id"], response.header("x-request-id").expect("a request id"));
    problem["code"].as_str().expect("a code").to_owned()
}

/// The answer to exactly these bytes, if the peer gave a whole one before it closed.
pub(crate) fn answer(gateway: &Gateway, bytes: &[u8]) -> Option<Message> {
    let mut client = raw::Client::connect(gateway.public());
    client.send(bytes);
    client.try_response().ok().flatten()
}

/// Sends one head and asserts what it is answered and that this was recorded.
pub(crate) fn check(scene: &Scene, head: &[u8], want: Want) {
    judge(scene, head, &scene.gateway.send(head), want);
}

/// As [`check`], for what either Pingora's parser or the pipeline refuses, whichever comes first.
pub(crate) fn check_or_bare(scene: &Scene, head: &[u8], want: Want) {
    let response = scene.gateway.send(head);
    let is_bare = response.header("x-request-id").is_none();
    let want = match want {
        Refused(400, ..) if is_bare => Bare,
        Bare if !is_bare => Refused(400, "malformed_request", ""),
        Refused(..) | Bare => want,
    };
    judge(scene, head, &response, want);
}

fn judge(scene: &Scene, head: &[u8], response: &Message, want: Want) {
    let shown = String::from_utf8_lossy(head).lines().take(4).collect::<Vec<_>>().join(" | ");
    match want {
        Refused(status, expected, detail) => {
            assert_eq!(response.status(), status, "{shown}: {}", response.text());
            assert!(response.header("x-request-id").is_some(), "{shown}: only a bare answer");
            assert_eq!(code(response), expected, "{shown}");
            let record = scene.record_of(response);
            assert_eq!((&record["status"], &record["code"]), (&status.into(), &expected.into()), "{shown}");
            assert!(detail.is_empty() || record["detail"] == detail, "{shown}: {record}");
            assert_eq!(record["outcome"], "denied", "{shown}");
        }
        Bare => {
            assert_eq!((response.status(), response.text().as_str()), (400, ""), "{shown}");
            scene.bare.fetch_add(1, Ordering::Relaxed);
        }
    }
}
