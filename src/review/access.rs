//! Who may ask for more or less by another configuration's rules than by this one's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::Method;

use super::cells::{self, Cell};
use super::change::{Access, Change, Effect};
use super::terms::{Answer, Terms, Who};
use crate::domain::{Host, HostPattern, Methods, Name, PathPattern};
use crate::state::{Route, Snapshot};

/// One finding, for one method in one piece of the paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    effect: Effect,
    what: What,
    /// The route that takes it: now, or did before where it is lost.
    route: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// Somebody may, on these terms.
    May { who: Who, terms: Vec<String> },
    /// Somebody still may, on other terms.
    Terms { who: Who, was: String, now: String },
    /// Another route takes it, before whom did, and proves callers in these ways too.
    Taken { from: Name, authn: Vec<String> },
}

/// Paths of hosts, with methods.
type Places = BTreeMap<(HostPattern, PathPattern), Methods>;

/// All that was found.
#[derive(Debug, Default)]
struct Found {
    /// Where each finding holds.
    findings: BTreeMap<Finding, Places>,
    /// Every piece that was looked at.
    pieces: BTreeMap<HostPattern, Vec<PathPattern>>,
    /// What somebody may ask for in the end, on whatever terms.
    after: BTreeMap<Who, Places>,
}

/// What somebody gains or loses by rules, and what another route takes.
pub(super) fn compare(old: &Snapshot, new: &Snapshot) -> Vec<Change> {
    let changed = changed_routes(old, new);
    if changed.is_empty() {
        return Vec::new();
    }
    let mut found = Found::default();
    let mut changes = Vec::new();
    for (pattern, host) in cells::hosts([&old.router, &new.router]) {
        let here = |routes: &[Arc<Route>]| -> BTreeSet<PathPattern> {
            let routes = routes.iter().filter(|route| cells::answers_for(route, &pattern));
            routes.flat_map(|route| cells::patterns(route)).collect()
        };
        let seeds = here(&changed);
        let all: Vec<_> = old.router.routes().chain(new.router.routes()).cloned().collect();
        match cells::cells(&seeds, &here(&all)) {
            Some(pieces) => pieces.iter().for_each(|cell| look(old, new, &pattern, &host, cell, &mut found)),
            None => changes.push(Change::plain(
                Effect::Gained,
                "rules",
                format!(
                    "more rules change on {} than can be compared, and may allow more: read them",
                    host_text(&pattern)
                ),
            )),
        }
    }
    changes.extend(found.findings.iter().flat_map(|(finding, places)| found.tell(finding, places)));
    changes
}

/// Routes that are not in both, or take other requests, or have other rules.
fn changed_routes(old: &Snapshot, new: &Snapshot) -> Vec<Arc<Route>> {
    let by_name = |snapshot: &Snapshot| -> BTreeMap<Name, (Arc<Route>, String)> {
        let routes = snapshot.router.routes();
        routes.map(|route| (route.name.clone(), (Arc::clone(route), meaning(route)))).collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let differs = |name: &Name| old.get(name).map(|(_, text)| text) != new.get(name).map(|(_, text)| text);
    let both = old.iter().chain(&new).filter(|(name, _)| differs(name));
    both.map(|(_, (route, _))| Arc::clone(route)).collect()
}

/// All of a route that decides who may ask it for what.
fn meaning(route: &Route) -> String {
    let is_bait = route.credential.as_ref().is_some_and(|credential| credential.is_canary());
    let form = (&route.host, &route.path, route.methods, &route.prefix, route.policy.enforcement(), is_bait);
    let rules: Vec<_> = route
        .policy
        .rules()
        .map(|rule| {
            (
                &rule.grantee,
                rule.methods,
                &rule.paths,
                &rule.scopes,
                rule.networks.texts(),
                rule.approval.as_ref().map(|one| &one.name),
            )
        })
        .collect();
    format!("{form:?} {rules:?}")
}

fn look(old: &Snapshot, new: &Snapshot, pattern: &HostPattern, host: &Host, cell: &Cell, found: &mut Found) {
    let place = (pattern.clone(), cell.pattern.clone());
    found.pieces.entry(pattern.clone()).or_default().push(cell.pattern.clone());
    for text in Methods::KNOWN {
        let Ok(method) = Method::from_bytes(text.as_bytes()) else { continue };
        let (before, after) =
            (Answer::of(old, host, &cell.example, &method), Answer::of(new, host, &cell.example, &method));
        let asked = Methods::of(text);
        let add = |places: &mut Places| {
            let methods = places.entry(place.clone()).or_insert(Methods::NONE);
            *methods = methods.union(asked);
        };
        for who in after.terms.keys() {
            add(found.after.entry(who.clone()).or_default());
        }
        let mut note = |finding: Finding| add(found.findings.entry(finding).or_default());
        let may = |who: &Who, terms: &Terms, snapshot| match (before.words(who, old), after.words(who, new)) {
            (Some(was), Some(now)) => What::Terms { who: who.clone(), was, now },
            (None, _) | (_, None) => What::May { who: who.clone(), terms: terms.words(snapshot) },
        };
        let may_somebody = !after.terms.is_empty();
        if let Some(route) = &after.route {
            for (who, terms) in after.beyond(&before) {
                note(Finding { effect: Effect::Gained, what: may(who, terms, new), route: route.name.clone() });
            }
        }
        if let Some(route) = &before.route {
            for (who, terms) in before.beyond(&after) {
                note(Finding { effect: Effect::Lost, what: may(who, terms, old), route: route.name.clone() });
            }
        }
        if let (Some(before), Some(after)) = (&before.route, &after.route)
            && before.name != after.name
        {
            note(taken(before, after, may_somebody));
        }
    }
}

/// A route takes what another took. Where somebody may have it, callers are let in whom the other would not have known.
fn taken(before: &Route, after: &Route, may_somebody: bool) -> Finding {
    let is_new = |name: &&str| !before.authn.names().any(|known| known == *name);
    let authn: Vec<_> = after.authn.names().filter(is_new).filter(|_| may_somebody).map(str::to_owned).collect();
    let effect = if authn.is_empty() { Effect::Changed } else { Effect::Gained };
    Finding { effect, what: What::Taken { from: before.name.clone(), authn }, route: after.name.clone() }
}

impl Found {
    /// One change for each of the largest places in which a finding holds for the same methods.
    fn tell(&self, finding: &Finding, places: &Places) -> Vec<Change> {
        let covers = |wide: &(HostPattern, PathPattern), narrow: &(HostPattern, PathPattern)| {
            let is_host = wide.0 == narrow.0 || wide.0 == HostPattern::Any;
            wide != narrow && is_host && wide.1.covers(&narrow.1)
        };
        let is_said = |place: &(HostPattern, PathPattern), methods: Methods| {
            places.iter().any(|(wide, more)| covers(wide, place) && more.union(methods) == *more)
        };
        let largest = places.iter().filter(|(place, methods)| !is_said(place, **methods));
        largest
            .map(|(place, methods)| sentence(finding, place, *methods, self.except(finding, place, *methods)))
            .collect()
    }

    /// The largest pieces within a place in which somebody may the same before and after.
    fn except(&self, finding: &Finding, place: &(HostPattern, PathPattern), methods: Methods) -> Vec<PathPattern> {
        let What::May { who, .. } = &finding.what else { return Vec::new() };
        let empty = Places::new();
        let after = self.after.get(who).unwrap_or(&empty);
        let holds_not = |path: &PathPattern| {
            let may = after.get(&(place.0.clone(), path.clone())).copied().unwrap_or(Methods::NONE);
            match finding.effect {
                Effect::Gained => may.union(methods) != may,
                Effect::Lost | Effect::Changed => may.intersects(methods),
            }
        };
        let within =
            self.pieces.get(&place.0).into_iter().flatten().filter(|path| **path != place.1 && place.1.covers(path));
        let all: Vec<_> = within.filter(|path| holds_not(path)).collect();
        let is_largest = |path: &&&PathPattern| !all.iter().any(|other| other != *path && other.covers(path));
        all.iter().filter(is_largest).map(|path| (*path).clone()).collect()
    }
}

fn sentence(
    finding: &Finding,
    (host, path): &(HostPattern, PathPattern),
    methods: Methods,
    except: Vec<PathPattern>,
) -> Change {
    let except: Vec<_> = except.iter().map(ToString::to_string).collect();
    let place = match host {
        HostPattern::Any => path.to_string(),
        HostPattern::Exact(_) | HostPattern::Wildcard(_) => format!("{host}{path}"),
    };
    let place = if except.is_empty() { place } else { format!("{place} but for {}", except.join(", ")) };
    let (names, route) = (method_text(methods), finding.route.as_str());
    let (about, text, conditions) = match &finding.what {
        What::May { who, terms } => {
            let verb = match finding.effect {
                Effect::Gained => "gains",
                Effect::Lost | Effect::Changed => "loses",
            };
            let on = if terms.is_empty() { String::new() } else { format!(" ({})", terms.join(", ")) };
            (who.to_string(), format!("{who} {verb} {names} {place}{on}, route {route}"), terms.clone())
        }
        What::Terms { who, was, now } => (
            who.to_string(),
            format!("{who} needs {now} for {names} {place}, before {was}, route {route}"),
            vec![now.clone()],
        ),
        What::Taken { from, authn } => {
            let also = if authn.is_empty() {
                String::new()
            } else {
                format!(", and lets in whom {} proves", authn.join(" or "))
            };
            let text = format!("route {route} takes {names} {place}, which route {from} took{also}");
            (format!("route {route}"), text, Vec::new())
        }
    };
    let access = Access {
        route: route.to_owned(),
        host: (*host != HostPattern::Any).then(|| host.to_string()),
        methods: methods.names().collect(),
        path: path.to_string(),
        except,
        conditions,
    };
    Change { effect: finding.effect, about, access: Some(access), text, harmless: false }
}

fn method_text(methods: Methods) -> String {
    if methods == Methods::ALL { "every method on".to_owned() } else { methods.names().collect::<Vec<_>>().join(", ") }
}

fn host_text(host: &HostPattern) -> String {
    host.to_string()
}
