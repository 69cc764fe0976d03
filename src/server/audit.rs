//! The audit log, as the configuration wants it, and the key that signs its checkpoints.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audit::{First, Log, Settings};
use crate::crypto::SigningKey;
use crate::state::{Engines, Services, Snapshot};
use crate::vault::Slot;

/// Opens it, with what the first checkpoint is to say.
pub(super) fn open(settings: Settings, engines: &Engines, snapshot: &Snapshot) -> io::Result<Log> {
    let key = snapshot.audit_key.as_ref().and_then(read).map(|(_, key)| key);
    let first = First { key, config: Some((snapshot.number, snapshot.digest)) };
    Log::open_with(settings, engines.metrics.audit.clone(), first)
}

/// Has checkpoints signed with the key that the vault has now.
pub(super) async fn sign(services: &Services) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    let mut signs: Option<(Arc<Slot>, u64)> = None;
    loop {
        every.tick().await;
        let Some(slot) = services.snapshot().audit_key.clone() else { continue };
        let version = slot.load_at(Instant::now()).map_or(0, |(version, _)| version);
        let is_same = |signs: &(Arc<Slot>, u64)| Arc::ptr_eq(&signs.0, &slot) && signs.1 == version;
        if version == 0 || signs.as_ref().is_some_and(is_same) {
            continue;
        }
        match read(&slot) {
            Some((version, key)) => {
                log::info!(key = key.kid(); "the audit log's checkpoints are signed");
                services.audit.sign_with(key);
                signs = Some((slot, version));
            }
            None => signs = Some((slot, version)),
        }
    }
}

fn read(slot: &Arc<Slot>) -> Option<(u64, Arc<SigningKey>)> {
    let (version, secret) = slot.load_at(Instant::now()).ok()?;
    match SigningKey::from_pem(&secret).ok().filter(|key| key.public_pem().is_some()) {
        Some(key) => Some((version, Arc::new(key))),
        None => {
            log::error!("what should sign the audit log's checkpoints is not an Ed25519 private key in PEM");
            None
        }
    }
}
