//! What all formats share while a part of a request is walked through: the way so far, what was spent of the limits, and who takes the values.

use super::{embedded, json};
use crate::inspect::{Fault, FaultKind, Limits, Location, Part, Sink, Trail};

/// How many times as many keys all objects of a body have together as one may have.
const ALL_KEYS: usize = 10;

/// One walk through a part of a request.
pub(super) struct Walk<'a> {
    pub(super) limits: &'a Limits,
    sink: &'a mut dyn Sink,
    pub(super) part: Part,
    /// The way to what is read now.
    pub(super) trail: Trail,
    /// Texts within texts that are being walked through now.
    pub(super) nested: u8,
    /// Keys, elements, attributes and fields so far.
    keys: usize,
    /// Multipart bodies that are being walked through now.
    pub(super) multiparts: u8,
    /// GraphQL documents so far.
    pub(super) documents: usize,
    /// Room that is used again by each JSON text.
    pub(super) room: json::Room,
}

impl<'a> Walk<'a> {
    pub(super) fn new(part: Part, limits: &'a Limits, sink: &'a mut dyn Sink) -> Self {
        let (trail, room) = (Trail::default(), json::Room::default());
        Self { limits, sink, part, trail, nested: 0, keys: 0, multiparts: 0, documents: 0, room }
    }

    /// Goes on to another part, with what was spent of the limits forgotten, and the room kept.
    pub(super) fn begin(&mut self, part: Part) {
        (self.part, self.nested, self.keys, self.multiparts, self.documents) = (part, 0, 0, 0, 0);
        self.trail.cut(0);
    }

    /// What is wrong, here.
    pub(super) fn fault(&self, kind: FaultKind) -> Fault {
        let at = Location { part: self.part, trail: self.trail.as_bytes(), is_name: false };
        Fault { kind, at: at.to_string(), keyword: None }
    }

    /// Gives the name of what stands here.
    pub(super) fn name(&mut self, bytes: &[u8]) {
        self.sink.value(Location { part: self.part, trail: self.trail.as_bytes(), is_name: true }, bytes);
    }

    /// Gives a text as it is.
    pub(super) fn plain(&mut self, bytes: &[u8]) {
        self.sink.value(Location { part: self.part, trail: self.trail.as_bytes(), is_name: false }, bytes);
    }

    /// Gives a text, and what is packed in it: JSON, base64, the head of a JWT. Its reader may take it as it stands, so that nothing replaces it.
    pub(super) fn text(&mut self, bytes: &[u8]) {
        embedded::walk(self, bytes);
        self.plain(bytes);
    }

    /// Spends one key of all.
    pub(super) fn count_key(&mut self) -> Result<(), Fault> {
        self.keys += 1;
        if self.keys > self.limits.keys.saturating_mul(ALL_KEYS) { Err(self.fault(FaultKind::TooMany)) } else { Ok(()) }
    }
}
