//! The programs under load: where they are, and how they are started, waited for and ended.

use std::env;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::fault::{Fault, While};
use crate::machine;

/// How long anything may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// As much of what a program said is told, in bytes.
const MOST_SAID: usize = 4096;

/// A running program; killed when dropped.
pub(crate) struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
    cpu: f64,
}

impl Program {
    /// Starts a program on one core and waits until it takes connections. What it says goes to a file in `folder`.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        core: usize,
        address: SocketAddr,
        folder: &Path,
    ) -> Result<Self, Fault> {
        machine::pin(core)?;
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).during("making a log file")?;
        command.stdin(Stdio::null()).stdout(file.try_clone().during("making a log file")?).stderr(file);
        let child = command.spawn().during(&format!("starting {name}"))?;
        let mut program = Self { name, child, log, cpu: 0.0 };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = program.child.try_wait().during(name)?;
            if ended.is_some() || began.elapsed() > PATIENCE {
                return Err(Fault::new(format!("{name} did not start; it said:\n{}", program.said())));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(program)
    }

    /// The end of what it has said so far.
    pub(crate) fn said(&self) -> String {
        let all = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&all[all.len().saturating_sub(MOST_SAID)..]).into_owned()
    }

    /// Where all of that is.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Tells it by a signal that there is something to do.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Fault> {
        kill_process(Pid::from_child(&self.child), signal).during(self.name)
    }

    /// Lets all its threads run on all of these cores.
    pub(crate) fn spread(&self, cores: &[usize]) -> Result<(), Fault> {
        machine::spread(self.child.id(), cores)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The CPU time used since this was last asked, in seconds.
    pub(crate) fn cpu_since(&mut self) -> Result<f64, Fault> {
        let now = machine::cpu_seconds(self.child.id())?;
        let before = std::mem::replace(&mut self.cpu, now);
        Ok(now - before)
    }

    /// The CPU time used since it started, in seconds.
    pub(crate) fn cpu_now(&self) -> Result<f64, Fault> {
        machine::cpu_seconds(self.child.id())
    }

    pub(crate) fn memory(&self) -> Result<machine::Memory, Fault> {
        machine::memory(self.child.id())
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn end(mut self) -> Result<(), Fault> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).during(self.name)?;
        let began = Instant::now();
        while self.child.try_wait().during(self.name)?.is_none() {
            if began.elapsed() > PATIENCE {
                return Err(Fault::new(format!("{} did not end when it was asked to", self.name)));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This very program, for its hidden commands.
pub(crate) fn own() -> Result<Command, Fault> {
    env::current_exe().map(Command::new).during("finding this program")
}

/// The claviger to measure: as named, built now under cargo, or beside this program.
pub(crate) fn claviger(named: Option<&Path>) -> Result<PathBuf, Fault> {
    if let Some(path) = named {
        // It is started in a folder of its own, from which a relative path would lead elsewhere.
        return path.canonicalize().during(&format!("finding {}", path.display()));
    }
    let own = env::current_exe().during("finding this program")?;
    let beside = own.with_file_name("claviger");
    if let Some(cargo) = env::var_os("CARGO") {
        // This program's own package too, as it has a second program.
        let packages = ["build", "--release", "-p", "claviger", "-p", "claviger-loadtest"];
        let built = Command::new(cargo).args(packages).status().during("running cargo")?;
        if !built.success() {
            return Err(Fault::new("claviger could not be built; see above"));
        }
    }
    if beside.is_file() {
        Ok(beside)
    } else {
        Err(Fault::new("there is no `claviger` beside this program: name one with --claviger FILE"))
    }
}

/// A program that was built with this one.
pub(crate) fn beside(name: &str) -> Result<PathBuf, Fault> {
    let path = env::current_exe().during("finding this program")?.with_file_name(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(Fault::new(format!(
            "there is no `{name}` beside this program: `cargo build --release -p claviger-loadtest` makes it"
        )))
    }
}

/// Where `scripts/peers` puts programs of others: beside the folders of cargo's profiles.
pub(crate) fn peers() -> Result<PathBuf, Fault> {
    let own = env::current_exe().during("finding this program")?;
    Ok(own.ancestors().nth(2).unwrap_or(Path::new("target")).join("peers/bin"))
}

/// The first of these programs that there is: a path, or a name to look up as a shell does.
pub(crate) fn find(candidates: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    // Where Debian puts servers, which not everybody has in their PATH.
    let everywhere = |name: &str| {
        folders.iter().map(|folder| folder.join(name)).chain([Path::new("/usr/sbin").join(name)]).collect::<Vec<_>>()
    };
    candidates.iter().find_map(|candidate| {
        let places = if candidate.contains('/') { vec![PathBuf::from(candidate)] } else { everywhere(candidate) };
        places.into_iter().find(|place| place.is_file())?.canonicalize().ok()
    })
}

/// An address on loopback that nobody uses.
pub(crate) fn free_address() -> Result<SocketAddr, Fault> {
    // Below the range from which outgoing connections take theirs, or one of those could take it first.
    let first = u16::try_from(std::process::id() % 20_000).unwrap_or(0);
    let ports = (0..1000).map(|step| 10_000 + (first + step) % 20_000);
    let mut addresses = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let free = addresses
        .find(|address| !TAKEN.lock().is_ok_and(|taken| taken.contains(address)) && TcpListener::bind(address).is_ok());
    let free = free.ok_or_else(|| Fault::new("no port is free on loopback"))?;
    if let Ok(mut taken) = TAKEN.lock() {
        taken.push(free);
    }
    Ok(free)
}

/// Addresses given out and perhaps not yet in use.
static TAKEN: std::sync::Mutex<Vec<SocketAddr>> = std::sync::Mutex::new(Vec::new());
