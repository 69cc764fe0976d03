//! JSON in one pass and without a tree, strictly (RFC 8259): no comments, no trailing commas or data, no byte order mark, each key once in an
//! object (CWE-436: readers differ in which of two they take).

use std::sync::LazyLock;

use ahash::RandomState;

use super::graphql;
use super::walk::Walk;
use crate::inspect::{Fault, FaultKind, Part};

mod scan;

pub(super) use scan::unescape;
use scan::{Scan, Text};

/// Room for what is open while a text is read.
#[derive(Default)]
pub(super) struct Room {
    frames: Vec<Frame>,
    /// Hashes of the keys of all objects that are open, one object's after another's.
    keys: Vec<u64>,
    unescaped: Vec<u8>,
}

/// An object or array that is open.
struct Frame {
    /// Where the trail was.
    mark: usize,
    kind: Kind,
}

enum Kind {
    /// From where on its keys are among the hashes.
    Object { first: usize },
    /// The element that is read now.
    Array { index: usize },
}

/// Seeded at random, so that nobody can choose keys that collide.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Up to how many keys one is compared with all before it; beyond, all are sorted when the object ends.
const FEW_KEYS: usize = 24;

/// Gives all keys and strings of a text, which has to be UTF-8.
///
/// # Errors
/// The text is not JSON, or beyond a limit. What stood before that has been given.
pub(super) fn walk(walk: &mut Walk<'_>, text: &[u8]) -> Result<(), Fault> {
    let mut room = std::mem::take(&mut walk.room);
    let mark = walk.trail.mark();
    let result = Json { scan: Scan::new(text), room: &mut room, walk }.all();
    room.frames.clear();
    room.keys.clear();
    walk.trail.cut(mark);
    walk.room = room;
    result
}

/// Whether a text begins as JSON does: with a key and its colon, or with an element that is a string and another behind it. What goes on otherwise than JSON is so to
/// some readers.
pub(super) fn is_begun(text: &[u8]) -> bool {
    let (mut scan, mut is_inside) = (Scan::new(text), false);
    loop {
        scan.skip_space();
        let is_key = match scan.next() {
            Some(b'[') => {
                is_inside = true;
                continue;
            }
            Some(b'{') => {
                scan.skip_space();
                if is_inside && scan.take(b'}') && scan.take(b',') {
                    continue;
                }
                if !scan.take(b'"') {
                    return false;
                }
                true
            }
            Some(b'"') if is_inside => false,
            // `NaN` and its like, and what stands before them.
            Some(_) if is_inside && scan.skip_word() => continue,
            Some(_) | None => return false,
        };
        if scan.string(usize::MAX).is_err() {
            return false;
        }
        scan.skip_space();
        return if is_key { scan.take(b':') } else { scan.take(b',') };
    }
}

/// The strings of a list, which has to be JSON: not those within its elements.
pub(super) fn texts(list: &[u8]) -> Vec<Vec<u8>> {
    let (mut scan, mut depth, mut room, mut all) = (Scan::new(list), 0u32, Vec::new(), Vec::new());
    while let Some(byte) = scan.next() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => match scan.string(usize::MAX).and_then(|text| text.read(&mut room).map(<[u8]>::to_vec)) {
                Ok(text) if depth == 1 => all.push(text),
                Ok(_) => {}
                Err(_) => break,
            },
            _ => {}
        }
    }
    all
}

struct Json<'j, 't, 'w> {
    scan: Scan<'t>,
    room: &'j mut Room,
    walk: &'j mut Walk<'w>,
}

impl Json<'_, '_, '_> {
    fn all(&mut self) -> Result<(), Fault> {
        loop {
            if self.open()? {
                continue;
            }
            loop {
                let Some(frame) = self.room.frames.last_mut() else {
                    self.scan.skip_space();
                    return if self.scan.is_at_end() { Ok(()) } else { Err(self.walk.fault(FaultKind::Malformed)) };
                };
                self.walk.trail.cut(frame.mark);
                self.scan.skip_space();
                match (self.scan.next(), &mut frame.kind) {
                    (Some(b','), Kind::Object { .. }) => {
                        self.key()?;
                        break;
                    }
                    (Some(b','), Kind::Array { index }) => {
                        *index += 1;
                        if *index >= self.walk.limits.array {
                            return Err(self.walk.fault(FaultKind::TooMany));
                        }
                        break;
                    }
                    (Some(b'}'), Kind::Object { .. }) | (Some(b']'), Kind::Array { .. }) => self.close()?,
                    (_, Kind::Object { .. } | Kind::Array { .. }) => {
                        return Err(self.walk.fault(FaultKind::Malformed));
                    }
                }
            }
        }
    }

    /// Reads a value, or the start of one with values in it; says whether one in it comes next.
    fn open(&mut self) -> Result<bool, Fault> {
        self.scan.skip_space();
        match self.scan.next() {
            Some(b'"') => {
                self.element();
                self.string()?;
                Ok(false)
            }
            Some(b'{') => {
                self.element();
                let first = self.room.keys.len();
                self.enter(Kind::Object { first })?;
                self.scan.skip_space();
                if self.scan.take(b'}') {
                    self.close()?;
                    return Ok(false);
                }
                self.key()?;
                Ok(true)
            }
            Some(b'[') => {
                self.element();
                self.enter(Kind::Array { index: 0 })?;
                self.scan.skip_space();
                if self.scan.take(b']') {
                    self.close()?;
                    return Ok(false);
                }
                Ok(true)
            }
            Some(byte) => match self.scan.word(byte, self.walk.limits.digits) {
                Ok(()) => Ok(false),
                Err(kind) => Err(self.walk.fault(kind)),
            },
            None => Err(self.walk.fault(FaultKind::Malformed)),
        }
    }

    /// Goes to the element that is read now, if this is in an array. Not done for numbers: there can be many of them.
    fn element(&mut self) {
        if let Some(Frame { kind: Kind::Array { index }, .. }) = self.room.frames.last() {
            self.walk.trail.push_index(*index);
        }
    }

    fn enter(&mut self, kind: Kind) -> Result<(), Fault> {
        self.room.frames.push(Frame { mark: self.walk.trail.mark(), kind });
        if self.room.frames.len() > self.walk.limits.depth {
            return Err(self.walk.fault(FaultKind::TooDeep));
        }
        Ok(())
    }

    /// Ends an object or array.
    fn close(&mut self) -> Result<(), Fault> {
        let Some(Frame { kind: Kind::Object { first }, .. }) = self.room.frames.pop() else { return Ok(()) };
        let keys = self.room.keys.get_mut(first..).unwrap_or_default();
        if keys.len() > FEW_KEYS {
            keys.sort_unstable();
            if keys.array_windows().any(|[one, next]| one == next) {
                return Err(self.walk.fault(FaultKind::DuplicateKey));
            }
        }
        self.room.keys.truncate(first);
        Ok(())
    }

    /// Reads a key and its colon, and goes to what it stands for.
    fn key(&mut self) -> Result<(), Fault> {
        self.scan.skip_space();
        if !self.scan.take(b'"') {
            return Err(self.walk.fault(FaultKind::Malformed));
        }
        let text = self.scan.string(self.walk.limits.string).map_err(|kind| self.walk.fault(kind))?;
        let key = text.read(&mut self.room.unescaped).map_err(|kind| self.walk.fault(kind))?;
        self.walk.trail.push_key(key);
        self.walk.count_key()?;
        let hash = HASHER.hash_one(key);
        if let Some(Frame { kind: Kind::Object { first }, .. }) = self.room.frames.last() {
            let before = self.room.keys.get(*first..).unwrap_or_default();
            if before.len() >= self.walk.limits.keys {
                return Err(self.walk.fault(FaultKind::TooMany));
            }
            if before.len() < FEW_KEYS && before.contains(&hash) {
                return Err(self.walk.fault(FaultKind::DuplicateKey));
            }
        }
        self.room.keys.push(hash);
        self.walk.name(key);
        self.scan.skip_space();
        if self.scan.take(b':') { Ok(()) } else { Err(self.walk.fault(FaultKind::Malformed)) }
    }

    /// Reads a string that is a value.
    fn string(&mut self) -> Result<(), Fault> {
        let text = self.scan.string(self.walk.limits.string).map_err(|kind| self.walk.fault(kind))?;
        let mut unescaped = std::mem::take(&mut self.room.unescaped);
        let result = self.give(text, &mut unescaped);
        self.room.unescaped = unescaped;
        result
    }

    fn give(&mut self, text: Text<'_>, unescaped: &mut Vec<u8>) -> Result<(), Fault> {
        let text = text.read(unescaped).map_err(|kind| self.walk.fault(kind))?;
        // Where GraphQL has its document: {"query": ...}, alone or in a batch, so in the part `operations` of a form with files, or in a WebSocket's message.
        let may_be_document = self.walk.part == Part::Body && self.walk.nested == 0 && self.room.frames.len() <= 2;
        let trail = self.walk.trail.as_bytes();
        if may_be_document
            && (matches!(trail, b"query" | b"operations.query" | b"payload.query") || trail.ends_with(b"].query"))
        {
            // What is a document in form may be a query of another language.
            graphql::walk(self.walk, text)?;
        }
        self.walk.text(text);
        Ok(())
    }
}
