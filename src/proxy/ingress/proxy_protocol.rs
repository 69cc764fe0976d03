//! The PROXY protocol header, versions 1 and 2, in which a load balancer says for whom it connects.

use std::io;
use std::net::SocketAddr;

use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::domain::canonical_ip;

/// The longest version 1 header, its line end included.
const MAX_V1: usize = 107;
/// The fixed part of a version 2 header.
const V2_FIXED: usize = 16;
/// The longest variable part of a version 2 header: addresses, and what balancers add in practice.
const MAX_V2_REST: usize = 2048;

/// Reads one header, and not a byte more. None where the balancer speaks for itself (`LOCAL`, `UNKNOWN`).
///
/// # Errors
/// `InvalidData` when there is no valid header, or the stream's own error.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![stream.read_u8().await?];
    if header.starts_with(&v2::PROTOCOL_PREFIX[..1]) {
        read_v2(stream, &mut header).await?;
        parse_v2(&header)
    } else {
        read_v1(stream, &mut header).await?;
        parse_v1(&header)
    }
}

async fn read_v1<S: AsyncRead + Unpin>(stream: &mut S, header: &mut Vec<u8>) -> io::Result<()> {
    let prefix = v1::PROTOCOL_PREFIX.as_bytes();
    while !header.ends_with(b"\n") {
        let known = header.len().min(prefix.len());
        if header[..known] != prefix[..known] || header.len() == MAX_V1 {
            return Err(invalid());
        }
        header.push(stream.read_u8().await?);
    }
    Ok(())
}

async fn read_v2<S: AsyncRead + Unpin>(stream: &mut S, header: &mut Vec<u8>) -> io::Result<()> {
    header.resize(V2_FIXED, 0);
    stream.read_exact(&mut header[1..]).await?;
    let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if !header.starts_with(v2::PROTOCOL_PREFIX) || rest > MAX_V2_REST {
        return Err(invalid());
    }
    header.resize(V2_FIXED + rest, 0);
    stream.read_exact(&mut header[V2_FIXED..]).await?;
    Ok(())
}

fn parse_v1(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    let parsed = v1::Header::try_from(header).map_err(|_| invalid())?;
    Ok(match parsed.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(ip) => Some(client(ip.source_address, ip.source_port)),
        v1::Addresses::Tcp6(ip) => Some(client(ip.source_address, ip.source_port)),
    })
}

fn parse_v2(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    let parsed = v2::Header::try_from(header).map_err(|_| invalid())?;
    match (parsed.command, parsed.protocol, parsed.addresses) {
        (v2::Command::Local, ..) | (v2::Command::Proxy, _, v2::Addresses::Unspecified) => Ok(None),
        (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv4(ip)) => {
            Ok(Some(client(ip.source_address, ip.source_port)))
        }
        (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv6(ip)) => {
            Ok(Some(client(ip.source_address, ip.source_port)))
        }
        // A datagram or a local socket is nobody's TCP connection: not to be believed.
        (v2::Command::Proxy, ..) => Err(invalid()),
    }
}

fn client(ip: impl Into<std::net::IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(canonical_ip(ip.into()), port)
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("length").to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, rest].concat()
    }

    async fn read_all(mut bytes: &[u8]) -> (Option<Option<String>>, Vec<u8>) {
        let read = read(&mut bytes).await.ok();
        (read.map(|client| client.map(|address| address.to_string())), bytes.to_vec())
    }

    #[tokio::test]
    async fn text_headers_are_read_to_their_end_and_not_further() {
        for (header, want) in [
            ("PROXY TCP4 192.0.2.1 192.0.2.9 4711 443\r\n", Some(Some("192.0.2.1:4711"))),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", Some(Some("[2001:db8::1]:1"))),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", Some(Some("192.0.2.1:1"))),
            ("PROXY UNKNOWN\r\n", Some(None)),
            ("PROXY UNKNOWN any thing\r\n", Some(None)),
        ] {
            let sent = format!("{header}GET / HTTP/1.1\r\n");
            let (read, rest) = read_all(sent.as_bytes()).await;
            assert_eq!(read, want.map(|client| client.map(str::to_owned)), "{header:?}");
            assert_eq!(rest, b"GET / HTTP/1.1\r\n");
        }
    }

    #[tokio::test]
    async fn text_that_is_no_header_is_refused() {
        for header in [
            "",
            "GET / HTTP/1.1\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
            "proxy TCP4 192.0.2.1 192.0.2.9 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 1 2\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 1 2",
            "PROXY TCP4 192.0.2.1 192.0.2.9 1 65536\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 01 2\r\n",
            "PROXY TCP4 192.0.2.256 192.0.2.9 1 2\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.9 1 2\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.9 1 2\r\n",
            "PROXY  TCP4 192.0.2.1 192.0.2.9 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 1 2 3\r\n",
            "PROXY TCP4 192.0.2.1\r\n",
            &format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_V1)),
        ] {
            assert_eq!(read_all(header.as_bytes()).await.0, None, "{header:?}");
        }
    }

    #[tokio::test]
    async fn binary_headers_are_read_to_their_end_and_not_further() {
        let v4 = [192, 0, 2, 1, 192, 0, 2, 9, 0x12, 0x67, 1, 187];
        let v6 = [&[0u8; 10][..], &[255, 255, 192, 0, 2, 1], &[0; 16], &[0, 7, 0, 8]].concat();
        let with_extras = [&v4[..], &[4, 0, 1, 42]].concat();
        let far = vec![0; MAX_V2_REST + 1];
        for (header, want) in [
            (binary(0x21, 0x11, &v4), Some(Some("192.0.2.1:4711"))),
            (binary(0x21, 0x11, &with_extras), Some(Some("192.0.2.1:4711"))),
            (binary(0x21, 0x21, &v6), Some(Some("192.0.2.1:7"))),
            (binary(0x20, 0x00, &[]), Some(None)),
            (binary(0x20, 0x11, &v4), Some(None)),
            (binary(0x21, 0x00, &[]), Some(None)),
            (binary(0x21, 0x12, &v4), None),
            (binary(0x21, 0x31, &[0; 216]), None),
            (binary(0x21, 0x11, &v4[..8]), None),
            (binary(0x11, 0x11, &v4), None),
            (binary(0x22, 0x11, &v4), None),
            (binary(0x21, 0x00, &far), None),
            (b"\r\n\r\n\0\r\nQUIT\r!!!!".to_vec(), None),
            (b"\r\nGET / HTTP/1.1\r\n\r\n".to_vec(), None),
        ] {
            let sent = [&header[..], b"GET"].concat();
            let (read, rest) = read_all(&sent).await;
            assert_eq!(read, want.map(|client| client.map(str::to_owned)), "{header:?}");
            if want.is_some() {
                assert_eq!(rest, b"GET");
            }
        }
    }
}
