//! A certified OpenID provider in a process of its own, and what its clients ask it for.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::{issuer::AUDIENCE, raw};

/// The provider; it ends with the test.
pub(crate) struct Provider {
    process: Child,
    /// Its `iss`, and its base URL.
    pub(crate) issuer: String,
}

impl Provider {
    /// Starts it. Where it is not installed that is said, and none is given.
    pub(crate) fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join("target/provider");
        if !folder.join("node_modules/oidc-provider").is_dir() {
            println!("skipped: node absent, or scripts/test has not installed the OpenID provider");
            return None;
        }
        let program = fs::read_to_string(root.join("tests/provider/server.mjs")).expect("the program");
        let mut node = Command::new("node");
        // From standard input it would find no packages; as text it finds those of its working directory.
        node.args(["--input-type=module", "--eval", &program]).current_dir(folder);
        let mut process =
            node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("node runs");
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let said = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("issuer ").map(str::to_owned));
        Some(Self { process, issuer: said.expect("the provider listens") })
    }

    fn address(&self) -> SocketAddr {
        self.issuer.trim_start_matches("http://").parse().expect("an address")
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Value {
        let authority = self.address().to_string();
        let form = [("Host", &*authority), ("Content-Type", "application/x-www-form-urlencoded")];
        let request = raw::request("POST", path, &[&form, headers].concat(), body.as_bytes());
        let response = raw::Client::connect(self.address()).send(&request).response();
        assert_eq!(response.status(), 200, "{path}: {}", response.text());
        response.json()
    }

    /// Changes its keys: `publish`, `switch` or `retire`.
    pub(crate) fn control(&self, what: &str) {
        self.post(&format!("/control/{what}"), &[], "");
    }

    /// An access token for [`AUDIENCE`] by the client's own credentials (RFC 6749 §4.4).
    pub(crate) fn token(&self, client: &str, headers: &[(&str, &str)]) -> String {
        let resource = AUDIENCE.replace(':', "%3A").replace('/', "%2F");
        let form = format!(
            "grant_type=client_credentials&client_id={client}&client_secret=secret-of-{client}&scope=read&resource={resource}"
        );
        self.post("/token", headers, &form)["access_token"].as_str().expect("a token").to_owned()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
