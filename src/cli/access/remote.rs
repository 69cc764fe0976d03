//! A gateway as its callers reach it.

use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

use crate::cli::Failure;
use crate::domain::NetworkSet;
use crate::net::{Client, ClientSettings, Egress, Question};

/// Where the gateway is, and who asks.
#[derive(Debug, Args)]
pub(super) struct Gateway {
    /// The gateway's URL, as `[access] url` says it; without it, `$CLAVIGER_GATEWAY`.
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// A file with your token, session or API key; without it, `$CLAVIGER_TOKEN`.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A PEM file with the authorities that the gateway's certificate leads to; without it, those of the system.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

const PATH: &str = "/access/requests";

impl Gateway {
    /// What is there.
    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, Bytes::new())
    }

    /// What becomes of this.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, Bytes::from(body.to_string()))
    }

    fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Value, Failure> {
        let url = self.gateway.clone().or_else(|| std::env::var("CLAVIGER_GATEWAY").ok());
        let url =
            url.ok_or_else(|| Failure::new(2, "claviger: name the gateway: `--gateway URL`, or $CLAVIGER_GATEWAY"))?;
        let url = format!("{}{PATH}{path}", url.trim_end_matches('/'));
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, self.authorization()?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let client = self.client()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = runtime.block_on(client.ask(&url, Question { method, headers, body }));
        let answer = asked.map_err(|error| Failure::new(1, format!("claviger: {url}: {error}")))?;
        let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status.is_success() {
            return Ok(told);
        }
        let detail = told["detail"].as_str().unwrap_or("no answer that says why");
        let code = told["code"].as_str().unwrap_or("unknown");
        Err(Failure::new(1, format!("claviger: {} {code}: {detail}", answer.status.as_u16())))
    }

    fn authorization(&self) -> Result<HeaderValue, Failure> {
        let token = match &self.token_file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| Failure::new(2, format!("claviger: {}: {error}", path.display())))?,
            None => std::env::var("CLAVIGER_TOKEN").map_err(|_| {
                Failure::new(
                    2,
                    "claviger: say who you are: put your token into $CLAVIGER_TOKEN, or name `--token-file`",
                )
            })?,
        };
        let token = zeroize::Zeroizing::new(token);
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))
            .map_err(|_| Failure::new(2, "claviger: the token holds what no header field may"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn client(&self) -> Result<Client, Failure> {
        crate::server::install_crypto();
        let authorities = match &self.ca {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .map_err(|error| Failure::new(2, format!("claviger: {}: {error}", path.display())))?,
            ),
            None => None,
        };
        // Whoever types a URL means it, also where it leads to a private address.
        let all = ["0.0.0.0/0", "::/0"].iter().filter_map(|network| network.parse().ok()).collect();
        let settings =
            ClientSettings { egress: Egress::new(NetworkSet::new(all)), authorities, ..ClientSettings::default() };
        Client::new(settings).map_err(|error| Failure::new(2, format!("claviger: {error}")))
    }
}
