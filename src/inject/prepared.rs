//! Secrets in the form in which they are sent.

use std::sync::Arc;

use super::body::Filled;
use super::content::Content;
use super::method::Part;
use super::needles::Needles;
use crate::domain::{ClientIdentity, Denial, Secret};

/// The secrets in the form in which they are sent, kept until one of them changes.
pub(super) struct Prepared {
    /// Of all secrets, in their order.
    pub(super) versions: Vec<u64>,
    pub(super) parts: Vec<Part>,
    pub(super) needles: Arc<Needles>,
    /// All secrets, in their order.
    pub(super) secrets: Vec<Arc<Secret>>,
    /// What the needles are made of.
    pub(super) sought: Vec<Arc<Secret>>,
}

impl Prepared {
    pub(super) fn new(
        versions: Vec<u64>,
        parts: Vec<Part>,
        secrets: Vec<Arc<Secret>>,
        sought: Vec<Arc<Secret>>,
    ) -> Self {
        let exposed: Vec<&[u8]> = sought.iter().map(|secret| secret.expose()).collect();
        let needles = Arc::new(Needles::new(&exposed));
        Self { versions, parts, needles, secrets, sought }
    }

    /// Who the gateway is to the target.
    pub(super) fn client(&self) -> Option<&ClientIdentity> {
        self.parts.iter().find_map(|part| match part {
            Part::Client(identity) => Some(&**identity),
            Part::Header(..)
            | Part::Query { .. }
            | Part::Cookie { .. }
            | Part::Path(_)
            | Part::Body(_)
            | Part::Aws(_)
            | Part::Hmac(_) => None,
        })
    }

    /// What is sent in place of the body.
    pub(super) fn fill(&self, content: &Content<'_>) -> Result<Option<Filled>, Denial> {
        for part in &self.parts {
            match part {
                Part::Body(filling) => return filling.fill(content),
                Part::Header(..)
                | Part::Query { .. }
                | Part::Cookie { .. }
                | Part::Path(_)
                | Part::Aws(_)
                | Part::Hmac(_)
                | Part::Client(_) => {}
            }
        }
        Ok(None)
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}
