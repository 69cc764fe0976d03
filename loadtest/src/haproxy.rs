//! HAProxy before the site's upstream: passing requests on, or doing the whole job with what it has for tokens.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::fault::{Fault, While};
use crate::program::{Program, free_address};
use crate::site::{Proxy, REAL_KEY, Site};
use crate::token::{AUDIENCE, ISSUER, PUBLIC_KEY, ROLE};

/// The whole job. `jwt_verify` looks at the signature alone, so that all else is asked for by name. Of a list, HAProxy 2.6 reads single
/// members: the role has to be the first.
fn whole_job(folder: &Path) -> String {
    let key = folder.join(PUBLIC_KEY);
    let key = key.display();
    format!(
        r#"  option httplog
  log-format '{{"time":"%tr","client":"%ci","subject":"%[var(txn.subject)]","method":"%HM","path":"%HP","status":%ST,"bytes":%B,"ms":%Ta}}'
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.algorithm) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless {{ var(txn.algorithm) -m str RS256 }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_payload_query('$.iss') -m str {ISSUER} }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_payload_query('$.aud') -m str {AUDIENCE} }}
  http-request set-var(txn.now) date()
  http-request set-var(txn.from) var(txn.bearer),jwt_payload_query('$.nbf','int')
  http-request set-var(txn.to) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request deny deny_status 401 unless {{ var(txn.from),sub(txn.now) -m int le 0 }}
  http-request deny deny_status 401 unless {{ var(txn.to),sub(txn.now) -m int gt 0 }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.algorithm,"{key}") -m int 1 }}
  http-request set-var(txn.subject) var(txn.bearer),jwt_payload_query('$.sub')
  http-request deny deny_status 403 unless {{ method GET POST }} {{ path_beg /api/v1/items/ }}
  http-request deny deny_status 403 unless {{ var(txn.bearer),jwt_payload_query('$.groups[0]') -m str {ROLE} }}
  http-request set-header Authorization "Bearer {REAL_KEY}"
"#
    )
}

/// Starts it as what spreads requests over several proxies; on the core of the load.
pub(crate) fn spread(site: &Site, program: &Path, proxies: &[SocketAddr]) -> Result<Proxy, Fault> {
    let (name, address) = ("haproxy before nodes", free_address()?);
    let path = site.folder().join("haproxy-nodes.cfg");
    fs::write(&path, config_of("", false, address, "", proxies)).during("configuring HAProxy")?;
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(&path);
    let program = Program::start(name, &mut command, site.cores().load, address, site.folder())?;
    Ok(Proxy::new(program, address))
}

/// Starts it with one thread; with the whole job, it writes a line for each request to its standard output.
pub(crate) fn start(site: &Site, program: &Path, is_whole: bool) -> Result<Proxy, Fault> {
    let name = if is_whole { "haproxy-jwt" } else { "haproxy" };
    let address = free_address()?;
    let (log, job) =
        if is_whole { ("  log stdout format raw local0\n", whole_job(site.folder())) } else { ("", String::new()) };
    let config = config_of(log, is_whole, address, &job, &[site.upstream()]);
    let path = site.folder().join(format!("{name}.cfg"));
    fs::write(&path, config).during("configuring HAProxy")?;
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(&path);
    let program = Program::start(name, &mut command, site.cores().proxy, address, site.folder())?;
    Ok(Proxy::new(program, address))
}

fn config_of(log: &str, is_logging: bool, address: SocketAddr, job: &str, servers: &[SocketAddr]) -> String {
    let lines = servers.iter().enumerate().map(|(number, server)| format!("  server s{number} {server}\n"));
    let (servers, logs) = (lines.collect::<String>(), if is_logging { "log global" } else { "no log" });
    format!(
        r#"global
  nbthread 1
  maxconn 4096
{log}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
  http-reuse always

frontend clients
  bind {address}
  {logs}
{job}  default_backend items

backend items
  balance roundrobin
{servers}"#
    )
}
