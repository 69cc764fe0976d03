//! How a route's requests are looked through.

use std::sync::Arc;

use crate::domain::Name;
use crate::inspect::{Mode, Profile};

/// One `[inspect.NAME]`, compiled.
#[derive(Debug)]
pub struct Inspecting {
    /// The `[inspect.NAME]`.
    pub name: Name,
    /// What is looked for.
    pub profile: Arc<Profile>,
    /// The largest body that is judged whole before anything is sent, in bytes.
    pub body: usize,
    /// How much of a body lies in memory while it comes, in bytes; more lies in a file.
    pub memory: usize,
    /// What becomes of a larger one.
    pub beyond: Beyond,
    /// Whether bodies of gRPC are looked through as they pass, since a stream may wait for answers.
    pub streams_grpc: bool,
}

/// What becomes of a body that is too large to be judged whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// It is refused.
    Reject,
    /// It is looked through as it passes. Weaker: the upstream has the head, and what came before a finding.
    Stream,
}

impl Inspecting {
    /// Whether what is found stops a request.
    pub fn enforces(&self) -> bool {
        match self.profile.settings().mode {
            Mode::Enforce => true,
            Mode::Shadow | Mode::Off => false,
        }
    }
}
