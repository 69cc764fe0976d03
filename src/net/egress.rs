//! Where the proxy's own connections may go, judged on resolved addresses so that no name can lead astray.

use std::net::IpAddr;

use crate::domain::{NetworkSet, canonical_ip};

/// The egress rules: public addresses are open; private, shared and loopback ones only where declared; link-local addresses, where
/// cloud metadata services live, and addresses that are nobody's never.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Egress {
    declared: NetworkSet,
}

impl Egress {
    /// Rules that open these private networks besides the public ones.
    pub fn new(declared: NetworkSet) -> Self {
        Self { declared }
    }

    /// Whether a connection may be made to this address.
    pub fn permits(&self, ip: IpAddr) -> bool {
        let ip = canonical_ip(ip);
        !is_forbidden(ip) && (!is_private(ip) || self.declared.contains(ip))
    }

    /// Whether a connection may be made to this address when the operator wrote the address itself, not a name: then a private one counts
    /// as declared.
    pub fn permits_literal(&self, ip: IpAddr) -> bool {
        !is_forbidden(canonical_ip(ip))
    }
}

/// Unspecified, multicast, broadcast, link-local, and the IPv6 address of one cloud's metadata service.
fn is_forbidden(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => {
            v6.is_unspecified() || v6.is_multicast() || v6.is_unicast_link_local() || v6.segments() == METADATA_V6
        }
    }
}

const METADATA_V6: [u16; 8] = [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254];

/// Loopback, RFC 1918, RFC 6598 (shared) and RFC 4193 (unique local) addresses.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback() || v4.is_private() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_need_to_be_declared_and_metadata_never_opens() {
        let egress = Egress::new(NetworkSet::new(vec![
            "10.0.0.0/8".parse().expect("network"),
            "0.0.0.0/0".parse().expect("network"),
        ]));
        let closed = Egress::default();
        for (ip, declared, undeclared) in [
            ("93.184.216.34", true, true),
            ("10.1.2.3", true, false),
            ("::ffff:10.1.2.3", true, false),
            ("127.0.0.1", true, false),
            ("100.64.0.1", true, false),
            ("169.254.169.254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("0.0.0.0", false, false),
            ("fd00:ec2::254", false, false),
            ("fe80::1", false, false),
            ("fd12::1", false, false),
            ("2606:4700::1", true, true),
        ] {
            let ip: IpAddr = ip.parse().expect("address");
            assert_eq!((egress.permits(ip), closed.permits(ip)), (declared, undeclared), "{ip}");
        }
    }
}
