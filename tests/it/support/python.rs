//! The Python in which tests have AWS's own programs, and sqlmap: the one that `CLAVIGER_PYTHON` names, or else where `scripts/test` installs them, or
//! the system's.

use std::{
    ffi::OsString,
    process::{Command, Stdio},
};

/// One that has these modules; `None`, said aloud, where there is none.
pub(crate) fn with(modules: &str) -> Option<OsString> {
    let named = std::env::var_os("CLAVIGER_PYTHON");
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/target/python/bin/python3");
    let has_it = |python: &OsString| {
        let probe = Command::new(python).args(["-c", &format!("import {modules}")]).stderr(Stdio::null()).status();
        probe.is_ok_and(|status| status.success())
    };
    let found = named.into_iter().chain([ours.into(), "python3".into()]).find(has_it);
    if found.is_none() {
        println!("skipped: {modules} absent; scripts/test installs it");
    }
    found
}
