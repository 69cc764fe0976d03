//! One pass over each value: which detectors and rules have to look at it.

use super::detect::DETECTORS;
use super::literals::Literals;
use super::steps;

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
    #[inline]
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
    pub(super) const fn has_other_than(&self, set: &Self) -> bool {
        self.0 & !set.0 != 0
    }

    /// Whether any of the set occurs.
    pub(super) const fn any(&self, set: &Self) -> bool {
        self.0 & set.0 != 0
    }
}

// Whom a pair of bytes wakes is told by so many bits.
const _: () = assert!(DETECTORS.len() <= u16::BITS as usize, "more detectors than bits");

/// Wakes detectors and rules by the literals that stand in a value.
pub(super) struct Gate {
    literals: Literals,
    /// For each literal, the detector or, beyond those, the rule that it wakes.
    wakes: Vec<u32>,
}

/// Letters, digits and signs that wake no detector without a literal, alone or together: most values have no others.
const QUIET: Bytes = Bytes(Bytes::set(b"0123456789_-.:@,/pP").0 | 1 << LETTER);

/// Who was woken: detectors as bits, rules as indices.
#[derive(Debug, Default)]
pub(super) struct Woken {
    pub(super) occurs: Bytes,
    pub(super) detectors: u32,
    /// Rules, each once, with where the first of its literals ended, in that order; cleared between values.
    pub(super) rules: Vec<(u32, usize)>,
    /// For each rule where that is, or 0, so that a value of many literals costs no more.
    ends: Vec<usize>,
}

impl Woken {
    fn clear(&mut self) {
        self.detectors = 0;
        for (rule, _) in self.rules.drain(..) {
            if let Some(end) = self.ends.get_mut(rule as usize) {
                *end = 0;
            }
        }
    }

    /// Whether nobody was.
    pub(super) fn is_none(&self) -> bool {
        self.detectors == 0 && self.rules.is_empty()
    }

    /// Wakes a rule by a literal that ends here, if it sleeps.
    fn rule(&mut self, rule: u32, end: usize) {
        let n = rule as usize;
        if self.ends.len() <= n {
            self.ends.resize(n + 1, 0);
        }
        let Some(first) = self.ends.get_mut(n) else { return };
        if *first == 0 {
            self.rules.push((rule, end));
            *first = end;
        }
        *first = end.min(*first);
    }

    /// Puts rules in the order of their literals.
    fn sort(&mut self) {
        for (rule, end) in &mut self.rules {
            *end = self.ends.get(*rule as usize).copied().unwrap_or(*end);
        }
        self.rules.sort_unstable_by_key(|(rule, end)| (*end, *rule));
    }
}

impl Gate {
    /// Takes the literals of all detectors and of these rules, by index. Those of rules have three bytes or more.
    pub(super) fn new<'a>(rules: impl Iterator<Item = (u32, &'a str)>) -> Self {
        let (mut pairs, mut texts, mut wakes) = (Vec::new(), Vec::new(), Vec::new());
        for (n, detector) in (0u32..).zip(DETECTORS) {
            for literal in detector.literals {
                match literal.as_bytes() {
                    [one, two] => pairs.push(([*one, *two], 1 << n)),
                    // By which bytes occur.
                    [_] => {}
                    _ => {
                        texts.push(*literal);
                        wakes.push(n);
                    }
                }
            }
        }
        for (n, literal) in rules {
            debug_assert!(literal.len() >= 3, "too short to be found: {literal:?}");
            texts.push(literal);
            wakes.push(n + DETECTORS.len() as u32);
        }
        Self { literals: Literals::new(&pairs, &texts), wakes }
    }

    /// How much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        self.literals.size() + self.wakes.len() * size_of::<u32>()
    }

    /// Those that this value wakes.
    pub(super) fn wake(&self, value: &[u8], woken: &mut Woken) {
        woken.clear();
        self.pass(value, woken);
        if woken.rules.len() > 1 {
            woken.sort();
        }
        if woken.occurs.has_other_than(&QUIET) {
            for (n, detector) in DETECTORS.iter().enumerate() {
                if (detector.wakes)(&woken.occurs) {
                    woken.detectors |= 1 << n;
                }
            }
        }
    }

    /// One pass: which bytes occur, and which literals. All of them are met, so none hides another.
    #[inline(never)]
    fn pass(&self, value: &[u8], woken: &mut Woken) {
        steps::count(value.len());
        let mut bits = 0;
        for (at, [one, two, three]) in value.array_windows().enumerate() {
            bits |= BITS[usize::from(*one)];
            if self.literals.stops(*one, *two, *three) {
                self.stop(value, at, woken);
            }
        }
        // The last two begin no three.
        if let Some([one, two]) = value.last_chunk() {
            bits |= BITS[usize::from(*one)] | BITS[usize::from(*two)];
            woken.detectors |= u32::from(self.literals.bits(*one, *two));
        } else if let Some(one) = value.first() {
            bits = BITS[usize::from(*one)];
        }
        woken.occurs = Bytes(bits);
    }

    /// Looks closer. Kept out of the pass, which is fast as long as it is short.
    #[inline(never)]
    fn stop(&self, value: &[u8], at: usize, woken: &mut Woken) {
        let pairs = self.literals.at(value, at, &mut |literal, end| self.met(literal, end, woken));
        woken.detectors |= u32::from(pairs);
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
    fn each_literal_of_a_detector_wakes_it() {
        let gate = Gate::new(std::iter::empty());
        let mut woken = Woken::default();
        for (n, detector) in DETECTORS.iter().enumerate() {
            for literal in detector.literals {
                gate.wake(literal.as_bytes(), &mut woken);
                assert!(woken.detectors >> n & 1 != 0, "{n} {literal:?}");
            }
        }
    }

    #[test]
    fn literals_wake_in_whatever_case() {
        let gate = Gate::new([(3, "union"), (5, "nion s")].into_iter());
        let mut woken = Woken::default();
        let value = b"1 UniOn sElect";
        gate.wake(value, &mut woken);
        assert_eq!(woken.rules, [(3, 7), (5, 9)]);
        gate.wake(b"nothing", &mut woken);
        assert_eq!(woken.rules, []);
    }
}
