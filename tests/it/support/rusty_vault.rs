//! A real server of Vault's HTTP API, RustyVault, in a process of its own: initialised and unsealed through that API, with a mount `kv` of
//! version 1 of the key-value engine and the AppRole `gateway`.
//!
//! What version 0.2.1 does not do as the published API says, so that no test can show it here:
//!
//! | published | RustyVault |
//! |---|---|
//! | `sys/policies/acl`, and what policies forbid | 404; any token that is good may read and write everything |
//! | `auth/token/renew-self`, `auth/token/revoke-self` | 500 "Logical backend path not supported" |
//! | `sys/leases/renew`, `sys/leases/revoke` | 404; nothing that it has is leased |
//! | version 2 of the key-value engine | a mount of that version is one of version 1 |
//! | `auth/token/lookup-self` tells `renewable`, and in `ttl` what is left | no `renewable`; `ttl` is the first one |
//! | a request without a token is answered 403 | 400 |
//! | namespaces | ignored |
//! | TLS sessions are resumed, also where client certificates are asked for | such a connection fails |

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use rustls::{ClientConfig, client::Resumption};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    eventually,
    gateway::free_address,
    http1::Message,
    raw::{Client, request},
    tls::Authority,
};

/// The server; it ends with the test.
pub(crate) struct RustyVault {
    process: Child,
    folder: TempDir,
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    unseal_key: String,
    root: String,
}

impl RustyVault {
    /// Starts it, ready to be asked. Where it is not installed that is said, and none is given.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(None)
    }

    /// The same over TLS, with a certificate of this authority. It asks for client certificates and takes those of any; which are good,
    /// [`Self::trust`] says.
    pub(crate) fn start_tls(servers: &Authority) -> Option<Self> {
        Self::start_with(Some(servers))
    }

    fn start_with(servers: Option<&Authority>) -> Option<Self> {
        let Some(program) = program() else {
            println!("skipped: rvault (RustyVault) absent; scripts/test --full installs it");
            return None;
        };
        let (folder, address) = (tempfile::tempdir().expect("a folder"), free_address());
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder");
        let listener = match servers {
            None => "tls_disable = true",
            Some(servers) => {
                let identity = servers.server(&["127.0.0.1"]);
                fs::write(folder.path().join("cert.pem"), identity.certificate_pem()).expect("written");
                fs::write(folder.path().join("key.pem"), identity.key_pem()).expect("written");
                "tls_disable = false\n  tls_cert_file = \"cert.pem\"\n  tls_key_file = \"key.pem\""
            }
        };
        let config = format!(
            "storage \"file\" {{\n  path = {data:?}\n}}\nlistener \"tcp\" {{\n  address = \"{address}\"\n  {listener}\n}}\n\
             work_dir = {:?}\npid_file = \"rvault.pid\"\nlog_level = \"info\"\n",
            folder.path()
        );
        fs::write(folder.path().join("config.hcl"), config).expect("written");
        let log = fs::File::create(folder.path().join("log")).expect("a file");
        let process = Command::new(program)
            .args(["server", "--config", "config.hcl"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("rvault runs");
        let tls = servers.map(|servers| {
            let mut tls = ClientConfig::clone(&servers.trusting_client(None));
            tls.resumption = Resumption::disabled();
            Arc::new(tls)
        });
        let mut server = Self { process, folder, address, tls, unseal_key: String::new(), root: String::new() };
        server.prepare();
        Some(server)
    }

    fn prepare(&mut self) {
        let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let keys = eventually("RustyVault is there", || {
            if let Some(status) = self.process.try_wait().expect("our child") {
                panic!("rvault ended with {status}: {}", self.log());
            }
            self.try_ask("PUT", "sys/init", "", &shares)
        });
        assert_eq!(keys.status(), 200, "{}", keys.text());
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (self.unseal_key, self.root) = (text(&keys.json()["keys"][0]), text(&keys.json()["root_token"]));
        self.unseal();
        self.change("POST", "sys/mounts/kv", &json!({ "type": "kv" }));
        self.change("POST", "sys/auth/approle", &json!({ "type": "approle" }));
        self.role(3600);
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address)
    }

    /// Lets those log in for whom this authority vouches, as `gateway`.
    pub(crate) fn trust(&self, clients: &Authority) {
        self.change("POST", "sys/auth/cert", &json!({ "type": "cert" }));
        self.change("POST", "auth/cert/config", &json!({ "disable_binding": false }));
        self.change("POST", "auth/cert/certs/gateway", &json!({ "certificate": clients.pem(), "token_ttl": 3600 }));
    }

    /// All that it has logged: one line for each request, among others.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// How often this was asked with this method, and answered with this status.
    pub(crate) fn answered(&self, method: &str, path: &str, status: u16) -> usize {
        let (asked, answered) = (format!("\"{method} /v1/{path} HTTP/"), format!("\" {status} "));
        self.log().lines().filter(|line| line.contains(&asked) && line.contains(&answered)).count()
    }

    /// Has tokens of the AppRole last for so many seconds.
    pub(crate) fn role(&self, token_lasts: u64) {
        let role = json!({ "token_policies": "default", "token_ttl": token_lasts });
        self.change("POST", "auth/approle/role/gateway", &role);
    }

    /// The id of the AppRole, and a new secret id of it.
    pub(crate) fn app_role(&self) -> (String, String) {
        let id = self.as_root("GET", "auth/approle/role/gateway/role-id", &Value::Null).json();
        let secret = self.as_root("POST", "auth/approle/role/gateway/secret-id", &json!({})).json();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (text(&id["data"]["role_id"]), text(&secret["data"]["secret_id"]))
    }

    /// A new token.
    pub(crate) fn token(&self) -> String {
        let made = self.as_root("POST", "auth/token/create", &json!({ "policies": ["default"], "ttl": "1h" })).json();
        made["auth"]["client_token"].as_str().expect("a token").to_owned()
    }

    /// Puts a document into the key-value engine.
    pub(crate) fn put(&self, path: &str, document: &Value) {
        self.change("PUT", &format!("kv/{path}"), document);
    }

    /// Takes it out.
    pub(crate) fn delete(&self, path: &str) {
        self.change("DELETE", &format!("kv/{path}"), &Value::Null);
    }

    /// Seals it: nobody gets anything.
    pub(crate) fn seal(&self) {
        self.change("PUT", "sys/seal", &Value::Null);
    }

    /// Unseals it.
    pub(crate) fn unseal(&self) {
        let status = self.as_root("PUT", "sys/unseal", &json!({ "key": self.unseal_key })).json();
        assert_eq!(status["sealed"], false, "{status}");
    }

    fn change(&self, method: &str, path: &str, body: &Value) {
        let answer = self.as_root(method, path, body);
        assert_eq!(answer.status(), 204, "{method} {path}: {}", answer.text());
    }

    fn as_root(&self, method: &str, path: &str, body: &Value) -> Message {
        self.try_ask(method, path, &self.root, body).expect("an answer")
    }

    fn try_ask(&self, method: &str, path: &str, token: &str, body: &Value) -> Option<Message> {
        let client = match &self.tls {
            None => Client::try_connect(self.address),
            Some(tls) => Client::connect_tls(self.address, "127.0.0.1", Arc::clone(tls)),
        };
        let mut client = client.ok()?;
        let host = self.address.to_string();
        let headers = [("Host", &*host), ("X-Vault-Token", token)];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        client.send(&request(method, &format!("/v1/{path}"), &headers, body.as_bytes()));
        client.try_response().ok().flatten()
    }
}

/// What the environment names, or what the scripts installed, or what the system has.
fn program() -> Option<OsString> {
    let named = std::env::var_os("CLAVIGER_RVAULT");
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/target/rvault/bin/rvault");
    let runs = |program: &OsString| {
        let probe = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        probe.is_ok_and(|status| status.success())
    };
    named.into_iter().chain([ours.into(), "rvault".into()]).find(runs)
}

impl Drop for RustyVault {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
