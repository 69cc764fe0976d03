//! The process itself: its cryptography, its hardening, and the directory in which one process finds the one before it.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit};

/// Makes aws-lc-rs the process's only source of cryptography, before anything asks for another.
pub(super) fn install_crypto() {
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

/// Where the process id and the upgrade socket are.
pub(super) struct RunDirectory(PathBuf);

impl RunDirectory {
    /// Opens the directory, making it for this user alone where it is not there.
    pub(super) fn open(path: &Path) -> Self {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        match made.and_then(|()| fs::metadata(path)) {
            Ok(meta) if meta.mode() & 0o022 != 0 => {
                log::warn!("others can write the run directory {}, and so take its listeners over", path.display());
            }
            Ok(_) => {}
            Err(error) => log::warn!(error:%; "the run directory cannot be made: upgrades will not work"),
        }
        Self(path.to_owned())
    }

    /// The socket over which listeners are handed over. Pingora makes it writable for everybody: the directory is what protects it.
    pub(super) fn upgrade_socket(&self) -> String {
        self.0.join("upgrade.sock").display().to_string()
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.0.join("claviger.pid")
    }

    /// Says that this process is now the one that serves.
    pub(super) fn claim(&self) {
        if let Err(error) = fs::write(self.pid_file(), format!("{}\n", std::process::id())) {
            log::warn!(error:%; "the process id cannot be written: upgrades will not work");
        }
    }

    /// The process that serves, if it runs.
    pub(super) fn running(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.pid_file()).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok()?)?;
        rustix::process::test_kill_process(pid).is_ok().then_some(pid)
    }
}
