//! The metrics of secrets and leases, by the vault that they lie in: a vault's name is the configuration's, while a secret's may be a
//! principal's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::GaugeVec;

use super::metrics::Declare;
use crate::domain::Name;

/// What is known of the secrets of each vault.
#[derive(Debug)]
pub struct VaultMetrics {
    unconfirmed: GaugeVec,
    lease: GaugeVec,
    shown: Mutex<BTreeSet<Name>>,
}

/// What is known of the secrets of one vault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VaultState {
    /// How long ago the source last agreed with a secret, of the one where that is longest.
    pub unconfirmed: Option<Duration>,
    /// How much longer a lease lasts, of the one that ends first.
    pub lease: Option<Duration>,
}

impl VaultState {
    /// Adds what is known of one secret more.
    pub fn add(&mut self, age: Option<Duration>, lease: Option<Duration>) {
        self.unconfirmed = self.unconfirmed.max(age);
        self.lease = self.lease.into_iter().chain(lease).min();
    }
}

impl VaultMetrics {
    pub(super) fn declare(declare: &Declare) -> prometheus::Result<Self> {
        let by = &["vault"];
        Ok(Self {
            unconfirmed: declare.numbers(
                "secret_unconfirmed_seconds",
                "Longest time since a vault last agreed with a secret that is in use, infinite where it never did",
                by,
            )?,
            lease: declare.numbers(
                "lease_seconds",
                "Time until the first lease of a vault ends, infinite where there is none",
                by,
            )?,
            shown: Mutex::default(),
        })
    }

    /// Shows these vaults, and nothing more of those that are not among them.
    pub fn show(&self, vaults: &BTreeMap<Name, VaultState>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, state) in vaults {
            let seconds = |time: Option<Duration>| time.map_or(f64::INFINITY, |time| time.as_secs_f64());
            self.unconfirmed.with_label_values(&[name.as_str()]).set(seconds(state.unconfirmed));
            self.lease.with_label_values(&[name.as_str()]).set(seconds(state.lease));
        }
        for gone in shown.iter().filter(|name| !vaults.contains_key(*name)) {
            // They were shown.
            let _ = self.unconfirmed.remove_label_values(&[gone.as_str()]);
            let _ = self.lease.remove_label_values(&[gone.as_str()]);
        }
        *shown = vaults.keys().cloned().collect();
    }
}
