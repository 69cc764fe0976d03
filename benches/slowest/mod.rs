//! A search for values that cost the most of those that pass: seeded, so that it tries the same ones first and changes them in the same ways; which it
//! keeps is for the clock to say.

use std::path::Path;
use std::time::Duration;

use claviger::inspect::Rule;

/// How long a value is.
const LEN: usize = 1 << 10;
/// How many are kept from round to round.
const KEPT: usize = 24;

/// What lexers have to look behind, ahead or within for, again and again.
const TRICKS: [&str; 48] = [
    "(", ")", "((", "()", "[[", "]]", "{", "{{", "}}", "${", "${${", "$(", "<", "<<", "<!--", "<a ", "</", "/*", "*/",
    "/**/", "--", "#", "'", "\"", "`", "\\", "''", "'\"", "%", "%25", "%2525", "&", "&#x3c;", "&lt;", "\\u003c",
    "\\x3c", "..", "../", "..\\", "//", "||", "&&", ";", "=", ",", "@", "$a[", "__",
];

/// What searches found to cost the most when repeated, some of it before it was made cheaper: measured each time, so that it stays so.
pub(crate) const KNOWN: [&str; 12] = [
    "%x(%x(",
    "()",
    "in(",
    "exec(",
    "exec(exec(exec\n\n",
    "&(",
    "$(",
    "<a \"<a \"",
    " onload=",
    "{{",
    "${",
    "settimeout(",
];

/// A value of nothing but this.
pub(crate) fn repeated(unit: &str) -> Vec<u8> {
    unit.bytes().cycle().take(LEN).collect()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Literals of rules and, from their sources, of lexers.
fn pieces(rules: &[Rule]) -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = TRICKS.iter().map(|trick| trick.as_bytes().to_vec()).collect();
    pieces.extend(rules.iter().flat_map(|rule| &rule.any).map(|text| text.clone().into_bytes()));
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/inspect/detect")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    // The order of a folder is not the same everywhere.
    files.sort();
    for text in files.iter().filter_map(|file| std::fs::read_to_string(file).ok()) {
        let quoted = text.split('"').skip(1).step_by(2);
        pieces.extend(quoted.filter(|piece| (1..=24).contains(&piece.len())).map(|piece| piece.as_bytes().to_vec()));
    }
    pieces.sort();
    pieces.dedup();
    pieces
}

/// A value that repeats one to four pieces.
fn grown(random: &mut Random, pieces: &[Vec<u8>]) -> Vec<u8> {
    let count = 1 + random.below(4);
    let unit: Vec<u8> = (0..count).flat_map(|_| random.pick(pieces).clone()).collect();
    unit.iter().copied().cycle().take(LEN).collect()
}

/// A value changed in one way: a piece put in, a stretch repeated, swapped with another's, or overwritten with a piece again and again.
fn changed(random: &mut Random, value: &[u8], other: &[u8], pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut value = value.to_vec();
    let at = random.below(value.len());
    let length = (1 + random.below(64)).min(value.len() - at);
    match random.below(4) {
        0 => {
            let piece = random.pick(pieces).clone();
            value.splice(at..at, piece);
        }
        1 => {
            let stretch = value[at..at + length].repeat(1 + random.below(16));
            value.splice(at..at, stretch);
        }
        2 => {
            let end = (at + length).min(other.len());
            value.splice(at..at + length, other[at.min(end)..end].iter().copied());
        }
        _ => {
            let piece = random.pick(pieces).repeat(1 + random.below(32));
            value.splice(at..at + length, piece);
        }
    }
    if value.is_empty() {
        value.push(b'(');
    }
    value.into_iter().cycle().take(LEN).collect()
}

/// The values found, the slowest first. What does not pass has no cost and is left out.
pub(crate) fn search(
    rules: &[Rule],
    seed: u64,
    mut goes_on: impl FnMut() -> bool,
    cost: impl Fn(&[u8]) -> Option<Duration>,
) -> Vec<(Vec<u8>, Duration)> {
    let pieces = pieces(rules);
    let mut random = Random(seed);
    let alone = pieces.iter().map(|piece| piece.iter().copied().cycle().take(LEN).collect());
    let mixed: Vec<Vec<u8>> = (0..pieces.len()).map(|_| grown(&mut random, &pieces)).collect();
    let measured = |value: Vec<u8>| cost(&value).map(|time| (value, time));
    let mut kept: Vec<(Vec<u8>, Duration)> = alone.chain(mixed).filter_map(measured).collect();
    while goes_on() {
        slowest(&mut kept);
        // One that was disturbed when it was measured is not to stay for that.
        for (value, time) in &mut kept {
            *time = cost(value).map_or(*time, |again| again.min(*time));
        }
        let next: Vec<Vec<u8>> = (0..KEPT * 8)
            .map(|n| {
                let other = random.below(kept.len());
                changed(&mut random, &kept[n % kept.len()].0, &kept[other].0, &pieces)
            })
            .collect();
        kept.extend(next.into_iter().filter_map(measured));
    }
    slowest(&mut kept);
    kept
}

/// Leaves the slowest, each once.
fn slowest(kept: &mut Vec<(Vec<u8>, Duration)>) {
    kept.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    kept.dedup_by(|left, right| left.0 == right.0);
    kept.truncate(KEPT);
}
