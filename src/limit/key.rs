//! Whom a limit counts: fixed-size keys, so that counting allocates nothing and holds no identity.

use std::hash::{BuildHasher, Hash as _, Hasher as _, RandomState};
use std::net::IpAddr;

use siphasher::sip::SipHasher13;

use crate::domain::canonical_ip;

/// Whom one request is counted for.
///
/// Keys of client addresses are exact. Keys of other things are 128 bits of keyed digest: among *n* of them some two are equal with a
/// probability of about *n*² / 2¹²⁹, for 100,000 keys less than 2⁻⁹⁵, and who does not know the process's random key cannot look for a pair.
/// Two that are equal would share one limit, and nothing else: keys decide no access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u128);

impl Key {
    /// Half of it.
    pub fn half(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// The key as text.
    pub fn text(self) -> String {
        format!("{:032x}", self.0)
    }

    /// The one key of a limit that counts everybody together.
    pub const EVERYBODY: Self = Self(0);

    /// The key of a client address. IPv6 clients are counted by their /64, the least that one customer is given (RFC 6177): counted by
    /// address, each would have 2⁶⁴ limits to use.
    pub fn client(ip: IpAddr) -> Self {
        match canonical_ip(ip) {
            IpAddr::V4(v4) => Self(v4.to_ipv6_mapped().to_bits()),
            IpAddr::V6(v6) => Self(v6.to_bits() >> 64 << 64),
        }
    }
}

/// Makes keys of byte strings, under a random key of its own: keys of two makers have nothing to do with one another.
#[derive(Debug, Clone)]
pub struct Keyer(Seed);

#[derive(Debug, Clone)]
enum Seed {
    Own(RandomState),
    Shared(SipHasher13),
}

impl Default for Keyer {
    fn default() -> Self {
        Self(Seed::Own(RandomState::new()))
    }
}

impl Keyer {
    /// One whose keys are those of every maker with this secret.
    pub fn shared(secret: &[u8; 16]) -> Self {
        Self(Seed::Shared(SipHasher13::new_with_key(secret)))
    }

    /// The key of these byte strings in this order. Each is hashed with its length, so `["ab", "c"]` and `["a", "bc"]` differ.
    pub fn key(&self, parts: &[&[u8]]) -> Key {
        // SipHash is a pseudo-random function: under one key, inputs that differ in their first byte give two independent halves.
        let half = |first: u8| {
            u128::from(match &self.0 {
                Seed::Own(state) => state.hash_one((first, parts)),
                Seed::Shared(hasher) => {
                    let mut hasher = *hasher;
                    (first, parts).hash(&mut hasher);
                    hasher.finish()
                }
            })
        };
        Key(half(0) << 64 | half(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_counted_by_what_one_customer_holds() {
        let key = |text: &str| Key::client(text.parse().expect("address"));
        assert_eq!(key("10.0.0.1"), key("::ffff:10.0.0.1"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("10.0.0.1"), key("10.0.0.2"));
        assert_ne!(key("::"), key("0.0.0.0"));
    }

    #[test]
    fn parts_are_kept_apart() {
        let keyer = Keyer::default();
        assert_eq!(keyer.key(&[b"corp", b"alice"]), keyer.key(&[b"corp", b"alice"]));
        for other in [&[b"corpa".as_slice(), b"lice"] as &[&[u8]], &[b"corpalice"], &[b"corp", b"alice", b""]] {
            assert_ne!(keyer.key(&[b"corp", b"alice"]), keyer.key(other));
        }
        assert_ne!(keyer.key(&[b"a"]), Keyer::default().key(&[b"a"]), "each maker has a key of its own");
        let shared = |secret: u8| Keyer::shared(&[secret; 16]).key(&[b"corp", b"alice"]);
        assert_eq!(shared(1), shared(1));
        assert_ne!(shared(1), shared(2));
    }
}
