//! Checkpoints: how one is proved, and those that are kept elsewhere than in the log.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::batch::CONTEXT;
use super::super::chain::{Chain, ChainId, Digest, Head, Kind};
use super::report::{Fault, FaultKind, Mark};
use crate::crypto::SignatureKey;

/// What becomes of a checkpoint's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// A given key made it.
    Signed,
    /// None of the given keys made it.
    Forged,
    /// There is none, or no key to prove it with.
    Unsigned,
}

/// Looks at the signature of a checkpoint's line.
pub(super) fn prove(line: &[u8], keys: &[SignatureKey]) -> Proof {
    const MEMBER: &[u8] = b",\"signature\":\"";
    if keys.is_empty() {
        return Proof::Unsigned;
    }
    let Some(at) = memchr::memmem::rfind(line, MEMBER) else { return Proof::Unsigned };
    let text = line[at + MEMBER.len()..].strip_suffix(b"\"}");
    let signature = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let message = [CONTEXT, &line[..at]].concat();
    let is_good = signature.is_some_and(|signature| keys.iter().any(|key| key.verify(&message, &signature)));
    if is_good { Proof::Signed } else { Proof::Forged }
}

/// Checkpoints of a file, by chain and number: the first of each, since whoever can only add cannot put another before it.
#[derive(Debug, Default)]
pub(super) struct Points {
    all: BTreeMap<(ChainId, u64), Point>,
    /// The number of one that is there twice, and not the same.
    contradicted: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Point {
    pub(super) digest: Digest,
    pub(super) line: Vec<u8>,
}

impl Points {
    /// Those of an anchor.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read(path)?;
        let lines = text.split(|&b| b == b'\n').filter_map(|line| Some((line, Head::parse(line)?)));
        let points = lines.filter(|(_, head)| head.kind == Kind::Checkpoint);
        let mut read = Self::default();
        for (line, head) in points {
            let digest = Digest::of(line);
            let point = || Point { digest, line: line.to_vec() };
            let first = read.all.entry((head.chain, head.seq)).or_insert_with(point);
            if first.digest != digest {
                read.contradicted.get_or_insert(head.seq);
            }
        }
        Ok(read)
    }

    /// The number of a checkpoint that is there twice, and not the same.
    pub(super) fn contradicted(&self) -> Option<u64> {
        self.contradicted
    }

    /// The same, of a file that need not be there.
    pub(super) fn read_if_there(path: &Path) -> io::Result<Self> {
        match Self::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            points => points,
        }
    }

    pub(super) fn get(&self, chain: ChainId, seq: u64) -> Option<&Point> {
        self.all.get(&(chain, seq))
    }

    /// What is wrong with a log that ends so, if there are checkpoints of what comes behind, or of another log.
    pub(super) fn beyond(&self, chain: Option<Chain>) -> Option<Fault> {
        let ((id, seq), _) = match chain {
            Some(chain) => self.all.range((chain.id, chain.seq + 1)..=(chain.id, u64::MAX)).next_back(),
            None => self.all.iter().next_back(),
        }
        .or_else(|| self.all.iter().find(|((id, _), _)| chain.is_none_or(|chain| *id != chain.id)))?;
        Some(match chain {
            Some(chain) if chain.id == *id => {
                let text = format!("the log ends with line {}, and the anchor knows of line {seq}", chain.seq);
                Fault::new(FaultKind::Truncated, chain.seq + 1, text)
            }
            Some(_) => Fault::new(FaultKind::Forged, 0, format!("the anchor is of the log {id}, which this is not")),
            None => {
                Fault::new(FaultKind::Truncated, 1, format!("the log is empty, and the anchor knows of line {seq}"))
            }
        })
    }

    /// How many there are of these lines.
    pub(super) fn between(&self, chain: ChainId, first: Option<&Mark>, last: u64) -> u64 {
        let first = first.map_or(1, |mark| mark.seq);
        if first > last {
            return 0;
        }
        self.all.range((chain, first)..=(chain, last)).count() as u64
    }
}
