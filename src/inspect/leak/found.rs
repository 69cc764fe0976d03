//! What was found so far: how much of each kind, and what of the text at hand is to be masked.

use std::ops::Range;

use super::profile::{LeakAction, LeakKind};

/// How much was found, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([u32; LeakKind::ALL.len()]);

impl Counts {
    /// How often it was found.
    pub fn of(&self, kind: LeakKind) -> u32 {
        self.0.get(kind as usize).copied().unwrap_or_default()
    }

    /// Those that were found, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (LeakKind, u32)> {
        LeakKind::ALL.into_iter().map(|kind| (kind, self.of(kind))).filter(|(_, count)| *count > 0)
    }

    /// Adds what else was found.
    pub fn add(&mut self, others: &Self) {
        for (own, other) in self.0.iter_mut().zip(others.0) {
            *own = own.saturating_add(other);
        }
    }

    pub(super) fn count(&mut self, kind: LeakKind) {
        self.set(kind, self.of(kind).saturating_add(1));
    }

    pub(super) fn set(&mut self, kind: LeakKind, count: u32) {
        if let Some(own) = self.0.get_mut(kind as usize) {
            *own = count;
        }
    }
}

/// What every byte of it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mask {
    /// `*`, but for line ends.
    Star,
    /// `9`: it is a number, and stays one.
    Nine,
}

/// What was found in one stream.
#[derive(Debug)]
pub(super) struct Found {
    actions: [LeakAction; LeakKind::ALL.len()],
    pub(super) counts: Counts,
    /// Whether something was found that nothing may go on behind.
    pub(super) is_blocked: bool,
    /// What is to be masked, by its place in the text at hand.
    pub(super) masks: Vec<(Range<usize>, Mask)>,
}

impl Found {
    pub(super) fn new(actions: [LeakAction; LeakKind::ALL.len()]) -> Self {
        Self { actions, counts: Counts::default(), is_blocked: false, masks: Vec::new() }
    }

    /// One was found.
    pub(super) fn hit(&mut self, kind: LeakKind) {
        self.counts.count(kind);
        self.is_blocked |= self.action(kind) == LeakAction::Block;
    }

    /// This is part of one.
    pub(super) fn mask(&mut self, kind: LeakKind, range: Range<usize>, mask: Mask) {
        if self.action(kind) == LeakAction::Redact && !range.is_empty() {
            self.masks.push((range, mask));
        }
    }

    fn action(&self, kind: LeakKind) -> LeakAction {
        self.actions.get(kind as usize).copied().unwrap_or(LeakAction::Off)
    }
}
