//! What fragments stand for: a document is as deep, and has as many aliases and fields, as it comes to once each fragment stands where it is spread
//! (GraphQL 2.8). Short chains of them become exponentially large.

use std::collections::HashMap;

use crate::inspect::{FaultKind, Limits};

/// How many fragments may be spread within each other, whatever the limit of depth.
const MAX_CHAIN: usize = 256;

/// How many times as many fields as an object's keys all selections may come to.
const ALL_FIELDS: usize = 10;

/// What a selection has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) depth: usize,
    pub(super) aliases: usize,
    pub(super) fields: usize,
}

/// An operation or a fragment.
#[derive(Debug, Default)]
pub(super) struct Definition<'t> {
    /// A fragment's.
    pub(super) name: Option<&'t [u8]>,
    /// What it has by itself.
    pub(super) size: Size,
    /// Fragments, and how deep they are spread in it.
    pub(super) spreads: Vec<(&'t [u8], usize)>,
}

/// Holds what all definitions come to against the limits.
///
/// # Errors
/// One is beyond them or has itself for a part, or two fragments have one name.
pub(super) fn check(definitions: &[Definition<'_>], limits: &Limits) -> Result<(), FaultKind> {
    if definitions.iter().all(|definition| definition.spreads.is_empty()) {
        return Ok(());
    }
    let mut by_name = HashMap::new();
    for (index, definition) in definitions.iter().enumerate() {
        if let Some(name) = definition.name
            && by_name.insert(name, index).is_some()
        {
            return Err(FaultKind::DuplicateKey);
        }
    }
    let mut sum = Sum { definitions, limits, by_name, known: vec![None; definitions.len()] };
    (0..definitions.len()).try_for_each(|index| sum.of(index, limits.depth.min(MAX_CHAIN)).map(|_| ()))
}

struct Sum<'d, 't> {
    definitions: &'d [Definition<'t>],
    limits: &'d Limits,
    by_name: HashMap<&'t [u8], usize>,
    /// What was found out already, so that each is gone through once.
    known: Vec<Option<Size>>,
}

impl Sum<'_, '_> {
    /// What a definition comes to. Each spread is one level deep at least, so that `room` ends what would go round.
    fn of(&mut self, index: usize, room: usize) -> Result<Size, FaultKind> {
        if let Some(Some(known)) = self.known.get(index) {
            return Ok(*known);
        }
        let Some(definition) = self.definitions.get(index) else { return Ok(Size::default()) };
        let mut size = definition.size;
        for (name, at) in &definition.spreads {
            // A server refuses what spreads a fragment that there is not.
            let Some(inner) = self.by_name.get(name).copied() else { continue };
            let inner = self.of(inner, room.checked_sub(*at).ok_or(FaultKind::TooDeep)?)?;
            size.depth = size.depth.max(at + inner.depth);
            size.aliases += inner.aliases;
            size.fields += inner.fields;
            if size.depth > self.limits.depth {
                return Err(FaultKind::TooDeep);
            }
            if size.aliases > self.limits.aliases || size.fields > self.limits.keys.saturating_mul(ALL_FIELDS) {
                return Err(FaultKind::TooMany);
            }
        }
        if let Some(known) = self.known.get_mut(index) {
            *known = Some(size);
        }
        Ok(size)
    }
}
