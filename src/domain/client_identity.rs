//! Who the gateway is to an upstream that asks for a certificate.

use std::any::Any;
use std::fmt;
use std::sync::OnceLock;
use std::time::SystemTime;

use super::Secret;

/// A certificate chain with the private key of its first, made once for each version of a secret. Its `Debug` shows none of it.
pub struct ClientIdentity {
    fingerprint: [u8; 32],
    chain: Vec<Vec<u8>>,
    key: Secret,
    ends: SystemTime,
    form: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl ClientIdentity {
    /// An identity of certificates in DER, the first of which is the key's, and a private key in DER. Equal fingerprints mean equal bytes of
    /// all of them.
    pub fn new(fingerprint: [u8; 32], chain: Vec<Vec<u8>>, key: Secret, ends: SystemTime) -> Self {
        Self { fingerprint, chain, key, ends, form: OnceLock::new() }
    }

    /// A digest of the whole chain and the key: what tells two identities apart, whatever their certificates say of themselves.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The certificates in DER, that of the key first.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The private key in DER.
    pub fn key(&self) -> &Secret {
        &self.key
    }

    /// When the certificate of the key ends.
    pub fn ends(&self) -> SystemTime {
        self.ends
    }

    /// What whoever connects makes of it: made by whoever asks first, and gone with it. None where it was asked for as something else.
    pub fn form<T: Any + Send + Sync>(&self, make: impl FnOnce(&Self) -> T) -> Option<&T> {
        self.form.get_or_init(|| Box::new(make(self))).downcast_ref()
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_ready_once_and_for_one_use_and_shows_nothing() {
        let key = Secret::new(b"canary".to_vec());
        let identity = ClientIdentity::new([1; 32], vec![b"canary".to_vec()], key, SystemTime::UNIX_EPOCH);
        assert_eq!(identity.form(|identity| identity.chain().len()), Some(&1));
        assert_eq!(identity.form(|_| 2_usize), Some(&1));
        assert_eq!(identity.form(|_| "another"), None);
        assert_eq!(format!("{identity:?}"), "[redacted]");
    }
}
