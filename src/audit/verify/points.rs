//! Checkpoints: how one is proved, and those that are kept elsewhere than in the log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
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
    /// Its text, where that is wanted.
    pub(super) line: Box<[u8]>,
}

/// A line of a file of checkpoints that is longer is none.
const MAX_LINE: u64 = 64 * 1024;
/// The most checkpoints that are held at once.
const MAX_POINTS: usize = 4 * 1024 * 1024;

impl Points {
    /// Those of an anchor that a log which begins so can be held against: what it says of lines that were removed is passed over, and of
    /// another log only the last one is remembered.
    pub(super) fn of_anchor(path: &Path, first: Option<Head>) -> io::Result<Self> {
        let mut points = Self::default();
        let mut others = BTreeMap::new();
        each(File::open(path)?, |line, head| {
            let is_of_log = first.is_some_and(|first| first.chain == head.chain);
            if is_of_log && first.is_some_and(|first| head.seq >= first.seq) {
                points.add(head, Point { digest: Digest::of(line), line: Box::default() })?;
            } else if !is_of_log && others.len() < MAX_POINTS {
                let last = others.entry(head.chain).or_insert((head.seq, Digest::of(line)));
                if last.0 < head.seq {
                    *last = (head.seq, Digest::of(line));
                }
            }
            Ok(())
        })?;
        for (chain, (seq, digest)) in others {
            points.all.insert((chain, seq), Point { digest, line: Box::default() });
        }
        Ok(points)
    }

    /// The last ones of removed files; none where no file was removed.
    pub(super) fn kept(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file?,
        };
        let mut points = Self::default();
        each(file, |line, head| points.add(head, Point { digest: Digest::of(line), line: line.into() }))?;
        Ok(points)
    }

    fn add(&mut self, head: Head, point: Point) -> io::Result<()> {
        if self.all.len() >= MAX_POINTS {
            let text = format!("there are more than {MAX_POINTS} checkpoints");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let digest = point.digest;
        let first = self.all.entry((head.chain, head.seq)).or_insert(point);
        if first.digest != digest {
            self.contradicted.get_or_insert(head.seq);
        }
        Ok(())
    }

    /// The number of a checkpoint that is there twice, and not the same.
    pub(super) fn contradicted(&self) -> Option<u64> {
        self.contradicted
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

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.all.len()
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

/// Shows the checkpoints of a file one after the other.
fn each(file: File, mut show: impl FnMut(&[u8], Head) -> io::Result<()>) -> io::Result<()> {
    let (mut input, mut line) = (BufReader::new(file), Vec::new());
    loop {
        line.clear();
        if input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        match Head::parse(line) {
            Some(head) if head.kind == Kind::Checkpoint => show(line, head)?,
            Some(_) | None => {}
        }
    }
}
