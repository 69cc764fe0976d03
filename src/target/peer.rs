//! Pingora peers, made so that nothing is left to its defaults: verification on, every timeout set, connections shared within a target only.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::protocols::TcpKeepalive;
use pingora::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora::upstreams::peer::{HttpPeer, Scheme as PeerScheme};

use super::client::Presented;
use super::settings::{Protocol, Timeouts};
use super::tls::UpstreamTls;
use super::url::Scheme;

/// Concurrent requests on one HTTP/2 connection; Pingora's default of 1 makes HTTP/2 no better than HTTP/1.1.
const MAX_H2_STREAMS: usize = 100;

/// How much of an answer on such a connection may be on its way to a client that does not read it, in bytes. The connection has room for all of
/// them, so that whoever reads nothing holds up nobody else.
const H2_STREAM_WINDOW: u32 = 256 << 10;

/// How a connection is made, wherever it goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Link {
    pub(super) scheme: Scheme,
    pub(super) protocol: Protocol,
    pub(super) tls: UpstreamTls,
}

impl Link {
    /// A peer complete but for its address; cloned for each request. Connections are shared only among peers with the same group key.
    pub(super) fn template(&self, timeouts: &Timeouts, group_key: u64) -> HttpPeer {
        let (tls, server_name) = match self.scheme {
            Scheme::Http => (false, String::new()),
            Scheme::Https => (true, self.tls.server_name().to_owned()),
        };
        // A socket address, never a name: Pingora would resolve it blocking, and panic when that fails.
        let mut peer = HttpPeer::new(SocketAddr::from(([0, 0, 0, 0], 0)), tls, server_name);
        peer.group_key = group_key;
        let options = &mut peer.options;
        options.ca = self.tls.ca().filter(|_| tls);
        options.connection_timeout = Some(timeouts.connect);
        options.total_connection_timeout = Some(timeouts.total_connect);
        options.read_timeout = Some(timeouts.read);
        options.write_timeout = Some(timeouts.write);
        options.idle_timeout = Some(timeouts.idle);
        options.max_h2_streams = MAX_H2_STREAMS;
        options.h2_stream_window_size = Some(H2_STREAM_WINDOW);
        options.h2_connection_window_size = Some(H2_STREAM_WINDOW * MAX_H2_STREAMS as u32);
        options.tcp_keepalive = Some(KEEPALIVE);
        match (self.protocol, self.scheme) {
            (Protocol::Http1, Scheme::Http | Scheme::Https) | (Protocol::Auto, Scheme::Http) => {
                options.set_http_version(1, 1);
            }
            (Protocol::Http2, Scheme::Http | Scheme::Https) => options.set_http_version(2, 2),
            (Protocol::Auto, Scheme::Https) => options.set_http_version(2, 1),
        }
        peer
    }
}

/// The template with an address, and with our own certificate where there is one.
pub(super) fn at(template: &HttpPeer, address: SocketAddr, presented: Option<Presented<'_>>) -> HttpPeer {
    let mut peer = template.clone();
    peer._address = PeerAddress::Inet(address);
    if let Some(presented) = presented {
        peer.client_cert_key = Some(Arc::clone(presented.certificate));
        peer.group_key = presented.group_key;
    }
    peer
}

/// Whether a peer is the template at this address, as far as it decides who receives what is sent, and who we are to them. Its connections are
/// those of one of the generations up to this one.
pub(super) fn is_at(
    template: &HttpPeer,
    address: SocketAddr,
    presented: Option<Presented<'_>>,
    generation: u64,
    peer: &HttpPeer,
) -> bool {
    let verified = match peer.scheme {
        PeerScheme::HTTP => true,
        PeerScheme::HTTPS => {
            !peer.sni.is_empty()
                && peer.options.verify_cert
                && peer.options.verify_hostname
                && peer.options.alternative_cn.is_none()
        }
    };
    let same_roots = match (&template.options.ca, &peer.options.ca) {
        (None, None) => true,
        (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
        (None, Some(_)) | (Some(_), None) => false,
    };
    let is_of = |key: u64| peer.group_key.wrapping_sub(key) <= generation;
    let is_ours = match (presented, &peer.client_cert_key) {
        (None, None) => is_of(template.group_key),
        (Some(ours), Some(theirs)) => peer.is_tls() && Arc::ptr_eq(ours.certificate, theirs) && is_of(ours.group_key),
        (None, Some(_)) | (Some(_), None) => false,
    };
    verified
        && same_roots
        && is_ours
        && peer.scheme == template.scheme
        && peer.sni == template.sni
        && peer.proxy.is_none()
        && peer.options.custom_l4.is_none()
        && peer._address == PeerAddress::Inet(address)
}

/// A key for connections that only equal things may share: Pingora's own leaves out CA and ALPN.
pub(super) fn group_key(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Finds a silent peer within about two minutes, and keeps idle connections alive in the tables of the boxes between.
const KEEPALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_secs(60),
    interval: Duration::from_secs(15),
    count: 4,
    #[cfg(target_os = "linux")]
    user_timeout: Duration::ZERO,
};

#[cfg(test)]
mod tests {
    use pingora::protocols::ALPN;

    use super::super::url::TargetUrl;
    use super::*;

    fn template(url: &str, protocol: Protocol) -> HttpPeer {
        let origin = TargetUrl::parse(url).expect(url).origin;
        let tls = UpstreamTls::new(&origin, None, None).expect("tls");
        Link { scheme: origin.scheme, protocol, tls }.template(&Timeouts::default(), 7)
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("address")
    }

    #[test]
    fn peers_verify_have_every_timeout_and_speak_the_protocol_asked_for() {
        for (url, protocol, sni, alpn) in [
            ("https://api.test", Protocol::Auto, "api.test", ALPN::H2H1),
            ("https://api.test", Protocol::Http1, "api.test", ALPN::H1),
            ("https://api.test", Protocol::Http2, "api.test", ALPN::H2),
            ("http://api.test", Protocol::Auto, "", ALPN::H1),
            ("http://api.test", Protocol::Http2, "", ALPN::H2),
        ] {
            let peer = at(&template(url, protocol), address("10.0.0.1:443"), None);
            let options = &peer.options;
            assert_eq!((peer.sni.as_str(), &options.alpn), (sni, &alpn), "{url} {protocol:?}");
            assert_eq!(peer.is_tls(), url.starts_with("https"), "{url}");
            assert!(options.verify_cert && options.verify_hostname);
            let timeouts = [
                options.connection_timeout,
                options.total_connection_timeout,
                options.read_timeout,
                options.write_timeout,
                options.idle_timeout,
            ];
            assert!(timeouts.iter().all(Option::is_some), "{timeouts:?}");
            assert_eq!(peer._address, PeerAddress::Inet(address("10.0.0.1:443")));
        }
    }

    #[test]
    fn a_peer_that_differs_in_anything_that_matters_is_not_the_targets() {
        let template = template("https://api.test", Protocol::Auto);
        let here = address("10.0.0.1:443");
        let binds = |change: fn(&mut HttpPeer)| {
            let mut peer = at(&template, here, None);
            change(&mut peer);
            is_at(&template, here, None, 0, &peer)
        };
        assert!(binds(|_| ()));
        for (what, bound) in [
            ("address", binds(|peer| peer._address = PeerAddress::Inet(address("10.0.0.2:443")))),
            ("scheme", binds(|peer| peer.scheme = PeerScheme::HTTP)),
            ("sni", binds(|peer| peer.sni = "other.test".into())),
            ("group key", binds(|peer| peer.group_key = 8)),
            ("certificate", binds(|peer| peer.options.verify_cert = false)),
            ("hostname", binds(|peer| peer.options.verify_hostname = false)),
            ("other name", binds(|peer| peer.options.alternative_cn = Some("other.test".into()))),
            ("roots", binds(|peer| peer.options.ca = Some(Vec::new().into()))),
        ] {
            assert!(!bound, "{what}");
        }
    }
}
