//! How a site is set up: the wires, the threads, and how much claviger is told to do.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use crate::site::REAL_KEY_SECRET;
use crate::token::{AUDIENCE, ISSUER, PUBLIC_KEY, ROLE};
use crate::wire::{self, Wire};

/// What differs from one measurement's site to another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stage {
    /// Between clients and the proxy.
    pub(crate) clients: Wire,
    /// Between the proxy and the upstream.
    pub(crate) upstreams: Wire,
    /// Of the proxy.
    pub(crate) threads: u8,
    /// Rules and API keys that have nothing to do with what is asked for.
    pub(crate) strangers: u32,
    /// Whether requests are inspected and answers looked through for whatever must not leave.
    pub(crate) is_inspecting: bool,
    /// Microseconds for which the upstream computes each answer.
    pub(crate) work: u64,
    /// Milliseconds after which the upstream answers.
    pub(crate) pause: u64,
    /// Of claviger.
    pub(crate) log: Log,
}

/// What becomes of audit lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// They are made and linked, and not kept.
    Nowhere,
    /// They are written to a file, many at a time.
    Batch,
    /// Each decision is on the disk before it is acted on.
    Fsync,
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            clients: Wire::Plain,
            upstreams: Wire::Plain,
            threads: 1,
            strangers: 0,
            is_inspecting: false,
            work: 0,
            pause: 0,
            log: Log::Batch,
        }
    }
}

/// Where things are on one site.
pub(crate) struct Places<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) audit: &'a Path,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) upstream: SocketAddr,
    /// Where there are several nodes on one site.
    pub(crate) run_directory: Option<&'a str>,
}

impl Stage {
    /// Claviger's configuration, which ends in the table of the route, so that more keys of it may follow.
    pub(crate) fn config(&self, places: &Places) -> String {
        let Places { folder, audit, address, admin, upstream, run_directory } = places;
        let run_directory = run_directory.map_or(String::new(), |path| format!("run_directory = {path:?}\n"));
        let (threads, strangers) = (self.threads, self.strangers());
        let (audit, durability) = match self.log {
            Log::Nowhere => (Path::new("/dev/null"), "batch"),
            Log::Batch => (*audit, "batch"),
            Log::Fsync => (*audit, "fsync"),
        };
        let audit = audit.display();
        let [certificate, key] = [wire::certificate(folder), wire::key(folder)];
        let listen = match self.clients {
            Wire::Plain => String::new(),
            Wire::Tls | Wire::Http2 => {
                let http2 = self.clients == Wire::Http2;
                format!("http2 = {http2}\ntls = {{ certificate = {certificate:?}, key = {key:?} }}\n")
            }
        };
        let tls = format!("server_name = \"{}\"\nca = {certificate:?}\n", wire::NAME);
        let target = match self.upstreams {
            Wire::Plain => String::new(),
            Wire::Tls => tls,
            Wire::Http2 => tls + "http = \"2\"\n",
        };
        let scheme = self.upstreams.scheme();
        let (looks, rules) = if self.is_inspecting { ("inspect = \"all\"\nleak = \"all\"\n", LOOKS) } else { ("", "") };
        format!(
            r#"[server]
threads = {threads}
{run_directory}
[admin]
address = "{admin}"

[audit]
path = "{audit}"
durability = "{durability}"
max_size = "16GiB"

[egress]
allow = ["127.0.0.0/8"]

[listen.public]
address = "{address}"
max_connections_per_address = 65536
{listen}
[authn.corp.jwt]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
public_key_file = "{PUBLIC_KEY}"
algorithms = ["RS256"]
roles = "groups"

[vault.local.directory]
path = "secrets"

[target.items]
url = "{scheme}://{upstream}"
{target}
[credential.items.bearer]
target = "items"
secret = "{REAL_KEY_SECRET}"
{rules}{strangers}
[route.items]
path = "/api/**"
target = "items"
credential = "items"
authn = ["corp"]
allow = [{{ role = "{ROLE}", methods = ["GET", "POST"], paths = ["/v1/items/**"] }}]
{looks}"#
        )
    }

    /// So many rules and keys of others, ten rules a route.
    fn strangers(&self) -> String {
        let mut text = String::from(if self.strangers == 0 { "" } else { "\n[authn.keys.api_key]\n" });
        for number in 0..self.strangers {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "[authn.keys.api_key.key.k{number}]\nprefix = \"{number:012}\"\ndigest = \"sha256:{number:064x}\"\n\
                 owner = \"owner-{number}\"\nroles = [\"role-{}\"]\n",
                number % 10
            );
        }
        for route in 0..self.strangers / 10 {
            let _ = write!(
                text,
                "[route.r{route}]\npath = \"/service-{route}/**\"\ntarget = \"items\"\nauthn = [\"keys\"]\nallow = [\n"
            );
            for rule in 0..10 {
                let _ = writeln!(
                    text,
                    "  {{ role = \"role-{rule}\", methods = [\"GET\"], paths = [\"/v1/resource-{rule}/*\"] }},"
                );
            }
            text.push_str("]\n");
        }
        text
    }
}

/// Everything that may be looked for, but for what honest answers hold.
const LOOKS: &str = r#"
[inspect.all]
mode = "enforce"

[leak.all]
token = "redact"
private_key = "redact"
card = "redact"
iban = "redact"
error_details = "mask"
"#;
