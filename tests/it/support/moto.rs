//! AWS as moto stands in for it, in a process of its own, with whoever owns the account to change what is there.

use std::{
    io::Write,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

use super::{
    gateway::{Site, free_address},
    lines::Lines,
    python,
};

const PROGRAM: &str = include_str!("../secrets_manager/moto.py");

/// The account; it ends with the test.
pub(crate) struct Moto {
    process: Child,
    said: Mutex<Lines>,
    port: u16,
    /// An access key that may read secrets.
    pub(crate) id: String,
    /// Its secret.
    pub(crate) secret: String,
}

impl Moto {
    /// Starts it. Where it is not installed that is said, and none is given.
    pub(crate) fn start() -> Option<Self> {
        Self::start_at(free_address().port())
    }

    /// The same at a port.
    pub(crate) fn start_at(port: u16) -> Option<Self> {
        let python = python::with("moto.server, boto3")?;
        let mut command = Command::new(python);
        command.args(["-c", PROGRAM, &port.to_string()]);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
        let said = Lines::of(process.stdout.take().expect("piped"));
        let told: Value = said.find("moto", |line| serde_json::from_str(line).ok());
        let text = |name: &str| told[name].as_str().expect("text").to_owned();
        let port = told["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        Some(Self { process, said: Mutex::new(said), port, id: text("id"), secret: text("secret") })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Writes the access key to where the configuration has it.
    pub(crate) fn hand_out_key(&self, site: &Site) {
        site.write("secrets/aws-id", &self.id);
        site.write("secrets/aws-secret", &self.secret);
    }

    /// What comes of a call that the owner makes.
    pub(crate) fn call(&self, service: &str, call: &str, arguments: &Value) -> Value {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let line = json!([service, call, arguments]);
        writeln!(self.process.stdin.as_ref().expect("piped"), "{line}").expect("it reads");
        serde_json::from_str(&said.next("moto")).expect("JSON")
    }

    /// The same of the Secrets Manager.
    pub(crate) fn secret(&self, call: &str, arguments: &Value) {
        self.call("secretsmanager", call, arguments);
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
