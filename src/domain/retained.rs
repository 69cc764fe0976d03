//! Instances that outlive a reload because the next configuration asks for the same thing again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Instances by the settings they were made from, kept while somebody uses them. A reload that asks for equal settings gets the running
/// instance, with what it has learnt (health, counters, verified tokens); what no snapshot uses any more is dropped with the last one.
#[derive(Debug)]
pub struct Retained<K, V>(Mutex<HashMap<K, Weak<V>>>);

impl<K, V> Default for Retained<K, V> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Eq + Hash, V> Retained<K, V> {
    /// The running instance for these settings, or the one that `make` builds.
    ///
    /// # Errors
    /// Those of `make`; nothing is kept then.
    pub fn get<E>(&self, key: K, make: impl FnOnce(&K) -> Result<V, E>) -> Result<Arc<V>, E> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = kept.get(&key).and_then(Weak::upgrade) {
            return Ok(running);
        }
        kept.retain(|_, instance| instance.strong_count() > 0);
        let made = Arc::new(make(&key)?);
        kept.insert(key, Arc::downgrade(&made));
        Ok(made)
    }

    /// Every instance in use, each with what is made of its settings. Settings of those that are not are forgotten: they may hold what
    /// others are kept alive by, such as secrets.
    pub fn in_use_by<N>(&self, name: impl Fn(&K) -> N) -> Vec<(N, Arc<V>)> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, instance| instance.strong_count() > 0);
        kept.iter().filter_map(|(key, instance)| Some((name(key), instance.upgrade()?))).collect()
    }

    /// Every instance in use, for background work on all of them.
    pub fn in_use(&self) -> Vec<Arc<V>> {
        self.in_use_by(|_| ()).into_iter().map(|((), instance)| instance).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_nobody_uses_any_more_keep_nothing_alive() {
        let (retained, secret) = (Retained::<Arc<str>, u32>::default(), Arc::<str>::from("a slot"));
        let instance = retained.get(Arc::clone(&secret), |_| Ok::<_, ()>(1)).expect("made");
        assert_eq!((retained.in_use().len(), Arc::strong_count(&secret)), (1, 2));
        drop(instance);
        assert!(retained.in_use().is_empty());
        assert_eq!(Arc::strong_count(&secret), 1);
    }

    #[test]
    fn an_instance_lives_as_long_as_it_is_used() {
        let retained = Retained::<&str, u32>::default();
        let first = retained.get("a", |_| Ok::<_, ()>(1)).expect("made");
        let again = retained.get("a", |_| Ok::<_, ()>(2)).expect("kept");
        assert_eq!((*again, retained.in_use().len()), (1, 1));
        drop((first, again));
        assert!(retained.in_use().is_empty());
        assert_eq!(*retained.get("a", |_| Ok::<_, ()>(3)).expect("made anew"), 3);
    }
}
