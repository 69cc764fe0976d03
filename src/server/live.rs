//! Whether what a configuration names is there: asked for as a start would, with nothing served.

use std::time::Duration;

use serde::Serialize;

use crate::state::{Engines, Snapshot};
use crate::vault::Vaults;

use super::StartError;

/// How long each kind of thing is waited for.
const WITHIN: Duration = Duration::from_secs(10);

/// What was asked for, and what of it there is not.
#[derive(Debug, Default)]
pub struct Asked {
    /// How many secrets, issuers and targets were asked for.
    pub asked: usize,
    /// Those that cannot be had.
    pub missing: Vec<Missing>,
}

/// Something that a configuration names and that cannot be had.
#[derive(Debug, Serialize)]
pub struct Missing {
    /// What it is: `secret`, `issuer` or `target`.
    pub what: &'static str,
    /// By which name the configuration knows it.
    pub name: String,
    /// Why it cannot be had.
    pub fault: String,
}

impl Asked {
    fn note(&mut self, what: &'static str, name: String, fault: Option<String>) {
        self.asked += 1;
        self.missing.extend(fault.map(|fault| Missing { what, name, fault }));
    }
}

/// Reads the secrets, fetches the keys of issuers and looks up the names of targets. Blocks.
///
/// # Errors
/// [`StartError::Internal`] where there is no runtime to do it on.
pub(super) fn ask(engines: &Engines, snapshot: &Snapshot) -> Result<Asked, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| StartError::Internal(error.to_string()))?;
    let mut all = Asked::default();
    // First: keys of issuers may lie in vaults.
    for slot in engines.vaults.look(WITHIN) {
        let fault = slot.fault.map_or_else(|| "there was no answer in time".to_owned(), |fault| fault.to_string());
        all.note("secret", slot.name.to_string(), (!slot.usable).then_some(fault));
    }
    runtime.block_on(async {
        let _ = tokio::time::timeout(WITHIN, engines.authenticators.prime()).await;
        engines.targets.resolve_now().await;
    });
    for jwt in engines.authenticators.issuers() {
        let fault =
            jwt.trouble().map_or_else(|| "it has no key that can be used".to_owned(), |fault| fault.to_string());
        all.note("issuer", jwt.name().to_string(), (!jwt.is_ready()).then_some(fault));
    }
    for status in snapshot.targets.iter().map(|target| target.status()) {
        for backend in status.backends {
            let fault = backend.resolve_error.unwrap_or_else(|| "its name has no address".to_owned());
            let name = format!("{} ({})", status.name, backend.backend);
            all.note("target", name, backend.addresses.is_empty().then_some(fault));
        }
    }
    engines.vaults.close(Vaults::GIVEN_BACK_WITHIN);
    Ok(all)
}
