//! Which certificates are the client's: those of the connection, or those that a balancer tells of. Resolved once, so that every
//! authenticator sees the same.

use std::net::IpAddr;

use http::HeaderMap;

use super::ingress::Connection;
use crate::authn::forwarded_certificates;
use crate::domain::{AuthnFault, Denial, Host, PeerCertificates};
use crate::state::Snapshot;

/// The certificates of one request's client.
pub(super) enum ClientCertificates<'a> {
    /// What the handshake showed, if it did.
    Shown(Option<&'a PeerCertificates>),
    /// What a trusted balancer says that its client showed, or what was wrong with how it says so.
    Told(Result<Option<PeerCertificates>, AuthnFault>),
}

impl<'a> ClientCertificates<'a> {
    /// From a peer that the listener's `client_cert_from` lists, `Client-Cert` is the client's, and the peer's own certificate is not:
    /// also where the field is missing. From anybody else the field means nothing.
    ///
    /// # Errors
    /// [`Denial::Misdirected`] where a certificate was shown for one name and the request is for another.
    pub(super) fn of(
        connection: &'a Connection,
        snapshot: &Snapshot,
        host: &Host,
        headers: &HeaderMap,
    ) -> Result<Self, Denial> {
        let listener = snapshot.listeners.get(&connection.listener);
        if listener.is_some_and(|state| state.client_cert_from.contains(connection.peer.ip())) {
            return Ok(Self::Told(forwarded_certificates(headers)));
        }
        let shown = connection.certificates.as_ref();
        if shown.is_some() && !is_for(connection.server_name.as_deref(), host) {
            return Err(Denial::Misdirected);
        }
        Ok(Self::Shown(shown))
    }

    /// The certificates, if there are any.
    ///
    /// # Errors
    /// [`Denial::Unauthenticated`] where a trusted peer told of them in no form that can be read.
    pub(super) fn get(&self) -> Result<Option<&PeerCertificates>, Denial> {
        match self {
            Self::Shown(shown) => Ok(*shown),
            Self::Told(Ok(told)) => Ok(told.as_ref()),
            Self::Told(Err(fault)) => Err(Denial::Unauthenticated(*fault)),
        }
    }
}

/// Whether a handshake for this name is one for this host. An address is never asked for by name (RFC 6066 §3).
fn is_for(server_name: Option<&str>, host: &Host) -> bool {
    match server_name {
        Some(name) => Host::parse(name).is_ok_and(|name| name == *host),
        None => host.as_str().trim_matches(['[', ']']).parse::<IpAddr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_is_for_its_own_name_alone() {
        for (name, host, want) in [
            (Some("api.test"), "api.test", true),
            (Some("API.Test"), "api.test:8443", true),
            (Some("api.test"), "admin.test", false),
            (Some("api.test"), "x.api.test", false),
            (None, "api.test", false),
            (None, "192.0.2.1:8443", true),
            (Some("api.test"), "192.0.2.1", false),
        ] {
            assert_eq!(is_for(name, &Host::parse(host).expect("a host")), want, "{name:?} {host}");
        }
    }
}
