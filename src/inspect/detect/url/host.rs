//! Where a host leads to: its name, or an address in one of the spellings that `inet_aton` and IPv6 allow.

use std::net::{Ipv4Addr, Ipv6Addr};

/// How far away a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Metadata of a cloud's machine, credentials among it.
    Metadata,
    /// An address in a spelling that nobody uses who has nothing to hide: `0x7f.1`, `2130706433`, `[::ffff:7f00:1]`.
    Spelled,
    /// A name for the machine itself or its cluster.
    Named,
    /// The machine itself.
    Loopback,
    /// A network that is not public.
    Private,
    /// A public address instead of a name.
    Address,
    /// A name.
    Public,
}

/// Names of services that give away credentials.
const METADATA: &[&[u8]] = &[
    b"metadata.google.internal",
    b"metadata.goog",
    b"metadata.packet.net",
    b"metadata.platformequinix.com",
    b"metadata.tencentyun.com",
    b"metadata.azure.internal",
    b"instance-data",
    b"metadata",
];
/// Names that lead to the machine itself, or into its cluster.
const NAMES: &[&[u8]] = &[
    b"host.docker.internal",
    b"gateway.docker.internal",
    b"kubernetes.docker.internal",
    b"host.containers.internal",
    b"localtest.me",
    b"lvh.me",
    b"lacolhost.com",
    b"kubernetes",
    b"kubernetes.default",
    b"kubernetes.default.svc",
    b"ip6-localhost",
    b"localhost.localdomain",
];
/// Ends of such names; those of domains that resolve to any address that is in the name.
const ENDS: &[&[u8]] = &[
    b".svc.cluster.local",
    b".cluster.local",
    b".localtest.me",
    b".lvh.me",
    b".nip.io",
    b".sslip.io",
    b".xip.io",
    b".localhost",
    b".rbndr.us",
    b".1u.ms",
    b".docker.internal",
    b".service.consul",
    b".containers.internal",
    b".kubernetes.default.svc",
];

/// Says where a host in lower case leads to.
pub(super) fn reach(host: &[u8]) -> Reach {
    if host.first() == Some(&b'[') {
        return reach6(host.get(1..host.len() - 1).unwrap_or_default());
    }
    if METADATA.contains(&host) {
        return Reach::Metadata;
    }
    if host == b"localhost" {
        return Reach::Loopback;
    }
    if NAMES.contains(&host) || ENDS.iter().any(|end| host.ends_with(end)) {
        return Reach::Named;
    }
    if host.iter().filter(|byte| **byte == b':').count() >= 2
        && host.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b':')
    {
        return Reach::Spelled;
    }
    match address(host) {
        None => Reach::Public,
        Some((_, false)) => Reach::Spelled,
        Some((address, true)) => reach4(address),
    }
}

fn reach4(address: Ipv4Addr) -> Reach {
    const METADATA: &[[u8; 4]] = &[
        [169, 254, 169, 254],
        [169, 254, 170, 2],
        [169, 254, 170, 23],
        [100, 100, 100, 200],
        [192, 0, 0, 192],
        [168, 63, 129, 16],
    ];
    if METADATA.contains(&address.octets()) || address.is_link_local() {
        Reach::Metadata
    } else if address.is_loopback() || address.octets()[0] == 0 {
        Reach::Loopback
    } else if address.is_private() || address.is_broadcast() || matches!(address.octets(), [100, 64..=127, ..]) {
        Reach::Private
    } else {
        Reach::Address
    }
}

fn reach6(text: &[u8]) -> Reach {
    if text.iter().filter(|byte| **byte == b':').count() < 2 {
        return Reach::Public;
    }
    if text.contains(&b'%') {
        return Reach::Spelled;
    }
    let Some(address) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Ipv6Addr>().ok()) else {
        return Reach::Spelled;
    };
    let segments = address.segments();
    if address.to_ipv4_mapped().is_some() || matches!(segments, [0x64, 0xff9b, ..]) {
        Reach::Spelled
    } else if address.is_unspecified() || address.is_loopback() {
        Reach::Loopback
    } else if matches!(segments, [0xfd00, 0x0ec2, ..]) {
        Reach::Metadata
    } else if matches!(segments, [0xfe80..=0xfebf, ..] | [0xfc00..=0xfdff, ..]) {
        Reach::Private
    } else {
        Reach::Address
    }
}

/// An address as `inet_aton` reads it, and whether it is in the usual form. Numbers that are too large count as well, since some take what is
/// left of them modulo.
fn address(host: &[u8]) -> Option<(Ipv4Addr, bool)> {
    if host.is_empty() || host.len() > 48 || !host.first()?.is_ascii_digit() {
        return None;
    }
    let mut parts = [0u64; 4];
    let mut count = 0;
    let mut is_usual = true;
    for part in host.split(|byte| *byte == b'.') {
        let (value, is_plain) = number(part)?;
        *parts.get_mut(count)? = value;
        count += 1;
        is_usual &= is_plain;
    }
    is_usual &= count == 4 && parts.iter().all(|part| *part < 256);
    // A single small number is no host but for nought, which is the machine itself.
    let octets = parts.map(|part| (part & 0xff) as u8);
    (count > 1 || parts[0] > 255 || host == b"0" || !is_usual && parts[0] > 0)
        .then_some((Ipv4Addr::from(octets), is_usual))
}

/// A number in decimal, octal or hexadecimal, and whether it is plain decimal.
fn number(text: &[u8]) -> Option<(u64, bool)> {
    let (digits, radix) = match text {
        [] => return None,
        [b'0', b'x', digits @ ..] => (digits, 16),
        [b'0', digits @ ..] if !digits.is_empty() => (digits, 8),
        digits => (digits, 10),
    };
    if digits.len() > 24 {
        return None;
    }
    let mut value = 0u64;
    for &byte in digits {
        let digit = char::from(byte).to_digit(radix)?;
        value = value.wrapping_mul(u64::from(radix)).wrapping_add(u64::from(digit));
    }
    Some((value, radix == 10))
}
