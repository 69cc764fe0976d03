//! How many connections there are, in all and from each client address.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::domain::canonical_ip;

/// The connections of one listener, counted exactly.
#[derive(Debug)]
pub struct Seats {
    max: usize,
    max_per_address: usize,
    taken: AtomicUsize,
    per_address: DashMap<IpAddr, usize, ahash::RandomState>,
}

impl Seats {
    /// For so many connections in all, and so many from an address.
    pub fn new(max: usize, max_per_address: usize) -> Arc<Self> {
        Arc::new(Self { max, max_per_address, taken: AtomicUsize::new(0), per_address: DashMap::default() })
    }

    /// A seat for a connection whose client is not known yet; None if all are taken.
    pub fn take(self: &Arc<Self>) -> Option<Seat> {
        let seat = Seat { seats: Arc::clone(self), address: None };
        // Taken first and given back by the drop: two at the last seat cannot both get it.
        (self.taken.fetch_add(1, Ordering::Relaxed) < self.max).then_some(seat)
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// One connection's place, free again when it is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    address: Option<IpAddr>,
}

impl Seat {
    /// Counts the seat for this client as well; false if the client's address has as many as it may.
    pub fn assign(&mut self, client: IpAddr) -> bool {
        let address = counted_as(client);
        let mut count = self.seats.per_address.entry(address).or_insert(0);
        let free = *count < self.seats.max_per_address;
        if free {
            *count += 1;
            self.address = Some(address);
        }
        free
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken.fetch_sub(1, Ordering::Relaxed);
        let Some(address) = self.address else { return };
        if let Entry::Occupied(mut entry) = self.seats.per_address.entry(address) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// One subscriber holds a /64 of IPv6 (RFC 6177), so its addresses count as one.
fn counted_as(ip: IpAddr) -> IpAddr {
    match canonical_ip(ip) {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(seats: &Arc<Seats>, ip: &str) -> Option<Seat> {
        let mut seat = seats.take()?;
        seat.assign(ip.parse().expect("address")).then_some(seat)
    }

    #[test]
    fn seats_are_bounded_for_each_address_and_in_all_and_freed_on_drop() {
        let seats = Seats::new(3, 2);
        let first = seat(&seats, "192.0.2.1");
        let second = seat(&seats, "::ffff:192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(seat(&seats, "192.0.2.1").is_none(), "a third of the same address");
        assert_eq!(seats.taken(), 2, "a refused one leaves its seat");
        let third = seat(&seats, "192.0.2.2");
        assert!(third.is_some());
        assert!(seat(&seats, "192.0.2.3").is_none(), "a fourth in all");
        drop(first);
        let again = seat(&seats, "192.0.2.1");
        assert!(again.is_some());
        drop((second, third, again));
        assert_eq!(seats.taken(), 0);
        assert!(seats.per_address.is_empty(), "no address is remembered without a connection");
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let seats = Seats::new(9, 1);
        let _first = seat(&seats, "2001:db8:1:2::1").expect("seat");
        assert!(seat(&seats, "2001:db8:1:2:ffff::9").is_none());
        assert!(seat(&seats, "2001:db8:1:3::1").is_some());
    }

    #[test]
    fn an_address_at_its_limit_of_zero_leaves_nothing_behind() {
        let seats = Seats::new(1, 0);
        assert!(seat(&seats, "192.0.2.1").is_none());
        assert_eq!(seats.taken(), 0);
    }
}
