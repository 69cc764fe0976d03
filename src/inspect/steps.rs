//! Counts the work of lexers, a step for about a nanosecond. What an input costs is known by it without a clock, to tests and to the one who stops
//! looking at what was made to be slow. Loops count what their bytes, tokens and look-ups were measured to take; what is passed over by a fast
//! search counts little or nothing.

use std::cell::Cell;

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// So much work was done: about a nanosecond each, as measured, whatever the loop; so that a bound on steps is one on time.
#[inline]
pub(super) fn count(steps: usize) {
    STEPS.set(STEPS.get().wrapping_add(steps as u64));
}

/// How many this thread has counted, ever: of use as a difference.
#[inline]
pub(super) fn taken() -> u64 {
    STEPS.get()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use http::{HeaderMap, HeaderValue, Method};

    use crate::inspect::detect::DETECTORS;
    use crate::inspect::{Engine, Head, Profile, RuleFile, Settings};

    static PROFILE: LazyLock<Profile> = LazyLock::new(|| {
        let engine = Engine::new(RuleFile::ready_made().expect("rules")).expect("compiled");
        Profile::new(Arc::new(engine), Settings::default()).expect("a profile")
    });

    /// The steps that a string in JSON takes.
    fn steps(value: &[u8]) -> u64 {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let body = serde_json::json!({ "q": String::from_utf8_lossy(value) }).to_string();
        let before = super::taken();
        PROFILE
            .judge(&Head { method: &Method::POST, path: "/", query: None, headers: &headers }, Some(body.as_bytes()));
        super::taken() - before
    }

    fn repeated(unit: &[u8], length: usize) -> Vec<u8> {
        unit.iter().copied().cycle().take(length).collect()
    }

    const SIGNS: [&str; 56] = [
        "(", ")", "((", "()", "[[", "]]", "{", "{{", "}}", "${", "${${", "$(", "<", "<<", "<!--", "<a ", "</", "/*",
        "*/", "/**/", "--", "#", "'", "\"", "`", "\\", "''", "'\"", "%", "%25", "%2525", "&", "&#x3c;", "&lt;", "..",
        "../", "..\\", "//", "||", "&&", ";", "=", ",", "@", "$a[", "__", "\n", " ", "?", "<?", "a", "1", "sudo ",
        "a=b ", "://", "\\'",
    ];

    /// What values are made of: signs, and what wakes detectors and rules.
    fn pieces() -> Vec<Vec<u8>> {
        let rules = RuleFile::ready_made().expect("rules");
        let texts = rules.iter().flat_map(|rule| rule.any.iter().map(String::as_str));
        let literals = DETECTORS.iter().flat_map(|detector| detector.literals.iter().copied());
        let mut pieces: Vec<_> =
            SIGNS.into_iter().chain(texts).chain(literals).map(|p| p.as_bytes().to_vec()).collect();
        pieces.sort();
        pieces.dedup();
        pieces
    }

    /// SplitMix64.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
        }
    }

    /// A value changed in one way: a piece put in once or often, a stretch repeated, taken from another, or taken for all.
    fn changed(random: &mut Random, value: &[u8], other: &[u8], pieces: &[Vec<u8>]) -> Vec<u8> {
        let mut value = value.to_vec();
        let at = random.below(value.len());
        let end = (at + 1 + random.below(64)).min(value.len());
        let piece = &pieces[random.below(pieces.len())];
        match random.below(5) {
            0 => drop(value.splice(at..at, piece.iter().copied())),
            1 => drop(value.splice(at..end, piece.repeat(1 + random.below(32)))),
            2 => {
                let stretch = value[at..end].repeat(1 + random.below(16));
                value.splice(at..at, stretch);
            }
            3 => drop(value.splice(at..end, other.get(at..end).unwrap_or_default().iter().copied())),
            _ => value = [&value[at..end.min(at + 24)], piece].concat(),
        }
        if value.is_empty() { piece.clone() } else { value }
    }

    /// The values of 1 KiB that take the most steps, of those that a search with a seed comes by.
    fn slowest(rounds: usize) -> Vec<(u64, Vec<u8>)> {
        const LENGTH: usize = 1 << 10;
        let pieces = pieces();
        let mut random = Random(0x5eed);
        let measured = |value: &[u8]| {
            let value = repeated(value, LENGTH);
            (steps(&value), value)
        };
        let mut kept: Vec<_> = pieces.iter().map(|piece| measured(piece)).collect();
        for _ in 0..pieces.len() {
            let unit: Vec<u8> =
                (0..2 + random.below(3)).flat_map(|_| pieces[random.below(pieces.len())].clone()).collect();
            kept.push(measured(&unit));
        }
        for _ in 0..rounds {
            kept.sort_by(|left, right| right.cmp(left));
            kept.dedup();
            kept.truncate(24);
            for n in 0..24 * 4 {
                let (one, other) = (kept[n % 24].1.clone(), kept[random.below(24)].1.clone());
                kept.push(measured(&changed(&mut random, &one, &other, &pieces)));
            }
        }
        kept.sort_by(|left, right| right.cmp(left));
        kept
    }

    /// Steps for each byte that no value takes more of: so a change that makes one slow is seen without a clock.
    const MOST: u64 = 400;

    #[test]
    fn no_value_that_is_searched_for_takes_more_than_so_many_steps() {
        let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(6);
        let found = slowest(rounds);
        assert!(found[0].0 < MOST << 10, "{} steps: {}", found[0].0, found[0].1.escape_ascii());
        // What is slow in a mixture grows no faster either.
        for (small, value) in found.iter().take(24) {
            let large = steps(&repeated(value, 16 << 10));
            assert!(large < small * 20 + (16 << 10), "{}: {small} steps, then {large}", value.escape_ascii());
        }
        let honest =
            steps(&repeated(b"Please ship it to the office, the one in O'Connell Street; call first. ", 1 << 10));
        assert!(honest < 40 << 10, "{honest} steps");
    }

    #[test]
    fn many_short_values_take_no_more_than_one_that_is_as_long() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let head = Head { method: &Method::POST, path: "/", query: None, headers: &headers };
        let body = serde_json::json!(vec!["({#{<%ac"; 90]).to_string();
        let before = super::taken();
        let report = PROFILE.judge(&head, Some(body.as_bytes()));
        let steps = super::taken() - before;
        assert!(report.is_attack && steps < 50 << 10, "{steps} steps");
        let honest = serde_json::json!(["R&D", "C#", "a > b", "<br>", "it's", "50%", "a/b"].repeat(40)).to_string();
        assert!(!PROFILE.judge(&head, Some(honest.as_bytes())).is_attack, "honest");
    }

    #[test]
    fn work_grows_no_faster_than_values() {
        for unit in pieces() {
            let (small, large) = (steps(&repeated(&unit, 4 << 10)), steps(&repeated(&unit, 32 << 10)));
            assert!(large < small * 10 + (32 << 10), "{}: {small} steps, then {large}", unit.escape_ascii());
        }
    }
}
