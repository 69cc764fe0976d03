//! The limits that outlive a reload.

use std::convert::Infallible;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, OnceLock};

use crate::domain::Retained;

use super::{Concurrency, Keyer, Rate, RateSettings, Volume, VolumeSettings};

/// Every limit in use, by its scope and settings: a reload that leaves both alone keeps all counts, and one that changes the settings
/// starts anew. The scope is what the configuration calls the place, such as `route.stripe.limits.principal`.
#[derive(Debug)]
pub struct Limits {
    max_keys: NonZeroUsize,
    keyer: Keyer,
    shared: OnceLock<Keyer>,
    rates: Retained<(String, RateSettings), Rate>,
    concurrencies: Retained<(String, NonZeroU32), Concurrency>,
    volumes: Retained<(String, VolumeSettings), Volume>,
}

impl Limits {
    /// For how many keys one rate limit keeps state, unless told otherwise; about 10 MB when all are live.
    pub const DEFAULT_MAX_KEYS: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

    /// An empty registry, whose rate limits each keep state for at most `max_keys` keys.
    pub fn new(max_keys: NonZeroUsize) -> Self {
        Self {
            max_keys,
            keyer: Keyer::default(),
            shared: OnceLock::new(),
            rates: Retained::default(),
            concurrencies: Retained::default(),
            volumes: Retained::default(),
        }
    }

    /// The maker of this registry's keys.
    pub fn keyer(&self) -> &Keyer {
        self.shared.get().unwrap_or(&self.keyer)
    }

    /// Has everything counted for other nodes too, which make their keys with the same secret; once, before anything is counted.
    pub fn share(&self, secret: &[u8; 16]) {
        // A second time it would be the same.
        let _ = self.shared.set(Keyer::shared(secret));
        self.rates.in_use().iter().for_each(|rate| rate.share());
    }

    /// The rate limits in use, each with the name that it has at every node.
    pub fn shared_rates(&self) -> Vec<(String, Arc<Rate>)> {
        let name = |(scope, settings): &(String, RateSettings)| {
            let RateSettings { requests, per, burst } = settings;
            format!("{scope} {requests}/{}ns {burst}", per.as_nanos())
        };
        self.rates.in_use_by(name)
    }

    /// The running rate limit of this scope with these settings, or a new one.
    pub fn rate(&self, scope: &str, settings: RateSettings) -> Arc<Rate> {
        let made = |_: &_| {
            let rate = Rate::new(settings, self.max_keys);
            if self.shared.get().is_some() {
                rate.share();
            }
            Ok::<_, Infallible>(rate)
        };
        let Ok(rate) = self.rates.get((scope.to_owned(), settings), made);
        rate
    }

    /// The running concurrency limit of this scope with this maximum, or a new one. After a change of the maximum, requests that hold slots
    /// of the old limit do not count in the new one.
    pub fn concurrency(&self, scope: &str, max: NonZeroU32) -> Arc<Concurrency> {
        let made = |_: &_| Ok::<_, Infallible>(Concurrency::new(max));
        let Ok(concurrency) = self.concurrencies.get((scope.to_owned(), max), made);
        concurrency
    }

    /// The running volume limit of this scope with these settings, or a new one.
    pub fn volume(&self, scope: &str, settings: VolumeSettings) -> Arc<Volume> {
        let made = |_: &_| Ok::<_, Infallible>(Volume::new(settings, self.max_keys));
        let Ok(volume) = self.volumes.get((scope.to_owned(), settings), made);
        volume
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(Self::DEFAULT_MAX_KEYS)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::Key;
    use super::*;

    #[test]
    fn counts_survive_a_reload_that_leaves_scope_and_settings_alone() {
        let limits = Limits::default();
        let once = RateSettings { requests: NonZeroU32::MIN, per: Duration::from_secs(3600), burst: NonZeroU32::MIN };
        let before = limits.rate("route.a", once);
        let now = Instant::now();
        assert!(before.check(Key::EVERYBODY, now).is_ok());
        assert!(limits.rate("route.a", once).check(Key::EVERYBODY, now).is_err());
        assert!(limits.rate("route.b", once).check(Key::EVERYBODY, now).is_ok());
        let twice = RateSettings { burst: NonZeroU32::new(2).expect("not zero"), ..once };
        assert!(limits.rate("route.a", twice).check(Key::EVERYBODY, now).is_ok());

        let slot = limits.concurrency("route.a", NonZeroU32::MIN).acquire(Key::EVERYBODY);
        assert!(limits.concurrency("route.a", NonZeroU32::MIN).acquire(Key::EVERYBODY).is_none());
        assert!(limits.concurrency("route.b", NonZeroU32::MIN).acquire(Key::EVERYBODY).is_some());
        drop(slot);
        assert!(limits.concurrency("route.a", NonZeroU32::MIN).acquire(Key::EVERYBODY).is_some());
    }
}
