//! One pass over each value: which detectors and rules have to look at it.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::detect::DETECTORS;
use super::engine::EngineError;

/// Which bytes occur in a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bytes([u64; 4]);

impl Bytes {
    /// Those that occur.
    pub(super) fn of(value: &[u8]) -> Self {
        let mut bits = [0; 4];
        for &byte in value {
            bits[usize::from(byte >> 6)] |= 1u64 << (byte & 63);
        }
        Self(bits)
    }

    /// A set of bytes, to be asked for.
    pub(super) const fn set(bytes: &[u8]) -> Self {
        let mut bits = [0; 4];
        let mut at = 0;
        while at < bytes.len() {
            bits[(bytes[at] >> 6) as usize] |= 1u64 << (bytes[at] & 63);
            at += 1;
        }
        Self(bits)
    }

    /// Whether this byte occurs.
    pub(super) const fn has(&self, byte: u8) -> bool {
        self.0[(byte >> 6) as usize] & (1 << (byte & 63)) != 0
    }

    /// Whether any of the set occurs.
    pub(super) const fn any(&self, set: &Self) -> bool {
        (self.0[0] & set.0[0]) | (self.0[1] & set.0[1]) | (self.0[2] & set.0[2]) | (self.0[3] & set.0[3]) != 0
    }
}

/// Wakes detectors and rules by the literals that stand in a value.
pub(super) struct Gate {
    /// None without any literal.
    literals: Option<AhoCorasick>,
    /// For each literal, the detector or, beyond those, the rule that it wakes.
    wakes: Vec<u32>,
}

/// Who was woken: detectors as bits, rules as indices.
#[derive(Debug, Default)]
pub(super) struct Woken {
    pub(super) detectors: u32,
    /// Rules, each once, with where the first of its literals ended; cleared between values.
    pub(super) rules: Vec<(u32, usize)>,
}

/// The most rules that one value wakes: a value with more literals than that has all of them looked for without the gate.
const MAX_WOKEN: usize = 64;

impl Gate {
    /// Compiles the literals of all detectors and of these rules, by index.
    ///
    /// # Errors
    /// More literals than an automaton can have.
    pub(super) fn new<'a>(rules: impl Iterator<Item = (u32, &'a str)>) -> Result<Self, EngineError> {
        let mut texts = Vec::new();
        let mut wakes = Vec::new();
        for (n, detector) in (0u32..).zip(DETECTORS) {
            for literal in detector.literals {
                texts.push(*literal);
                wakes.push(n);
            }
        }
        for (n, literal) in rules {
            texts.push(literal);
            wakes.push(n + DETECTORS.len() as u32);
        }
        let build = || {
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .kind(Some(if texts.len() < 4_000 { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA }))
                .build(&texts)
                .map_err(|error| EngineError::new("literals", error))
        };
        let literals = if texts.is_empty() { None } else { Some(build()?) };
        Ok(Self { literals, wakes })
    }

    /// How much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        self.literals.as_ref().map_or(0, AhoCorasick::memory_usage) + self.wakes.len() * size_of::<u32>()
    }

    /// Those that this value wakes.
    pub(super) fn wake(&self, value: &[u8], occurs: &Bytes, woken: &mut Woken) {
        woken.detectors = 0;
        woken.rules.clear();
        for (n, detector) in DETECTORS.iter().enumerate() {
            if (detector.wakes)(occurs) {
                woken.detectors |= 1 << n;
            }
        }
        let Some(literals) = &self.literals else { return };
        for found in literals.find_overlapping_iter(value) {
            let n = self.wakes[found.pattern().as_usize()];
            match n.checked_sub(DETECTORS.len() as u32) {
                None => woken.detectors |= 1 << n,
                Some(rule) if woken.rules.len() < MAX_WOKEN => {
                    if woken.rules.iter().all(|(known, _)| *known != rule) {
                        woken.rules.push((rule, found.end()));
                    }
                }
                Some(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_occur_are_known() {
        let occurs = Bytes::of(b"a'b\xff");
        assert!(occurs.has(b'\'') && occurs.has(0xff) && !occurs.has(b'c'));
        assert!(occurs.any(&Bytes::set(b"\"'")) && !occurs.any(&Bytes::set(b"xyz")));
    }

    #[test]
    fn literals_wake_in_whatever_case() {
        let gate = Gate::new([(3, "union"), (5, "nion s")].into_iter()).expect("compiled");
        let mut woken = Woken::default();
        let value = b"1 UniOn sElect";
        gate.wake(value, &Bytes::of(value), &mut woken);
        assert_eq!(woken.rules, [(3, 7), (5, 9)]);
        gate.wake(b"nothing", &Bytes::of(b"nothing"), &mut woken);
        assert_eq!(woken.rules, []);
    }
}
