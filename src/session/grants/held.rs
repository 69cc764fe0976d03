//! The grants in force, by whose they are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::Grant;
use crate::domain::Name;
use crate::session::{AccessRequest, AccessState};

#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) of: HashMap<(Name, String), Vec<Arc<Grant>>, ahash::RandomState>,
}

impl Held {
    /// Takes a request as it is now.
    pub(super) fn put(&mut self, request: &AccessRequest, now: SystemTime) {
        let key = (request.authenticator.clone(), request.principal.clone());
        if let Some(own) = self.of.get_mut(&key) {
            own.retain(|one| one.id != request.id);
        }
        if request.is_granted(now)
            && let AccessState::Granted { until, .. } = request.state
        {
            let (approval, bounds) = (request.approval.clone(), request.bounds.clone());
            let exact = request.exact.clone();
            let actor = request.actor.clone();
            let grant =
                Grant { id: request.id, approval, actor, bounds, exact, is_counted: request.uses.is_some(), until };
            self.of.entry(key).or_default().push(Arc::new(grant));
        }
    }

    /// Forgets those that are over.
    pub(super) fn end(&mut self, now: SystemTime) {
        self.of.retain(|_, own| {
            own.retain(|one| now < one.until);
            !own.is_empty()
        });
    }
}
