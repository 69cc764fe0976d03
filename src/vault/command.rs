//! Programs that print secrets.

use std::collections::{HashMap, HashSet};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::provider::{Look, Mark};
use super::sealed::check_secret;
use super::worker::Worker;
use super::{MAX_SECRET, VaultError};
use crate::domain::Secret;

/// How a program is run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommandSettings {
    /// The program and its arguments, in which [`CommandSettings::PATH`] stands for the secret's path. No shell looks at them.
    pub program: Vec<String>,
    /// How often a secret is asked for again.
    pub refresh: Duration,
    /// How long the program may take.
    pub timeout: Duration,
}

impl CommandSettings {
    /// What stands for the path of a secret in arguments.
    pub const PATH: &str = "{path}";
    /// The exit status by which a program says that there is no such secret.
    pub const NOT_FOUND: i32 = 44;
}

/// A program that is asked.
#[derive(Debug)]
pub(super) struct Program {
    settings: CommandSettings,
    worker: Worker,
    /// What could not be had, and from when on it is asked for again.
    failed: HashMap<String, (VaultError, Instant)>,
}

/// How long nobody asks again for what could not be had.
const RETRY: Duration = Duration::from_secs(5);

impl Program {
    pub(super) fn new(settings: &CommandSettings) -> Self {
        Self { settings: settings.clone(), worker: Worker::default(), failed: HashMap::new() }
    }

    /// Forgets what nobody uses any more.
    pub(super) fn keep(&mut self, used: &HashSet<String>) {
        self.failed.retain(|path, _| used.contains(path));
    }

    /// Asks for one secret, where that is due.
    pub(super) fn look(&mut self, path: &str, seen: Option<Mark>, now: Instant) -> Result<Look, VaultError> {
        if let Some(Mark::Until(due)) = seen
            && now < due
        {
            return Ok(Look::NotDue);
        }
        let outcome = match self.failed.get(path) {
            Some((fault, until)) if now < *until => Err(*fault),
            _ => {
                let CommandSettings { program, timeout, .. } = &self.settings;
                let asked = Asked { program, path, timeout: *timeout, input: None };
                let ran = self.worker.wait(run(&asked));
                ran.map_err(|error| VaultError::Unreadable(error.kind())).and_then(|outcome| outcome)
            }
        };
        match outcome {
            Ok(secret) => {
                self.failed.remove(path);
                let mark = Some(Mark::Until(now + self.settings.refresh));
                Ok(Look::Read { mark, outcome: check_secret(&secret).map(|()| secret), ends: None, confirmed: None })
            }
            Err(fault) => {
                let last = self.failed.entry(path.to_owned()).or_insert((fault, now));
                if now >= last.1 {
                    *last = (fault, now + RETRY);
                }
                if fault == VaultError::NotFound {
                    return Ok(Look::Read { mark: None, outcome: Err(fault), ends: None, confirmed: None });
                }
                Err(fault)
            }
        }
    }
}

/// What a program is run for.
pub(super) struct Asked<'a> {
    /// It and its arguments, in which [`CommandSettings::PATH`] stands for the path.
    pub(super) program: &'a [String],
    pub(super) path: &'a str,
    pub(super) timeout: Duration,
    /// What it is told.
    pub(super) input: Option<&'a Secret>,
}

/// Runs it; tells what it printed.
pub(super) async fn run(asked: &Asked<'_>) -> Result<Secret, VaultError> {
    let mut words = asked.program.iter().map(|word| word.replace(CommandSettings::PATH, asked.path));
    let program = words.next().ok_or(VaultError::NotFound)?;
    let mut command = Command::new(program);
    // Nothing of the environment is its business but where programs are and whose it is.
    command.args(words).env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME"));
    // What it complains of may hold what it knows.
    let stdin = if asked.input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).process_group(0);
    let mut child = command.spawn().map_err(|error| VaultError::Unreadable(error.kind()))?;
    let group = child.id();
    let mut said = Vec::with_capacity(MAX_SECRET + 2);
    let asking = async {
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), asked.input) {
            // One that does not want to know it all has ended its input first.
            let _ = stdin.write_all(input.expose()).await;
        }
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MAX_SECRET as u64 + 2).read_to_end(&mut said).await?;
        }
        child.wait().await
    };
    let ended = tokio::time::timeout(asked.timeout, asking).await;
    // Whatever it has begun must not outlive it.
    if let Some(group) = group.and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let secret = Secret::new(said).trim_line_end();
    match ended {
        Err(_) => Err(VaultError::Late),
        Ok(Err(error)) => Err(VaultError::Unreadable(error.kind())),
        Ok(Ok(status)) if status.success() => Ok(secret),
        Ok(Ok(status)) if status.code() == Some(CommandSettings::NOT_FOUND) => Err(VaultError::NotFound),
        Ok(Ok(_)) => Err(VaultError::Failed),
    }
}
