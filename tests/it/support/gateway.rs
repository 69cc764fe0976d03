//! The real program as a process of its own: started on a configuration, watched, reloaded, stopped.

use std::{
    fs::{self, OpenOptions},
    net::{SocketAddr, TcpListener},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{eventually, http1::Message, raw};

/// A folder and two ports for one gateway.
pub(crate) struct Site {
    folder: TempDir,
    environment: Vec<(String, String)>,
    /// More arguments for `claviger run`.
    pub(crate) arguments: Vec<String>,
    /// Where clients are to be served.
    pub(crate) public: SocketAddr,
    /// Where the control plane is to listen.
    pub(crate) admin: SocketAddr,
}

impl Site {
    /// A new site. Nothing runs there yet.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder, environment: Vec::new(), arguments: Vec::new(), public: free_address(), admin: free_address() }
    }

    /// The folder that relative paths of the configuration start from.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder, as text for the configuration.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder().join(name).to_str().expect("a UTF-8 path").to_owned()
    }

    /// Writes a file in the folder that only its owner may read; answers its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(Path::new(&path).parent().expect("a folder")).expect("a folder");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).expect("a file");
        std::io::Write::write_all(&mut file, content.as_ref()).expect("a file is written");
        path
    }

    /// Sets an environment variable for the process.
    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Where configurations are to let the audit log be written.
    pub(crate) fn audit_path(&self) -> String {
        self.path("audit.jsonl")
    }

    /// The configuration file.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.folder().join("claviger.toml")
    }

    /// Starts `claviger run` here. What every process of the site says goes to one log.
    fn run(&self, arguments: &[&str]) -> Child {
        let log = OpenOptions::new().append(true).create(true).open(self.folder().join("log")).expect("a log file");
        program()
            .arg("run")
            .arg(self.config_path())
            .args(&self.arguments)
            .args(arguments)
            .current_dir(self.folder())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the program starts")
    }

    /// Puts the configuration there whole: a reader sees the old one or the new one.
    fn write_config(&self, config: &str) {
        let written = self.write("claviger.toml.new", config);
        fs::rename(written, self.config_path()).expect("the same file system");
    }
}

/// A running gateway; killed when dropped, and its log is shown when the test failed.
pub(crate) struct Gateway {
    site: Site,
    process: Child,
}

impl Gateway {
    /// Starts the program on what the closure makes of the site, and waits until it is ready.
    ///
    /// # Panics
    /// When it exits or does not get ready; its log is shown.
    pub(crate) fn start(configure: impl FnOnce(&mut Site) -> String) -> Self {
        let mut gateway = Self::spawn(configure);
        gateway.wait_until_ready();
        gateway
    }

    /// Starts the program and waits for nothing.
    pub(crate) fn spawn(configure: impl FnOnce(&mut Site) -> String) -> Self {
        let mut site = Site::new();
        let config = configure(&mut site);
        site.write_config(&config);
        let process = site.run(&[]);
        Self { site, process }
    }

    /// Starts a new process that is to take over from this one; both run.
    pub(crate) fn spawn_successor(&self) -> Child {
        self.site.run(&["--upgrade"])
    }

    /// The process that the pid file names.
    pub(crate) fn pid_file(&self) -> Option<u32> {
        fs::read_to_string(self.site.path(".claviger/claviger.pid")).ok()?.trim().parse().ok()
    }

    /// Hands over to a new process and waits until the old one has ended; tells how it did. This is then the new one.
    pub(crate) fn upgrade(&mut self) -> ExitStatus {
        eventually("the process says that it serves", || self.pid_file().filter(|&pid| pid == self.pid()));
        let successor = self.spawn_successor();
        let status = self.wait();
        self.process = successor;
        status
    }

    /// Ends the process as no process can prevent (SIGKILL) and starts another in its place; waits for nothing.
    pub(crate) fn kill_and_restart(&mut self) {
        self.process.kill().expect("our child");
        self.process.wait().expect("our child");
        self.process = self.site.run(&[]);
    }

    /// Waits until `/ready` answers 200, if the configuration has an admin listener, and clients can connect.
    pub(crate) fn wait_until_ready(&mut self) {
        let config = fs::read_to_string(self.site.config_path()).expect("the configuration");
        let has_admin = config.contains(&self.site.admin.to_string());
        eventually("the gateway is ready", || {
            if let Some(status) = self.process.try_wait().expect("our child") {
                panic!("the gateway ended with {status} instead of getting ready");
            }
            if has_admin {
                self.try_admin("/ready").filter(|response| response.status() == 200)?;
            }
            // Listeners open one after the other: the admin one may answer before the others are there.
            raw::Client::try_connect(self.site.public).ok().map(|_| ())
        });
    }

    /// Its folder and ports.
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// Where it serves clients.
    pub(crate) fn public(&self) -> SocketAddr {
        self.site.public
    }

    /// Where its control plane listens.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.site.admin
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends exactly these bytes to the public listener and reads one response.
    pub(crate) fn send(&self, bytes: &[u8]) -> Message {
        raw::parse(&raw::exchange(self.public(), bytes))
    }

    /// One GET at the public listener.
    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Message {
        raw::get(self.public(), path, headers)
    }

    /// The same where the answer may be cut in the middle, as when its caller's access ends: then nothing.
    pub(crate) fn try_get(&self, path: &str, headers: &[(&str, &str)]) -> Option<Message> {
        let mut client = raw::Client::try_connect(self.public()).ok()?;
        client.send(&raw::request("GET", path, headers, b""));
        client.try_response().ok().flatten()
    }

    /// All it has said so far, standard output and error together.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.site.folder().join("log")).unwrap_or_default()).into_owned()
    }

    /// What the audit log tells so far of exchanges and acts.
    ///
    /// # Panics
    /// When a line is no JSON.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let is_own =
            |line: &Value| matches!(line["kind"].as_str(), Some("opened" | "checkpoint" | "torn" | "closed" | "alert"));
        self.audit_lines().into_iter().filter(|line| !is_own(line)).collect()
    }

    /// The whole lines of the audit log so far, but for what a process that was killed left of one: the line behind it tells of that.
    ///
    /// # Panics
    /// When another of them is no JSON.
    pub(crate) fn audit_lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.site.audit_path()).unwrap_or_default();
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        let lines: Vec<_> = whole.lines().map(|line| (line, serde_json::from_str::<Value>(line))).collect();
        let is_told_of = |nth: usize| matches!(lines.get(nth + 1), Some((_, Ok(next))) if next["kind"] == "torn");
        let there = lines.iter().enumerate().filter(|(nth, (_, read))| read.is_ok() || !is_told_of(*nth));
        there.map(|(_, (line, read))| read.as_ref().unwrap_or_else(|e| panic!("{e}: {line:?}")).clone()).collect()
    }

    /// The first audit entry like this, once it is there.
    pub(crate) fn audited(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || self.audit().into_iter().find(&is_it))
    }

    /// The sum of a metric's series whose labels hold all these `name="value"` texts; nothing when there is none.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        metric_in(&self.try_admin("/metrics")?.text(), name, labels)
    }

    /// Replaces the configuration and waits until the new one is in force.
    pub(crate) fn reload(&self, config: &str) {
        let number = || self.metric("claviger_config_number", &[]);
        let before = number().expect("a number of the configuration in force");
        self.offer(config);
        eventually("the new configuration is in force", || number().filter(|&now| now > before));
    }

    /// Replaces the configuration and asks for a reload, whatever comes of it.
    pub(crate) fn offer(&self, config: &str) {
        self.site.write_config(config);
        self.signal(Signal::HUP);
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("our child takes signals");
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually("the gateway ends", || self.process.try_wait().expect("our child"))
    }

    /// One GET at the control plane's listener.
    pub(crate) fn admin_get(&self, path: &str) -> Message {
        self.try_admin(path).expect("the control plane answers")
    }

    /// What `/status` says.
    pub(crate) fn status(&self) -> Value {
        eventually("the status is told", || self.try_admin("/status").filter(|response| response.status() == 200))
            .json()
    }

    /// One GET at the admin listener; nothing when it does not answer.
    pub(crate) fn try_admin(&self, path: &str) -> Option<Message> {
        let mut client = raw::Client::try_connect(self.site.admin).ok()?;
        let host = self.site.admin.to_string();
        client.send(&raw::request("GET", path, &[("Host", &host), ("Connection", "close")], b""));
        client.try_response().ok().flatten()
    }
}

impl Drop for Gateway {
    #[allow(clippy::print_stderr, reason = "the test harness shows a failed test's output")]
    fn drop(&mut self) {
        // Both fail only when the process has ended and been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- the gateway's log ---\n{}--- end of log ---", self.log());
        }
    }
}

/// The program under test, for commands other than `run`.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_claviger"))
}

/// The sum of the series in Prometheus' text format.
pub(crate) fn metric_in(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let series = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (of, value) = rest.rsplit_once(' ')?;
        let ours = (of.is_empty() || of.starts_with('{')) && labels.iter().all(|label| of.contains(label));
        ours.then(|| value.parse::<f64>().ok())?
    });
    series.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

/// An address that nobody uses, from below the range that the system gives to outgoing connections: a port found by
/// binding to 0 may be another test's outgoing port before the gateway takes it.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run at the same time begin at different places.
    let first = u16::try_from(std::process::id() % 1000).expect("below 1000") * 20;
    loop {
        let port = 10_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
