//! Canaries: every secret there is goes down every path there is, and is then looked for wherever somebody could read it.

use std::os::unix::{fs::MetadataExt, process::CommandExt};
use std::process::Stdio;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::Value;

use crate::support::{
    eventually, frames,
    gateway::{Gateway, Site, program},
    issuer::Issuer,
    raw::{Client, request},
    scene::{Extra, SECRET, config},
    setup::{set_secret, start_sealed},
    upstream::{Then, Upstream},
};

const SEALED: &str = "canary-sealed-4a1f0c9e77";
const ENVIRONMENT: &str = "canary-environ-92bb61d05e";
const HMAC: &str = "canary-hmac-secret-0d9c8b7a6f5e4d3c2b1a";
const INLINE: &str = "canary-inline-5e2d8f9a1b";

/// Everything that must not be seen, and everything that could show it.
struct Canaries {
    secrets: Vec<(&'static str, Vec<u8>)>,
    seen: Vec<(String, Vec<u8>)>,
}

impl Canaries {
    fn hide(&mut self, name: &'static str, secret: impl Into<Vec<u8>>) {
        self.secrets.push((name, secret.into()));
    }

    fn saw(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.seen.push((place.into(), bytes.into()));
    }

    /// Asserts that no secret stands anywhere, in any of the forms that text takes on its way.
    fn assert_unseen(&self) {
        for (name, secret) in &self.secrets {
            for form in forms(secret) {
                for (place, bytes) in &self.seen {
                    let found = bytes.windows(form.len()).position(|window| window.eq_ignore_ascii_case(&form));
                    assert!(found.is_none(), "{name} is in {place}, as {:?}", String::from_utf8_lossy(&form));
                }
            }
        }
    }
}

/// A secret as it is, in base64 at each of the three offsets, percent-encoded, and in hexadecimal.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = secret.iter().map(|byte| format!("%{byte:02X}")).collect();
    let punctuation: String = secret
        .iter()
        .map(|&b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    let mut forms = vec![secret.to_vec(), hex.into_bytes(), percent.into_bytes(), punctuation.into_bytes()];
    for offset in 0..3 {
        // Without what the bytes before and behind it would change.
        let encoded = STANDARD_NO_PAD.encode([&b"xx"[..offset], secret].concat());
        let from = [0, 2, 3][offset];
        forms.push(encoded.as_bytes()[from..encoded.len() - 2].to_vec());
        forms.push(STANDARD.encode(secret).into_bytes());
        forms.push(URL_SAFE_NO_PAD.encode(secret).into_bytes());
    }
    forms
}

#[test]
fn the_search_finds_a_secret_in_every_form() {
    let secret = b"canary-1234567890?>";
    let texts = [
        "canary-1234567890?>".to_owned(),
        STANDARD.encode(secret),
        STANDARD.encode([b"user:", &secret[..]].concat()),
        STANDARD.encode([b"me:", &secret[..], b"tail"].concat()),
        URL_SAFE_NO_PAD.encode(secret),
        "canary%2D1234567890%3F%3E".to_owned(),
        "63616e6172792d313233343536373839303f3e".to_owned(),
        "CANARY-1234567890?>".to_owned(),
    ];
    for text in texts {
        let mut canaries = Canaries { secrets: Vec::new(), seen: Vec::new() };
        canaries.hide("it", *secret);
        canaries.saw("a text", format!("before {text} after"));
        assert!(std::panic::catch_unwind(|| canaries.assert_unseen()).is_err(), "{text}");
    }
}

const TABLES: &str = r#"
[authn.shared.jwt]
issuer = "https://shared.test"
audience = "https://api.test"
hmac_secret = "dir:hmac"
algorithms = ["HS256"]
roles = "roles"
[authn.keys.api_key]
header = "x-api-key"
[authn.keys.api_key.key.ci]
prefix = "PREFIX"
digest = "DIGEST"
owner = "robot"
roles = ["reader"]
[vault.env.environment]
prefix = "CANARY_"
[vault.local.sealed_file]
path = "secrets.sealed"
key_file = "master.key"
[credential.basic.basic]
target = "api"
username = "svc"
secret = "env:one"
[credential.query.query]
target = "api"
parameter = "key"
secret = "local:key"
[credential.header.header]
target = "api"
name = "x-upstream-key"
secret = "local:key"
[target.away]
url = "http://127.0.0.1:1"
[credential.away.bearer]
target = "away"
secret = "dir:api-key"
[route.basic]
path = "/basic/**"
target = "api"
credential = "basic"
authn = ["corp", "keys", "shared"]
allow = [{ role = "reader" }]
[route.query]
path = "/query/**"
target = "api"
credential = "query"
authn = ["corp"]
allow = [{ role = "reader" }]
[route.header]
path = "/header/**"
target = "api"
credential = "header"
authn = ["corp"]
allow = [{ role = "reader" }]
[route.away]
path = "/away/**"
target = "away"
credential = "away"
authn = ["corp"]
allow = [{ role = "reader" }]
"#;

#[test]
fn no_secret_is_seen_in_logs_metrics_records_or_answers() {
    let issuer = Issuer::start();
    let upstream = Upstream::start(|request, wire| match request.path().split('?').next() {
        Some("/close") => Ok(Then::Close),
        Some("/garbage") => wire.send(b"garbage\r\n\r\n").map(|()| Then::Close),
        Some("/short") => wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").map(|()| Then::Close),
        _ => wire.respond(200, &[], b"ok"),
    });
    let output = program().args(["key", "new", "--json", "--owner", "robot"]).output().expect("the program runs");
    let key: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut canaries = Canaries { secrets: Vec::new(), seen: Vec::new() };
    let mut text = String::new();
    let gateway = Gateway::start(|site| {
        start_sealed(site);
        set_secret(site, "key", SEALED);
        site.write("secrets/hmac", HMAC);
        site.set_env("CANARY_ONE", ENVIRONMENT);
        site.arguments = ["--log-level", "trace"].map(str::to_owned).to_vec();
        site.set_env("RUST_LOG", "trace,pingora=trace,pingora_core=trace,pingora_proxy=trace,h2=trace,hyper=trace");
        let tables = TABLES
            .replace("PREFIX", key["prefix"].as_str().expect("a prefix"))
            .replace("DIGEST", key["digest"].as_str().expect("a digest"));
        text = config(site, &issuer, &upstream, &Extra { tables: &tables, ..Extra::default() });
        text.clone()
    });
    let master = std::fs::read_to_string(gateway.site().path("master.key")).expect("the master key");
    let mut claims = issuer.claims("ada");
    claims["roles"] = serde_json::json!(["reader"]);
    let token = issuer.token(&claims);
    let api_key = key["key"].as_str().expect("a key").to_owned();
    canaries.hide("the sealed secret", SEALED);
    canaries.hide("the secret from the environment", ENVIRONMENT);
    canaries.hide("the secret in the directory", SECRET);
    canaries.hide("the HMAC secret", HMAC);
    canaries.hide("the master key", master.trim());
    canaries.hide("the API key", &api_key[api_key.len() - 43..]);
    canaries.hide("the token's signature", token.rsplit('.').next().expect("a signature"));
    canaries.hide("the token's claims", token.split('.').nth(1).expect("claims"));
    canaries.hide("the inline secret", INLINE);

    walk(&gateway, &token, &api_key, &mut canaries);
    break_the_configuration(&gateway, &text, &mut canaries);
    for path in ["/metrics", "/status", "/ready", "/health", "/nowhere"] {
        canaries.saw(path, gateway.admin_get(path).body);
    }
    let mut gateway = gateway;
    gateway.terminate();
    canaries.saw("the log", gateway.log());
    canaries.saw("the audit log", std::fs::read(gateway.site().audit_path()).expect("the audit log"));
    let (told, recorded) = (gateway.log().matches("was not reloaded").count(), gateway.audit().len());
    assert!(told >= 13 && recorded > 40, "there is something to look at: {told} events, {recorded} records");
    canaries.assert_unseen();
}

/// Sends the secrets that clients have to every place where a client could put them, and keeps every answer.
fn walk(gateway: &Gateway, token: &str, api_key: &str, canaries: &mut Canaries) {
    let bearer = format!("Bearer {token}");
    for path in
        ["/api/x", "/basic/x", "/query/x?a=b", "/header/x", "/away/x", "/api/close", "/api/garbage", "/api/short"]
            .into_iter()
            .chain(["/query/close", "/query/garbage", "/query/short", "/basic/garbage", "/nowhere"])
    {
        let fields = [("Authorization", bearer.as_str()), ("Connection", "close")];
        canaries.saw(path, answer(gateway, &request("GET", path, &fields, b"")));
    }
    for place in [token, api_key] {
        for head in [
            format!("GET /basic/x HTTP/1.1\r\nHost: a.test\r\nX-Api-Key: {place}\r\n"),
            format!("GET /basic/x HTTP/1.1\r\nHost: a.test\r\nX-Api-Key: {place}\r\nAuthorization: Bearer {place}\r\n"),
            format!("GET /api/x?access_token={place} HTTP/1.1\r\nHost: a.test\r\n"),
            format!("GET /api/x?{place}#{place} HTTP/1.1\r\nHost: a.test\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic {place}\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: {place}\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {place}, Bearer {place}\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {place}\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\nAuthorization : Bearer {place}\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\n Authorization: Bearer {place}\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {place}\0\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\nCookie: {place}\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\nConnection: {place}\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\nUpgrade: {place}\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\nExpect: {place}\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: {place}\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: {place}\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: {place}\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\n{place}: x\r\n"),
            format!("GET /api/x HTTP/1.1\r\nHost: a.test\r\n{place}\r\n"),
            format!("GET /api/x HTTP/{place}\r\nHost: a.test\r\n"),
            format!("GET {place} HTTP/1.1\r\nHost: a.test\r\n"),
            format!("TRACE /api/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {place}\r\n"),
            format!("{place} /api/x HTTP/1.1\r\nHost: a.test\r\n"),
            format!("GET http://{place}@a.test/api/x HTTP/1.1\r\nHost: a.test\r\n"),
        ] {
            canaries.saw(
                head.replace(place, "<it>"),
                answer(gateway, format!("{head}Connection: close\r\n\r\n").as_bytes()),
            );
        }
        let fields: [(&str, &[u8]); 5] = [
            (":method", b"GET"),
            (":scheme", b"http"),
            (":authority", b"a.test"),
            (":path", b"/api/x"),
            ("authorization", place.as_bytes()),
        ];
        canaries.saw("HTTP/2", format!("{:?}", frames::ask(&mut Client::connect(gateway.public()), &fields, b"")));
    }
    let chunked = format!(
        "POST /api/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: {bearer}\r\nTransfer-Encoding: chunked\r\n\r\n{token}\r\n{token}"
    );
    canaries.saw("a broken body", answer(gateway, chunked.as_bytes()));
}

/// Everything that comes back for these bytes.
fn answer(gateway: &Gateway, bytes: &[u8]) -> Vec<u8> {
    let mut client = Client::connect(gateway.public());
    client.send(bytes).finish().rest()
}

/// Offers configurations with a secret where a reference belongs, and other mistakes around it.
fn break_the_configuration(gateway: &Gateway, good: &str, canaries: &mut Canaries) {
    let refused = || gateway.metric("claviger_reloads_total", &["result=\"refused\""]).expect("the metric");
    for (nth, config) in broken(good).into_iter().enumerate() {
        let before = refused();
        gateway.offer(&config);
        eventually(&format!("the broken configuration {nth} is refused"), || (refused() > before).then_some(()));
        canaries.saw(format!("/status after the broken configuration {nth}"), gateway.admin_get("/status").body);
    }
    gateway.reload(good);
}

fn broken(good: &str) -> Vec<String> {
    let inline = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    vec![
        inline("\"dir:api-key\"", &format!("\"{INLINE}\"")),
        inline("\"dir:api-key\"", &format!("\"{INLINE}:{INLINE}\"")),
        inline("\"dir:hmac\"", &format!("\"{INLINE}\"")),
        inline("secret = \"dir:api-key\"", &format!("secret = {{ value = \"{INLINE}\" }}")),
        inline("secret = \"dir:api-key\"", &format!("secret = [\"{INLINE}\"]")),
        inline("secret = \"dir:api-key\"", &format!("secret = \"dir:api-key\"\npassword = \"{INLINE}\"")),
        inline("secret = \"dir:api-key\"", &format!("secret = \"{INLINE}")),
        inline("threads = 2", &format!("threads = \"{INLINE}\"")),
        inline("drain = \"1s\"", &format!("drain = \"{INLINE}\"")),
        inline("key_file = \"master.key\"", &format!("key_env = \"X\"\nkey_file = \"{INLINE}\"")),
        inline("allow = [\"127.0.0.0/8\"]", &format!("allow = [\"{INLINE}\"]")),
        inline("target = \"api\"", &format!("target = \"{INLINE}\"")),
        inline("algorithms = [\"HS256\"]", &format!("algorithms = [\"{INLINE}\"]")),
    ]
}

#[test]
fn check_never_shows_a_secret_that_was_written_inline() {
    let (issuer, upstream, site) = (Issuer::start(), Upstream::echo(), Site::new());
    site.write("secrets/hmac", HMAC);
    let key = serde_json::json!({"prefix": "clv_x", "digest": "sha256:"});
    let tables = TABLES.replace("PREFIX", key["prefix"].as_str().expect("text"));
    let good = config(&site, &issuer, &upstream, &Extra { tables: &tables, ..Extra::default() });
    let mut canaries = Canaries { secrets: Vec::new(), seen: Vec::new() };
    canaries.hide("the inline secret", INLINE);
    canaries.hide("the HMAC secret", HMAC);
    for (nth, config) in broken(&good).into_iter().enumerate() {
        let file = site.write("broken.toml", config);
        for json in [&[][..], &["--json"]] {
            let output = program().arg("check").arg(&file).args(json).output().expect("the program runs");
            assert_eq!(output.status.code(), Some(2), "{nth}");
            canaries.saw(format!("`check` {nth} {json:?}"), [output.stdout, output.stderr].concat());
        }
    }
    canaries.assert_unseen();
}

#[test]
fn the_process_can_neither_be_dumped_nor_read() {
    let (issuer, upstream, site) = (Issuer::start(), Upstream::echo(), Site::new());
    let file = site.write("claviger.toml", config(&site, &issuer, &upstream, &Extra::default()));
    let mut command = program();
    command.args(["run", &file]).current_dir(site.folder()).stdout(Stdio::null()).stderr(Stdio::null());
    if rustix::process::geteuid().is_root() {
        // Root owns its processes whether they can be dumped or not: another user has to be asked.
        for path in ["", "claviger.toml", "secrets", "secrets/api-key", "secrets/other-key"] {
            std::os::unix::fs::chown(site.folder().join(path), Some(NOBODY), Some(NOBODY)).expect("we are root");
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut process = match command.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return skipped("only root can reach the program");
        }
        spawned => spawned.expect("the program starts"),
    };
    let proc = |name: &str| format!("/proc/{}/{name}", process.id());
    eventually("the gateway listens", || Client::try_connect(site.public).ok());
    let limits = std::fs::read_to_string(proc("limits")).expect("limits");
    let status = std::fs::read_to_string(proc("status")).expect("a status");
    let owners = ["environ", "mem", "maps"].map(|name| std::fs::metadata(proc(name)).expect("a file").uid());
    process.kill().and_then(|()| process.wait()).expect("our child");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    // The files of what is not dumpable belong to root, so that nobody else of the same user can look into it.
    assert_eq!(owners, [0; 3]);
    // Which an older system does not tell.
    let huge = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
    assert!(huge.is_none_or(|enabled| enabled.trim() == "0"), "memory comes in huge pages");
}

#[allow(clippy::print_stdout, reason = "a test that proves nothing says so")]
fn skipped(why: &str) {
    println!("skipped: {why}");
}

const NOBODY: u32 = 65534;
