//! Where the texts stand that wake detectors and rules. Of each text three bytes are chosen that honest values seldom have next to each other; all that
//! is done for a byte is to ask whether such three begin there. An automaton would take a look at memory for each byte that has to wait for the one
//! before, and a table of megabytes.

use ahash::AHashMap;

use super::steps;

/// How many classes of bytes are told apart; bytes of no text are of the first.
const CLASSES: usize = 64;

/// Texts, to be looked for in whatever case (ASCII). Those of two bytes are met by the dozen in some values, and stand for no more than a few bits.
pub(super) struct Literals {
    /// The class of each byte; letters of both cases have the same one.
    classes: [u8; 256],
    /// For each pair of classes, which bytes follow it in the three that were chosen of a text: a bit for each, by the lower five of its own. All of them
    /// where the pair is a text itself.
    stops: Box<[u32; CLASSES * CLASSES]>,
    /// The same, but for pairs that are texts.
    thirds: Box<[u32; CLASSES * CLASSES]>,
    /// For each pair of classes, the bits of the text that they are.
    pairs: Box<[u16; CLASSES * CLASSES]>,
    /// For each pair of classes, how long the pieces are that begin with it, as bits by [`LENGTHS`].
    lengths: Box<[u8; CLASSES * CLASSES]>,
    /// Pieces by their hash; a power of two of them, a half of them free at least.
    pieces: Vec<Piece>,
    texts: Vec<Text>,
    /// The bytes of all texts, in lower case.
    bytes: Vec<u8>,
}

/// How long a piece of a text is that is looked up: the longest one that the text has room for.
const LENGTHS: [usize; 3] = [8, 4, 3];

/// How many texts share a piece before another one of theirs is taken: each of them is looked for wherever the piece stands, which whoever sends
/// a value decides.
const SHARED: u32 = 4;

/// Some bytes of a text, and which texts have them as theirs: one behind another.
#[derive(Clone, Copy, Default)]
struct Piece {
    folded: u64,
    first: u32,
    count: u32,
}

/// One text.
#[derive(Clone, Copy)]
struct Text {
    /// Where its bytes are.
    start: u32,
    len: u32,
    /// How many bytes stand before its piece.
    before: u32,
    /// Which one it is, in the order that they were given in.
    n: u32,
}

impl Literals {
    /// Takes pairs of bytes, each with its bits, and texts of three bytes or more; shorter ones are not found.
    pub(super) fn new(pairs: &[([u8; 2], u16)], texts: &[&str]) -> Self {
        let honest = Honest::new();
        let classes = classes(pairs, texts);
        let mut all = Self {
            classes,
            stops: Box::new([0; CLASSES * CLASSES]),
            thirds: Box::new([0; CLASSES * CLASSES]),
            pairs: Box::new([0; CLASSES * CLASSES]),
            lengths: Box::new([0; CLASSES * CLASSES]),
            pieces: Vec::new(),
            texts: Vec::with_capacity(texts.len()),
            bytes: Vec::new(),
        };
        for ([one, two], bits) in pairs {
            let pair = all.pair(*one, *two);
            all.pairs[pair] |= bits;
            all.stops[pair] = u32::MAX;
        }
        let mut chosen: Vec<(u64, Text)> = Vec::with_capacity(texts.len());
        let mut taken: AHashMap<u64, u32> = AHashMap::new();
        for (n, text) in (0u32..).zip(texts) {
            let lower = text.to_ascii_lowercase().into_bytes();
            let Some((kind, length)) = (0..).zip(LENGTHS).find(|(_, length)| *length <= lower.len()) else { continue };
            let places = lower.windows(length).enumerate();
            let crowd = |piece: &[u8]| taken.get(&folded(piece)).copied().unwrap_or_default() / SHARED;
            let choice = places.min_by_key(|(_, piece)| (crowd(piece), honest.share(piece)));
            let Some((before, piece)) = choice else { continue };
            *taken.entry(folded(piece)).or_default() += 1;
            all.mark(piece, kind);
            let (start, len) = (all.bytes.len() as u32, lower.len() as u32);
            chosen.push((folded(piece), Text { start, len, before: before as u32, n }));
            all.bytes.extend_from_slice(&lower);
        }
        chosen.sort_by_key(|(piece, _)| *piece);
        all.pieces = vec![Piece::default(); (chosen.len() * 2).next_power_of_two().max(2)];
        for same in chosen.chunk_by(|(one, _), (other, _)| one == other) {
            let (first, count) = (all.texts.len() as u32, same.len() as u32);
            all.texts.extend(same.iter().map(|(_, text)| *text));
            if let Some((folded, _)) = same.first() {
                all.keep(Piece { folded: *folded, first, count });
            }
        }
        all
    }

    /// Marks the first three bytes of a piece as ones to be stopped at.
    fn mark(&mut self, piece: &[u8], kind: usize) {
        let [one, two, three, ..] = piece else { return };
        let pair = self.pair(*one, *two);
        self.thirds[pair] |= 1 << (three & 31);
        self.stops[pair] |= 1 << (three & 31);
        self.lengths[pair] |= 1 << kind;
    }

    fn keep(&mut self, piece: Piece) {
        let mut at = self.slot(piece.folded);
        while self.pieces[at].count > 0 {
            at = (at + 1) & (self.pieces.len() - 1);
        }
        self.pieces[at] = piece;
    }

    #[inline]
    fn slot(&self, folded: u64) -> usize {
        // The uppermost bits of a product depend on all bytes.
        let hash = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> (u64::BITS - self.pieces.len().trailing_zeros())) as usize & (self.pieces.len() - 1)
    }

    #[inline]
    fn pair(&self, one: u8, two: u8) -> usize {
        (usize::from(self.classes[usize::from(one)]) * CLASSES + usize::from(self.classes[usize::from(two)]))
            % (CLASSES * CLASSES)
    }

    /// Whether these two are a text, or one of the pieces may begin with the three.
    #[inline]
    pub(super) fn stops(&self, one: u8, two: u8, three: u8) -> bool {
        self.stops[self.pair(one, two)] >> (three & 31) & 1 != 0
    }

    /// The bits of the pair of these two.
    pub(super) fn bits(&self, one: u8, two: u8) -> u16 {
        self.pairs[self.pair(one, two)]
    }

    /// Tells of all texts whose piece is here, where they end; gives the bits of the pair that is here.
    pub(super) fn at(&self, value: &[u8], at: usize, met: &mut impl FnMut(usize, usize)) -> u16 {
        let rest = value.get(at..).unwrap_or_default();
        let [one, two, three, ..] = *rest else { return 0 };
        let pair = self.pair(one, two);
        if self.thirds[pair] >> (three & 31) & 1 != 0 {
            self.pieces_at(value, at, self.lengths[pair], met);
        } else {
            steps::count(4);
        }
        self.pairs[pair]
    }

    fn pieces_at(&self, value: &[u8], at: usize, lengths: u8, met: &mut impl FnMut(usize, usize)) {
        let rest = value.get(at..).unwrap_or_default();
        let here = folded(rest);
        let mut looked = 0;
        for (kind, length) in LENGTHS.into_iter().enumerate() {
            if lengths >> kind & 1 == 0 || length > rest.len() {
                continue;
            }
            let Some(piece) = self.find(here & (u64::MAX >> (64 - 8 * length))) else { continue };
            let texts = self.texts.get(piece.first as usize..(piece.first + piece.count) as usize).unwrap_or_default();
            looked += texts.len();
            for text in texts {
                let Some(start) = at.checked_sub(text.before as usize) else { continue };
                let end = start + text.len as usize;
                let bytes = self.bytes.get(text.start as usize..(text.start + text.len) as usize).unwrap_or_default();
                if value.get(start..end).is_some_and(|found| found.eq_ignore_ascii_case(bytes)) {
                    met(text.n as usize, end);
                }
            }
        }
        steps::count(8 + 6 * looked);
    }

    #[inline]
    fn find(&self, folded: u64) -> Option<&Piece> {
        let mut at = self.slot(folded);
        loop {
            let piece = self.pieces.get(at)?;
            if piece.folded == folded || piece.count == 0 {
                return (piece.count > 0).then_some(piece);
            }
            at = (at + 1) & (self.pieces.len() - 1);
        }
    }

    /// How much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.thirds)
            + size_of_val(&*self.stops)
            + size_of_val(&*self.pairs)
            + size_of_val(&*self.lengths)
            + size_of_val(&*self.pieces)
            + size_of_val(&*self.texts)
            + self.bytes.len()
    }
}

/// A class for each byte that stands in a text; where there are more of them than classes, the rest share one. Bytes of pairs have their own.
fn classes(pairs: &[([u8; 2], u16)], texts: &[&str]) -> [u8; 256] {
    let mut classes = [0; 256];
    let mut next = 1;
    for byte in pairs.iter().flat_map(|(pair, _)| *pair).chain(texts.iter().flat_map(|text| text.bytes())) {
        if classes[usize::from(byte)] == 0 {
            for same in [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()] {
                classes[usize::from(same)] = next;
            }
            next = (next + 1).min(CLASSES as u8 - 1);
        }
    }
    classes
}

/// The first eight bytes as a number that is the same for both cases, and for no shorter piece.
#[inline]
fn folded(piece: &[u8]) -> u64 {
    const CASE: u64 = u64::from_le_bytes([0x20; 8]);
    match piece.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight) | CASE,
        None => piece.iter().rev().fold(0, |number, byte| number << 8 | u64::from(byte | 0x20)),
    }
}

/// Words, addresses and names as honest requests have them.
const HONEST: &[u8] = include_bytes!("honest.txt");

/// How often bytes stand next to each other in what is honest.
struct Honest {
    bytes: [u32; 256],
    pairs: AHashMap<[u8; 2], u32>,
    /// Three bytes, the last of them by its lower five bits, as it is looked at.
    threes: AHashMap<[u8; 3], u32>,
}

impl Honest {
    fn new() -> Self {
        let mut honest = Self { bytes: [1; 256], pairs: AHashMap::new(), threes: AHashMap::new() };
        for [one, two, three] in HONEST.array_windows() {
            honest.bytes[usize::from(*one)] += 1;
            *honest.pairs.entry([*one, *two]).or_default() += 1;
            *honest.threes.entry([*one, *two, three & 31]).or_default() += 1;
        }
        honest
    }

    /// How often the first three bytes of a piece are met, as far as can be told: by the three, by their pairs, and by each.
    fn share(&self, piece: &[u8]) -> u64 {
        let [one, two, three, ..] = *piece else { return u64::MAX };
        let pair = |pair: [u8; 2]| u64::from(self.pairs.get(&pair).copied().unwrap_or_default());
        let byte = |byte: u8| u64::from(self.bytes[usize::from(byte)]);
        let threes = u64::from(self.threes.get(&[one, two, three & 31]).copied().unwrap_or_default());
        let alone = byte(one) * byte(two) * byte(three) / (HONEST.len() as u64).pow(2).div_ceil(1_000);
        threes * 10_000 + pair([one, two]) * pair([two, three]) * 3_000 / byte(two) + alone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(texts: &[&str], value: &[u8]) -> Vec<(usize, usize)> {
        let literals = Literals::new(&[], texts);
        let mut found = Vec::new();
        for (at, [one, two, three]) in value.array_windows().enumerate() {
            if literals.stops(*one, *two, *three) {
                literals.at(value, at, &mut |n, end| found.push((n, end)));
            }
        }
        found.sort_unstable();
        found
    }

    #[test]
    fn every_text_is_found_wherever_it_stands_and_in_whatever_case() {
        let texts =
            ["-->", "0x1", "or ", "union", "nion s", "information_schema", "xp_cmdshell", "\u{e9}t\u{e9}", "]]["];
        for (n, text) in texts.into_iter().enumerate() {
            for value in [text.to_owned(), text.to_ascii_uppercase(), format!("a{text}"), format!("{text}b {text}")] {
                let mut found = found(&texts, value.as_bytes());
                found.retain(|(met, _)| *met == n);
                let lower = value.to_ascii_lowercase();
                let ends = lower.match_indices(text).map(|(at, _)| (n, at + text.len()));
                assert_eq!(found, ends.collect::<Vec<_>>(), "{value}");
            }
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let texts = ["-->", "[x]", "union", "information_schema"];
        for value in ["", "-", "--", "{x}", "unio", "nion", "information-schema", "\u{0}\u{0}"] {
            assert_eq!(found(&texts, value.as_bytes()), [], "{value}");
        }
    }

    #[test]
    fn pairs_are_told_by_their_bits_and_from_all_others() {
        let literals = Literals::new(&[(*b"--", 1), (*b"0x", 2), (*b"\xe9(", 4), (*b"--", 8)], &["abcdefgh"]);
        for (one, two) in (0..=255u8).flat_map(|one| (0..=255u8).map(move |two| (one, two))) {
            let want = match [one, two] {
                [b'-', b'-'] => 9,
                [b'0', b'x' | b'X'] => 2,
                [0xe9, b'('] => 4,
                _ => 0,
            };
            assert_eq!(literals.bits(one, two), want, "{one} {two}");
        }
    }

    #[test]
    fn texts_that_begin_alike_crowd_no_piece() {
        let texts: Vec<String> = (0..2_000u32).map(|n| format!("/wp-content/plugins/{n:x}-slug/")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let literals = Literals::new(&[], &texts);
        assert!(literals.pieces.iter().all(|piece| piece.count <= SHARED));
        assert_eq!(found(&texts, b"see /wp-content/plugins/3e7-slug/"), [(999, 33)]);
    }

    #[test]
    fn texts_by_the_thousand_are_told_apart() {
        let texts: Vec<String> = (0..5_000u32).map(|n| format!("marker-{n:x}-{}", n % 7)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(found(&texts, b"a marker-3e7-5!"), [(999, 14)]);
    }
}
