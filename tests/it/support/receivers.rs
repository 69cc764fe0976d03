//! Who is told of records and spans: a real rsyslog, and a receiver of OTLP that decodes with the official protobufs.

use std::{
    fs,
    net::SocketAddr,
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{eventually, gateway::free_address, python, tls::Authority};

const OTLP: &str = include_str!("../receivers/otlp.py");

/// A receiver in a process of its own, with a folder; it ends with the test.
pub(crate) struct Receiver {
    process: Option<Child>,
    command: Vec<String>,
    folder: TempDir,
    pub(crate) address: SocketAddr,
}

impl Receiver {
    /// A receiver of OTLP. Where there is none that is said.
    pub(crate) fn otlp() -> Option<Self> {
        let python = python::with("opentelemetry.proto.collector.logs.v1.logs_service_pb2")?;
        let (folder, address) = (tempfile::tempdir().expect("a folder"), free_address());
        let python = python.to_str().expect("a UTF-8 path").to_owned();
        let (port, place) = (address.port().to_string(), folder.path().to_str().expect("a UTF-8 path").to_owned());
        Some(Self::started(vec![python, "-c".to_owned(), OTLP.to_owned(), port, place], folder, address))
    }

    /// An rsyslog that writes each message as it came to a line of a file; over TLS where there is an authority. Where there is none that is
    /// said.
    pub(crate) fn rsyslog(authority: Option<&Authority>) -> Option<Self> {
        let has_tls = || fs::exists("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so").is_ok_and(|there| there);
        let version = Command::new("rsyslogd").arg("-v").stdout(Stdio::null()).status();
        if version.is_err() || (authority.is_some() && !has_tls()) {
            println!("skipped: rsyslog absent; scripts/test installs it");
            return None;
        }
        let (folder, address) = (tempfile::tempdir().expect("a folder"), free_address());
        let place = folder.path().to_str().expect("a UTF-8 path");
        let (mut global, mut module) = (format!("workDirectory=\"{place}\" maxMessageSize=\"64k\""), String::new());
        if let Some(authority) = authority {
            let server = authority.server(&["localhost", "127.0.0.1"]);
            let files =
                [("ca.pem", authority.pem()), ("cert.pem", server.certificate_pem()), ("key.pem", server.key_pem())];
            for (name, pem) in files {
                fs::write(folder.path().join(name), pem).expect("written");
            }
            global += &format!(
                " defaultNetstreamDriver=\"ossl\" defaultNetstreamDriverCAFile=\"{place}/ca.pem\" \
                 defaultNetstreamDriverCertFile=\"{place}/cert.pem\" defaultNetstreamDriverKeyFile=\"{place}/key.pem\""
            );
            module = " StreamDriver.Name=\"ossl\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"anon\"".to_owned();
        }
        let config = format!(
            "global({global})\nmodule(load=\"imtcp\"{module})\ntemplate(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
             input(type=\"imtcp\" port=\"{}\" address=\"127.0.0.1\")\naction(type=\"omfile\" file=\"{place}/messages\" template=\"raw\")\n",
            address.port()
        );
        fs::write(folder.path().join("rsyslog.conf"), config).expect("written");
        let words = ["rsyslogd", "-n", "-f", &format!("{place}/rsyslog.conf"), "-i", &format!("{place}/pid")];
        let command = words.map(str::to_owned).to_vec();
        Some(Self::started(command, folder, address))
    }

    fn started(command: Vec<String>, folder: TempDir, address: SocketAddr) -> Self {
        let mut receiver = Self { process: None, command, folder, address };
        receiver.start();
        receiver
    }

    /// Starts it, again where it was ended.
    pub(crate) fn start(&mut self) {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().expect("it starts"));
        eventually("the receiver listens", || TcpStream::connect(self.address).ok());
    }

    /// Ends it as nothing can prevent.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("our child");
            process.wait().expect("our child");
        }
    }

    /// Has it answer that it is not available, or no more.
    pub(crate) fn set_away(&self, is_away: bool) {
        let mark = self.folder.path().join("away");
        let done = if is_away { fs::write(mark, "") } else { fs::remove_file(mark) };
        done.expect("the mark is set");
    }

    /// The whole lines of a file that it wrote.
    pub(crate) fn lines(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        whole.lines().map(str::to_owned).collect()
    }

    /// The records that it was sent as messages of syslog: what stands behind each head.
    pub(crate) fn syslog_records(&self) -> Vec<Value> {
        let lines = self.lines("messages");
        lines
            .iter()
            .map(|line| serde_json::from_str(&line[line.find('{').expect("a record")..]).expect("JSON"))
            .collect()
    }

    /// What it was sent in messages of this kind: their bodies, with who sent them.
    pub(crate) fn messages(&self, kind: &str) -> Vec<Value> {
        self.lines(kind).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// The log records that it was sent.
    pub(crate) fn log_records(&self) -> Vec<Value> {
        items(&self.messages("logs"), "resourceLogs", "scopeLogs", "logRecords")
    }

    /// The spans that it was sent.
    pub(crate) fn spans(&self) -> Vec<Value> {
        items(&self.messages("traces"), "resourceSpans", "scopeSpans", "spans")
    }
}

fn items(messages: &[Value], resources: &str, scopes: &str, items: &str) -> Vec<Value> {
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let resources = messages.iter().flat_map(|message| list(&message["message"], resources));
    let scopes = resources.flat_map(|resource| list(&resource, scopes));
    scopes.flat_map(|scope| list(&scope, items)).collect()
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // Both fail only when it has ended and been waited for.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
