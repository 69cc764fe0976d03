//! Choosing a backend: no locks, no allocation.

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pingora::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora_load_balancing::selection::{BackendIter, BackendSelection, Consistent, RoundRobin};
use pingora_load_balancing::{Backend, Extensions};

use super::endpoint::Endpoint;
use super::settings::Balance;

/// At most so many addresses serve one target; more are left out.
pub(super) const MAX_MEMBERS: usize = 256;
/// So far a selector is followed past unusable members before the first usable one is taken.
const MAX_STEPS: usize = 1024;

/// The backend chosen for one attempt. It counts as a request in flight until it is dropped.
#[derive(Debug)]
pub struct Selected {
    endpoint: Arc<Endpoint>,
    owner: u64,
}

/// The backends that one exchange has tried and shall not try again.
#[derive(Debug, Clone, Default)]
pub struct Tried(Vec<SocketAddr>);

impl Selected {
    /// Takes a place at an endpoint on behalf of the target with this key.
    pub(super) fn new(endpoint: Arc<Endpoint>, owner: u64) -> Self {
        endpoint.enter();
        Self { endpoint, owner }
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.endpoint.address()
    }

    pub(super) fn owner(&self) -> u64 {
        self.owner
    }
}

impl Drop for Selected {
    fn drop(&mut self) {
        self.endpoint.leave();
    }
}

impl Tried {
    /// Leaves this backend out from now on.
    pub fn add(&mut self, selected: &Selected) {
        self.0.push(selected.address());
    }

    /// How many were tried.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether this address was tried.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.0.contains(&address)
    }
}

/// One address and its share.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) weight: NonZeroU8,
}

/// The addresses that serve a target, and the algorithm built over them.
pub(super) struct Members {
    members: Vec<Member>,
    selector: Selector,
}

enum Selector {
    RoundRobin(Arc<RoundRobin>),
    ConsistentHash(Arc<Consistent>),
    /// Where the next search begins, so that ties go round.
    LeastRequests(AtomicUsize),
}

/// Where in [`Members`] a Pingora backend stands.
#[derive(Clone, Copy)]
struct Index(usize);

impl Members {
    /// The algorithm over these members; of two with one address the first counts.
    pub(super) fn new(mut members: Vec<Member>, balance: Balance) -> Self {
        members.sort_by_key(|member| member.endpoint.address());
        members.dedup_by_key(|member| member.endpoint.address());
        members.truncate(MAX_MEMBERS);
        let backends = || members.iter().enumerate().map(|(index, member)| backend(index, member)).collect();
        let selector = match balance {
            Balance::RoundRobin => Selector::RoundRobin(Arc::new(RoundRobin::build(&backends()))),
            Balance::ConsistentHash => Selector::ConsistentHash(Arc::new(Consistent::build(&backends()))),
            Balance::LeastRequests => Selector::LeastRequests(AtomicUsize::new(0)),
        };
        Self { members, selector }
    }

    /// Whether these are the same members with the same shares.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let same = |(a, b): (&Member, &Member)| Arc::ptr_eq(&a.endpoint, &b.endpoint) && a.weight == b.weight;
        self.members.len() == other.members.len() && self.members.iter().zip(&other.members).all(same)
    }

    /// Whether no member is healthy.
    pub(super) fn none_healthy(&self) -> bool {
        !self.iter().any(|member| member.endpoint.is_healthy())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// The member that the algorithm gives this key, among usable ones.
    pub(super) fn choose(&self, key: &[u8], usable: impl Fn(&Endpoint) -> bool) -> Option<&Arc<Endpoint>> {
        let index = match &self.selector {
            Selector::RoundRobin(selector) => self.follow(selector.iter(key), &usable),
            Selector::ConsistentHash(selector) => self.follow(selector.iter(key), &usable),
            Selector::LeastRequests(start) => self.least(start.fetch_add(1, Ordering::Relaxed), &usable),
        };
        index.and_then(|index| self.members.get(index)).map(|member| &member.endpoint)
    }

    /// Follows a selector to the first usable member.
    fn follow(&self, mut candidates: impl BackendIter, usable: &impl Fn(&Endpoint) -> bool) -> Option<usize> {
        let is_usable = |index: usize| self.members.get(index).is_some_and(|member| usable(&member.endpoint));
        let first = index_of(candidates.next()?)?;
        if is_usable(first) {
            return Some(first);
        }
        // Where there is none, a selector would go round for ever; where the steps run out, any usable one is better than none.
        let fallback = (0..self.members.len()).find(|&index| is_usable(index))?;
        for _ in 0..MAX_STEPS {
            let index = index_of(candidates.next()?)?;
            if is_usable(index) {
                return Some(index);
            }
        }
        Some(fallback)
    }

    /// The usable member with the fewest requests for its weight, counting the one that is to come.
    fn least(&self, start: usize, usable: &impl Fn(&Endpoint) -> bool) -> Option<usize> {
        let count = self.members.len();
        let mut best: Option<(usize, usize, usize)> = None;
        for step in 0..count {
            let index = (start % count + step) % count;
            let Some(member) = self.members.get(index).filter(|member| usable(&member.endpoint)) else { continue };
            let (load, weight) = (member.endpoint.in_flight() + 1, usize::from(member.weight.get()));
            if best.is_none_or(|(_, least, of)| load * of < least * weight) {
                best = Some((index, load, weight));
            }
        }
        best.map(|(index, ..)| index)
    }
}

fn backend(index: usize, member: &Member) -> Backend {
    let mut ext = Extensions::new();
    ext.insert(Index(index));
    Backend { addr: PeerAddress::Inet(member.endpoint.address()), weight: usize::from(member.weight.get()), ext }
}

fn index_of(backend: &Backend) -> Option<usize> {
    backend.ext.get().map(|&Index(index)| index)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::testing::address;
    use super::*;

    fn members(weights: &[u8], balance: Balance) -> Members {
        let member = |(index, &weight): (usize, &u8)| Member {
            endpoint: Arc::new(Endpoint::new(address(&format!("10.0.0.{index}:80")), None)),
            weight: NonZeroU8::new(weight).expect("weight"),
        };
        Members::new(weights.iter().enumerate().map(member).collect(), balance)
    }

    fn last_byte(endpoint: &Endpoint) -> u8 {
        let text = endpoint.address().ip().to_string();
        text.rsplit('.').next().and_then(|byte| byte.parse().ok()).expect("IPv4")
    }

    const ALL: [Balance; 3] = [Balance::RoundRobin, Balance::ConsistentHash, Balance::LeastRequests];

    #[test]
    fn every_algorithm_shares_requests_by_weight() {
        for balance in ALL {
            let members = members(&[1, 2, 5], balance);
            let mut counts = HashMap::<u8, usize>::new();
            for request in 0..8000_u32 {
                let chosen = members.choose(&request.to_le_bytes(), |_| true).expect("member");
                chosen.enter();
                *counts.entry(last_byte(chosen)).or_default() += 1;
            }
            let tolerance = if balance == Balance::ConsistentHash { 500 } else { 5 };
            for (member, want) in [(0, 1000), (1, 2000), (2, 5000_usize)] {
                assert!(counts[&member].abs_diff(want) <= tolerance, "{balance:?}: {counts:?}");
            }
        }
    }

    #[test]
    fn every_algorithm_finds_the_one_usable_member_and_none_where_there_is_none() {
        for balance in ALL {
            let members = members(&[255, 255, 1, 255], balance);
            for request in 0..100_u32 {
                let key = request.to_le_bytes();
                let chosen = members.choose(&key, |endpoint| last_byte(endpoint) == 2).expect("member");
                assert_eq!(last_byte(chosen), 2, "{balance:?}");
                assert!(members.choose(&key, |_| false).is_none(), "{balance:?}");
            }
            assert!(self::members(&[], balance).choose(b"", |_| true).is_none(), "{balance:?}");
        }
    }

    #[test]
    fn only_the_keys_of_a_lost_backend_move() {
        let members = members(&[1, 1, 1, 1], Balance::ConsistentHash);
        for request in 0..2000_u32 {
            let key = request.to_le_bytes();
            let before = last_byte(members.choose(&key, |_| true).expect("member"));
            let after = last_byte(members.choose(&key, |endpoint| last_byte(endpoint) != 3).expect("member"));
            assert!(before == 3 && after != 3 || before == after, "{before} -> {after}");
        }
    }

    #[test]
    fn least_requests_goes_where_places_are_freed() {
        let members = members(&[1, 1], Balance::LeastRequests);
        let take = || Selected::new(Arc::clone(members.choose(b"", |_| true).expect("member")), 0);
        let (first, second) = (take(), take());
        assert_ne!(first.address(), second.address());
        let freed = second.address();
        drop(second);
        for _ in 0..4 {
            assert_eq!(take().address(), freed);
        }
        drop(first);
        assert!(members.iter().all(|member| member.endpoint.in_flight() == 0));
    }
}
