//! Who we are to an upstream that asks for a certificate.

use std::sync::Arc;

use pingora::utils::tls::{CertKey, WrappedX509};
use rustls::pki_types::PrivateKeyDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::peer::group_key;
use crate::domain::ClientIdentity;

/// The certificate that connections are made with, and the key of those that may be shared then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Presented<'a> {
    pub(super) certificate: &'a Arc<CertKey>,
    pub(super) group_key: u64,
}

impl<'a> Presented<'a> {
    /// This identity in connections of the target with this key; none where it cannot be used.
    pub(super) fn new(identity: &'a ClientIdentity, target: u64) -> Option<Self> {
        let certificate = identity.form(make)?.as_ref()?;
        // By all bytes of it: of a certificate, Pingora's own key tells no more than the serial number.
        Some(Self { certificate, group_key: group_key(&(target, identity.fingerprint())) })
    }
}

/// The identity as Pingora takes it. It panics over what it cannot read, so its parsers are asked before.
fn make(identity: &ClientIdentity) -> Option<Arc<CertKey>> {
    let key = identity.key().expose();
    let reads = |der: &Vec<u8>| {
        WrappedX509::try_new(der.clone(), |raw| X509Certificate::from_der(raw).map(|(_, parsed)| parsed)).is_ok()
    };
    let is_sound = !identity.chain().is_empty() && identity.chain().iter().all(reads);
    (is_sound && PrivateKeyDer::try_from(key).is_ok()).then(|| {
        // What Pingora keeps of the key is not wiped; it goes with the identity.
        Arc::new(CertKey::new(identity.chain().to_vec(), key.to_vec()))
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use pingora::upstreams::peer::{HttpPeer, Peer as _};
    use rcgen::{CertificateParams, KeyPair, SerialNumber};

    use super::super::select::{Selected, Tried};
    use super::super::testing::{address, backend, settings};
    use super::super::{Target, Targets};
    use super::*;
    use crate::crypto::client_identity;
    use crate::domain::Secret;
    use crate::net::Egress;

    /// A certificate of this serial number, the only one that there is.
    fn pem(serial: u64) -> String {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(serial));
        params.self_signed(&key).expect("a certificate").pem() + &key.serialize_pem()
    }

    fn read(pem: &str) -> ClientIdentity {
        client_identity(&Secret::new(pem.as_bytes().to_vec())).expect("a pair")
    }

    fn target(url: &str) -> (Arc<Target>, Selected) {
        let mut settings = settings(url);
        settings.backends = vec![backend(address("10.0.0.1:443"))];
        let target = Targets::default().open(&settings, &Egress::default());
        let selected = target.select(b"", &Tried::default()).expect("a backend");
        (target, selected)
    }

    #[test]
    fn connections_are_shared_by_those_with_the_same_certificate_alone() {
        let (target, selected) = target("https://api.test");
        let (one, twin) = (pem(7), pem(7));
        let (issuer, _) = twin.split_once("-----BEGIN PRIVATE").expect("a key");
        let another_chain = format!("{one}{issuer}");
        let hash = |client: Option<&ClientIdentity>| target.peer(&selected, client).expect("a peer").reuse_hash();
        let hashes = [None, Some(read(&one)), Some(read(&twin)), Some(read(&pem(8))), Some(read(&another_chain))];
        let hashes = hashes.each_ref().map(|client| hash(client.as_ref()));
        for (nth, one) in hashes.iter().enumerate() {
            assert!(!hashes[..nth].contains(one), "{nth} of {hashes:?}");
        }
        assert_eq!(hash(Some(&read(&one))), hashes[1], "what was read anew from the same bytes is the same");
        let (elsewhere, there) = self::target("https://other.test");
        let other = elsewhere.peer(&there, Some(&read(&one))).expect("a peer");
        assert_ne!(other.group_key, target.peer(&selected, Some(&read(&one))).expect("a peer").group_key);
    }

    #[test]
    fn a_peer_with_another_certificate_or_none_is_not_the_one_that_was_meant() {
        let (target, selected) = target("https://api.test");
        let (one, twin) = (read(&pem(7)), read(&pem(7)));
        let clients = [None, Some(&one), Some(&twin)];
        for (meant, client) in clients.iter().enumerate() {
            for (shown, other) in clients.iter().enumerate() {
                let peer = target.peer(&selected, *other).expect("a peer");
                assert_eq!(target.binds(&selected, *client, &peer), meant == shown, "{meant} {shown}");
            }
        }
        let binds = |change: fn(&mut HttpPeer)| {
            let mut peer = target.peer(&selected, Some(&one)).expect("a peer");
            change(&mut peer);
            target.binds(&selected, Some(&one), &peer)
        };
        assert!(binds(|_| ()));
        assert!(!binds(|peer| peer.client_cert_key = None));
        assert!(!binds(|peer| peer.group_key ^= 1));
        assert!(!binds(|peer| peer.sni = "other.test".into()));
        assert!(!binds(|peer| peer.options.verify_cert = false));
        let mut stranger = target.peer(&selected, None).expect("a peer");
        stranger.group_key = target.peer(&selected, Some(&one)).expect("a peer").group_key;
        assert!(!target.binds(&selected, None, &stranger), "in the group of a certificate, without it");
    }

    #[test]
    fn what_cannot_be_shown_gives_no_peer() {
        let (plain, there) = target("http://api.test");
        let good = read(&pem(7));
        assert!(plain.peer(&there, None).is_some());
        assert!(plain.peer(&there, Some(&good)).is_none(), "over plain HTTP");
        assert!(!plain.binds(&there, Some(&good), &plain.peer(&there, None).expect("a peer")));
        let (target, selected) = target("https://api.test");
        let key = || Secret::new(good.key().expose().to_vec());
        let chain = good.chain().to_vec();
        for (what, chain, key) in [
            ("no certificate", Vec::new(), key()),
            ("no X.509", vec![b"x".to_vec()], key()),
            ("no X.509 behind it", vec![chain[0].clone(), b"x".to_vec()], key()),
            ("no key", chain, Secret::new(b"x".to_vec())),
        ] {
            let bad = ClientIdentity::new([0; 32], chain, key, SystemTime::UNIX_EPOCH);
            assert!(target.peer(&selected, Some(&bad)).is_none(), "{what}");
        }
    }

    #[test]
    fn the_certificate_is_made_ready_once() {
        let (target, selected) = target("https://api.test");
        let client = read(&pem(7));
        let made = || target.peer(&selected, Some(&client)).and_then(|peer| peer.client_cert_key).expect("one");
        assert!(Arc::ptr_eq(&made(), &made()));
    }
}
