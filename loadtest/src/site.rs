//! One measurement's stage: keys, token, vault, configuration and the three programs.

use std::borrow::Cow;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::json;
use tempfile::TempDir;

use crate::fault::{Fault, While};
use crate::machine::Cores;
use crate::payload::Payload;
use crate::program::{Program, free_address, own};
use crate::upstream::{REFLECT, SPACER, STREAM};

/// What is asked for under load.
pub(crate) const PATH: &str = "/api/v1/items/42";
/// The upstream's key, which only the vault knows.
const REAL_KEY: &str = "sk_live_9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c";
/// What seals what nodes share.
const CLUSTER_KEY: &str = "clvmk_AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";
const ISSUER: &str = "https://login.example.test";
const AUDIENCE: &str = "https://api.example.test";

/// A folder with everything that claviger needs, and the upstream running.
pub(crate) struct Site {
    folder: TempDir,
    cores: Cores,
    key: EncodingKey,
    token: String,
    upstream: SocketAddr,
    /// More keys of `[audit]`.
    audit: &'static str,
    _serving: Program,
}

/// A proxy that runs, and where.
pub(crate) struct Proxy {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
}

impl Site {
    /// Makes keys, token and vault, and starts the upstream.
    pub(crate) fn new(cores: Cores, work: u64) -> Result<Self, Fault> {
        let folder = tempfile::tempdir().during("making a temporary folder")?;
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).during("making an RSA key")?;
        write(&folder.path().join("issuer.pem"), &key.public_key_pem())?;
        let key = EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).during("reading the RSA key")?;
        let token = token(&key, "alice@example.test")?;
        fs::create_dir(folder.path().join("secrets")).during("making the vault")?;
        write(&folder.path().join("secrets/api-key"), REAL_KEY)?;
        let upstream = free_address()?;
        let mut command = own()?;
        command.arg("serve-upstream").arg(upstream.to_string()).arg(work.to_string());
        let serving = Program::start("upstream", &mut command, cores.load, upstream, folder.path())?;
        Ok(Self { folder, cores, key, token, upstream, audit: "", _serving: serving })
    }

    /// The same, whose audit log is written as these keys say, where there are any.
    pub(crate) fn auditing(self, keys: Option<&'static str>) -> Self {
        Self { audit: keys.unwrap_or_default(), ..self }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn upstream(&self) -> SocketAddr {
        self.upstream
    }

    pub(crate) fn cores(&self) -> Cores {
        self.cores
    }

    /// The header field that every request carries.
    pub(crate) fn authorization(&self) -> String {
        format!("Authorization: Bearer {}", self.token)
    }

    /// The token that every caller has.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Signs so many more, each of a subject of its own.
    pub(crate) fn tokens(&self, count: u32) -> Result<Vec<String>, Fault> {
        (0..count).map(|number| token(&self.key, &subject(number))).collect()
    }

    /// Starts the bare proxy and proves that it passes requests through.
    pub(crate) fn bare(&self, default_buffers: bool) -> Result<Proxy, Fault> {
        let address = free_address()?;
        let mut command = own()?;
        command.arg("serve-bare").arg(address.to_string()).arg(self.upstream.to_string());
        let name = if default_buffers { "bare Pingora, default buffers" } else { "bare Pingora" };
        if default_buffers {
            command.arg("--default-buffers");
        }
        let program = Program::start(name, &mut command, self.cores.proxy, address, self.folder())?;
        let seen = get(address, &format!("{PATH}{REFLECT}"), Some(&self.authorization()))?.replace(SPACER, "");
        expect(&seen, "HTTP/1.1 200", "bare Pingora did not pass a request through")?;
        expect(&seen, &self.token, "bare Pingora lost the token")?;
        Ok(Proxy { program, address })
    }

    /// Starts claviger and proves that it does its whole job.
    pub(crate) fn claviger(&self, file: &Path) -> Result<Proxy, Fault> {
        self.start(file, "")
    }

    /// The same, with a store, so that callers can be revoked.
    pub(crate) fn claviger_with_store(&self, file: &Path) -> Result<Proxy, Fault> {
        self.start(file, "\n[store]\npath = \"claviger.db\"\n")
    }

    /// The same, where requests are looked through.
    pub(crate) fn claviger_with_inspection(&self, file: &Path) -> Result<Proxy, Fault> {
        self.start(file, "inspect = \"all\"\n\n[inspect.all]\nmode = \"enforce\"\n")
    }

    /// The same, as a node of the cluster around this Redis.
    pub(crate) fn claviger_in_cluster(&self, file: &Path, redis: SocketAddr) -> Result<Proxy, Fault> {
        write(&self.folder().join("secrets/cluster"), CLUSTER_KEY)?;
        let cluster = format!("[cluster.redis]\nurl = \"redis://{redis}\"\nkey = \"local:cluster\"\n");
        self.start(file, &format!("\n[store]\npath = \"claviger.db\"\n\n{cluster}"))
    }

    /// Starts a Redis that keeps nothing.
    pub(crate) fn redis(&self) -> Result<Proxy, Fault> {
        let address = free_address()?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
        command.arg(address.port().to_string()).current_dir(self.folder());
        let program = Program::start("redis-server", &mut command, self.cores.load, address, self.folder())?;
        Ok(Proxy { program, address })
    }

    /// Where its configuration is.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.folder().join("claviger.toml")
    }

    /// The bytes of a request for a stream that says one thing and then stays open.
    pub(crate) fn stream_request(&self, token: &str) -> Vec<u8> {
        format!("GET {PATH}{STREAM} HTTP/1.1\r\nHost: api.example.test\r\nAuthorization: Bearer {token}\r\n\r\n")
            .into_bytes()
    }

    /// The status that this is answered with.
    pub(crate) fn status_of(&self, address: SocketAddr, payload: &Payload) -> Result<u16, Fault> {
        let (method, more) = match &payload.body {
            Some(body) => ("POST", format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())),
            None => ("GET", String::new()),
        };
        let fields = format!("{}\r\n{more}Accept: application/json\r\nUser-Agent: orders/1.4", self.authorization());
        let body = payload.body.as_deref().unwrap_or_default();
        let answer = ask(address, method, &payload.target, Some(&fields), body)?;
        let status = answer.get(9..12).and_then(|status| status.parse().ok());
        status.ok_or_else(|| Fault::new(format!("no status in the answer: {answer}")))
    }

    /// Proves that who has this token is refused.
    pub(crate) fn expect_refused(&self, address: SocketAddr, token: &str) -> Result<(), Fault> {
        let refused = get(address, PATH, Some(&format!("Authorization: Bearer {token}")))?;
        expect(&refused, "HTTP/1.1 401", "claviger did not refuse somebody who was revoked")
    }

    fn start(&self, file: &Path, more: &str) -> Result<Proxy, Fault> {
        self.start_as(Command::new(file), more)
    }

    /// What its instructions are written to by [`Self::claviger_counted`], when it ends.
    pub(crate) const PROFILE: &str = "callgrind.out";

    /// The same, under valgrind, which counts its instructions.
    pub(crate) fn claviger_counted(&self, file: &Path) -> Result<Proxy, Fault> {
        let mut command = Command::new("valgrind");
        command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", Self::PROFILE)).arg(file);
        self.start_as(command, "")
    }

    fn start_as(&self, mut command: Command, more: &str) -> Result<Proxy, Fault> {
        let (address, admin) = (free_address()?, free_address()?);
        let config = self.config_path();
        write(&config, &(self.config(address, admin) + more))?;
        command.arg("run").arg(&config).current_dir(self.folder());
        let program = Program::start("claviger", &mut command, self.cores.proxy, address, self.folder())?;
        let seen = get(address, &format!("{PATH}{REFLECT}"), Some(&self.authorization()))?.replace(SPACER, "");
        expect(&seen, "HTTP/1.1 200", "claviger did not let an allowed request through")?;
        expect(&seen, &format!("Bearer {REAL_KEY}"), "the upstream did not get the real key")?;
        if seen.contains(&self.token) {
            return Err(Fault::new("the upstream was sent the caller's token"));
        }
        let refused = get(address, PATH, None)?;
        expect(&refused, "HTTP/1.1 401", "claviger did not refuse a request without a token")?;
        let forbidden = get(address, "/api/v1/secrets", Some(&self.authorization()))?;
        expect(&forbidden, "HTTP/1.1 403", "claviger did not refuse what no rule allows")?;
        Ok(Proxy { program, address })
    }

    /// How many lines the audit log has that tell of a completed exchange.
    pub(crate) fn completed_in_audit(&self) -> Result<u64, Fault> {
        let finder = memchr::memmem::Finder::new(b"\"outcome\":\"completed\"");
        let mut count = 0;
        self.read_audit(|lines| count += finder.find_iter(lines).count() as u64)?;
        Ok(count)
    }

    /// How often the audit log tells of a completed exchange by each of so many subjects of [`Self::tokens`].
    pub(crate) fn completed_by_subject(&self, count: u32) -> Result<Vec<u32>, Fault> {
        let mut completed = vec![0; count as usize];
        self.read_audit(|lines| {
            for line in lines.split(|&byte| byte == b'\n') {
                let Ok(record) = serde_json::from_slice::<Completed>(line) else { continue };
                let number =
                    record.principal.strip_prefix(SUBJECT).and_then(|rest| rest.split('@').next()?.parse().ok());
                if let (Some(at), "completed") = (number.and_then(|at: usize| completed.get_mut(at)), &*record.outcome)
                {
                    *at += 1;
                }
            }
        })?;
        Ok(completed)
    }

    /// Shows the whole lines of the audit log, many at a time.
    fn read_audit(&self, mut look: impl FnMut(&[u8])) -> Result<(), Fault> {
        let mut file = fs::File::open(self.audit()).during("opening the audit log")?;
        let (mut buffer, mut held) = (vec![0; 1 << 20], Vec::new());
        loop {
            let read = file.read(&mut buffer).during("reading the audit log")?;
            if read == 0 {
                return Ok(());
            }
            held.extend_from_slice(&buffer[..read]);
            let whole = memchr::memrchr(b'\n', &held).map_or(0, |end| end + 1);
            look(&held[..whole]);
            held.drain(..whole);
        }
    }

    fn audit(&self) -> PathBuf {
        self.folder().join("audit.jsonl")
    }

    fn config(&self, address: SocketAddr, admin: SocketAddr) -> String {
        let (audit, upstream) = (self.audit(), self.upstream);
        let path =
            if self.audit.contains("path") { String::new() } else { format!("path = \"{}\"\n", audit.display()) };
        let audit = path + self.audit;
        format!(
            r#"[server]
threads = 1

[admin]
address = "{admin}"

[audit]
{audit}
max_size = "16GiB"

[egress]
allow = ["127.0.0.0/8"]

[listen.public]
address = "{address}"
max_connections_per_address = 65536

[authn.corp.jwt]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
public_key_file = "issuer.pem"
algorithms = ["RS256"]
roles = "groups"

[vault.local.directory]
path = "secrets"

[target.items]
url = "http://{upstream}"

[credential.items.bearer]
target = "items"
secret = "local:api-key"

[route.items]
path = "/api/**"
target = "items"
credential = "items"
authn = ["corp"]
allow = [{{ role = "reader", methods = ["GET", "POST"], paths = ["/v1/items/**"] }}]
"#
        )
    }
}

/// What of an audit record [`Site::completed_by_subject`] looks at.
#[derive(serde::Deserialize)]
struct Completed<'a> {
    #[serde(borrow)]
    principal: Cow<'a, str>,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
}

/// What the subjects of [`Site::tokens`] begin with.
const SUBJECT: &str = "caller-";

/// The subject of one of [`Site::tokens`].
pub(crate) fn subject(number: u32) -> String {
    format!("{SUBJECT}{number}@example.test")
}

/// A token that outlives any measurement.
fn token(key: &EncodingKey, subject: &str) -> Result<String, Fault> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).during("reading the clock")?.as_secs();
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "groups": ["reader"], "iat": now, "nbf": now, "exp": now + 86_400,
    });
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, key).during("signing a token")
}

/// One request on a connection of its own; the whole response as text.
fn get(address: SocketAddr, path: &str, field: Option<&str>) -> Result<String, Fault> {
    ask(address, "GET", path, field, "")
}

fn ask(address: SocketAddr, method: &str, path: &str, field: Option<&str>, body: &str) -> Result<String, Fault> {
    let mut response = Vec::new();
    let mut exchange = || -> std::io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let field = field.map_or(String::new(), |field| format!("{field}\r\n"));
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: api.example.test\r\n{field}Connection: close\r\n\r\n{body}");
        stream.write_all(request.as_bytes())?;
        stream.read_to_end(&mut response).map(|_| ())
    };
    exchange().during(&format!("asking the proxy for {path}"))?;
    Ok(String::from_utf8_lossy(&response).into_owned())
}

fn expect(response: &str, part: &str, otherwise: &str) -> Result<(), Fault> {
    if response.contains(part) { Ok(()) } else { Err(Fault::new(format!("{otherwise}; it answered:\n{response}"))) }
}

/// Writes a file that only its owner may read.
fn write(path: &Path, content: &str) -> Result<(), Fault> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(content.as_bytes()));
    written.during(&format!("writing {}", path.display()))
}
