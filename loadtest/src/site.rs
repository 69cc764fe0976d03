//! One measurement's stage: keys, token, vault, configuration and the programs.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::fault::{Fault, While};
use crate::machine::Cores;
use crate::payload::Payload;
use crate::program::{self, Program, free_address, own};
use crate::prove;
use crate::stage::{Places, Stage};
use crate::token::{Flaw, Issuer};
use crate::upstream::{Counts, STREAM};
use crate::wire::{self, Client};

/// What is asked for under load.
pub(crate) const PATH: &str = "/api/v1/items/42";
/// The upstream's key, which only the vault knows.
pub(crate) const REAL_KEY: &str = "sk_live_9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c";
/// Where claviger has it from.
pub(crate) const REAL_KEY_SECRET: &str = "local:api-key";
/// What seals what nodes share.
const CLUSTER_KEY: &str = "clvmk_AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";

/// A folder with everything that claviger needs, and the upstream running.
pub(crate) struct Site {
    folder: TempDir,
    cores: Cores,
    stage: Stage,
    issuer: Issuer,
    token: String,
    upstream: SocketAddr,
    counts: SocketAddr,
    _serving: Program,
}

/// A proxy that runs, and where.
pub(crate) struct Proxy {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    /// Where claviger tells its metrics.
    pub(crate) admin: Option<SocketAddr>,
}

impl Proxy {
    pub(crate) fn new(program: Program, address: SocketAddr) -> Self {
        Self { program, address, admin: None }
    }
}

impl Site {
    /// Makes keys, token and vault, and starts the upstream, which computes each answer for so many microseconds.
    pub(crate) fn new(cores: Cores, work: u64) -> Result<Self, Fault> {
        Self::staged(cores, Stage { work, ..Stage::default() })
    }

    /// The same, set up in another way.
    pub(crate) fn staged(cores: Cores, stage: Stage) -> Result<Self, Fault> {
        let folder = tempfile::tempdir().during("making a temporary folder")?;
        let issuer = Issuer::new()?;
        issuer.publish(folder.path())?;
        let token = issuer.token("alice@example.test", Flaw::Nothing)?;
        fs::create_dir(folder.path().join("secrets")).during("making the vault")?;
        write(&folder.path().join("secrets/api-key"), REAL_KEY)?;
        let made = rcgen::generate_simple_self_signed([wire::NAME.to_owned()]).during("making a certificate")?;
        write(&wire::certificate(folder.path()), &made.cert.pem())?;
        write(&wire::key(folder.path()), &made.signing_key.serialize_pem())?;
        let (upstream, counts) = (free_address()?, free_address()?);
        let mut command = own()?;
        command.arg("serve-upstream").args([upstream.to_string(), counts.to_string()]).arg(folder.path());
        command.args(["--wire", stage.upstreams.word(), "--work", &stage.work.to_string()]);
        command.args(["--pause", &stage.pause.to_string()]);
        let serving = Program::start("upstream", &mut command, cores.load, upstream, folder.path())?;
        Ok(Self { folder, cores, stage, issuer, token, upstream, counts, _serving: serving })
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

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// A client of the proxies here.
    pub(crate) fn client(&self) -> Result<Client, Fault> {
        Client::new(self.folder(), self.stage.clients)
    }

    /// What has come to the upstream so far.
    pub(crate) fn counts(&self) -> Result<Counts, Fault> {
        let mut told = Vec::new();
        let asked = TcpStream::connect(self.counts).and_then(|mut stream| stream.read_to_end(&mut told));
        asked.during("asking the upstream for its counts")?;
        serde_json::from_slice(&told).during("reading the upstream's counts")
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
        (0..count).map(|number| self.issuer.token(&subject(number), Flaw::Nothing)).collect()
    }

    /// Starts the bare proxy and proves that it passes requests through.
    pub(crate) fn bare(&self, default_buffers: bool) -> Result<Proxy, Fault> {
        let address = free_address()?;
        let mut command = own()?;
        command.arg("serve-bare").args([address.to_string(), self.upstream.to_string()]).arg(self.folder());
        command.args(["--clients", self.stage.clients.word(), "--upstreams", self.stage.upstreams.word()]);
        command.args(["--threads", &self.stage.threads.to_string()]);
        let name = if default_buffers { "bare Pingora, default buffers" } else { "bare Pingora" };
        if default_buffers {
            command.arg("--default-buffers");
        }
        let program = Program::start(name, &mut command, self.cores.proxy, address, self.folder())?;
        let proxy = Proxy::new(program, address);
        prove::passes_through(self, &proxy)?;
        Ok(proxy)
    }

    /// Starts the home-made gateway and proves that it does the whole job.
    pub(crate) fn homemade(&self) -> Result<Proxy, Fault> {
        let address = free_address()?;
        let mut command = own()?;
        command.arg("serve-homemade").args([address.to_string(), self.upstream.to_string()]).arg(self.folder());
        let program = Program::start("home-made on Pingora", &mut command, self.cores.proxy, address, self.folder())?;
        let proxy = Proxy::new(program, address);
        prove::does_the_whole_job(self, &proxy)?;
        Ok(proxy)
    }

    /// Starts the bare proxy with everything as Pingora has it, and proves that it passes requests through.
    pub(crate) fn bare_as_it_comes(&self) -> Result<Proxy, Fault> {
        let address = free_address()?;
        let mut command = Command::new(program::beside("claviger-loadtest-bare")?);
        command.args([address.to_string(), self.upstream.to_string()]);
        let name = "bare Pingora as it comes";
        let program = Program::start(name, &mut command, self.cores.proxy, address, self.folder())?;
        let proxy = Proxy::new(program, address);
        prove::passes_through(self, &proxy)?;
        Ok(proxy)
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

    /// The same, as one of several nodes of this very site around this Redis, with a rate that all of them share.
    pub(crate) fn node(&self, file: &Path, redis: SocketAddr, number: u8) -> Result<Proxy, Fault> {
        write(&self.folder().join("secrets/cluster"), CLUSTER_KEY)?;
        let more = format!(
            r#"limits = ["shared"]

[limit.shared]
by = "principal"
requests = 100000000
per = "1s"

[store]
path = "node-{number}.db"

[cluster.redis]
url = "redis://{redis}"
key = "local:cluster"
"#
        );
        let name = format!("node-{number}");
        let config = self.folder().join(format!("{name}.toml"));
        self.start_at(Command::new(file), &more, &config, &self.folder().join(format!("{name}.jsonl")), Some(&name))
    }

    /// Starts a Redis that keeps nothing.
    pub(crate) fn redis(&self) -> Result<Proxy, Fault> {
        let address = free_address()?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
        command.arg(address.port().to_string()).current_dir(self.folder());
        let program = Program::start("redis-server", &mut command, self.cores.load, address, self.folder())?;
        Ok(Proxy::new(program, address))
    }

    /// Where its configuration is.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.folder().join("claviger.toml")
    }

    /// Changes claviger's configuration: another route, which nobody asks for, in the place of the one before.
    pub(crate) fn change_config(&self, original: &str, number: u32) -> Result<(), Fault> {
        let route = format!(
            "\n[route.change]\npath = \"/change-{number}/**\"\ntarget = \"items\"\nauthn = [\"corp\"]\nallow = [{{ role = \"reader\" }}]\n"
        );
        let next = self.folder().join("claviger.next");
        write(&next, &format!("{original}{route}"))?;
        fs::rename(next, self.config_path()).during("changing the configuration")
    }

    /// Puts another secret in the place of the upstream's key, as a whole or not at all.
    pub(crate) fn rotate(&self, secret: &str) -> Result<(), Fault> {
        let path = self.folder().join("secrets/api-key");
        let next = self.folder().join("api-key.next");
        write(&next, secret)?;
        fs::rename(next, path).during("rotating the upstream's key")
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
        let answer = self.ask(address, method, &payload.target, Some(&fields), body)?;
        prove::status(&answer).ok_or_else(|| Fault::new(format!("no status in the answer: {answer}")))
    }

    /// Proves that who has this token is refused.
    pub(crate) fn expect_refused(&self, address: SocketAddr, token: &str) -> Result<(), Fault> {
        let refused = self.get(address, PATH, Some(&format!("Authorization: Bearer {token}")))?;
        prove::expect(&refused, "HTTP/1.1 401", "claviger did not refuse somebody who was revoked")
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

    fn start_as(&self, command: Command, more: &str) -> Result<Proxy, Fault> {
        self.start_at(command, more, &self.config_path(), &self.audit(), None)
    }

    fn start_at(
        &self,
        mut command: Command,
        more: &str,
        config: &Path,
        audit: &Path,
        run_directory: Option<&str>,
    ) -> Result<Proxy, Fault> {
        let (address, admin) = (free_address()?, free_address()?);
        let folder = self.folder();
        let places = Places { folder, audit, address, admin, upstream: self.upstream, run_directory };
        write(config, &(self.stage.config(&places) + more))?;
        command.arg("run").arg(config).current_dir(folder);
        let program = Program::start("claviger", &mut command, self.cores.proxy, address, folder)?;
        let proxy = Proxy { admin: Some(admin), ..Proxy::new(program, address) };
        prove::does_the_whole_job(self, &proxy)?;
        Ok(proxy)
    }

    pub(crate) fn audit(&self) -> PathBuf {
        self.folder().join("audit.jsonl")
    }

    /// The sum of a claviger's metric whose lines begin so.
    pub(crate) fn metric(&self, proxy: &Proxy, line: &str) -> Result<f64, Fault> {
        let admin = proxy.admin.ok_or_else(|| Fault::new("only claviger tells metrics"))?;
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(admin)?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            let mut told = Vec::new();
            stream.read_to_end(&mut told)?;
            Ok(String::from_utf8_lossy(&told).into_owned())
        };
        let told = ask().during("asking claviger for its metrics")?;
        let values = told
            .lines()
            .filter(|told| told.starts_with(line))
            .filter_map(|told| told.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum())
    }

    /// One request on a connection of its own; the whole response as text.
    pub(crate) fn get(&self, address: SocketAddr, path: &str, field: Option<&str>) -> Result<String, Fault> {
        self.ask(address, "GET", path, field, "")
    }

    fn ask(
        &self,
        address: SocketAddr,
        method: &str,
        path: &str,
        field: Option<&str>,
        body: &str,
    ) -> Result<String, Fault> {
        let client = self.client()?;
        let mut response = Vec::new();
        let field = field.map_or(String::new(), |field| format!("{field}\r\n"));
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: api.example.test\r\n{field}Connection: close\r\n\r\n{body}");
        let mut stream = client.connect(address).during("connecting to the proxy")?;
        stream.write_all(request.as_bytes()).during(&format!("asking the proxy for {path}"))?;
        match stream.read_to_end(&mut response) {
            // Some servers close a connection without telling TLS.
            Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof || response.is_empty() => {
                Err(error).during(&format!("asking the proxy for {path}"))
            }
            _ => Ok(String::from_utf8_lossy(&response).into_owned()),
        }
    }
}

/// What the subjects of [`Site::tokens`] begin with.
pub(crate) const SUBJECT: &str = "caller-";

/// The subject of one of [`Site::tokens`].
pub(crate) fn subject(number: u32) -> String {
    format!("{SUBJECT}{number}@example.test")
}

/// Writes a file that only its owner may read.
fn write(path: &Path, content: &str) -> Result<(), Fault> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(content.as_bytes()));
    written.during(&format!("writing {}", path.display()))
}
