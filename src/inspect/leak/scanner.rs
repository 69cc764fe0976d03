//! One stream under way: what has come goes on as soon as it is decided on, with the same length.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::emails::Emails;
use super::errors::Errors;
use super::found::{Counts, Found, Mask};
use super::literals::Run;
use super::profile::{LeakAction, LeakKind, LeakProfile};
use super::view::{BEFORE, View};

/// Looks through one stream. What is masked keeps its length, so that lengths told elsewhere stay true.
pub struct LeakScanner {
    profile: Arc<LeakProfile>,
    /// What went on last, as it came.
    before: Vec<u8>,
    /// What came and is not decided on.
    held: Vec<u8>,
    /// From where on each finder has not decided, within what is held.
    undecided: Undecided,
    run: Option<Run>,
    emails: Option<Emails>,
    errors: Option<Errors>,
    found: Found,
}

#[derive(Debug, Clone, Copy, Default)]
struct Undecided {
    literals: usize,
    groups: usize,
    emails: usize,
}

impl LeakScanner {
    /// A stream of which nothing has come; of an error, whose details are looked for too, or of anything else.
    pub fn new(profile: Arc<LeakProfile>, is_error: bool) -> Self {
        let is_on = |kind| profile.action(kind) != LeakAction::Off;
        Self {
            before: Vec::with_capacity(BEFORE),
            held: Vec::new(),
            undecided: Undecided::default(),
            run: None,
            emails: is_on(LeakKind::Emails).then(|| Emails::new(profile.emails_max)),
            errors: (is_error && is_on(LeakKind::ErrorDetails)).then(Errors::new),
            found: Found::new(profile.actions),
            profile,
        }
    }

    /// Takes what has come and returns what may go on. With the end, the text is over; another may follow, of which the counts go on.
    pub fn push(&mut self, chunk: Bytes, end: bool) -> Bytes {
        if chunk.is_empty() && !end {
            return chunk;
        }
        if let Some(errors) = &mut self.errors {
            errors.push(&chunk, end);
        }
        let text = self.join(chunk);
        let keep = self.scan(&text, end);
        let passed = self.pass(text, keep);
        if end {
            self.before.clear();
            self.undecided = Undecided::default();
            self.run = None;
        }
        passed
    }

    /// What was found so far.
    pub fn counts(&self) -> Counts {
        let mut counts = self.found.counts;
        if let Some(emails) = self.emails.as_ref().filter(|emails| emails.are_too_many()) {
            counts.set(LeakKind::Emails, emails.count);
        }
        if let Some(errors) = &self.errors {
            counts.set(LeakKind::ErrorDetails, errors.count());
        }
        counts
    }

    /// Whether something was found for which the response is refused.
    pub fn is_blocked(&self) -> bool {
        let are_too_many = self.emails.as_ref().is_some_and(Emails::are_too_many);
        self.found.is_blocked || (are_too_many && self.profile.action(LeakKind::Emails) == LeakAction::Block)
    }

    /// Looks at what is not decided on; tells from where on nothing can go on yet.
    fn scan(&mut self, text: &[u8], is_end: bool) -> usize {
        let view = View { before: &self.before, text, is_end };
        let from = self.undecided;
        let literals = self.profile.literals.as_ref();
        let literals = literals.map(|own| own.scan(&view, from.literals, &mut self.run, &mut self.found));
        let groups = self.profile.groups.as_ref();
        let groups = groups.map(|own| own.scan(&view, from.groups, &mut self.found));
        let emails = self.emails.as_mut().map(|own| own.scan(&view, from.emails));
        let all = text.len();
        let (literals, groups, emails) = (literals.unwrap_or(all), groups.unwrap_or(all), emails.unwrap_or(all));
        let keep = if is_end { all } else { literals.min(groups).min(emails).min(all) };
        self.undecided = Undecided { literals: literals - keep, groups: groups - keep, emails: emails - keep };
        keep
    }

    /// Lets all before a place go on, masked; keeps the rest.
    fn pass(&mut self, mut text: Bytes, keep: usize) -> Bytes {
        self.held.clear();
        self.held.extend_from_slice(text.get(keep..).unwrap_or_default());
        text.truncate(keep);
        self.remember(&text);
        if self.found.masks.is_empty() {
            return text;
        }
        let mut masked = BytesMut::from(text);
        // What is found as two kinds is no number.
        for wanted in [Mask::Nine, Mask::Star] {
            for (range, mask) in self.found.masks.iter().filter(|(_, mask)| *mask == wanted) {
                for byte in masked.get_mut(range.start.min(keep)..range.end.min(keep)).unwrap_or_default() {
                    *byte = masked_byte(*byte, *mask);
                }
            }
        }
        self.found.masks.retain_mut(|(range, _)| {
            *range = range.start.saturating_sub(keep)..range.end.saturating_sub(keep);
            range.start < range.end
        });
        masked.freeze()
    }

    fn remember(&mut self, passed: &[u8]) {
        let last = passed.get(passed.len().saturating_sub(BEFORE)..).unwrap_or_default();
        let too_many = (self.before.len() + last.len()).saturating_sub(BEFORE);
        self.before.drain(..too_many.min(self.before.len()));
        self.before.extend_from_slice(last);
    }

    fn join(&self, chunk: Bytes) -> Bytes {
        if self.held.is_empty() {
            return chunk;
        }
        let mut joined = BytesMut::with_capacity(self.held.len() + chunk.len());
        joined.extend_from_slice(&self.held);
        joined.extend_from_slice(&chunk);
        joined.freeze()
    }
}

fn masked_byte(byte: u8, mask: Mask) -> u8 {
    match (mask, byte) {
        (_, b'\n' | b'\r') => byte,
        (Mask::Star, _) => b'*',
        (Mask::Nine, _) => b'9',
    }
}

impl fmt::Debug for LeakScanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (held, counts) = (self.held.len(), self.counts());
        f.debug_struct("LeakScanner").field("held", &held).field("counts", &counts).finish_non_exhaustive()
    }
}
