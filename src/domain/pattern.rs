//! Path patterns and the map that finds, among any number of them, those that a path matches.

use std::collections::HashMap;
use std::fmt;

use super::path::{NormalPath, segments};

mod meet;

/// A path pattern: literal segments, `*` for exactly one non-empty segment, and a last `**` for any number of segments, also none.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathPattern {
    segments: Vec<Segment>,
    rest: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Segment {
    Literal(Box<str>),
    Any,
}

/// Why a text is not a [`PathPattern`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternError {
    /// It does not begin with `/`, or its literal text is not in normal form.
    NotNormal,
    /// `**` stands before the end.
    RestNotLast,
    /// `*` stands for a part of a segment.
    PartialWildcard,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNormal => "a pattern is a path in normal form: it begins with `/`, without `//`, dot segments, `;` or needless escapes",
            Self::RestNotLast => "`**` stands only at the end of a pattern",
            Self::PartialWildcard => "`*` stands for one whole segment, not for a part of one",
        })
    }
}

impl std::error::Error for PatternError {}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A [`PatternError`] naming the rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (fixed, rest) = match text.strip_suffix("/**") {
            Some("") => ("/", true),
            Some(fixed) => (fixed, true),
            None => (text, false),
        };
        let path = NormalPath::parse(fixed.as_bytes()).map_err(|_| PatternError::NotNormal)?;
        if path.as_str() != fixed {
            return Err(PatternError::NotNormal);
        }
        let segments = path.segments().map(Segment::parse).collect::<Result<Vec<_>, _>>()?;
        if rest && segments.last().is_some_and(|s| matches!(s, Segment::Literal(l) if l.is_empty())) {
            return Err(PatternError::NotNormal);
        }
        Ok(Self { segments, rest })
    }

    /// `/**`.
    pub fn everything() -> Self {
        Self { segments: Vec::new(), rest: true }
    }

    /// Whether it ends in `**`.
    pub fn has_rest(&self) -> bool {
        self.rest
    }

    /// The first segment, where it is literal.
    pub fn first_literal(&self) -> Option<&str> {
        match self.segments.first()? {
            Segment::Literal(literal) => Some(literal),
            Segment::Any => None,
        }
    }

    /// The path that stands before a closing `**` (empty for `/**`), where all of it is literal; `None` for every other pattern.
    pub fn literal_prefix(&self) -> Option<String> {
        if !self.rest {
            return None;
        }
        self.segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal(literal) => Some(format!("/{literal}")),
                Segment::Any => None,
            })
            .collect()
    }

    /// Whether every path that `other` matches, this one matches too.
    pub fn covers(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.segments.len(), other.segments.len());
        let fits = if self.rest { theirs >= mine } else { theirs == mine && !other.rest };
        fits && self.segments.iter().zip(&other.segments).all(|(a, b)| match (a, b) {
            (Segment::Literal(a), Segment::Literal(b)) => a == b,
            (Segment::Any, Segment::Literal(b)) => !b.is_empty(),
            (Segment::Any, Segment::Any) => true,
            (Segment::Literal(_), Segment::Any) => false,
        })
    }

    /// Whether some path is matched by both.
    pub fn intersects(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.segments.len(), other.segments.len());
        let lengths_meet = mine == theirs || self.rest && theirs > mine || other.rest && mine > theirs;
        lengths_meet
            && self.segments.iter().zip(&other.segments).all(|(a, b)| match (a, b) {
                (Segment::Literal(a), Segment::Literal(b)) => a == b,
                (Segment::Any, Segment::Literal(l)) | (Segment::Literal(l), Segment::Any) => !l.is_empty(),
                (Segment::Any, Segment::Any) => true,
            })
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, PatternError> {
        match text {
            "*" => Ok(Self::Any),
            "**" => Err(PatternError::RestNotLast),
            _ if text.contains('*') => Err(PatternError::PartialWildcard),
            _ => Ok(Self::Literal(text.into())),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() && !self.rest {
            return f.write_str("/");
        }
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => write!(f, "/{literal}")?,
                Segment::Any => f.write_str("/*")?,
            }
        }
        if self.rest { f.write_str("/**") } else { Ok(()) }
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Values by pattern. A look-up costs by the path's segments, not by the number of patterns.
#[derive(Debug)]
pub struct PatternMap<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    literal: HashMap<Box<str>, Node<T>, ahash::RandomState>,
    any: Option<Box<Node<T>>>,
    here: Option<T>,
    rest: Option<T>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literal: HashMap::default(), any: None, here: None, rest: None }
    }
}

impl<T> Default for PatternMap<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T> PatternMap<T> {
    /// The value at a pattern, made by `make` where there is none yet.
    pub fn entry(&mut self, pattern: &PathPattern, make: impl FnOnce() -> T) -> &mut T {
        let mut node = &mut self.root;
        for segment in &pattern.segments {
            node = match segment {
                Segment::Literal(literal) => node.literal.entry(literal.clone()).or_default(),
                Segment::Any => node.any.get_or_insert_default(),
            };
        }
        let place = if pattern.rest { &mut node.rest } else { &mut node.here };
        place.get_or_insert_with(make)
    }

    /// The first value, from the most specific pattern that matches to the least, for which `choose` has an answer. Segment by segment
    /// from the left, a literal is more specific than `*`, and `*` than `**`.
    pub fn find<'a, R>(&'a self, path: &NormalPath, mut choose: impl FnMut(&'a T) -> Option<R>) -> Option<R> {
        self.root.find(segments(path.as_str()), &mut choose)
    }
}

impl<T> Node<T> {
    fn find<'a, 'p, R>(
        &'a self,
        mut rest: impl Iterator<Item = &'p str> + Clone,
        choose: &mut impl FnMut(&'a T) -> Option<R>,
    ) -> Option<R> {
        let exact = match rest.next() {
            None => self.here.as_ref().and_then(&mut *choose),
            Some(segment) => self.find_below(segment, rest, choose),
        };
        exact.or_else(|| self.rest.as_ref().and_then(choose))
    }

    fn find_below<'a, 'p, R>(
        &'a self,
        segment: &str,
        rest: impl Iterator<Item = &'p str> + Clone,
        choose: &mut impl FnMut(&'a T) -> Option<R>,
    ) -> Option<R> {
        let literal = self.literal.get(segment).and_then(|node| node.find(rest.clone(), choose));
        literal.or_else(|| match &self.any {
            Some(node) if !segment.is_empty() => node.find(rest, choose),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).expect(text)
    }

    fn path(text: &str) -> NormalPath {
        NormalPath::parse(text.as_bytes()).expect(text)
    }

    fn matches(p: &str, text: &str) -> bool {
        let mut map = PatternMap::default();
        map.entry(&pattern(p), || ());
        map.find(&path(text), |()| Some(())).is_some()
    }

    #[test]
    fn patterns_match_whole_segments() {
        for (p, text, want) in [
            ("/", "/", true),
            ("/", "/a", false),
            ("/**", "/", true),
            ("/**", "/a/b", true),
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/a/", "/a/", true),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/", false),
            ("/a/*", "/a/b/c", false),
            ("/a/**", "/a", true),
            ("/a/**", "/a/", true),
            ("/a/**", "/ab", false),
            ("/*/c", "/b/c", true),
            ("/a", "/A", false),
        ] {
            assert_eq!(matches(p, text), want, "{p} {text}");
        }
    }

    #[test]
    fn bad_patterns_are_refused() {
        use PatternError::*;
        for (text, want) in [
            ("a", NotNormal),
            ("", NotNormal),
            ("**", NotNormal),
            ("/a//b", NotNormal),
            ("/a/../b", NotNormal),
            ("/%61", NotNormal),
            ("/a//**", NotNormal),
            ("/**/a", RestNotLast),
            ("/a*", PartialWildcard),
            ("/a**", PartialWildcard),
        ] {
            assert_eq!(PathPattern::parse(text), Err(want), "{text}");
        }
    }

    #[test]
    fn the_most_specific_pattern_comes_first() {
        let mut map = PatternMap::default();
        for p in ["/**", "/a/**", "/a/*", "/a/b", "/a/*/c", "/a/b/**"] {
            map.entry(&pattern(p), || p);
        }
        let order = |text: &str| {
            let mut seen = Vec::new();
            map.find(&path(text), |p| {
                seen.push(*p);
                None::<()>
            });
            seen
        };
        assert_eq!(order("/a/b"), ["/a/b", "/a/b/**", "/a/*", "/a/**", "/**"]);
        assert_eq!(order("/a/b/c"), ["/a/b/**", "/a/*/c", "/a/**", "/**"]);
        assert_eq!(order("/z"), ["/**"]);
    }

    #[test]
    fn literal_prefixes() {
        for (p, want) in [("/a/b/**", Some("/a/b")), ("/**", Some("")), ("/a", None), ("/*/**", None)] {
            assert_eq!(pattern(p).literal_prefix().as_deref(), want, "{p}");
        }
    }

    fn any_pattern() -> impl Strategy<Value = PathPattern> {
        (proptest::collection::vec(prop_oneof!["[ab]", Just("*".to_owned())], 0..4), any::<bool>()).prop_map(
            |(segments, rest)| {
                let mut text: String = segments.iter().map(|s| format!("/{s}")).collect();
                if rest {
                    text.push_str("/**");
                }
                pattern(if text.is_empty() { "/" } else { &text })
            },
        )
    }

    proptest! {
        #[test]
        fn covering_and_meeting_agree_with_matching(a in any_pattern(), b in any_pattern(), raw in "(/[abc]){0,5}/?") {
            let raw = if raw.is_empty() { "/" } else { &raw };
            let (in_a, in_b) = (matches(&a.to_string(), raw), matches(&b.to_string(), raw));
            prop_assert!(!(in_a && in_b) || a.intersects(&b));
            prop_assert!(!(a.covers(&b) && in_b) || in_a);
        }
    }
}
