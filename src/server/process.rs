//! The process itself: its cryptography, its hardening, and the directory in which one process finds the one before it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use claviger_wipe::Mimalloc;
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit};

use super::StartError;

/// Makes aws-lc-rs the process's only source of cryptography, before anything asks for another.
pub fn install_crypto() {
    // An error says that a provider is there already: ours, from an earlier call.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Keeps secrets out of core dumps and other processes' sight. What the system refuses is logged, not fatal.
pub fn harden() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = rustix::process::setrlimit(Resource::Core, none) {
        log::warn!(error:%; "core dumps cannot be turned off");
    }
    if let Err(error) = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        log::warn!(error:%; "the process's memory cannot be shielded");
    }
}

/// What a proxy with little to do holds, in bytes.
const WARM: usize = 16 << 20;

/// Takes the memory that most requests are served from, in huge pages, of which a processor can find many more at once, and has the system give
/// all that comes later in small ones: to clear one of 2 MiB takes milliseconds on a virtual machine, in the middle of the request that happens to
/// be the first to need it. Meant for the beginning, while there is one thread.
pub fn warm_up_memory() {
    Mimalloc::warm(WARM);
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        log::warn!(error:%; "memory comes in huge pages, which take long to clear");
    }
}

/// Where the process id and the upgrade socket are.
pub(super) struct RunDirectory(PathBuf);

impl RunDirectory {
    /// Opens the directory, making it for this user alone where it is not there.
    ///
    /// # Errors
    /// [`StartError::Upgrade`] where somebody else could put something there: they would be given the listeners by the next upgrade.
    pub(super) fn open(path: &Path) -> Result<Self, StartError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        // What a link leads to is looked at, and used from then on.
        let path = &made.and_then(|()| fs::canonicalize(path)).unwrap_or_else(|_| path.to_owned());
        match fs::metadata(path) {
            Ok(meta) => {
                let is_ours = [0, rustix::process::geteuid().as_raw()].contains(&meta.uid());
                if !is_ours || meta.mode() & 0o022 != 0 {
                    return Err(StartError::Upgrade(format!(
                        "others can write the run directory {}, and so have the listeners handed over to them; make it your own (`chown`, `chmod 700`), or \
                         name another, such as one in it that is not there yet, as `run_directory` in [server]",
                        path.display()
                    )));
                }
            }
            Err(error) => log::warn!(error:%; "the run directory cannot be made: upgrades will not work"),
        }
        Ok(Self(path.to_owned()))
    }

    /// The socket over which listeners are handed over. Pingora makes it writable for everybody: the directory is what protects it.
    pub(super) fn upgrade_socket(&self) -> String {
        self.0.join("upgrade.sock").display().to_string()
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.0.join("claviger.pid")
    }

    /// Says that this process is now the one that serves, for as long as it lives: the file is a new one, and locked.
    pub(super) fn claim(&self) {
        let file = self.pid_file();
        let fresh = self.0.join("claviger.pid.new");
        // One that a process left behind which was killed in between.
        let _ = fs::remove_file(&fresh);
        let claimed = fs::File::create_new(&fresh).and_then(|mut opened| {
            writeln!(opened, "{}", std::process::id())?;
            opened.lock()?;
            fs::rename(&fresh, &file)?;
            Ok(opened)
        });
        match claimed {
            // Open to the end of the process, and with it the lock.
            Ok(locked) => std::mem::forget(locked),
            Err(error) => log::warn!(error:%; "the process id cannot be written: upgrades will not work"),
        }
    }

    /// The process that serves, if it runs. A file that nobody holds is of a process that is gone, whose id may be another's by now.
    pub(super) fn running(&self) -> Option<Pid> {
        let mut file = fs::File::open(self.pid_file()).ok()?;
        if file.try_lock_shared().is_ok() {
            return None;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }
}
