//! Nonces that proofs have to hold, so that none can be made ahead of its time (RFC 9449 §9). Nothing is kept: each is the keyed digest of
//! the minute in which it was given out.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::{constant_time_eq, random};

/// A key of this process, and the nonces that it makes: a new process takes none of those that another gave out. With other nodes, it is one
/// key, so that a proof may come to any of them.
pub(super) struct Nonces {
    own: hmac::Key,
    shared: OnceLock<hmac::Key>,
}

/// For how long one nonce is given out, in seconds. It is taken for as long again.
const WINDOW: u64 = 60;

impl Nonces {
    pub(super) fn new() -> Self {
        Self { own: hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()), shared: OnceLock::new() }
    }

    /// Uses this key from now on; once.
    pub(super) fn share(&self, key: &[u8; 32]) {
        // A second time it would be the same.
        let _ = self.shared.set(hmac::Key::new(hmac::HMAC_SHA256, key));
    }

    /// The nonce to give out now.
    pub(super) fn current(&self, now: SystemTime) -> String {
        self.of(window(now))
    }

    /// Whether it was given out at most two windows ago.
    pub(super) fn is_ours(&self, nonce: &str, now: SystemTime) -> bool {
        let window = window(now);
        let is = |window: u64| constant_time_eq(self.of(window).as_bytes(), nonce.as_bytes());
        is(window) || window.checked_sub(1).is_some_and(is)
    }

    fn of(&self, window: u64) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(self.shared.get().unwrap_or(&self.own), &window.to_be_bytes()))
    }
}

fn window(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::testing::at;

    #[test]
    fn a_nonce_is_good_for_one_to_two_windows_and_here_alone() {
        let (nonces, others) = (Nonces::new(), Nonces::new());
        let nonce = nonces.current(at(6000));
        for (now, want) in [(6000, true), (6059, true), (6119, true), (6120, false), (5999, false), (9000, false)] {
            assert_eq!(nonces.is_ours(&nonce, at(now)), want, "{now}");
        }
        assert!(!others.is_ours(&nonce, at(6000)));
        [&nonces, &others].into_iter().for_each(|one| one.share(&[7; 32]));
        assert!(!nonces.is_ours(&nonce, at(6000)), "those from before are not");
        let nonce = nonces.current(at(6000));
        assert!(others.is_ours(&nonce, at(6000)), "with one key, they are each other's");
        for forged in ["", "x", &nonce[1..], &format!("{nonce}="), &nonce.to_lowercase()] {
            assert!(!nonces.is_ours(forged, at(6000)), "{forged}");
        }
    }
}
