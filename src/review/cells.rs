//! The paths of two configurations, cut into pieces within which every path meets the same patterns, so that one path stands for all of its piece.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::domain::{Host, HostPattern, NormalPath, PathPattern, PatternMap};
use crate::state::{Route, Router};

/// A piece: what two or more patterns have in common, but for what they share with more. A path of it is matched by these patterns and no others.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) pattern: PathPattern,
    pub(super) example: NormalPath,
}

/// The most patterns that are compared with those that change, and the most pieces that come of it. What is beyond is said to have changed.
const MOST_PAIRS: usize = 20_000_000;
const MOST_CELLS: usize = 20_000;

/// The pieces of all that the `changed` patterns match, as `all` patterns cut it; none where there would be too many.
pub(super) fn cells(changed: &BTreeSet<PathPattern>, all: &BTreeSet<PathPattern>) -> Option<Vec<Cell>> {
    if changed.len().saturating_mul(all.len()) > MOST_PAIRS {
        return None;
    }
    let near: Vec<_> = all.iter().filter(|one| changed.iter().any(|other| one.intersects(other))).collect();
    let mut known: BTreeSet<PathPattern> = BTreeSet::new();
    let mut waiting: VecDeque<PathPattern> = changed.iter().cloned().collect();
    while let Some(one) = waiting.pop_front() {
        if !known.insert(one.clone()) {
            continue;
        }
        if known.len() > MOST_CELLS {
            return None;
        }
        waiting.extend(near.iter().filter_map(|other| one.meet(other)).filter(|met| !known.contains(met)));
    }
    let patterns = known.iter().chain(near.iter().copied());
    let mut map = PatternMap::default();
    for pattern in patterns.clone() {
        map.entry(pattern, || pattern.clone());
    }
    let depth = patterns.clone().map(PathPattern::depth).max().unwrap_or_default() + 1;
    let fresh = fresh(patterns.flat_map(PathPattern::literals));
    Some(known.iter().filter_map(|pattern| cell(pattern, &map, &fresh, depth)).collect())
}

fn cell(pattern: &PathPattern, map: &PatternMap<PathPattern>, fresh: &str, depth: usize) -> Option<Cell> {
    // A path that a smaller pattern matches too belongs to that one's piece.
    let is_own = |path: &NormalPath| {
        let smaller = |other: &PathPattern| (!other.covers(pattern)).then_some(());
        map.find(path, smaller).is_none()
    };
    let example = pattern.examples(fresh, depth).into_iter().find(is_own)?;
    Some(Cell { pattern: pattern.clone(), example })
}

/// A segment that is no literal of any pattern.
fn fresh<'a>(literals: impl Iterator<Item = &'a str>) -> String {
    let longest = literals.filter(|literal| literal.bytes().all(|b| b == b'~')).map(str::len).max();
    "~".repeat(longest.unwrap_or_default() + 1)
}

/// The patterns of a route as clients ask for them: its own, and its rules'.
pub(super) fn patterns(route: &Route) -> BTreeSet<PathPattern> {
    let rules = route.policy.rules().flat_map(|rule| &rule.paths);
    let asked = rules.filter_map(|pattern| pattern.below(&route.prefix)?.meet(&route.path));
    // What stands for the prefix itself stands for it with a slash behind it too.
    let ended = PathPattern::parse(&format!("{}/", route.prefix)).ok().and_then(|ended| ended.meet(&route.path));
    asked.chain(ended).chain([route.path.clone()]).collect()
}

/// Hosts that stand for all: each that is named, one below each suffix, and one of which nobody speaks.
pub(super) fn hosts(routers: [&Router; 2]) -> BTreeMap<HostPattern, Host> {
    let named = routers.into_iter().flat_map(Router::routes).map(|route| &route.host).chain([&HostPattern::Any]);
    let host = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(host) => Host::parse(host).ok(),
        HostPattern::Wildcard(suffix) => Host::parse(&format!("any-other-name.{suffix}")).ok(),
        HostPattern::Any => Host::parse("any-other-name.invalid").ok(),
    };
    named.filter_map(|pattern| Some((pattern.clone(), host(pattern)?))).collect()
}

/// Whether a route could be asked by this host.
pub(super) fn answers_for(route: &Route, host: &HostPattern) -> bool {
    match (&route.host, host) {
        (HostPattern::Any, _) => true,
        (HostPattern::Wildcard(suffix), HostPattern::Exact(host)) => {
            host.split_once('.').is_some_and(|(_, rest)| rest == suffix)
        }
        (own, host) => own == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &[&str]) -> BTreeSet<PathPattern> {
        texts.iter().map(|text| PathPattern::parse(text).expect("a pattern")).collect()
    }

    #[test]
    fn each_piece_has_a_path_that_meets_its_patterns_alone() {
        let all = set(&["/**", "/a/**", "/*/b", "/a/b/c", "/z"]);
        let told: Vec<_> = cells(&set(&["/a/**"]), &all)
            .expect("few")
            .into_iter()
            .map(|cell| format!("{} {}", cell.pattern, cell.example.as_str()))
            .collect();
        assert_eq!(told, ["/a/** /a", "/a/b /a/b", "/a/b/c /a/b/c"]);
        let covered = cells(&set(&["/**"]), &set(&["/", "/*/**", "/**"])).expect("few");
        assert!(covered.iter().all(|cell| cell.pattern.to_string() != "/**"), "nothing is left of it: {covered:?}");
    }
}
