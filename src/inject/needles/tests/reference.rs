//! A plain and slow reading of what is to be found, which shares nothing with the quick one.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// A text that is looked for, as the bytes that may fill each place.
pub(super) struct Sought {
    places: Vec<Vec<u8>>,
    wraps: bool,
    before: bool,
    behind: bool,
}

pub(super) fn sought(secret: &[u8]) -> Vec<Sought> {
    let plain = |places| Sought { places, wraps: false, before: false, behind: false };
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![plain(secret.iter().map(|byte| vec![*byte]).collect())];
    all.push(plain(hex.bytes().map(|digit| vec![digit.to_ascii_lowercase(), digit.to_ascii_uppercase()]).collect()));
    let wide = secret.iter().flat_map(|byte| [*byte, 0]).take(secret.len() * 2 - 1);
    all.push(plain(wide.map(|byte| vec![byte]).collect()));
    for offset in 0..3 {
        let around = |fill: u8| [vec![fill; offset], secret.to_vec(), vec![fill; 3]].concat();
        let (zeros, ones, safe) =
            (STANDARD.encode(around(0)), STANDARD.encode(around(255)), URL_SAFE.encode(around(255)));
        let same: Vec<usize> = (0..zeros.len()).filter(|at| zeros.as_bytes()[*at] == ones.as_bytes()[*at]).collect();
        // The two fills agree on nothing outside, but for the padding.
        let same: Vec<usize> = same.into_iter().filter(|at| *at < (offset + secret.len()) * 8 / 6).collect();
        if same.len() >= 6 {
            let places = same.iter().map(|at| vec![ones.as_bytes()[*at], safe.as_bytes()[*at]]).collect();
            let behind = !(offset + secret.len()).is_multiple_of(3);
            all.push(Sought { places, wraps: true, before: offset > 0, behind });
        }
    }
    all
}

/// Every way to write each byte.
static WRITINGS: LazyLock<Vec<Vec<Vec<u8>>>> = LazyLock::new(|| (0..=255).map(writings).collect());

fn writings(byte: u8) -> Vec<Vec<u8>> {
    let mut all = vec![vec![byte]];
    let [high, low] = [byte >> 4, byte & 15].map(|digit| [format!("{digit:x}"), format!("{digit:X}")]);
    for (high, low) in high.iter().flat_map(|high| low.iter().map(move |low| (high, low))) {
        for head in ["%", "%25", "\\u00", "\\x", "\\\\u00", "\\\\x"] {
            all.push(format!("{head}{high}{low}").into_bytes());
        }
        let short = if byte < 16 { low.clone() } else { format!("{high}{low}") };
        for zeros in (0..=8 - short.len()).map(|count| "0".repeat(count)) {
            all.push(format!("&#x{zeros}{short};").into_bytes());
            all.push(format!("&#X{zeros}{short};").into_bytes());
        }
    }
    for zeros in (0..=8 - byte.to_string().len()).map(|count| "0".repeat(count)) {
        all.push(format!("&#{zeros}{byte};").into_bytes());
    }
    let more: &[&str] = match byte {
        b' ' => &["+"],
        b'&' => &["&amp;"],
        b'<' => &["&lt;"],
        b'>' => &["&gt;"],
        b'"' => &["&quot;", "\\\""],
        b'\'' => &["&apos;", "\\'"],
        b'/' => &["\\/"],
        b'\\' => &["\\\\"],
        8 => &["\\b"],
        12 => &["\\f"],
        b'\n' => &["\\n"],
        b'\r' => &["\\r"],
        b'\t' => &["\\t"],
        _ => &[],
    };
    all.extend(more.iter().map(|text| text.as_bytes().to_vec()));
    // As text within text is escaped.
    for text in all.clone() {
        match text.as_slice() {
            [b'&', tail @ ..] if !tail.is_empty() => {
                all.extend([&b"\\u0026"[..], b"&amp;"].map(|head| [head, tail].concat()));
            }
            [b'\\', letter] => {
                let is_escaped = b"\\/\"'".contains(letter);
                all.extend(is_escaped.then(|| [&b"\\\\\\"[..], &[*letter]].concat()));
                all.extend((*letter != b'\\').then(|| [&b"\\\\"[..], &[*letter]].concat()));
            }
            _ => {}
        }
    }
    // The byte itself stays first.
    all[1..].sort();
    all.dedup();
    all
}

/// Places behind every writing of any of these bytes at `from`, and whether the text ends within one.
fn behind(text: &[u8], from: &BTreeSet<usize>, bytes: &[u8]) -> (BTreeSet<usize>, bool) {
    let (mut places, mut is_pending) = (BTreeSet::new(), false);
    for place in from {
        let rest = &text[*place..];
        for writing in bytes.iter().flat_map(|byte| &WRITINGS[usize::from(*byte)]) {
            if rest.starts_with(writing) {
                places.insert(place + writing.len());
            }
            is_pending |= writing.len() > rest.len() && writing.starts_with(rest);
        }
    }
    (places, is_pending)
}

/// Where the sought text ends that begins at `start`, and whether the text at hand ends within it.
fn end_of(sought: &Sought, text: &[u8], start: usize) -> (Option<usize>, bool) {
    let (mut here, mut is_pending) = (BTreeSet::from([start]), false);
    for (at, bytes) in sought.places.iter().enumerate() {
        if sought.wraps && at > 0 {
            let (behind_cr, cr_waits) = behind(text, &here, b"\r");
            let (behind_lf, lf_waits) = behind(text, &here.union(&behind_cr).copied().collect(), b"\n");
            here.extend(behind_lf);
            is_pending |= cr_waits || lf_waits;
        }
        let (next, waits) = behind(text, &here, bytes);
        is_pending |= waits;
        here = next;
    }
    (here.last().copied(), is_pending)
}

/// What must become of a text: each byte, or none where it depends on what was still in hand; and the number of places.
pub(super) fn expected(all: &[Sought], text: &[u8]) -> (Vec<Option<u8>>, u64) {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let (mut must, mut may, mut count) = (vec![false; text.len()], vec![false; text.len()], 0);
    for start in 0..text.len() {
        let ends: Vec<_> = all.iter().filter_map(|one| Some((one, end_of(one, text, start).0?))).collect();
        count += u64::from(!ends.is_empty());
        for (one, end) in ends {
            must[start..end].fill(true);
            if one.behind && text.get(end).is_some_and(is_base64) {
                must[end] = true;
            }
            if one.before {
                may[start.saturating_sub(17)..start].fill(true);
            }
        }
    }
    let byte = |at: usize| if must[at] { Some(b'*') } else { (!may[at]).then_some(text[at]) };
    ((0..text.len()).map(byte).collect(), count)
}

pub(super) fn pending_from(all: &[Sought], text: &[u8]) -> usize {
    (0..text.len()).find(|start| all.iter().any(|one| end_of(one, text, *start).1)).unwrap_or(text.len())
}

/// Writes bytes with the writing that `choose` picks for each.
pub(super) fn written(bytes: &[u8], mut choose: impl FnMut() -> usize) -> Vec<u8> {
    let one = |byte: &u8| {
        let all = &WRITINGS[usize::from(*byte)];
        all[choose() % all.len()].clone()
    };
    bytes.iter().flat_map(one).collect()
}

/// Whether what came out is what must become of a text.
pub(super) fn is_as(got: &[u8], wanted: &[Option<u8>], text: &[u8]) -> bool {
    let is_right = |at: usize, byte: u8| wanted[at].map_or(byte == b'*' || byte == text[at], |want| want == byte);
    got.len() == text.len() && got.iter().enumerate().all(|(at, byte)| is_right(at, *byte))
}
