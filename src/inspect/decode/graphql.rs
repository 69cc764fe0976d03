//! GraphQL documents.
use super::walk::Walk;
use crate::inspect::Fault;
pub(super) fn walk(_: &mut Walk<'_>, _: &[u8]) -> Result<bool, Fault> {
    Ok(false)
}
