//! The closed set of secret providers, and the slots through which the data plane reads secrets. Nothing here knows what a secret is for.

mod command;
mod error;
mod exchange;
mod files;
mod hashicorp;
mod key_source;
mod left;
mod oauth2;
mod pass;
mod provider;
mod rekey;
mod rotation;
mod sealed;
mod secrets_manager;
mod settings;
mod slot;
mod worker;

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::domain::{Name, Retained, SecretRef};

pub use command::CommandSettings;
pub use error::VaultError;
pub use exchange::{Exchange, Exchanged, TokenType};
pub use hashicorp::{HashicorpSettings, Login};
pub use key_source::{create_key, load_key};
pub use oauth2::{Assertion, Oauth2Grant, Oauth2Proof, Oauth2Settings};
pub use rekey::{RekeyFault, rekey, reseal};
pub use rotation::{
    BodyType, Call, CallTemplate, CallTemplateFault, CreateCall, HttpProvider, ListCall, NewSecret, Placeholder,
    Rotation, RotationEvent, RotationSettings, RotationStage, RotationStatus, Written, is_id,
};
pub use sealed::{Entries, SealedFile};
pub use secrets_manager::SecretsManagerSettings;
pub use settings::{KeySource, Kind, Settings};
pub use slot::{Slot, SlotStatus};

use left::Left;
use provider::Provider;

/// The longest secret that any vault gives, in bytes.
pub const MAX_SECRET: usize = 64 * 1024;

/// Every vault in use: long-lived, so that secrets and their ages outlive a reload.
#[derive(Debug, Default)]
pub struct Vaults {
    running: Retained<Settings, Vault>,
    left: Arc<Left>,
}

impl Vaults {
    /// How often a background task has to call [`Self::refresh`].
    pub const REFRESH_EVERY: Duration = Duration::from_millis(250);
    /// How long giving back may take; what is not given back by then ends by itself.
    pub const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(5);

    /// The running vault of these settings. Never fails: what is away is said by its slots.
    pub fn open(&self, settings: &Settings) -> Arc<Vault> {
        let make = |settings: &Settings| Ok::<_, Infallible>(Vault::new(settings, Arc::clone(&self.left)));
        let Ok(vault) = self.running.get(settings.clone(), make);
        vault
    }

    /// Every vault in use, each to be refreshed by itself: one that hangs must not keep the others from being looked at.
    pub fn in_use(&self) -> Vec<Arc<Vault>> {
        self.running.in_use()
    }

    /// Reads the secrets that were never read, of all vaults at once but those that need the secrets of others, which come after these;
    /// returns when that is done, or after so long. Blocks.
    pub fn prime(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let unread = self.in_use().into_iter().filter(|vault| vault.is_unread());
        let (last, first): (Vec<_>, Vec<_>) = unread.partition(|vault| vault.provider.nature().needs_others);
        all_at_once(first, until, |vault| vault.refresh());
        all_at_once(last, until, |vault| vault.refresh());
    }

    /// Whether there are vaults that nobody uses any more, for [`Self::give_back`].
    pub fn has_left(&self) -> bool {
        self.left.is_waiting()
    }

    /// Ends the leases and tokens of the vaults that nobody uses any more. Blocks, for [`Self::GIVEN_BACK_WITHIN`] at most.
    pub fn give_back(&self) {
        self.left.give_back(Self::GIVEN_BACK_WITHIN);
    }

    /// Ends the leases and tokens that were had for this process alone, as far as that takes no longer than this. Blocks.
    pub fn close(&self, patience: Duration) {
        let used = self.in_use().into_iter().map(|vault| Arc::clone(&vault.provider));
        let all = used.chain(self.left.all()).collect();
        all_at_once(all, Instant::now() + patience, move |provider: &Arc<Provider>| provider.close(patience));
    }

    #[cfg(test)]
    fn refresh_at(&self, now: Instant) {
        for vault in self.in_use() {
            vault.refresh_at(now);
        }
    }

    /// Reads the secrets and tells how they stand, for whoever serves nothing; returns when that is done, or after so long. Authorization
    /// servers are not asked: one may take a refresh token but once. Blocks.
    pub fn look(&self, patience: Duration) -> Vec<SlotStatus> {
        let mut vaults = self.in_use();
        vaults.retain(|vault| !vault.provider.nature().needs_others);
        all_at_once(vaults.clone(), Instant::now() + patience, |vault| vault.refresh());
        status(vaults)
    }

    /// What operators may know of every slot in use, in the order of their names; never a value.
    pub fn status(&self) -> Vec<SlotStatus> {
        status(self.in_use())
    }
}

fn status(vaults: Vec<Arc<Vault>>) -> Vec<SlotStatus> {
    let now = Instant::now();
    let slots = vaults.into_iter().flat_map(|vault| vault.slots.in_use());
    let slots = slots.filter(|slot| !slot.is_own());
    let mut status: Vec<_> = slots.map(|slot| slot.status(now)).collect();
    status.sort_by(|a, b| a.name.cmp(&b.name));
    status
}

/// Does this with each of them at the same time; returns when that is done, or then. One that hangs is left to itself.
fn all_at_once<T: Send + 'static>(each: Vec<T>, until: Instant, work: impl Fn(&T) + Clone + Send + 'static) {
    let (done, all_done) = mpsc::channel();
    for one in each {
        let (done, work) = (done.clone(), work.clone());
        thread::spawn(move || {
            work(&one);
            let _ = done.send(());
        });
    }
    drop(done);
    while all_done.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
}

/// One configured source of secrets.
#[derive(Debug)]
pub struct Vault {
    name: Name,
    max_stale: Duration,
    provider: Arc<Provider>,
    /// By their paths, and whether they are principals' own.
    slots: Retained<(String, bool), Slot>,
    rotations: Retained<(RotationSettings, String), Rotation>,
    /// Held during a pass.
    pass: Mutex<()>,
    /// How many passes were begun.
    turns: AtomicU64,
    left: Arc<Left>,
}

impl Drop for Vault {
    fn drop(&mut self) {
        // The last handle may go where requests are served: nobody is asked here.
        if self.provider.nature().gives_back {
            self.left.add(Arc::clone(&self.provider));
        }
    }
}

impl Vault {
    fn new(settings: &Settings, left: Arc<Left>) -> Self {
        let provider = Arc::new(Provider::new(&settings.kind));
        Self {
            name: settings.name.clone(),
            max_stale: settings.max_stale,
            provider,
            slots: Retained::default(),
            rotations: Retained::default(),
            pass: Mutex::new(()),
            turns: AtomicU64::new(0),
            left,
        }
    }

    /// The slot of the secret at this path: the same one while somebody uses it. A new one is read before this returns (blocking file I/O),
    /// unless somebody would have to be asked: that is for [`Vaults::prime`]. Whether there is a secret, its [`Slot::load`] says.
    pub fn slot(&self, path: &str) -> Arc<Slot> {
        self.slot_at(path, false, Instant::now())
    }

    /// The same of one principal: whether the gateway is ready does not hang on it.
    pub fn own_slot(&self, path: &str) -> Arc<Slot> {
        self.slot_at(path, true, Instant::now())
    }

    /// Whether two paths can never mean the same secret here.
    pub fn tells_paths_apart(&self) -> bool {
        self.provider.nature().tells_paths_apart
    }

    /// Whether another secret than the one of this path may be had for it, where part of the path is somebody else's choice.
    pub fn guesses(&self, path: &str) -> bool {
        self.provider.guesses(path)
    }

    fn slot_at(&self, path: &str, is_own: bool, now: Instant) -> Arc<Slot> {
        let Ok(slot) = self.slots.get((path.to_owned(), is_own), |(path, is_own)| {
            let name = SecretRef { vault: self.name.clone(), path: path.clone() };
            let slot = Slot::new(name, self.max_stale, now);
            let slot = if self.provider.nature().can_renew { slot.renewable() } else { slot };
            let slot = if *is_own { slot.own() } else { slot };
            if !self.provider.nature().is_remote {
                slot.refresh(&self.provider.pass(), now);
            }
            Ok::<_, Infallible>(slot)
        });
        slot
    }

    /// The replacing of the secret at this path; none where this vault's secrets are not replaced here.
    pub fn rotation(&self, path: &str, settings: &RotationSettings) -> Option<Arc<Rotation>> {
        let (file, key) = self.provider.sealed()?;
        let Ok(rotation) = self.rotations.get((settings.clone(), path.to_owned()), |(settings, path)| {
            let secret = SecretRef { vault: self.name.clone(), path: path.clone() };
            Ok::<_, Infallible>(Rotation::new(settings.clone(), secret, file, key))
        });
        Some(rotation)
    }

    /// One pass over every slot in use, those included that are new meanwhile, as far as it comes: looks for change, and reads again only what changed; nothing while an earlier pass is still under
    /// way. Does blocking file I/O: call it where that is allowed. When it is not called for a slot's `max_stale`, the slot fails closed.
    pub fn refresh(&self) {
        let _alone = match self.pass.try_lock() {
            Ok(alone) => alone,
            // A pass that ended badly must not be the last.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        self.refresh_at(Instant::now());
    }

    fn refresh_at(&self, now: Instant) {
        let slots = self.slots.in_use();
        if slots.is_empty() {
            // It stays configured, and whoever needs it next logs in again.
            self.provider.keep(&HashSet::new());
            self.provider.close(Vaults::GIVEN_BACK_WITHIN);
            return;
        }
        self.pass_over(slots, now, pass::WITHIN);
        let used = self.slots.in_use().iter().map(|slot| slot.name().path.clone()).collect();
        self.provider.keep(&used);
    }

    fn next_turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether its secrets are had from somebody who may be away, so that none is there for sure once a configuration is compiled.
    pub fn is_remote(&self) -> bool {
        self.provider.nature().is_remote
    }

    fn is_unread(&self) -> bool {
        self.provider.nature().is_remote && self.slots.in_use().iter().any(|slot| slot.is_unread())
    }
}

#[cfg(test)]
mod tests;
