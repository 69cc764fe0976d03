//! The reference against the compiler: a default that it tells is the one in force.

use std::path::Path;
use std::sync::LazyLock;

use toml::{Table, Value};

use super::reference;
use crate::config::compile;
use crate::state::Engines;

/// One of every table, each with no more than it needs. Entries of a kind are named for it, all others `x`.
const BARE: &str = r#"
server = {}
audit = { pseudonyms = { directory = "audit-keys" } }
trace = { url = "https://otel.example.com/v1/traces", auth = { secret = "directory:key" } }
store = { path = "claviger.db" }
cluster = { redis = { url = "redis://127.0.0.1", key = "directory:cluster" } }
[admin]
address = "127.0.0.1:9901"
[failures]
[monitor]
[notify.webhook.webhook]
url = "https://soc.example.com/alerts"
secret = "directory:webhook"
[notify.slack.slack]
url = "directory:slack"
[notify.alertmanager.alertmanager]
url = "https://alertmanager.example.com"
[notify.mail.mail]
server = "smtp.example.com:587"
from = "claviger@example.com"
to = ["soc@example.com"]
[identity_token]
issuer = "https://gateway.example.com"
key = "directory:identity"
[sessions]
issuer = "https://gateway.example.com"
key = "directory:sessions"
authn = ["jwt"]
[access]
url = "https://gateway.example.com"
authn = ["jwt"]
[approval.x]
approvers = ["lead"]
[role.x.hours]
from = "00:00"
to = "00:00"
[listen.x]
address = "127.0.0.1:8080"
[authn.jwt.jwt]
issuer = "https://login.example.com"
audience = "api"
[authn.api_key.api_key.key.x]
prefix = "abcdefghijkl"
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
owner = "ci"
[authn.introspection.introspection]
url = "https://login.example.com/introspect"
client_id = "claviger"
client_secret = "directory:introspection"
audience = "api"
[authn.token_review.token_review]
audience = "claviger"
[authn.forward_auth.forward_auth]
url = "https://auth.example.com/check"
credential_headers = ["X-Session"]
id_header = "X-User"
[authn.basic.basic.user.x]
password_digest = "$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHQxMjM0NTY3OA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
[authn.http_signature.http_signature]
[vault.sealed_file.sealed_file]
path = "secrets.sealed"
key_file = "master.key"
[vault.environment.environment]
prefix = "APP_"
[vault.directory.directory]
path = "secrets"
[vault.hashicorp.hashicorp]
url = "https://vault.example.com"
token_file = "token"
[vault.app_role.hashicorp]
url = "https://vault.example.com"
app_role = { role_id = "x", secret_id_file = "x" }
[vault.kubernetes.hashicorp]
url = "https://vault.example.com"
kubernetes = { role = "x" }
[vault.aws_secrets_manager.aws_secrets_manager]
region = "eu-central-1"
access_key = "directory:id"
secret = "directory:key"
[vault.cert.hashicorp]
url = "https://vault.example.com"
cert = { certificate = "x", key = "x" }
[vault.command.command]
program = ["/bin/true"]
[target.x]
url = "https://api.example.com"
backends = [{ address = "api-1.example.com:443" }, { address = "api-2.example.com:443" }]
[target.x.health]
path = "/healthz"
[credential.bearer.bearer]
target = "x"
secret = "directory:key"
[credential.oauth2.oauth2]
target = "x"
token_url = "https://login.example.com/token"
client_id = "x"
client_secret = "directory:key"
[credential.exchange.oauth2]
target = "x"
token_url = "https://login.example.com/token"
grant = "token_exchange"
[credential.assertion.oauth2]
target = "x"
token_url = "https://login.example.com/token"
client_id = "x"
assertion = { key = "directory:key" }
[credential.aws_sigv4.aws_sigv4]
target = "x"
region = "x"
service = "x"
access_key = "directory:id"
secret = "directory:key"
[credential.sealed.bearer]
target = "x"
secret = "sealed_file:key"
[rotation.x]
credential = "sealed"
probe = { path = "/me" }
[credential.provided.bearer]
target = "x"
secret = "sealed_file:provided"
[rotation.http]
credential = "provided"
probe = { path = "/me" }
[rotation.http.http]
url = "https://keys.example.com"
secret = "sealed_file:admin"
create = { path = "/keys", body = '{"name": "{attempt}"}', take = "/secret", id = "/id" }
list = { path = "/keys", items = "", id = "/id", name = "/name" }
retire = { path = "/keys/{id}" }
renew = { path = "/keys/{id}/renew", every = "1h" }
[credential.path.path]
target = "x"
secret = "directory:key"
template = "/bot{secret}"
[credential.body.body]
target = "x"
secret = "directory:key"
placeholder = "__API_KEY__"
field = "auth_key"
[credential.hmac.hmac]
target = "x"
secret = "directory:key"
signed = "{method}"
header = "X-Signature"
[credential.client_certificate.client_certificate]
target = "x"
secret = "directory:client"
[credential.canary.canary]
target = "x"
[leak.x]
[limit.x]
by = "client"
requests = 10
[inspect.x]
limits = {}
[route.x]
inspect = "x"
path = "/x/**"
target = "x"
credential = "bearer"
authn = ["jwt", "api_key", "basic", "http_signature", "introspection", "forward_auth"]
limits = ["x"]
leak = "x"
allow = [{ role = "reader" }]
[route.y]
path = "/y/**"
target = "x"
credential = "oauth2"
authn = ["token_review"]
[route.assertion]
path = "/assertion/**"
target = "x"
credential = "assertion"
authn = ["jwt"]
[route.hmac]
path = "/hmac/**"
target = "x"
credential = "hmac"
authn = ["jwt"]
[route.z]
path = "/z/**"
target = "x"
credential = "aws_sigv4"
authn = ["jwt"]
"#;

/// The same of sinks, which need a file to read.
const SINKS: &str = r#"
[audit]
path = "audit.log"
[sink.syslog.syslog]
address = "logs.example.com:6514"
[sink.webhook.webhook]
url = "https://logs.example.com/audit"
auth = { secret = "directory:key" }
[sink.otlp.otlp]
url = "https://otel.example.com/v1/logs"
auth = { secret = "directory:key" }
[sink.stdout.stdout]
"#;

/// A file with an authority, which an `mtls` needs.
static AUTHORITY: LazyLock<tempfile::NamedTempFile> = LazyLock::new(|| {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), params.self_signed(&key).expect("a certificate").pem()).expect("written");
    file
});

struct Told {
    path: String,
    key: String,
    kind: String,
    default: String,
}

/// Every default that the reference tells as a literal.
fn literal_defaults() -> Vec<Told> {
    let text = reference();
    let mut path = "";
    let mut told = Vec::new();
    for line in text.lines() {
        if let Some((_, heading)) = line.split_once("# `[") {
            path = heading.trim_end_matches("]`");
        }
        let cells: Vec<_> = line.split(" | ").collect();
        let [key, kind, default, _] = cells[..] else { continue };
        let bare = |cell: &str| cell.strip_prefix('`')?.strip_suffix('`').map(str::to_owned);
        let (Some(key), Some(default)) = (key.strip_prefix("| ").and_then(bare), bare(default)) else { continue };
        told.push(Told { path: path.to_owned(), key, kind: kind.to_owned(), default });
    }
    told
}

/// The bare file with one key set, and sinks where it is of those, compiled; as text whose order means nothing.
fn compiled(engines: &Engines, has_sinks: bool, set: Option<(&Told, Value)>) -> Vec<String> {
    let mut file: Table = BARE.parse().expect("TOML");
    if has_sinks {
        file.extend(SINKS.parse::<Table>().expect("TOML"));
    }
    let mtls = format!("mtls = {{ ca = {:?}, identity = \"uri\" }}", AUTHORITY.path());
    file["authn"].as_table_mut().expect("a table").insert("mtls".to_owned(), Value::Table(mtls.parse().expect("TOML")));
    if let Some((told, value)) = set {
        let mut table = &mut file;
        let steps: Vec<_> = told.path.split('.').collect();
        for (nth, step) in steps.iter().enumerate() {
            // By the table that is meant, or else by the kind.
            let names = [steps.last().copied(), steps.get(nth + 1).copied()];
            let named = names.into_iter().flatten().find(|name| table.contains_key(*name));
            let step = if *step == "NAME" { named.unwrap_or("x") } else { *step };
            table = match table.get_mut(step).unwrap_or_else(|| panic!("no `{step}` for [{}]", told.path)) {
                Value::Table(inner) => inner,
                Value::Array(list) => list[0].as_table_mut().expect("a table"),
                Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
                    panic!("`{step}` in [{}] is no table", told.path)
                }
            };
        }
        table.insert(told.key.clone(), value);
    }
    let text = toml::to_string(&file).expect("TOML");
    let mut plan =
        compile(Path::new("claviger.toml"), &text, 1, engines).1.unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    plan.snapshot.digest = [0; 32];
    let shown = format!("{plan:#?}");
    // Moments are those at which the entries were first compiled.
    let lines = shown.lines().map(str::trim).filter(|line| !line.starts_with("tv_"));
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

fn difference(one: &[String], other: &[String]) -> Option<String> {
    let at = one.iter().zip(other).position(|(a, b)| a != b);
    let at = at.or_else(|| (one.len() != other.len()).then(|| one.len().min(other.len())))?;
    Some(format!("{:?} or {:?}", one.get(at), other.get(at)))
}

fn literal(told: &Told) -> Value {
    match &*told.kind {
        "integer" => Value::Integer(told.default.parse().expect("a number")),
        "number" => Value::Float(told.default.parse().expect("a number")),
        "boolean" => Value::Boolean(told.default == "true"),
        kind if kind.starts_with("list of 2") => {
            format!("x = {}", told.default).parse::<Table>().expect("TOML")["x"].clone()
        }
        kind if kind.starts_with("list") => Value::Array(vec![told.default.clone().into()]),
        _ => told.default.clone().into(),
    }
}

/// Another value than the default, where one can be made up.
fn other(told: &Told) -> Option<Value> {
    match &*told.kind {
        "integer" => Some(Value::Integer(told.default.parse::<i64>().expect("a number") + 1)),
        "number" => Some(Value::Float(told.default.parse::<f64>().expect("a number") / 2.0)),
        "boolean" => Some(Value::Boolean(told.default != "true")),
        "period" if ["rotate", "max_stale"].contains(&&*told.key) => Some("1h".into()),
        "period" if told.path == "audit" && told.key == "max_age" => Some("1h".into()),
        "period" => Some("3s".into()),
        "size" => Some("77KiB".into()),
        kind if kind.starts_with("list of 2") => Some(vec![Value::Integer(201), Value::Integer(202)].into()),
        _ => None,
    }
}

#[test]
fn a_default_that_the_reference_tells_is_the_one_in_force() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let engines = Engines::new().expect("engines");
    let bare = [false, true].map(|has_sinks| compiled(&engines, has_sinks, None));
    let differs = |set: Option<(&Told, Value)>| {
        let has_sinks = set.as_ref().is_some_and(|(told, _)| told.path.starts_with("sink."));
        difference(&bare[usize::from(has_sinks)], &compiled(&engines, has_sinks, set))
    };
    assert_eq!(differs(None), None, "what is compared is the same for the same file");
    let told = literal_defaults();
    assert!(told.len() > 35, "the reference tells {} defaults", told.len());
    for told in &told {
        let name = format!("[{}] {}", told.path, told.key);
        assert_eq!(differs(Some((told, literal(told)))), None, "{name} is not {} by default", told.default);
        if let Some(other) = other(told) {
            assert!(differs(Some((told, other))).is_some(), "{name} changes nothing");
        }
    }
}
