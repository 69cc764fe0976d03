//! What is found by how it begins: tokens and private keys. One vector search looks for all beginnings at once.

use aho_corasick::{AhoCorasick, MatchKind, packed};

use super::formats::{Alphabet, FORMATS, Format, Is};
use super::found::{Found, Mask};
use super::keys::{self, Key, PEM, PUTTY, Progress};
use super::profile::LeakKind;
use super::view::{Verdict, View};

/// The beginnings that are looked for.
pub(super) struct Literals {
    search: Search,
    /// What each of them begins.
    begins: Vec<(&'static str, Begins)>,
    is_first: [bool; 256],
    longest: usize,
}

enum Search {
    Vector(packed::Searcher),
    Automaton(AhoCorasick),
}

#[derive(Debug, Clone, Copy)]
enum Begins {
    Token(&'static Format),
    Jwt,
    Pem,
    Putty,
}

/// What goes on behind the text at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// A secret as long as there are such characters.
    Token(LeakKind, Alphabet),
    /// A private key.
    Key(Key),
}

/// How a JSON web token begins: `{"` in base64.
const JWT: &str = "eyJ";
/// The shortest and the longest header of one, in characters.
const JWT_HEADER: (usize, usize) = (12, 600);

impl Literals {
    /// Those of the kinds that are on; none where there are none.
    pub(super) fn new(is_on: impl Fn(LeakKind) -> bool) -> Option<Self> {
        let mut begins: Vec<(&'static str, Begins)> = Vec::new();
        if is_on(LeakKind::Token) {
            begins.extend(FORMATS.iter().map(|format| (format.0, Begins::Token(format))));
        }
        if is_on(LeakKind::Jwt) {
            begins.push((JWT, Begins::Jwt));
        }
        if is_on(LeakKind::PrivateKey) {
            begins.extend([(PEM, Begins::Pem), (PUTTY, Begins::Putty)]);
        }
        let texts: Vec<&str> = begins.iter().map(|(text, _)| *text).collect();
        let search = search(&texts)?;
        let mut is_first = [false; 256];
        for text in &texts {
            if let Some(own) = text.bytes().next().and_then(|first| is_first.get_mut(usize::from(first))) {
                *own = true;
            }
        }
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or_default();
        Some(Self { search, begins, is_first, longest })
    }

    /// Goes on from a place; tells from where on nothing is decided.
    pub(super) fn scan(&self, view: &View<'_>, from: usize, run: &mut Option<Run>, found: &mut Found) -> usize {
        let mut at = from;
        loop {
            if let Some(going) = run {
                match go_on(going, view, at, found) {
                    Progress::More(place) => return place,
                    Progress::Ended(place) => (*run, at) = (None, place),
                }
            }
            let Some((place, begins)) = self.next(view.text, at) else { break };
            match begin(begins, view, place, found) {
                Ok((behind, going)) => (at, *run) = (behind, going),
                Err(Verdict::More) => return place,
                Err(Verdict::No | Verdict::Is(_)) => at = place + 1,
            }
        }
        if view.is_end { view.text.len() } else { self.partial(view.text, at) }
    }

    fn next(&self, text: &[u8], at: usize) -> Option<(usize, Begins)> {
        let found = match &self.search {
            Search::Vector(search) => search.find_in(text, (at.min(text.len())..text.len()).into()),
            Search::Automaton(search) => search.find(aho_corasick::Input::new(text).range(at.min(text.len())..)),
        }?;
        self.begins.get(found.pattern().as_usize()).map(|(_, begins)| (found.start(), *begins))
    }

    /// The first place from which on the text may be the beginning of a beginning.
    fn partial(&self, text: &[u8], at: usize) -> usize {
        let first = text.len().saturating_sub(self.longest - 1).max(at);
        let is_one = |place: &usize| {
            let rest = text.get(*place..).unwrap_or_default();
            let is_first = rest.first().is_some_and(|byte| self.is_first.get(usize::from(*byte)) == Some(&true));
            is_first && self.begins.iter().any(|(own, _)| own.as_bytes().starts_with(rest))
        };
        (first..text.len()).find(is_one).unwrap_or(text.len().max(at))
    }
}

fn search(texts: &[&str]) -> Option<Search> {
    if texts.is_empty() {
        return None;
    }
    // On a machine without vector instructions, or for too many texts, there is none.
    let vector = packed::Config::new().match_kind(packed::MatchKind::LeftmostFirst).builder().extend(texts).build();
    vector.map(Search::Vector).or_else(|| {
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(texts);
        automaton.ok().map(Search::Automaton)
    })
}

/// What begins at a place: where it ends, or what goes on there.
fn begin(begins: Begins, view: &View<'_>, place: usize, found: &mut Found) -> Result<(usize, Option<Run>), Verdict> {
    let (kind, is) = match begins {
        Begins::Token(format) => (LeakKind::Token, format.judge(view, place)?),
        Begins::Jwt => (LeakKind::Jwt, jwt(view, place)?),
        Begins::Pem | Begins::Putty => {
            let judge = if matches!(begins, Begins::Pem) { keys::pem } else { keys::putty };
            let (len, key) = judge(view, place)?;
            found.hit(LeakKind::PrivateKey);
            return Ok((place + len, Some(Run::Key(key))));
        }
    };
    let (len, run) = match is {
        Is::Closed(len) => (len, None),
        Is::Open(len, alphabet) => (len, Some(Run::Token(kind, alphabet))),
    };
    found.hit(kind);
    found.mask(kind, place..place + len, Mask::Star);
    Ok((place + len, run))
}

/// A header and the beginning of claims, as RFC 7519 §3 has them.
fn jwt(view: &View<'_>, place: usize) -> Result<Is, Verdict> {
    if !view.begins_word(place) {
        return Err(Verdict::No);
    }
    let rest = view.from(place);
    let header = Alphabet::Url.run(rest, JWT_HEADER.1);
    if header == rest.len() {
        return Err(view.short());
    }
    let claims = rest.get(header..).unwrap_or_default();
    let dotted = b".eyJ";
    if header < JWT_HEADER.0 || !claims.starts_with(dotted.get(..claims.len().min(4)).unwrap_or_default()) {
        return Err(Verdict::No);
    }
    if claims.len() < dotted.len() {
        return Err(view.short());
    }
    Ok(Is::Open(header + dotted.len(), Alphabet::Dotted))
}

fn go_on(run: &mut Run, view: &View<'_>, place: usize, found: &mut Found) -> Progress {
    match run {
        Run::Token(kind, alphabet) => {
            let end = place + alphabet.run(view.from(place), usize::MAX);
            found.mask(*kind, place..end, Mask::Star);
            if end == view.text.len() { Progress::More(end) } else { Progress::Ended(end) }
        }
        Run::Key(key) => key.go_on(view, place, |from, to| found.mask(LeakKind::PrivateKey, from..to, Mask::Star)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_beginning_is_that_of_another_and_all_fit_the_vector_search() {
        let texts: Vec<&str> = FORMATS.iter().map(|format| format.0).chain([JWT, PEM, PUTTY]).collect();
        assert!(texts.len() <= 64, "{}", texts.len());
        for (nth, one) in texts.iter().enumerate() {
            let others = texts.iter().enumerate().filter(|(other, _)| *other != nth);
            assert!(others.map(|(_, text)| text).all(|other| !other.starts_with(one)), "{one}");
        }
        if cfg!(all(target_arch = "x86_64", target_feature = "avx2")) {
            assert!(matches!(search(&texts), Some(Search::Vector(_))));
        }
    }
}
