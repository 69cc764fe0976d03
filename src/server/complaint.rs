//! What is wrong with the store, told once.

use crate::session::StoreError;

/// Tells when something begins to be wrong, and when it is right again; not each time it is looked at.
#[derive(Debug)]
pub(super) struct Complaint {
    /// What does not happen meanwhile.
    wrong: &'static str,
    right: &'static str,
    error: Option<String>,
}

impl Complaint {
    /// One that has nothing to tell yet.
    pub(super) fn new(wrong: &'static str, right: &'static str) -> Self {
        Self { wrong, right, error: None }
    }

    /// Takes what came of the last look.
    pub(super) fn note(&mut self, result: Result<(), StoreError>) {
        let error = result.err().map(|error| error.to_string());
        if error == self.error {
            return;
        }
        match &error {
            Some(error) => log::error!("{}: {error}", self.wrong),
            None => log::warn!("{}", self.right),
        }
        self.error = error;
    }
}
