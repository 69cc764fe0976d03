//! Envoy before the site's upstream: passing requests on, or doing the whole job with the filters that it has for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::fault::{Fault, While};
use crate::program::{Program, free_address};
use crate::site::{Proxy, REAL_KEY, Site};
use crate::token::{AUDIENCE, ISSUER, ROLE};

/// What Envoy does besides passing requests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Envoy {
    Plain,
    /// The whole job, every token verified each time.
    Jwt,
    /// The whole job, with its cache of verified tokens.
    JwtCached,
}

/// Where its access lines are.
pub(crate) fn access_log(site: &Site, kind: Envoy) -> PathBuf {
    site.folder().join(format!("{}.access.log", name(kind)))
}

fn name(kind: Envoy) -> &'static str {
    match kind {
        Envoy::Plain => "envoy",
        Envoy::Jwt => "envoy-jwt",
        Envoy::JwtCached => "envoy-jwt-cached",
    }
}

/// Starts it with one worker thread.
pub(crate) fn start(site: &Site, program: &Path, kind: Envoy) -> Result<Proxy, Fault> {
    let address = free_address()?;
    let config = site.folder().join(format!("{}.json", name(kind)));
    let text = config_of(site, address.port(), kind)?.to_string();
    fs::write(&config, text).during("configuring Envoy")?;
    let mut command = Command::new(program);
    command
        .args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning", "--config-path"])
        .arg(&config);
    let program = Program::start(name(kind), &mut command, site.cores().proxy, address, site.folder())?;
    Ok(Proxy::new(program, address))
}

fn config_of(site: &Site, port: u16, kind: Envoy) -> Result<Value, Fault> {
    let is_whole = kind != Envoy::Plain;
    let router = typed("http.router.v3.Router", json!({}));
    let mut filters = vec![json!({ "name": "envoy.filters.http.router", "typed_config": router })];
    if is_whole {
        filters.insert(0, json!({ "name": "envoy.filters.http.rbac", "typed_config": rbac() }));
        filters.insert(0, json!({ "name": "envoy.filters.http.jwt_authn", "typed_config": jwt(site, kind)? }));
    }
    let key = json!({
        "header": { "key": "Authorization", "value": format!("Bearer {REAL_KEY}") },
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    });
    let swap = if is_whole { vec![key] } else { Vec::new() };
    let log = if is_whole { vec![access_lines(&access_log(site, kind))] } else { Vec::new() };
    let manager = typed(
        "network.http_connection_manager.v3.HttpConnectionManager",
        json!({
            "stat_prefix": "clients",
            "access_log": log,
            "http_filters": filters,
            "route_config": { "virtual_hosts": [{
                "name": "all", "domains": ["*"],
                "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "items" }, "request_headers_to_add": swap }],
            }] },
        }),
    );
    let filter = json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager });
    Ok(json!({ "static_resources": {
        "listeners": [{ "address": socket(port), "filter_chains": [{ "filters": [filter] }] }],
        "clusters": [{
            "name": "items", "type": "STATIC", "connect_timeout": "5s",
            "load_assignment": { "cluster_name": "items", "endpoints": [{ "lb_endpoints": [
                { "endpoint": { "address": socket(site.upstream().port()) } },
            ] }] },
        }],
    } }))
}

/// Issuer, audience, time and signature; what the token says is for the filters behind.
fn jwt(site: &Site, kind: Envoy) -> Result<Value, Fault> {
    let mut provider = json!({
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "local_jwks": { "inline_string": site.issuer().key_set()? },
        "payload_in_metadata": "token",
        "clock_skew_seconds": 10,
    });
    if kind == Envoy::JwtCached {
        provider["jwt_cache_config"] = json!({ "jwt_cache_size": 1000 });
    }
    let rule = json!({ "match": { "prefix": "/" }, "requires": { "provider_name": "corp" } });
    Ok(typed("http.jwt_authn.v3.JwtAuthentication", json!({ "providers": { "corp": provider }, "rules": [rule] })))
}

/// The role, the methods and the path.
fn rbac() -> Value {
    let is = |method: &str| json!({ "header": { "name": ":method", "string_match": { "exact": method } } });
    let listed = json!({
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{ "key": "token" }, { "key": "groups" }],
        "value": { "list_match": { "one_of": { "string_match": { "exact": ROLE } } } },
    });
    let role = json!({ "sourced_metadata": { "metadata_matcher": listed, "metadata_source": "DYNAMIC" } });
    let path = json!({ "url_path": { "path": { "prefix": "/api/v1/items/" } } });
    let methods = json!({ "or_rules": { "rules": [is("GET"), is("POST")] } });
    let policy = json!({ "permissions": [{ "and_rules": { "rules": [path, methods] } }], "principals": [role] });
    typed("http.rbac.v3.RBAC", json!({ "rules": { "action": "ALLOW", "policies": { "readers": policy } } }))
}

fn access_lines(path: &Path) -> Value {
    let line = json!({
        "time": "%START_TIME%",
        "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "subject": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:token:sub)%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(:PATH)%",
        "status": "%RESPONSE_CODE%",
        "bytes": "%BYTES_SENT%",
        "ms": "%DURATION%",
    });
    let file = json!({
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": path,
        "log_format": { "json_format": line },
    });
    json!({ "name": "envoy.access_loggers.file", "typed_config": file })
}

fn typed(kind: &str, mut config: Value) -> Value {
    config["@type"] = Value::from(format!("type.googleapis.com/envoy.extensions.filters.{kind}"));
    config
}

fn socket(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}
