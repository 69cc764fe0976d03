//! From host, path and method to the one route that answers.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use super::Route;
use crate::domain::{Denial, Host, HostPattern, Methods, Name, NormalPath, PatternMap};

/// All routes. The most specific host decides first (exact, then `*.suffix`, then any), then the most specific path, then the method.
#[derive(Debug, Default)]
pub struct Router {
    exact: HashMap<String, PatternMap<Vec<Arc<Route>>>, ahash::RandomState>,
    wildcard: HashMap<String, PatternMap<Vec<Arc<Route>>>, ahash::RandomState>,
    any: PatternMap<Vec<Arc<Route>>>,
    /// Routes by host and by the first segment of their path, since only routes that share both can overlap.
    neighbours: HashMap<(HostPattern, Option<String>), Vec<Arc<Route>>>,
}

/// Two routes of which neither is more specific: a request could be meant for either.
#[derive(Debug)]
pub struct Overlap {
    /// The route that was there first.
    pub with: Arc<Route>,
}

impl Router {
    /// Adds a route.
    ///
    /// # Errors
    /// [`Overlap`] when another route has the same host and a path that meets this one's without either covering the other, or is the same,
    /// for a method that both answer for.
    pub fn add(&mut self, route: Arc<Route>) -> Result<(), Overlap> {
        let mut neighbours = self.neighbours_of(&route);
        if let Some(with) = neighbours.find(|other| overlaps(&route, other)) {
            return Err(Overlap { with: Arc::clone(with) });
        }
        drop(neighbours);
        let first = route.path.first_literal().map(str::to_owned);
        self.neighbours.entry((route.host.clone(), first)).or_default().push(Arc::clone(&route));
        let map = match &route.host {
            HostPattern::Exact(host) => self.exact.entry(host.clone()).or_default(),
            HostPattern::Wildcard(suffix) => self.wildcard.entry(suffix.clone()).or_default(),
            HostPattern::Any => &mut self.any,
        };
        map.entry(&route.path, Vec::new).push(Arc::clone(&route));
        Ok(())
    }

    /// The route for a request.
    ///
    /// # Errors
    /// [`Denial::NoRoute`] where no path matches; [`Denial::MethodNotAllowed`] where the most specific path answers for other methods only.
    pub fn find(&self, host: &Host, path: &NormalPath, method: &Method) -> Result<&Arc<Route>, Denial> {
        let found = self.exact.get(host.as_str()).and_then(|map| map.find(path, Some));
        let found = found.or_else(|| self.under_suffix(host)?.find(path, Some));
        let candidates = found.or_else(|| self.any.find(path, Some)).ok_or(Denial::NoRoute)?;
        let asked = Methods::of(method.as_str());
        candidates.iter().find(|route| route.methods.intersects(asked)).ok_or_else(|| {
            Denial::MethodNotAllowed(candidates.iter().fold(Methods::NONE, |set, route| set.union(route.methods)))
        })
    }

    /// Every route.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.neighbours.values().flatten()
    }

    /// The route of this name.
    pub fn named(&self, name: &Name) -> Option<&Arc<Route>> {
        self.routes().find(|route| route.name == *name)
    }

    /// Whether there is a route of this name.
    pub fn has(&self, name: &Name) -> bool {
        self.named(name).is_some()
    }

    /// Routes that could overlap: those of the same host whose first segment is the same or a wildcard; all, if this one's is a wildcard.
    fn neighbours_of(&self, route: &Route) -> Box<dyn Iterator<Item = &Arc<Route>> + '_> {
        let Some(first) = route.path.first_literal() else {
            let host = route.host.clone();
            return Box::new(
                self.neighbours.iter().filter(move |((h, _), _)| *h == host).flat_map(|(_, routes)| routes),
            );
        };
        let same = self.neighbours.get(&(route.host.clone(), Some(first.to_owned())));
        let wild = self.neighbours.get(&(route.host.clone(), None));
        Box::new(same.into_iter().chain(wild).flatten())
    }

    fn under_suffix(&self, host: &Host) -> Option<&PatternMap<Vec<Arc<Route>>>> {
        let (_, suffix) = host.as_str().split_once('.')?;
        self.wildcard.get(suffix)
    }
}

fn overlaps(a: &Route, b: &Route) -> bool {
    let unordered = a.path == b.path || !(a.path.covers(&b.path) || b.path.covers(&a.path));
    a.host == b.host && a.methods.intersects(b.methods) && unordered && a.path.intersects(&b.path)
}
