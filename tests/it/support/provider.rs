//! A certified OpenID provider in a process of its own, and what its clients ask it for.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use rustls::ClientConfig;

use super::{http1::Message, issuer::AUDIENCE, lines::Lines, raw};

/// The provider; it ends with the test.
pub(crate) struct Provider {
    process: Child,
    /// Its `iss`, and its base URL.
    pub(crate) issuer: String,
    /// Where it speaks TLS, if it was told to.
    secure: SocketAddr,
}

impl Provider {
    /// Starts it. Where it is not installed that is said, and none is given.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same with this environment, of which its program tells.
    pub(crate) fn start_with(environment: &[(&str, &str)]) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join("target/provider");
        if !folder.join("node_modules/oidc-provider").is_dir() {
            println!("skipped: node absent, or scripts/test has not installed the OpenID provider");
            return None;
        }
        let program = fs::read_to_string(root.join("tests/provider/server.mjs")).expect("the program");
        let mut node = Command::new("node");
        // From standard input it would find no packages; as text it finds those of its working directory.
        node.args(["--input-type=module", "--eval", &program]).current_dir(folder).envs(environment.iter().copied());
        let process = node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = process.expect("node runs");
        let lines = Lines::of(process.stdout.take().expect("a pipe"));
        let said = lines.find("the provider", |line| line.strip_prefix("issuer ").map(str::to_owned));
        let (issuer, port) = said.split_once(' ').expect("a URL and a port");
        let secure = SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port")));
        Some(Self { process, issuer: issuer.to_owned(), secure })
    }

    fn address(&self) -> SocketAddr {
        self.issuer.trim_start_matches("http://").parse().expect("an address")
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Message {
        self.post_over(&mut raw::Client::connect(self.address()), path, headers, body)
    }

    fn post_over(&self, client: &mut raw::Client, path: &str, headers: &[(&str, &str)], body: &str) -> Message {
        let authority = self.address().to_string();
        let form = [("Host", &*authority), ("Content-Type", "application/x-www-form-urlencoded")];
        let request = raw::request("POST", path, &[&form, headers].concat(), body.as_bytes());
        let response = client.send(&request).response();
        assert_eq!(response.status(), 200, "{path}: {}", response.text());
        response
    }

    /// Changes its keys: `publish`, `switch` or `retire`. Or has it fail: `fail/` with how, of which its program tells, or `nothing`.
    pub(crate) fn control(&self, what: &str) {
        self.post(&format!("/control/{what}"), &[], "");
    }

    /// An access token for [`AUDIENCE`] by the client's own credentials (RFC 6749 §4.4).
    pub(crate) fn token(&self, client: &str, headers: &[(&str, &str)]) -> String {
        access_token(&self.post("/token", headers, &(form(client) + &resource())))
    }

    /// The same over TLS, by which it may be bound to the certificate that the connection shows.
    pub(crate) fn token_over(&self, tls: Arc<ClientConfig>, client: &str) -> String {
        let mut connection = raw::Client::connect_tls(self.secure, "127.0.0.1", tls).expect("a handshake");
        access_token(&self.post_over(&mut connection, "/token", &[], &(form(client) + &resource())))
    }

    /// An access token for no resource, which is opaque.
    pub(crate) fn opaque_token(&self, client: &str, headers: &[(&str, &str)]) -> String {
        access_token(&self.post("/token", headers, &form(client)))
    }

    /// Revokes a token of this client (RFC 7009).
    pub(crate) fn revoke(&self, client: &str, token: &str) {
        let form = format!("client_id={client}&client_secret=secret-of-{client}&token={token}");
        self.post("/token/revocation", &[], &form);
    }
}

fn form(client: &str) -> String {
    format!("grant_type=client_credentials&client_id={client}&client_secret=secret-of-{client}&scope=read")
}

fn resource() -> String {
    format!("&resource={}", AUDIENCE.replace(':', "%3A").replace('/', "%2F"))
}

fn access_token(response: &Message) -> String {
    response.json()["access_token"].as_str().expect("a token").to_owned()
}

impl Drop for Provider {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
