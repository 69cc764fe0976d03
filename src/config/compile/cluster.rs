//! `[cluster]`.

use std::sync::Arc;
use std::time::Duration;

use super::route::Parts;
use super::{Compiled, Compiler};
use crate::config::file::{RedisTable, Text};
use crate::config::values::Spanned;
use crate::domain::Name;
use crate::net::Egress;
use crate::vault::{Slot, Vault};

/// Where the nodes of a cluster meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterPlace {
    /// The URL of the Redis or Valkey.
    pub url: String,
    /// The authorities that prove it, as PEM; none for those of the system.
    pub ca: Option<Vec<u8>>,
    /// What its keys begin with.
    pub name: String,
    /// For how long what was heard last is good enough for sessions.
    pub max_stale: Duration,
    /// Where connections may go.
    pub egress: Egress,
}

/// What a cluster's nodes have to know.
#[derive(Debug)]
pub struct ClusterSecrets {
    /// The password.
    pub password: Option<Arc<Slot>>,
    /// The key that seals.
    pub key: Arc<Slot>,
}

impl Compiler<'_, '_> {
    pub(super) fn cluster(
        &mut self,
        table: &RedisTable,
        has_store: bool,
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<(ClusterPlace, ClusterSecrets)> {
        if !has_store {
            let cure = "add `[store]` with `path`";
            self.report.add(table.url.span(), "what nodes share is kept in the store, and there is none", cure);
        }
        let url = self.report.take(
            table.url.span(),
            redis_url(table.url.get_ref()),
            "write one such as `rediss://claviger@redis.example.com`, and the password into a vault",
        );
        let name = match &table.name {
            Some(text) => self.cluster_name(text)?,
            None => "claviger".to_owned(),
        };
        let ca = match &table.ca {
            Some(path) => Some(self.file(path)?),
            None => None,
        };
        let max_stale = self.within(
            table.max_stale.as_ref(),
            Duration::from_secs(60),
            Duration::from_secs(1),
            Duration::from_secs(3600),
            "sessions go on for 1s to 1h",
        );
        let password = match &table.password {
            Some(text) => Some(self.secret(text, vaults)?),
            None => None,
        };
        let key = self.sealing_key(&table.key, vaults);
        Some((
            ClusterPlace { url: url?, ca, name, max_stale: max_stale?, egress: self.egress.clone() },
            ClusterSecrets { password, key: key? },
        ))
    }

    pub(super) fn revocation_critical(&mut self, written: Option<&Spanned<bool>>, parts: &Parts) -> bool {
        let Some(written) = written.filter(|written| *written.get_ref()) else { return false };
        if !parts.has_store {
            let cure = "add `[store]` with `path`";
            self.report.add(written.span(), "revocations are kept in the store, and there is none", cure);
        }
        true
    }

    fn cluster_name(&mut self, text: &Text) -> Option<String> {
        let name = Name::parse(text.get_ref()).map(|name| name.to_string());
        self.report.take(text.span(), name.map_err(|error| error.to_string()), "write one such as `claviger`")
    }
}

/// In the clear, nobody but this machine may listen; and what stands in a configuration is no secret.
fn redis_url(text: &str) -> Result<String, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("this is not the URL of a Redis")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains(':') {
        return Err("this has a password in it");
    }
    if text.contains('#') {
        return Err("this would not prove the server");
    }
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_loopback = name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match scheme {
        "rediss" if !name.is_empty() => Ok(text.to_owned()),
        "redis" if is_loopback => Ok(text.to_owned()),
        "redis" => Err("without TLS, others could read the password, and the server would not be proved"),
        _ => Err("this is not the URL of a Redis"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_proves_its_server_and_holds_no_secret() {
        for (text, is_good) in [
            ("rediss://redis.example.com", true),
            ("rediss://claviger@redis.example.com:6380/2", true),
            ("redis://127.0.0.1:6379", true),
            ("redis://[::1]:6379", true),
            ("redis://localhost", true),
            ("redis://redis.example.com", false),
            ("redis://127.0.0.1.example.com", false),
            ("redis://localhost@redis.example.com", false),
            ("rediss://claviger:secret@redis.example.com", false),
            ("rediss://redis.example.com/#insecure", false),
            ("rediss://", false),
            ("unix:///run/redis.sock", false),
            ("redis.example.com", false),
        ] {
            assert_eq!(redis_url(text).is_ok(), is_good, "{text}");
        }
    }
}
