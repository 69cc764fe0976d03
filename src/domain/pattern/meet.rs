//! What two patterns have in common, and paths that stand for all that a pattern matches: for comparing patterns, not for requests.

use super::{NormalPath, PathPattern, PatternMap, Segment};

impl PathPattern {
    /// The pattern of the paths that both match; none where there is no such path.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        if !self.intersects(other) {
            return None;
        }
        let (long, short) = if self.segments.len() >= other.segments.len() { (self, other) } else { (other, self) };
        let segments = long.segments.iter().enumerate().map(|(at, mine)| match (mine, short.segments.get(at)) {
            (Segment::Any, Some(theirs)) => theirs.clone(),
            (Segment::Literal(_), _) | (Segment::Any, None) => mine.clone(),
        });
        let rest = long.rest && (short.rest || short.segments.len() < long.segments.len());
        Some(Self { segments: segments.collect(), rest })
    }

    /// Whether it matches a path, found as a request's would be.
    pub fn matches(&self, path: &NormalPath) -> bool {
        let mut map = PatternMap::default();
        map.entry(self, || ());
        map.find(path, |()| Some(())).is_some()
    }

    /// The pattern below a literal path that is taken off before it is asked, as a whole.
    #[must_use]
    pub fn below(&self, prefix: &str) -> Option<Self> {
        let text = self.to_string();
        Self::parse(&format!("{prefix}{}", if text == "/" && !prefix.is_empty() { "" } else { &text })).ok()
    }

    /// The literals among its segments.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(literal) => Some(&**literal),
            Segment::Any => None,
        })
    }

    /// How many segments it names.
    pub fn depth(&self) -> usize {
        self.segments.len()
    }

    /// Paths that it matches, one of each length up to `depth` segments, with and without a slash at the end; `fresh` stands where any segment may.
    pub fn examples(&self, fresh: &str, depth: usize) -> Vec<NormalPath> {
        let fixed: String = self
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal(literal) => format!("/{literal}"),
                Segment::Any => format!("/{fresh}"),
            })
            .collect();
        let root = |text: String| if text.is_empty() { "/".to_owned() } else { text };
        let more = if self.rest { depth.saturating_sub(self.depth()) + 1 } else { 0 };
        let longer = (0..=more).map(|more| format!("{fixed}{}", format!("/{fresh}").repeat(more)));
        let texts =
            longer.flat_map(|text| [root(text.clone()), if self.rest { format!("{text}/") } else { root(text) }]);
        texts.filter_map(|text| NormalPath::parse(text.as_bytes()).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_patterns_have_one_in_common_or_none() {
        for (a, b, want) in [
            ("/a/**", "/*/b/*", Some("/a/b/*")),
            ("/a/**", "/a/b/**", Some("/a/b/**")),
            ("/**", "/", Some("/")),
            ("/**", "/**", Some("/**")),
            ("/*", "/**", Some("/*")),
            ("/a/*", "/*/b", Some("/a/b")),
            ("/a/*", "/a/", None),
            ("/a", "/b", None),
            ("/a/*", "/a", None),
        ] {
            let pattern = |text| PathPattern::parse(text).expect("a pattern");
            for (a, b) in [(a, b), (b, a)] {
                assert_eq!(pattern(a).meet(&pattern(b)).map(|met| met.to_string()).as_deref(), want, "{a} {b}");
            }
        }
    }

    #[test]
    fn a_pattern_stands_below_a_prefix() {
        for (prefix, text, want) in [
            ("", "/", "/"),
            ("", "/a/**", "/a/**"),
            ("/p", "/", "/p"),
            ("/p", "/**", "/p/**"),
            ("/p/q", "/a/*", "/p/q/a/*"),
        ] {
            let pattern = PathPattern::parse(text).expect("a pattern");
            assert_eq!(pattern.below(prefix).map(|below| below.to_string()).as_deref(), Some(want), "{prefix} {text}");
        }
    }

    #[test]
    fn examples_are_of_each_length() {
        let texts = |text: &str, depth| {
            let mut all: Vec<_> = PathPattern::parse(text)
                .expect("a pattern")
                .examples("~", depth)
                .iter()
                .map(|path| path.as_str().to_owned())
                .collect();
            all.sort();
            all.dedup();
            all
        };
        assert_eq!(texts("/a/*", 9), ["/a/~"]);
        assert_eq!(texts("/a/**", 2), ["/a", "/a/", "/a/~", "/a/~/", "/a/~/~", "/a/~/~/"]);
        assert_eq!(texts("/**", 0), ["/", "/~", "/~/"]);
    }
}
