//! The certificates of a client: those of its handshake, or those that a balancer which ended TLS says that it showed (RFC 9440).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

use crate::crypto::sha256;
use crate::domain::{AuthnFault, PeerCertificates};

use super::authenticator::{CLIENT_CERT, CLIENT_CERT_CHAIN};

/// The most certificates that are looked at, and the most bytes of all of them. Paths are searched for in every order, before anything of
/// the certificates is proved: each one more costs several times as much.
const MAX_CERTIFICATES: usize = 5;
const MAX_BYTES: usize = 16 * 1024;

/// These certificates with the thumbprint of the first. None where there is none, or more or larger ones than anybody needs.
pub fn peer_certificates<C: AsRef<[u8]>>(chain: &[C]) -> Option<PeerCertificates> {
    let leaf = chain.first()?;
    let bytes: usize = chain.iter().map(|certificate| certificate.as_ref().len()).sum();
    if chain.len() > MAX_CERTIFICATES || bytes > MAX_BYTES {
        return None;
    }
    let thumbprint = sha256(leaf.as_ref());
    Some(PeerCertificates { chain: chain.iter().map(|one| one.as_ref().to_vec()).collect(), thumbprint })
}

/// The certificates in `Client-Cert` and `Client-Cert-Chain` (RFC 9440 §2); none without `Client-Cert`. Only for heads that a trusted peer
/// sent: anybody can write these fields.
///
/// # Errors
/// [`AuthnFault::Several`] for two `Client-Cert` fields, [`AuthnFault::Malformed`] for everything that the RFC does not allow, and for
/// parameters, which mean nothing.
pub fn forwarded_certificates(headers: &HeaderMap) -> Result<Option<PeerCertificates>, AuthnFault> {
    let mut fields = headers.get_all(CLIENT_CERT).iter();
    let Some(field) = fields.next() else {
        return if headers.contains_key(CLIENT_CERT_CHAIN) { Err(AuthnFault::Malformed) } else { Ok(None) };
    };
    if fields.next().is_some() {
        return Err(AuthnFault::Several);
    }
    let mut chain = vec![byte_sequence(field.as_bytes())?];
    let lists = headers.get_all(CLIENT_CERT_CHAIN).iter();
    for member in lists.flat_map(|list| list.as_bytes().split(|b| *b == b',')) {
        if chain.len() == MAX_CERTIFICATES {
            return Err(AuthnFault::Malformed);
        }
        chain.push(byte_sequence(member)?);
    }
    peer_certificates(&chain).map(Some).ok_or(AuthnFault::Malformed)
}

/// A byte sequence of a structured field (RFC 9651 §3.3.5), of at least one byte and without parameters.
fn byte_sequence(text: &[u8]) -> Result<Vec<u8>, AuthnFault> {
    let inner = text.trim_ascii().strip_prefix(b":").and_then(|rest| rest.strip_suffix(b":"));
    let bytes = inner.and_then(|inner| STANDARD.decode(inner).ok());
    bytes.filter(|bytes| !bytes.is_empty()).ok_or(AuthnFault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&'static str, &str)]) -> Result<Option<Vec<Vec<u8>>>, AuthnFault> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("a value"));
        }
        forwarded_certificates(&headers).map(|found| found.map(|found| found.chain))
    }

    #[test]
    fn what_is_no_byte_sequence_is_refused() {
        use AuthnFault::{Malformed, Several};
        let nine = [":AQ==:"; 8].join(",");
        for (fields, want) in [
            (&[("client-cert", ":AQ==:"), ("client-cert", ":AQ==:")][..], Several),
            (&[("client-cert", "")], Malformed),
            (&[("client-cert", "::")], Malformed),
            (&[("client-cert", ":")], Malformed),
            (&[("client-cert", "AQ==")], Malformed),
            (&[("client-cert", ":AQ:")], Malformed),
            (&[("client-cert", ":AR==:")], Malformed),
            (&[("client-cert", ":A Q==:")], Malformed),
            (&[("client-cert", ":-_==:")], Malformed),
            (&[("client-cert", ":AQ==:, :AQ==:")], Malformed),
            (&[("client-cert", ":AQ==:;a=1")], Malformed),
            (&[("client-cert", "\"AQ==\"")], Malformed),
            (&[("client-cert", "-----BEGIN CERTIFICATE-----")], Malformed),
            (&[("client-cert-chain", ":AQ==:")], Malformed),
            (&[("client-cert", ":AQ==:"), ("client-cert-chain", "")], Malformed),
            (&[("client-cert", ":AQ==:"), ("client-cert-chain", ":Ag==:,")], Malformed),
            (&[("client-cert", ":AQ==:"), ("client-cert-chain", &nine)], Malformed),
        ] {
            assert_eq!(read(fields), Err(want), "{fields:?}");
        }
    }

    #[test]
    fn the_clients_own_comes_first() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("client-cert", ":AQ==:")]), Ok(Some(vec![vec![1]])));
        let fields =
            [("client-cert", ":AQ==:"), ("client-cert-chain", ":Ag==: ,:Aw==:"), ("client-cert-chain", ":BA==:")];
        assert_eq!(read(&fields), Ok(Some(vec![vec![1], vec![2], vec![3], vec![4]])));
    }

    #[test]
    fn chains_are_bounded_in_number_and_size() {
        assert!(peer_certificates::<Vec<u8>>(&[]).is_none());
        assert!(peer_certificates(&vec![vec![1]; MAX_CERTIFICATES]).is_some());
        assert!(peer_certificates(&vec![vec![1]; MAX_CERTIFICATES + 1]).is_none());
        assert!(peer_certificates(&[vec![1; MAX_BYTES + 1]]).is_none());
    }
}
