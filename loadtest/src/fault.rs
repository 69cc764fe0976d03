//! Why a measurement was not made: a sentence for the person who asked for it.

use std::fmt;

/// Why there are no figures.
#[derive(Debug)]
pub(crate) struct Fault(String);

impl Fault {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

/// Says what was being done when an error came.
pub(crate) trait While<T> {
    fn during(self, what: &str) -> Result<T, Fault>;
}

impl<T, E: fmt::Display> While<T> for Result<T, E> {
    fn during(self, what: &str) -> Result<T, Fault> {
        self.map_err(|error| Fault(format!("{what}: {error}")))
    }
}
