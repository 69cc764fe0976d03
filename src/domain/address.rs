//! Client networks.

use std::net::IpAddr;

use ipnet::IpNet;

/// An IPv4 address that arrived as IPv4-mapped IPv6 (`::ffff:10.0.0.1`), made plain again, so that one network matches both.
pub fn canonical_ip(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// A set of networks, asked whether it holds an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkSet(Vec<IpNet>);

impl NetworkSet {
    /// A set of these networks; an empty one holds nothing.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether one of the networks holds the address, in whichever family it arrived.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = canonical_ip(ip);
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// The networks, as they are written.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// The networks that are written so; none where one is no network.
    pub fn parse(texts: &[String]) -> Option<Self> {
        texts.iter().map(|text| text.parse().ok()).collect::<Option<Vec<_>>>().map(Self)
    }

    /// Whether it holds every address that the other holds.
    pub fn covers(&self, other: &Self) -> bool {
        // Together, networks hold another exactly when one of them does once neighbours are joined.
        let mine = IpNet::aggregate(&self.0);
        other.0.iter().all(|network| mine.iter().any(|own| own.contains(network)))
    }

    /// Whether the set names no network.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_covered_by_one_or_by_several_together() {
        let set = |texts: &[&str]| NetworkSet::new(texts.iter().map(|text| text.parse().expect("network")).collect());
        for (a, b, want) in [
            (&["10.0.0.0/8"][..], &["10.1.0.0/16"][..], true),
            (&["10.1.0.0/16"], &["10.0.0.0/8"], false),
            (&["10.0.0.0/9", "10.128.0.0/9"], &["10.0.0.0/8"], true),
            (&["10.0.0.0/9"], &["10.0.0.0/8"], false),
            (&["::/0"], &["10.0.0.0/8"], false),
            (&[], &[], true),
        ] {
            assert_eq!(set(a).covers(&set(b)), want, "{a:?} {b:?}");
        }
    }

    #[test]
    fn mapped_addresses_are_seen_as_what_they_are() {
        let set = NetworkSet::new(vec!["10.0.0.0/8".parse().expect("network")]);
        for (ip, want) in [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("11.0.0.1", false), ("::1", false)] {
            assert_eq!(set.contains(ip.parse().expect("address")), want, "{ip}");
        }
    }
}
