//! What sessions need beside requests: keys that sign, and their last uses told to the store.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::crypto::MasterKey;
use crate::domain::{steady, unhurried};
use crate::session::SignersFault;
use crate::state::Services;

/// How often the keys are looked at, and last uses told.
const EVERY: Duration = Duration::from_secs(5);
/// How often, while there are no keys.
const SOON: Duration = Duration::from_secs(1);

/// Keeps sessions as long as the returned future is driven. The store waits for the disk, so it is not done here.
pub(super) async fn keep(services: &Arc<Services>) {
    loop {
        let is_waiting = services.snapshot().sessions.is_some() && sessions_have_no_keys(services);
        tokio::time::sleep(if is_waiting { SOON } else { EVERY }).await;
        let services = Arc::clone(services);
        let kept = tokio::task::spawn_blocking(move || {
            keep_keys(&services);
            settle(&services);
        });
        // Whatever went wrong was told, and is tried again.
        let _ = kept.await;
    }
}

/// Reads the keys that sign, makes the first, and the next when it is time.
pub(super) fn keep_keys(services: &Services) {
    let Some(service) = &services.snapshot().sessions else { return };
    let seal = service.seal.load().ok().and_then(|secret| {
        let text = std::str::from_utf8(secret.expose()).ok()?;
        MasterKey::parse(text.trim_end()).ok()
    });
    let Some(seal) = seal else {
        log::error!("secret {} is no key that seals: `claviger key sealing` makes one", service.seal.name());
        return;
    };
    let sessions = services.engines.authenticators.sessions();
    match sessions.keep_keys(&seal, service.rotate, SystemTime::now()) {
        // That the others are away is told already.
        Ok(()) | Err(SignersFault::Away(_)) => {}
        Err(fault) => log::error!("sessions have no new keys: {fault}"),
    }
}

fn sessions_have_no_keys(services: &Services) -> bool {
    services.engines.authenticators.sessions().signers().is_none()
}

fn settle(services: &Services) {
    let now = SystemTime::now();
    if let Some(revocations) = &services.revocations {
        revocations.touch_sessions(steady(now));
    }
    let count = services.engines.authenticators.sessions().count(steady(now));
    services.engines.metrics.sessions.set(count.map_or(0, |count| i64::try_from(count).unwrap_or(i64::MAX)));
    // A session that is over only by a clock that is wrong for a moment must be there to be ended after that.
    if let Err(error) = services.engines.authenticators.sessions().settle(unhurried(now)) {
        log::error!("the last uses of sessions are not written: {error}");
    }
}
