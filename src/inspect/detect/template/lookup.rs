//! Look-ups of Log4j (`${jndi:ldap://...}`, CVE-2021-44228), through whatever other look-ups they are put together from.
//!
//! Look-ups are resolved from within, as the logger does: `${lower:J}` is `j`, `${env:NONE:-j}` and `${::-j}` are `j`.

use super::{Found, at};

/// How deep look-ups are nested.
const DEPTH: usize = 16;
/// The most of a resolved text that is kept: what matters is its beginning.
const RESOLVED: usize = 64;

/// Looks for a look-up by JNDI.
pub(super) fn scan(text: &[u8], found: &mut Found) {
    let Some(first) = memchr::memmem::find(text, b"${") else { return };
    let mut state = State::default();
    let mut n = first;
    while n < text.len() {
        let byte = at(text, n);
        crate::inspect::steps::count(3);
        if byte == b'$' && at(text, n + 1) == b'{' {
            crate::inspect::steps::count(24);
            let rest = text.get(n + 2..).unwrap_or_default();
            let hides = [&b"lower:"[..], b"upper:", b"::-"].iter().any(|hidden| rest.starts_with(hidden));
            let decodes =
                [&b"base64:"[..], b"base64decoder:", b"urldecoder:"].iter().any(|hidden| rest.starts_with(hidden));
            if hides || decodes && state.depth > 0 {
                found.add("jndi.hidden", n..n + 12);
            }
            // What fetches when a text is put together (CVE-2022-42889).
            if rest.starts_with(b"dns:") || rest.starts_with(b"url:utf") || rest.starts_with(b"url:iso") {
                found.add("jndi.lookup", n..n + 12);
            }
            if !state.open() {
                found.add("jndi.nested", n..n + 2);
                return;
            }
            n += 2;
            continue;
        }
        if state.depth == 0 {
            // Nothing is open: on to the next one.
            crate::inspect::steps::count(24);
            let Some(next) = text.get(n..).and_then(|rest| memchr::memmem::find(rest, b"${")) else { return };
            n += next;
            continue;
        }
        // A dotless i is an I in upper case.
        let (byte, width) = if byte == 0xc4 && at(text, n + 1) == 0xb1 { (b'i', 2) } else { (byte, 1) };
        let is_split = byte == b'{' && state.text().last() == Some(&b'$')
            || byte == b'}' && state.text().last() == Some(&b'$') && state.depth == 1 && at(text, n + 1) == b'{';
        match byte {
            // The sign and its bracket came from different look-ups: `${a:-$}{jndi:`.
            _ if is_split => {
                state.reopen();
                n += usize::from(byte == b'}');
            }
            b'}' => state.close(),
            b'\'' => {}
            _ => state.push(byte),
        }
        n += width;
        if state.is_jndi() {
            found.add("jndi.lookup", n.saturating_sub(24)..n);
            return;
        }
    }
}

/// The look-ups that are open, and what they came to so far.
struct State {
    resolved: [u8; RESOLVED],
    length: usize,
    /// Where the text of each open look-up begins.
    starts: [usize; DEPTH],
    /// Which of them came to what they take where nothing is found, as bits.
    defaulted: u32,
    depth: usize,
}

impl Default for State {
    fn default() -> Self {
        Self { resolved: [0; RESOLVED], length: 0, starts: [0; DEPTH], defaulted: 0, depth: 0 }
    }
}

impl State {
    /// Opens one more; false where that is too deep.
    fn open(&mut self) -> bool {
        match self.starts.get_mut(self.depth) {
            Some(start) => {
                *start = self.length;
                self.depth += 1;
                self.defaulted &= !(1 << self.depth);
                true
            }
            None => false,
        }
    }

    /// Takes a `$` that was resolved for the beginning of another, in the place of it.
    fn reopen(&mut self) {
        self.length = self.length.saturating_sub(1);
        if let Some(start) = self.depth.checked_sub(1).and_then(|n| self.starts.get_mut(n)) {
            *start = self.length;
        }
        self.defaulted &= !(1 << self.depth);
    }

    fn start(&self) -> usize {
        self.depth.checked_sub(1).and_then(|n| self.starts.get(n)).copied().unwrap_or(0)
    }

    fn text(&self) -> &[u8] {
        self.resolved.get(self.start()..self.length).unwrap_or_default()
    }

    /// Adds a byte. After `:-` stands what is taken where the look-up finds nothing.
    fn push(&mut self, byte: u8) {
        if byte == b'-' && self.text().last() == Some(&b':') {
            self.length = self.start();
            self.defaulted |= 1 << self.depth;
            return;
        }
        if let Some(place) = self.resolved.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        } else if let Some(last) = self.resolved.last_mut() {
            // Kept so that `:-` is seen however long the name before it is.
            *last = byte;
        }
    }

    /// Closes the innermost: what stands behind its last colon goes to the one around it.
    fn close(&mut self) {
        let start = self.start();
        let text = self.text();
        let is_default = self.defaulted & (1 << self.depth) != 0;
        let skipped = if is_default { None } else { text.iter().rposition(|byte| *byte == b':') };
        let skipped = skipped.map_or(0, |colon| colon + 1);
        let end = self.length;
        self.resolved.copy_within((start + skipped).min(end)..end, start);
        self.length = end - skipped;
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 {
            self.length = 0;
        }
    }

    fn is_jndi(&self) -> bool {
        self.depth > 0 && self.text().starts_with(b"jndi:")
    }
}
