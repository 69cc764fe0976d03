//! The second look at a log in which a line does not fit: what was done to it.

use std::io;
use std::path::Path;

use super::super::chain::{Chain, Digest, Head};
use super::super::read::Reader;
use super::{Fault, FaultKind};

/// A line, as it is linked.
#[derive(Clone, Copy)]
struct Link {
    head: Head,
    digest: Digest,
}

/// What there is behind the last line that fits.
#[derive(Default)]
struct Behind {
    /// The line that does not, and the one behind it.
    it: Option<Link>,
    next: Option<Link>,
    /// Whether the line that should be in its place is somewhere later.
    is_expected_later: bool,
}

/// What there is among the lines that fit.
#[derive(Default)]
struct Before {
    /// Whether the line that does not fit is there too.
    is_copy: bool,
    /// Whether it would fit behind one of them.
    fits_earlier: bool,
}

/// Tells what was done to the log, of which everything up to `last` fits.
pub(super) fn explain(path: &Path, last: Chain, found: Fault) -> io::Result<Fault> {
    let behind = Behind::of(path, last)?;
    let Some(it) = behind.it else { return Ok(found) };
    let before = Before::of(path, last, &it)?;
    let (seq, head) = (last.seq + 1, it.head);
    let is_followed = behind.next.as_ref().is_none_or(|next| next.head.prev == it.digest);
    let (kind, seq, text) = if before.is_copy {
        (FaultKind::Duplicated, head.seq, "it is there twice".to_owned())
    } else if head.prev == last.head {
        (FaultKind::Edited, seq, "its number, or its log's id, was changed".to_owned())
    } else if head.chain != last.id {
        (FaultKind::Spliced, seq, format!("in its place is line {} of the log {}", head.seq, head.chain))
    } else if behind.is_expected_later {
        (FaultKind::Reordered, seq, format!("it is behind line {}", head.seq))
    } else if head.seq == seq + 1 {
        (FaultKind::Removed, seq, "it is missing".to_owned())
    } else if head.seq > seq {
        (FaultKind::Removed, seq, format!("it is missing, with all up to line {}", head.seq - 1))
    } else if head.seq < seq && before.fits_earlier {
        (FaultKind::Forged, head.seq, "there are two lines of this number, of which one was put in".to_owned())
    } else if is_followed {
        (FaultKind::Edited, last.seq, "it is not what the line behind it names".to_owned())
    } else {
        (FaultKind::Edited, seq, "neither the line before nor the one behind it fits".to_owned())
    };
    Ok(Fault::new(kind, seq, text))
}

/// Tells what was done to a log that does not begin with its first line.
pub(super) fn explain_first(path: &Path, found: Fault) -> io::Result<Fault> {
    let mut reader = Reader::open(path, 0)?;
    let (mut first, mut is_later) = (None, false);
    while let Some(line) = reader.next()? {
        let digest = Digest::of(line.bytes);
        match (first, line.head) {
            (None, Some(head)) => first = Some((head.seq, digest)),
            (Some((seq, copy)), Some(_)) if copy == digest => {
                return Ok(Fault::new(FaultKind::Duplicated, seq, "it is there twice"));
            }
            (Some(_), Some(head)) => is_later |= head.seq == found.seq,
            (_, None) => {}
        }
    }
    let moved = || Fault::new(FaultKind::Reordered, found.seq, "it is not at the beginning");
    Ok(if is_later { moved() } else { found })
}

impl Behind {
    fn of(path: &Path, last: Chain) -> io::Result<Self> {
        let (mut behind, mut is_behind) = (Self::default(), false);
        let mut reader = Reader::open(path, 0)?;
        while let Some(line) = reader.next()? {
            let digest = Digest::of(line.bytes);
            if !is_behind {
                is_behind = digest == last.head;
                continue;
            }
            let Some(head) = line.head else { continue };
            let link = Link { head, digest };
            if behind.it.is_none() {
                behind.it = Some(link);
            } else {
                behind.next.get_or_insert(link);
                behind.is_expected_later |= (head.seq, head.prev, head.chain) == (last.seq + 1, last.head, last.id);
            }
        }
        Ok(behind)
    }
}

impl Before {
    fn of(path: &Path, last: Chain, it: &Link) -> io::Result<Self> {
        let mut before = Self::default();
        let mut reader = Reader::open(path, 0)?;
        while let Some(line) = reader.next()? {
            let digest = Digest::of(line.bytes);
            before.is_copy |= digest == it.digest;
            let seq = line.head.map_or(0, |head| head.seq);
            before.fits_earlier |= seq + 1 == it.head.seq && digest == it.head.prev;
            if digest == last.head {
                break;
            }
        }
        Ok(before)
    }
}
