//! A real Redis in a process of its own, which tests stop, pause and empty.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{eventually, gateway::free_address};

/// What clients have to say.
pub(crate) const PASSWORD: &str = "a password for Redis";

/// The server; it ends with the test.
pub(crate) struct Redis {
    process: Child,
    folder: TempDir,
    arguments: Vec<String>,
    pub(crate) address: SocketAddr,
}

impl Redis {
    /// Starts it. Where it is not installed that is said, and none is given.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(|_| Vec::new())
    }

    /// The same with these arguments, which may name files in its folder.
    pub(crate) fn start_with(arguments: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            println!("skipped: redis-server absent; scripts/test installs it");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let address = free_address();
        let arguments = arguments(folder.path());
        let redis = Self { process: run(&folder, address, &arguments), folder, arguments, address };
        redis.wait();
        Some(redis)
    }

    /// The URL that configurations name.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    fn wait(&self) {
        eventually("Redis answers", || self.try_say("PING").filter(|answer| answer.starts_with(b"+PONG")));
    }

    /// What it answers to a command.
    pub(crate) fn say(&self, command: &str) -> Vec<u8> {
        self.try_say(command).expect("an answer")
    }

    fn try_say(&self, command: &str) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "AUTH \"{PASSWORD}\"\r\n{command}\r\nQUIT\r\n").ok()?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).ok()?;
        all.strip_prefix(b"+OK\r\n").map(<[u8]>::to_vec)
    }

    /// Holds it where it is: connections stay, nobody is answered.
    pub(crate) fn pause(&self) {
        kill_process(Pid::from_child(&self.process), Signal::STOP).expect("our child");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        kill_process(Pid::from_child(&self.process), Signal::CONT).expect("our child");
    }

    /// Ends it as nothing can prevent, and starts it again with nothing in it.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.process = run(&self.folder, self.address, &self.arguments);
        self.wait();
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        self.process.kill().expect("our child");
        self.process.wait().expect("our child");
    }
}

fn run(folder: &TempDir, address: SocketAddr, arguments: &[String]) -> Child {
    let port = address.port().to_string();
    Command::new("redis-server")
        .args(["--port", &port, "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--save", "", "--appendonly", "no"])
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server runs")
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
