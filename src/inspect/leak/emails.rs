//! E-mail addresses (RFC 5321 §4.1.2, as people have them): each is counted once, until there are more than may be.

use ahash::{AHashSet, RandomState};

use super::view::{BEFORE, Verdict, View};

/// The addresses of one response.
#[derive(Debug)]
pub(super) struct Emails {
    most: u32,
    seen: AHashSet<u64>,
    hasher: RandomState,
    /// How many there are, with those beyond the bound, of which each is counted again.
    pub(super) count: u32,
}

/// The longest domain that is looked at, in bytes.
const DOMAIN: usize = 80;

impl Emails {
    /// None yet.
    pub(super) fn new(most: u32) -> Self {
        Self { most, seen: AHashSet::new(), hasher: RandomState::new(), count: 0 }
    }

    /// Whether there are more than there may be.
    pub(super) fn are_too_many(&self) -> bool {
        self.count > self.most
    }

    /// Goes on from a place; tells from where on nothing is decided.
    pub(super) fn scan(&mut self, view: &View<'_>, from: usize) -> usize {
        for at in memchr::memchr_iter(b'@', view.from(from)) {
            let place = from + at;
            match judge(view, place) {
                Verdict::More => return place,
                Verdict::Is(len) => self.count(view, place, len),
                Verdict::No => {}
            }
        }
        view.text.len().max(from)
    }

    fn count(&mut self, view: &View<'_>, place: usize, len: usize) {
        if self.are_too_many() {
            self.count = self.count.saturating_add(1);
            return;
        }
        // What a name ends with tells it apart from others of the same domain.
        let mut own = [0; BEFORE + DOMAIN + 1];
        let name = (1..=BEFORE).map_while(|far| view.back(place, far).filter(|byte| is_name(*byte)));
        let domain = view.from(place).iter().take(len).copied();
        let mut bytes = 0;
        for (slot, byte) in own.iter_mut().zip(name.chain(domain)) {
            *slot = byte.to_ascii_lowercase();
            bytes += 1;
        }
        let is_new = self.seen.insert(self.hasher.hash_one(own.get(..bytes).unwrap_or_default()));
        self.count += u32::from(is_new);
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-')
}

/// Whether an address has its `@` here; with the length of that and the domain.
fn judge(view: &View<'_>, place: usize) -> Verdict {
    if !view.back(place, 1).is_some_and(is_name) {
        return Verdict::No;
    }
    let rest = view.from(place + 1);
    let is_domain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let len = rest.iter().take(DOMAIN).take_while(|byte| is_domain(byte)).count();
    if len == rest.len() && len < DOMAIN && !view.is_end {
        return Verdict::More;
    }
    let domain = rest.get(..len).unwrap_or_default();
    let domain = domain.strip_suffix(b".").unwrap_or(domain);
    let mut labels = domain.rsplit(|byte| *byte == b'.');
    let is_top = labels.next().is_some_and(|top| top.len() >= 2 && top.iter().all(u8::is_ascii_alphabetic));
    let is_host = labels.next().is_some_and(|label| !label.is_empty());
    if is_top && is_host { Verdict::Is(1 + domain.len()) } else { Verdict::No }
}
