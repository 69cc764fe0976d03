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
        let ip = destination(ip);
        !is_forbidden(ip) && (!is_private(ip) || self.declared.contains(ip))
    }

    /// Whether a connection may be made to this address when the operator wrote the address itself, not a name: then a private one counts
    /// as declared.
    pub fn permits_literal(&self, ip: IpAddr) -> bool {
        !is_forbidden(destination(ip))
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped, or behind a translator (RFC 6052 §2.1).
fn destination(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) if v6.segments()[..6] == TRANSLATED || v6.segments()[..3] == TRANSLATED_HERE => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::from([a, b, c, d])
        }
        IpAddr::V4(_) | IpAddr::V6(_) => canonical_ip(ip),
    }
}

const TRANSLATED: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];
/// Of a translator of one's own, in the form of a /96 (RFC 8215).
const TRANSLATED_HERE: [u16; 3] = [0x64, 0xff9b, 1];

/// Unspecified, multicast, broadcast, link-local, and where clouds have their metadata services outside of link-local addresses.
fn is_forbidden(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let is_metadata = METADATA_V4.contains(&v4.octets());
            v4.octets()[0] == 0 || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast() || is_metadata
        }
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
                || METADATA_V6.contains(&v6.segments())
        }
    }
}

/// Those of Azure, Oracle and Alibaba.
const METADATA_V4: [[u8; 4]; 3] = [[168, 63, 129, 16], [192, 0, 0, 192], [100, 100, 100, 200]];
/// Those of AWS and Google.
const METADATA_V6: [[u16; 8]; 2] = [[0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254], [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254]];

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
            ("64:ff9b::169.254.169.254", false, false),
            ("64:ff9b::10.1.2.3", true, false),
            ("64:ff9b::93.184.216.34", true, true),
            ("0.0.0.0", false, false),
            ("fd00:ec2::254", false, false),
            ("fd20:ce::254", false, false),
            ("168.63.129.16", false, false),
            ("192.0.0.192", false, false),
            ("100.100.100.200", false, false),
            ("64:ff9b:1::169.254.169.254", false, false),
            ("fe80::1", false, false),
            ("fd12::1", false, false),
            ("2606:4700::1", true, true),
        ] {
            let ip: IpAddr = ip.parse().expect("address");
            assert_eq!((egress.permits(ip), closed.permits(ip)), (declared, undeclared), "{ip}");
        }
    }
}
