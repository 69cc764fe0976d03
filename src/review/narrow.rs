//! Paths that were used, made into few patterns: what varies becomes `*`.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Methods, NormalPath, PathPattern};

/// What was used of one rule.
#[derive(Debug, Default)]
pub(super) struct Used {
    root: Node,
    /// How many different paths are kept apart.
    nodes: usize,
    /// Whether there were more than are kept: then nothing narrower can be said for sure.
    is_full: bool,
    /// All methods that were used.
    methods: Methods7,
}

/// Methods and the paths that were used with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Narrow {
    pub(super) methods: Methods,
    pub(super) paths: BTreeSet<PathPattern>,
}

#[derive(Debug, Default)]
struct Node {
    below: BTreeMap<Box<str>, Node>,
    /// The methods of paths that end here.
    here: Methods7,
}

/// A set of methods that begins empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Methods7(Methods);

impl Default for Methods7 {
    fn default() -> Self {
        Self(Methods::NONE)
    }
}

/// So many different segments in one place are written out; where there are more, they vary.
const VARIES: usize = 5;
/// So many patterns are told for a rule at most; what needs more stays as the rule has it.
const MOST_PATTERNS: usize = 24;
/// So many segments are kept of a rule at most.
const MOST_NODES: usize = 100_000;
/// From this length on, a segment of hexadecimal digits is an id.
const LONG_ID: usize = 16;

impl Used {
    /// Adds a path that was asked for with these methods.
    pub(super) fn add(&mut self, methods: Methods, path: &NormalPath) {
        self.methods.0 = self.methods.0.union(methods);
        let mut node = &mut self.root;
        for segment in path.segments() {
            let key = if is_id(segment) { "*" } else { segment };
            if !node.below.contains_key(key) {
                if self.nodes >= MOST_NODES {
                    self.is_full = true;
                    return;
                }
                self.nodes += 1;
            }
            node = node.below.entry(key.into()).or_default();
        }
        node.here.0 = node.here.0.union(methods);
    }

    /// Few rules that allow all of it, and nothing that `allowed` does not.
    pub(super) fn narrowest(&self, allowed: &[PathPattern]) -> Vec<Narrow> {
        if self.methods.0 == Methods::NONE {
            return Vec::new();
        }
        let mut found: BTreeMap<PathPattern, Methods> = BTreeMap::new();
        self.root.merged().patterns("", &mut |text, methods| {
            let Ok(pattern) = PathPattern::parse(if text.is_empty() { "/" } else { text }) else { return false };
            for met in allowed.iter().filter_map(|own| own.meet(&pattern)) {
                let known = found.entry(met).or_insert(Methods::NONE);
                *known = known.union(methods);
            }
            true
        });
        if self.is_full || found.len() > MOST_PATTERNS {
            return vec![Narrow { methods: self.methods.0, paths: allowed.iter().cloned().collect() }];
        }
        let mut by_methods: Vec<Narrow> = Vec::new();
        for (path, methods) in found {
            match by_methods.iter_mut().find(|one| one.methods == methods) {
                Some(one) => drop(one.paths.insert(path)),
                None => by_methods.push(Narrow { methods, paths: [path].into() }),
            }
        }
        by_methods
    }
}

impl Node {
    /// The same with segments that vary as one.
    fn merged(&self) -> Self {
        let named = self.below.keys().filter(|key| !key.is_empty()).count();
        let varies = named > VARIES || self.below.contains_key("*") && named > 1;
        let mut merged = Self { below: BTreeMap::new(), here: self.here };
        if !varies {
            merged.below = self.below.iter().map(|(key, node)| (key.clone(), node.merged())).collect();
            return merged;
        }
        let mut any = Self::default();
        for (key, node) in &self.below {
            if key.is_empty() {
                merged.below.insert(key.clone(), node.merged());
            } else {
                any.join(node);
            }
        }
        merged.below.insert("*".into(), any.merged());
        merged
    }

    fn join(&mut self, other: &Self) {
        self.here.0 = self.here.0.union(other.here.0);
        for (key, node) in &other.below {
            self.below.entry(key.clone()).or_default().join(node);
        }
    }

    fn patterns(&self, path: &str, tell: &mut impl FnMut(&str, Methods) -> bool) {
        if self.here.0 != Methods::NONE {
            tell(path, self.here.0);
        }
        for (key, node) in &self.below {
            node.patterns(&format!("{path}/{key}"), tell);
        }
    }
}

/// Whether a segment is one of many by its form, or cannot be written in a pattern.
fn is_id(segment: &str) -> bool {
    let is_number = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let is_hex = segment.len() >= LONG_ID && segment.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let is_token = segment.len() >= LONG_ID
        && digits >= 4
        && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    is_number || is_hex || is_token || segment.contains('*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> NormalPath {
        NormalPath::parse(text.as_bytes()).expect(text)
    }

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).expect(text)
    }

    fn narrowest(used: &[(&str, &str)], allowed: &[&str]) -> Vec<String> {
        let mut all = Used::default();
        used.iter().for_each(|(method, text)| all.add(Methods::of(method), &path(text)));
        let allowed: Vec<_> = allowed.iter().map(|text| pattern(text)).collect();
        let told = |one: &Narrow| format!("{} {:?}", one.methods, one.paths);
        all.narrowest(&allowed).iter().map(told).collect()
    }

    #[test]
    fn what_varies_becomes_any_and_nothing_comes_that_was_not_allowed() {
        assert_eq!(narrowest(&[], &["/**"]), [""; 0]);
        assert_eq!(
            narrowest(&[("GET", "/v1/charges"), ("GET", "/v1/charges/17")], &["/**"]),
            ["GET {/v1/charges, /v1/charges/*}"]
        );
        assert_eq!(
            narrowest(&[("GET", "/a"), ("POST", "/a"), ("POST", "/b")], &["/**"]),
            ["GET, POST {/a}", "POST {/b}"]
        );
        let names = ["ann", "bob", "cy", "dee", "eve", "fay"];
        let many: Vec<_> = names.iter().map(|name| ("GET", format!("/u/{name}/x"))).collect();
        let many: Vec<_> = many.iter().map(|(method, text)| (*method, text.as_str())).collect();
        assert_eq!(narrowest(&many, &["/**"]), ["GET {/u/*/x}"]);
        assert_eq!(narrowest(&many[..3], &["/**"]), ["GET {/u/ann/x, /u/bob/x, /u/cy/x}"]);
        assert_eq!(narrowest(&many, &["/u/ann/**", "/u/bob/**"]), ["GET {/u/ann/x, /u/bob/x}"]);
        assert_eq!(narrowest(&[("GET", "/")], &["/**"]), ["GET {/}"]);
        assert_eq!(narrowest(&[("GET", "/a/")], &["/a/**"]), ["GET {/a/}"]);
        assert_eq!(narrowest(&[("GET", "/ch_1NirD82eZvKYlo2CIvbtLWuY")], &["/**"]), ["GET {/*}"]);
        let apart: Vec<_> = (0..5)
            .flat_map(|a| {
                (0..5).map(move |b| format!("/{}/{}", ["a", "b", "c", "d", "e"][a], ["f", "g", "h", "i", "j"][b]))
            })
            .collect();
        let apart: Vec<_> = apart.iter().map(|text| ("GET", text.as_str())).collect();
        assert_eq!(narrowest(&apart, &["/**"]), ["GET {/**}"], "too many to be worth writing");
    }

    proptest! {
        #[test]
        fn all_that_was_used_is_still_allowed_and_nothing_else_than_before(
            used in proptest::collection::vec(("(/[a-h0-9*]{1,2}){1,3}/?", proptest::sample::select(&["GET", "POST"][..])), 1..60),
            allowed in proptest::sample::subsequence(vec!["/**", "/a/**", "/*/b", "/*/*/*", "/a/"], 1..5),
            other in "(/[a-h0-9]{1,2}){1,3}/?",
        ) {
            let allowed: Vec<_> = allowed.iter().map(|text| pattern(text)).collect();
            let mut all = Used::default();
            let used: Vec<_> = used.iter().filter_map(|(text, method)| Some((NormalPath::parse(text.as_bytes()).ok()?, Methods::of(method))))
                .filter(|(path, _)| allowed.iter().any(|one| one.matches(path))).collect();
            used.iter().for_each(|(path, method)| all.add(*method, path));
            let narrow = all.narrowest(&allowed);
            let allows = |path: &NormalPath, method: Methods| narrow.iter().any(|one| one.methods.intersects(method) && one.paths.iter().any(|own| own.matches(path)));
            for (path, method) in &used {
                prop_assert!(allows(path, *method), "{} {narrow:?}", path.as_str());
            }
            let other = path(&other);
            if allows(&other, Methods::ALL) {
                prop_assert!(allowed.iter().any(|one| one.matches(&other)));
            }
        }
    }
}
