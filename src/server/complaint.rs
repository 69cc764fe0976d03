//! What is wrong with a file that is looked at again and again, told once.

use std::fmt::Display;

/// Tells when something begins to be wrong, and when it is right again; not each time it is looked at.
#[derive(Debug)]
pub(super) struct Complaint {
    /// What does not happen meanwhile.
    wrong: String,
    right: String,
    error: Option<String>,
}

impl Complaint {
    /// One that has nothing to tell yet.
    pub(super) fn new(wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), right: right.into(), error: None }
    }

    /// Takes what came of the last look.
    pub(super) fn note(&mut self, result: Result<(), impl Display>) {
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
