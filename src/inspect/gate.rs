//! One pass over each value: which detectors and rules have to look at it.

use aho_corasick::automaton::Automaton;
use aho_corasick::{Anchored, StartKind, dfa, nfa};

use super::detect::DETECTORS;
use super::engine::EngineError;

/// Which bytes occur in a value: a bit for each that anyone asks for, so that a byte costs one look at a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bytes(u64);

/// Letters that have a bit of their own, and bytes of UTF-8 and of other formats that have.
const ALONE: &[u8] = b"Pp\xa0\xac\xbc\xbe\xc0\xc1\xca\xe0\xed\xef\xf0";
/// Digits share a bit, as do other letters, other control characters, and other bytes beyond ASCII.
const DIGIT: u32 = 60;
const LETTER: u32 = 61;
const CONTROL: u32 = 62;
const HIGH: u32 = 63;

/// The bit of each byte.
static BITS: [u64; 256] = bits();

const fn bits() -> [u64; 256] {
    let mut bits = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        bits[byte] = match byte as u8 {
            b'0'..=b'9' => 1 << DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' => 1 << LETTER,
            0x80.. => 1 << HIGH,
            _ => 1 << CONTROL,
        };
        byte += 1;
    }
    // Control characters that mean something, and all signs.
    let (mut next, mut byte) = (0, 0u8);
    while byte < 127 {
        if matches!(byte, 0 | 1 | 5 | 9..=13 | 32..) && !byte.is_ascii_alphanumeric() {
            bits[byte as usize] = 1 << next;
            next += 1;
        }
        byte += 1;
    }
    let mut at = 0;
    while at < ALONE.len() {
        bits[ALONE[at] as usize] = 1 << next;
        next += 1;
        at += 1;
    }
    assert!(next <= DIGIT, "bits enough");
    bits
}

impl Bytes {
    /// Those that occur.
    #[cfg(test)]
    pub(super) fn of(value: &[u8]) -> Self {
        Self(value.iter().fold(0, |bits, byte| bits | BITS[usize::from(*byte)]))
    }

    /// A set of bytes, to be asked for: of those that have a bit of their own, and all digits or none.
    pub(super) const fn set(bytes: &[u8]) -> Self {
        const BITS: [u64; 256] = bits();
        let (mut set, mut digits, mut at) = (0, 0, 0);
        while at < bytes.len() {
            let bit = BITS[bytes[at] as usize];
            assert!(bit < 1 << LETTER, "a byte that shares its bit");
            digits += (bit == 1 << DIGIT) as u8;
            set |= bit;
            at += 1;
        }
        assert!(digits == 0 || digits == 10, "some digits");
        Self(set)
    }

    /// Whether this byte occurs, which has a bit of its own; of a set, whether any byte at all is in it.
    #[inline]
    pub(super) fn has(&self, byte: u8) -> bool {
        self.0 & BITS[usize::from(byte)] != 0
    }

    /// Whether anything but these occurs.
    const fn has_other_than(&self, set: &Self) -> bool {
        self.0 & !set.0 != 0
    }

    /// Whether any of the set occurs.
    pub(super) const fn any(&self, set: &Self) -> bool {
        self.0 & set.0 != 0
    }
}

/// Wakes detectors and rules by the literals that stand in a value.
pub(super) struct Gate {
    literals: Literals,
    /// For each literal, the detector or, beyond those, the rule that it wakes.
    wakes: Vec<u32>,
}

/// The automaton of all literals.
enum Literals {
    /// Fast, and large for each literal.
    Few(dfa::DFA),
    /// Slower, for thousands of rules.
    Many(nfa::contiguous::NFA),
}

/// Letters, digits and signs that wake no detector without a literal, alone or together: most values have no others.
const QUIET: Bytes = Bytes(Bytes::set(b"0123456789_-.:@,/pP").0 | 1 << LETTER);

/// From how many literals on the automaton is the slower one.
const MANY: usize = 4_000;

/// Who was woken: detectors as bits, rules as indices.
#[derive(Debug, Default)]
pub(super) struct Woken {
    pub(super) occurs: Bytes,
    pub(super) detectors: u32,
    /// Rules, each once, with where the first of its literals ended; cleared between values.
    pub(super) rules: Vec<(u32, usize)>,
    /// The same as bits, so that a value of many literals costs no more.
    seen: Vec<u64>,
}

impl Woken {
    fn clear(&mut self) {
        self.detectors = 0;
        for (rule, _) in self.rules.drain(..) {
            if let Some(bits) = self.seen.get_mut(rule as usize / 64) {
                *bits = 0;
            }
        }
    }

    /// Wakes a rule by a literal that ends here, if it sleeps.
    fn rule(&mut self, rule: u32, end: usize) {
        let (word, bit) = (rule as usize / 64, 1 << (rule % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        if let Some(bits) = self.seen.get_mut(word)
            && *bits & bit == 0
        {
            *bits |= bit;
            self.rules.push((rule, end));
        }
    }
}

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
        let literals = if texts.len() < MANY {
            let mut builder = dfa::Builder::new();
            builder.ascii_case_insensitive(true).prefilter(false).start_kind(StartKind::Unanchored);
            builder.build(&texts).map(Literals::Few)
        } else {
            let mut builder = nfa::contiguous::Builder::new();
            builder.ascii_case_insensitive(true).prefilter(false).build(&texts).map(Literals::Many)
        };
        let literals = literals.map_err(|error| EngineError::new("literals", error))?;
        Ok(Self { literals, wakes })
    }

    /// How much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        let literals = match &self.literals {
            Literals::Few(literals) => literals.memory_usage(),
            Literals::Many(literals) => literals.memory_usage(),
        };
        literals + self.wakes.len() * size_of::<u32>()
    }

    /// Those that this value wakes.
    pub(super) fn wake(&self, value: &[u8], woken: &mut Woken) {
        woken.clear();
        match &self.literals {
            Literals::Few(literals) => self.pass(literals, value, woken),
            Literals::Many(literals) => self.pass(literals, value, woken),
        }
        if woken.occurs.has_other_than(&QUIET) {
            for (n, detector) in DETECTORS.iter().enumerate() {
                if (detector.wakes)(&woken.occurs) {
                    woken.detectors |= 1 << n;
                }
            }
        }
    }

    /// One pass: which bytes occur, and which literals. All of those that end at a byte are met, so none hides another.
    fn pass(&self, literals: &impl Automaton, value: &[u8], woken: &mut Woken) {
        // There is always a start: the automata are made for searches that are not anchored.
        let Ok(mut state) = literals.start_state(Anchored::No) else { return };
        let mut bits = 0;
        // A text that repeats one literal stays at one state, or goes round few: what was met there before need not be met again.
        let mut last = state;
        let mut met = 0;
        for (at, byte) in value.iter().enumerate() {
            bits |= BITS[usize::from(*byte)];
            state = literals.next_state(Anchored::No, state, *byte);
            if literals.is_special(state) && state != last && literals.is_match(state) {
                last = state;
                met += literals.match_len(state);
                for n in 0..literals.match_len(state) {
                    self.met(literals.match_pattern(state, n).as_usize(), at + 1, woken);
                }
            }
        }
        woken.occurs = Bytes(bits);
        super::steps::count(2 * value.len() + 8 * met);
    }

    /// Wakes whom a literal wakes that ends here.
    fn met(&self, literal: usize, end: usize, woken: &mut Woken) {
        let n = self.wakes[literal];
        match n.checked_sub(DETECTORS.len() as u32) {
            None => woken.detectors |= 1 << n,
            Some(rule) => woken.rule(rule, end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_occur_are_known() {
        let occurs = Bytes::of(b"a'b\xf0");
        assert!(occurs.has(b'\'') && occurs.has(0xf0) && !occurs.has(b'"') && !occurs.has(b'p'));
        assert!(occurs.any(&Bytes::set(b"\"'")) && !occurs.any(&Bytes::set(b"0123456789\"<")));
    }

    #[test]
    fn sets_have_their_bytes_and_no_others() {
        for bytes in
            [&b"\0\x01\x05\t\n\x0b\x0c\r Pp'\"~"[..], b"0123456789{}", b"\xa0\xac\xbc\xbe\xc0\xc1\xe0\xed\xef\xf0"]
        {
            let set = Bytes::set(bytes);
            assert!((0..=255).all(|byte| set.has(byte) == bytes.contains(&byte)));
        }
    }

    #[test]
    fn quiet_bytes_wake_nothing() {
        let mut subset = QUIET.0;
        loop {
            assert!(DETECTORS.iter().all(|detector| !(detector.wakes)(&Bytes(subset))), "{subset:b}");
            if subset == 0 {
                break;
            }
            subset = (subset - 1) & QUIET.0;
        }
    }

    #[test]
    fn literals_wake_in_whatever_case() {
        let gate = Gate::new([(3, "union"), (5, "nion s")].into_iter()).expect("compiled");
        let mut woken = Woken::default();
        let value = b"1 UniOn sElect";
        gate.wake(value, &mut woken);
        assert_eq!(woken.rules, [(3, 7), (5, 9)]);
        gate.wake(b"nothing", &mut woken);
        assert_eq!(woken.rules, []);
    }
}
