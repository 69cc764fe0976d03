//! Replacing secrets, and telling of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::complaint::Complaint;
use crate::audit::{Act, Deed, Phrase, RotationDeed};
use crate::domain::{Name, SecretRef};
use crate::state::{Rotating, Services};
use crate::vault::{Rotation, RotationEvent, SlotStatus, VaultError};

/// What is told of each rotation, by its name.
type Complaints = Arc<Mutex<HashMap<Name, Complaint>>>;

/// Goes on while requests are drained; whichever process is first does what is due.
pub(super) async fn keep(services: &Arc<Services>) {
    let mut every = tokio::time::interval(Rotation::STEP_EVERY);
    let complaints = Complaints::default();
    let mut under_way: HashMap<Name, JoinHandle<()>> = HashMap::new();
    loop {
        every.tick().await;
        under_way.retain(|_, step| !step.is_finished());
        // Each by itself: a program that takes its time holds up no other rotation.
        for one in services.snapshot().rotations.clone() {
            let name = one.rotation.settings().name.clone();
            if under_way.contains_key(&name) {
                continue;
            }
            let (services, complaints) = (Arc::clone(services), Arc::clone(&complaints));
            let step = tokio::spawn(async move {
                let name = one.rotation.settings().name.clone();
                let done = step(&services, one).await;
                let (wrong, right) =
                    (format!("rotation {name}: no secret is replaced"), format!("rotation {name}: goes on again"));
                let mut complaints = complaints.lock().unwrap_or_else(PoisonError::into_inner);
                complaints.entry(name).or_insert_with(|| Complaint::new(wrong, right)).note(done);
            });
            under_way.insert(name, step);
        }
    }
}

async fn step(services: &Arc<Services>, one: Rotating) -> Result<(), VaultError> {
    let (runtime, rotating) = (Handle::current(), one.clone());
    let step = move || one.rotation.step(SystemTime::now(), |secret| runtime.block_on(one.prove(secret)));
    let metrics = &services.engines.metrics;
    metrics.rotation_results(&rotating.rotation.settings().credential, &RotationDeed::RESULTS.map(RotationDeed::text));
    // What panicked was told.
    let events = tokio::task::spawn_blocking(step).await.unwrap_or(Ok(Vec::new()))?;
    for event in &events {
        tell(services, &rotating.rotation, event);
    }
    let status = rotating.rotation.status();
    let age = status.since.and_then(|since| SystemTime::now().duration_since(since).ok());
    services.engines.metrics.secret_age(&status.credential, age.unwrap_or_default(), status.is_overdue);
    Ok(())
}

fn tell(services: &Services, rotation: &Rotation, event: &RotationEvent) {
    let settings = rotation.settings();
    let (rotation_name, credential) = (settings.name.as_str(), settings.credential.as_str());
    let (deed, reason) = match event {
        RotationEvent::Made => {
            log::info!(rotation = rotation_name, credential; "a new secret is made");
            return;
        }
        RotationEvent::Promoted => (RotationDeed::Promoted, ""),
        RotationEvent::RolledBack(reason) => (RotationDeed::RolledBack, reason.as_str()),
        RotationEvent::Failed(reason) => (RotationDeed::Failed, reason.as_str()),
        RotationEvent::LeftAlone => {
            log::info!(rotation = rotation_name, credential; "somebody has set another secret, which is left alone");
            return;
        }
        RotationEvent::Retired => (RotationDeed::Retired, ""),
        RotationEvent::NotRetired(reason) => (RotationDeed::NotRetired, reason.as_str()),
        RotationEvent::Overdue => (RotationDeed::Overdue, ""),
    };
    let level = match deed {
        RotationDeed::Promoted | RotationDeed::Retired | RotationDeed::Changed => log::Level::Info,
        RotationDeed::RolledBack | RotationDeed::Failed | RotationDeed::NotRetired | RotationDeed::Overdue => {
            log::Level::Error
        }
    };
    log::log!(level, rotation = rotation_name, credential, reason; "rotation: {}", deed.text());
    services.engines.metrics.rotated(&settings.credential, deed.text());
    // What follows of itself, claviger does.
    let asked_by = rotation.status().asked_by.clone();
    let by = asked_by.filter(|_| matches!(deed, RotationDeed::Promoted | RotationDeed::Failed));
    services.audit.submit(act(deed, (rotation_name, credential), reason, by.as_deref().unwrap_or(OWN)));
}

/// Who did what nobody asked for.
const OWN: &str = "claviger";

fn act(deed: RotationDeed, (id, of): (&str, &str), reason: &str, by: &str) -> Act {
    let now = SystemTime::now();
    Act {
        time: now,
        deed: Deed::Rotation(deed),
        id: id.to_owned(),
        of: Phrase::plain(of),
        reason: reason.to_owned(),
        by: Phrase::plain(by),
        since: now,
        until: None,
        approval: None,
        ticket: None,
        terms: None,
    }
}

/// The versions of secrets that were seen last.
#[derive(Debug, Default)]
pub(super) struct Versions(HashMap<SecretRef, u64>);

impl Versions {
    /// Tells of each secret that has another value than when it was seen last, whoever put that into its vault.
    pub(super) fn note(&mut self, secrets: &[SlotStatus], services: &Services) {
        for slot in secrets.iter().filter(|slot| slot.version > 0 && slot.usable) {
            let Some(seen) = self.0.get_mut(&slot.name) else {
                self.0.insert(slot.name.clone(), slot.version);
                continue;
            };
            // A slot that was made anew counts anew.
            if std::mem::replace(seen, slot.version) < slot.version {
                let name = slot.name.to_string();
                services.audit.submit(act(RotationDeed::Changed, (&name, &name), "", OWN));
            }
        }
        if self.0.len() > secrets.len() {
            self.0.retain(|name, _| secrets.binary_search_by(|slot| slot.name.cmp(name)).is_ok());
        }
    }
}
