//! Gateways that have one issuer and one upstream: one alone with its store, or many nodes around a Redis.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, atomic::AtomicUsize},
};

use serde_json::{Value, json};

use super::{
    eventually,
    gateway::{Gateway, Site, program},
    http1::Message,
    issuer::Issuer,
    raw::{self, request},
    redis::{PASSWORD, Redis},
    scene::{Extra, config},
    upstream::Upstream,
};

/// What seals what the nodes share.
pub(crate) const SEAL: &str = "clvmk_AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";

pub(crate) const TABLES: &str = r#"
[sessions]
issuer = "https://auth.test"
key = "dir:sessions-key"
authn = ["corp"]
[access]
url = "http://127.0.0.1"
authn = ["corp"]
[approval.twice]
approvers = ["lead"]
needed = 2
[approval.once]
approvers = ["lead"]
[route.stay]
path = "/stay/**"
target = "api"
credential = "api"
authn = ["sessions"]
websocket = true
allow = [{ role = "reader" }]
[route.critical]
path = "/critical/**"
target = "api"
authn = ["corp"]
revocation_critical = true
allow = [{ role = "reader" }]
[route.pay]
path = "/pay/**"
target = "api"
authn = ["corp"]
allow = [{ role = "reader", approval = "twice", paths = ["/twice"] }, { role = "reader", approval = "once", paths = ["/once"] }]
"#;

/// Gateways of one configuration, and what tests do with them.
pub(crate) struct Group {
    pub(crate) issuer: Issuer,
    pub(crate) upstream: Upstream,
    pub(crate) ended: Arc<AtomicUsize>,
    pub(crate) all: Vec<Gateway>,
    pub(crate) more: String,
    /// How many seconds longer than others' its tokens hold, before and after: for a gateway whose clock is wrong.
    pub(crate) slack: u64,
}

/// Nodes around one Redis.
pub(crate) struct Nodes {
    pub(crate) redis: Redis,
    group: Group,
}

impl Nodes {
    /// So many nodes around one Redis, with these lines in `[cluster.redis]`.
    pub(crate) fn start(count: usize, lines: &str, tables: &str) -> Option<Self> {
        let redis = Redis::start()?;
        let group = Group::around(&vec![redis.url(); count], lines, tables);
        Some(Self { redis, group })
    }
}

impl Deref for Nodes {
    type Target = Group;

    fn deref(&self) -> &Group {
        &self.group
    }
}

impl DerefMut for Nodes {
    fn deref_mut(&mut self) -> &mut Group {
        &mut self.group
    }
}

impl Group {
    /// One gateway with nothing but its store, once this has been done at its site.
    pub(crate) fn alone(tables: &str, slack: u64, prepare: impl FnOnce(&mut Site)) -> Self {
        let mut group = Self::of(format!("{TABLES}{tables}"));
        group.slack = slack;
        let more = group.more.clone();
        group.add_with(&more, prepare);
        group
    }

    /// One node for each of these URLs, by which it comes to the one Redis, with these lines in `[cluster.redis]`.
    pub(crate) fn around(urls: &[String], lines: &str, tables: &str) -> Self {
        let mut group = Self::of(format!(
            "[cluster.redis]\nurl = \"{}\"\npassword = \"dir:redis\"\nkey = \"dir:cluster\"\n{lines}\n{TABLES}{tables}",
            urls[0]
        ));
        for url in urls {
            let more = group.more.replace(&urls[0], url);
            group.add_with(&more, |_| {});
        }
        group
    }

    fn of(more: String) -> Self {
        let (upstream, ended) = Upstream::silent();
        Self { issuer: Issuer::start(), upstream, ended, all: Vec::new(), more, slack: 0 }
    }

    /// One more like the first.
    pub(crate) fn add(&mut self) {
        let more = self.more.clone();
        self.add_with(&more, |_| {});
    }

    fn add_with(&mut self, more: &str, prepare: impl FnOnce(&mut Site)) {
        let node = Gateway::start(|site| {
            site.write("secrets/redis", PASSWORD);
            site.write("secrets/cluster", SEAL);
            prepare(site);
            config(site, &self.issuer, &self.upstream, &Extra { tables: more, ..Extra::default() })
        });
        self.all.push(node);
    }

    pub(crate) fn token_of(&self, subject: &str, roles: &[&str]) -> String {
        let mut claims = self.issuer.claims(subject);
        let time = |claim: &str| claims[claim].as_u64().expect("a time");
        let (iat, exp) = (time("iat") - self.slack, time("exp") + self.slack);
        claims["iat"] = json!(iat);
        claims["nbf"] = json!(iat);
        claims["exp"] = json!(exp);
        claims["roles"] = json!(roles);
        self.issuer.token(&claims)
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token_of("ada", &["reader"]))
    }

    /// What a node's token service answers.
    pub(crate) fn post(&self, node: usize, path: &str, form: &str) -> Message {
        let headers =
            [("Host", "auth.test"), ("Content-Type", "application/x-www-form-urlencoded"), ("Connection", "close")];
        raw::parse(&raw::exchange(self.all[node].public(), &request("POST", path, &headers, form.as_bytes())))
    }

    pub(crate) fn try_begin(&self, node: usize) -> Message {
        self.try_begin_with(node, "")
    }

    pub(crate) fn try_begin_with(&self, node: usize, more: &str) -> Message {
        let (urn, subject) = ("urn:ietf:params:oauth", self.token_of("ada", &["reader"]));
        let form = format!(
            "grant_type={urn}:grant-type:token-exchange&subject_token={subject}&subject_token_type={urn}:token-type:jwt{more}"
        );
        self.post(node, "/oauth/token", &form)
    }

    /// The status with which a node tells ada of a token.
    pub(crate) fn introspect(&self, node: usize, token: &str) -> u16 {
        let headers = [
            ("Host", "auth.test"),
            ("Authorization", &*self.bearer()),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Connection", "close"),
        ];
        let bytes = request("POST", "/oauth/introspect", &headers, format!("token={token}").as_bytes());
        raw::parse(&raw::exchange(self.all[node].public(), &bytes)).status()
    }

    /// A session of hers, begun at a node.
    pub(crate) fn begin(&self, node: usize) -> String {
        self.begin_with(node, "")
    }

    pub(crate) fn begin_with(&self, node: usize, more: &str) -> String {
        let answer = self.try_begin_with(node, more);
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()["access_token"].as_str().expect("a token").to_owned()
    }

    pub(crate) fn get(&self, node: usize, path: &str, authorization: &str) -> Option<Message> {
        self.all[node].try_get(path, &[("Host", "api.test"), ("Authorization", authorization)])
    }

    /// The status that a session's request is answered with.
    pub(crate) fn use_it(&self, node: usize, session: &str) -> u16 {
        self.get(node, "/stay/x", &format!("Bearer {session}")).map_or(0, |answer| answer.status())
    }

    /// A command at a node.
    pub(crate) fn command(&self, node: usize, arguments: &[&str]) -> String {
        let output =
            program().current_dir(self.all[node].site().folder()).args(arguments).output().expect("the program");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    pub(crate) fn revoke(&self, node: usize, of: &str) {
        self.command(node, &["revocation", "add", of, "--reason", "a lost laptop"]);
    }

    pub(crate) fn until(&self, what: &str, node: usize, session: &str, status: u16) {
        eventually(what, || (self.use_it(node, session) == status).then_some(()));
    }

    /// Ends a session at a node, which answers once that holds there; one that is too slow says so, and is asked again.
    pub(crate) fn end(&self, node: usize, session: &str) {
        let ended = || self.post(node, "/oauth/revoke", &format!("token={session}")).status();
        let status = eventually("its end is answered for", || Some(ended()).filter(|status| *status != 503));
        assert_eq!(status, 200);
    }

    /// What a use comes to, once it comes to anything else than this.
    pub(crate) fn until_not(&self, status: u16, node: usize, session: &str) -> u16 {
        eventually("another status", || Some(self.use_it(node, session)).filter(|got| *got != status))
    }

    /// How many acts like this all nodes have recorded.
    pub(crate) fn acts(&self, act: &str, id: &str) -> usize {
        let all = self.all.iter().flat_map(Gateway::audit);
        all.filter(|entry| entry["act"] == act && entry["id"] == id).count()
    }

    /// Something that somebody does with access requests at a node.
    pub(crate) fn access(&self, node: usize, name: &str, roles: &[&str], path: &str, body: &Value) -> Message {
        let bearer = format!("Bearer {}", self.token_of(name, roles));
        let headers = [
            ("Host", "127.0.0.1"),
            ("Authorization", &*bearer),
            ("Content-Type", "application/json"),
            ("Connection", "close"),
        ];
        let bytes = request("POST", path, &headers, body.to_string().as_bytes());
        raw::parse(&raw::exchange(self.all[node].public(), &bytes))
    }

    pub(crate) fn ask(&self, node: usize, body: &Value) -> String {
        let answer = self.access(node, "ada", &["reader"], "/access/requests", body);
        assert_eq!(answer.status(), 201, "{}", answer.text());
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) fn approve(&self, node: usize, name: &str, id: &str) -> Message {
        self.access(node, name, &["lead"], &format!("/access/requests/{id}/approve"), &json!({}))
    }
}
