//! The keys that sign sessions' tokens: made here, kept sealed in the store, and replaced on a schedule.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::store::{KeptKey, key_row};
use super::{Away, Earlier, Peers, Sessions, Store, StoreError};
use crate::crypto::{MasterKey, OpenError, SigningKey, SigningKeyFault};
use crate::domain::Secret;

/// The keys as they were when the store was last read.
pub struct Signers {
    keys: Vec<Signer>,
    set: Arc<str>,
}

struct Signer {
    number: i64,
    key: SigningKey,
    /// From when on it signs.
    from: SystemTime,
}

/// Why there are no keys.
#[derive(Debug)]
pub enum SignersFault {
    /// The store cannot be used.
    Store(StoreError),
    /// The other nodes cannot be asked.
    Away(Away),
    /// A key does not open.
    Sealed(OpenError),
    /// No key could be made, or what was sealed is none.
    Key(SigningKeyFault),
}

/// How long a key is published before it signs: longer than who verifies keeps a key set.
const LEAD: Duration = Duration::from_secs(600);
/// What an envelope is for, so that no other opens as one.
const CONTEXT: &[u8] = b"claviger session signing key";

impl Signers {
    /// The keys in the store; makes the first, and the next one when the last has signed for so long, and forgets those whose tokens are
    /// all over. Two processes, or nodes, that do it at once make one.
    ///
    /// # Errors
    /// One [`SignersFault`] per way to fail; nothing is changed then.
    pub(super) fn keep(
        store: &Store,
        peers: Option<&dyn Peers>,
        seal: &MasterKey,
        rotate: Duration,
        now: SystemTime,
    ) -> Result<Self, SignersFault> {
        loop {
            let signers = Self::open(store.signing_keys()?, seal)?;
            let Some(last) = signers.keys.last() else {
                signers.add(store, peers, seal, now, now)?;
                continue;
            };
            // A key whose time to sign came while no process ran has not been seen by anybody.
            let next = (last.from + rotate).max(now + LEAD);
            // Or one that was made while the clock was far ahead: it would not sign for as long, and none would follow.
            let is_astray = last.from > now + rotate + LEAD;
            if is_astray || last.from + rotate <= now + LEAD {
                let next = if is_astray { now + LEAD } else { next };
                signers.add(store, peers, seal, next, now)?;
                continue;
            }
            signers.forget(store, now)?;
            return Ok(signers);
        }
    }

    fn open(kept: Vec<KeptKey>, seal: &MasterKey) -> Result<Self, SignersFault> {
        let open = |one: KeptKey| {
            let mut pem = seal.open(CONTEXT, &one.sealed).map_err(SignersFault::Sealed)?;
            let key = SigningKey::from_pem(&Secret::new(std::mem::take(&mut *pem))).map_err(SignersFault::Key)?;
            Ok(Signer { number: one.number, key, from: one.signs })
        };
        let keys = kept.into_iter().map(open).collect::<Result<Vec<_>, SignersFault>>()?;
        let set: Vec<_> = keys.iter().map(|one| one.key.jwk()).collect();
        Ok(Self { set: format!(r#"{{"keys":[{}]}}"#, set.join(",")).into(), keys })
    }

    fn add(
        &self,
        store: &Store,
        peers: Option<&dyn Peers>,
        seal: &MasterKey,
        signs: SystemTime,
        now: SystemTime,
    ) -> Result<(), SignersFault> {
        let last = self.keys.last().map_or(0, |last| last.number);
        let pem = SigningKey::generate().map_err(SignersFault::Key)?;
        // Where another process was first, its key is there now.
        let sealed = seal.seal(CONTEXT, pem.as_bytes());
        let Some(peers) = peers else { return Ok(store.add_signing_key(last, &sealed, signs).map(drop)?) };
        let row = key_row(last + 1, &sealed, signs, now);
        if !peers.decide(&row, Earlier::Nothing).map_err(SignersFault::Away)? {
            peers.hear().map_err(SignersFault::Away)?;
        }
        Ok(())
    }

    /// Forgets keys that have not signed for as long as a token can live.
    fn forget(&self, store: &Store, now: SystemTime) -> Result<(), SignersFault> {
        let followed = self.keys.iter().zip(self.keys.iter().skip(1));
        let over = followed.filter(|(_, next)| next.from + Sessions::MAX_LIFETIME < now).map(|(one, _)| one.number);
        if let Some(number) = over.max() {
            store.remove_signing_keys(number)?;
        }
        Ok(())
    }

    /// The key that signs at this time.
    pub fn signer(&self, now: SystemTime) -> Option<&SigningKey> {
        self.keys.iter().rev().find(|one| one.from <= now).or(self.keys.first()).map(|one| &one.key)
    }

    /// The key set (RFC 7517 §5), with public keys alone.
    pub fn key_set(&self) -> &Arc<str> {
        &self.set
    }
}

impl From<StoreError> for SignersFault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Debug for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signers").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl fmt::Display for SignersFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Away(away) => away.fmt(f),
            Self::Sealed(error) => write!(f, "a signing key in the store does not open: {error}"),
            Self::Key(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for SignersFault {}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_key_follows_the_last_before_it_signs_and_stays_while_its_tokens_live() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("claviger.db")).expect("opened");
        let (seal, begin) = (MasterKey::generate(), UNIX_EPOCH + Duration::from_secs(1_000_000));
        let keys = |after: Duration| {
            let signers = Signers::keep(&store, None, &seal, 24 * HOUR, begin + after).expect("kept");
            let kid = signers.signer(begin + after).expect("a key").kid().to_owned();
            (kid, signers.key_set().matches("kid").count())
        };
        let (first, count) = keys(Duration::ZERO);
        assert_eq!((keys(HOUR), count), ((first.clone(), 1), 1), "the first signs at once, and is kept");
        let early = 24 * HOUR - Duration::from_secs(600);
        assert_eq!(keys(early), (first.clone(), 2), "the next is published before it signs");
        let (second, count) = keys(24 * HOUR);
        assert!(second != first && count == 2);
        assert_eq!(keys(47 * HOUR), (second.clone(), 2), "what the first signed may live yet");
        assert_eq!(keys(48 * HOUR - Duration::from_secs(600)), (second.clone(), 3));
        let (third, count) = keys(48 * HOUR + Duration::from_secs(5));
        assert!(third != second && count == 3);
        assert_eq!(keys(49 * HOUR).1, 2, "the first is forgotten");
    }

    #[test]
    fn a_clock_that_was_far_ahead_for_a_moment_keeps_no_key_from_being_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("claviger.db")).expect("opened");
        let (seal, begin) = (MasterKey::generate(), UNIX_EPOCH + Duration::from_secs(1_000_000));
        let keys = |after: Duration| {
            let signers = Signers::keep(&store, None, &seal, 24 * HOUR, begin + after).expect("kept");
            signers.signer(begin + after).expect("a key").kid().to_owned()
        };
        let first = keys(Duration::ZERO);
        keys(2400 * HOUR);
        assert_eq!(keys(Duration::from_secs(10)), first, "set right again");
        let second = keys(2 * HOUR);
        assert_ne!(second, first, "the one that will sign only in a hundred days is passed over");
        assert_eq!(keys(27 * HOUR), second, "the next is published first");
        assert_ne!(keys(28 * HOUR), second);
    }

    #[test]
    fn with_another_seal_there_are_no_keys_and_none_is_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("claviger.db")).expect("opened");
        let keep = |seal: &MasterKey| Signers::keep(&store, None, seal, 24 * HOUR, SystemTime::now());
        let seal = MasterKey::generate();
        let set = Arc::clone(keep(&seal).expect("made").key_set());
        let fault = keep(&MasterKey::generate()).expect_err("sealed");
        assert!(matches!(fault, SignersFault::Sealed(OpenError::WrongKey)), "{fault}");
        assert_eq!(keep(&seal).expect("kept").key_set(), &set);
    }
}
