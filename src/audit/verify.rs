//! Whether a log is what its processes wrote: offline, with public keys alone.
//!
//! Every line is digested and compared with what the next one names, through all files. A signed checkpoint then holds everything before it;
//! an anchor tells what the log has to hold at least. The first line that does not fit is the fault, and a second look tells what was done.

mod explain;
mod points;
mod report;
mod told;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use self::points::{Points, Proof, prove};
pub use self::report::{Fault, FaultKind, Mark, Report};
use self::told::{Members, mark};
use super::chain::{Chain, Digest, Head, Kind};
use super::keep::kept_path;
use super::read::{Line, Reader};
use super::segment::Segment;
use crate::crypto::SignatureKey;

/// Looks through the log at this path. `keys` prove checkpoints; without any, signatures are not looked at. `anchor` is a second file of
/// checkpoints. `progress` is told now and then how many bytes of lines were looked at.
///
/// # Errors
/// When a file cannot be read. What is wrong with the log is in the report.
pub fn verify(
    path: &Path,
    keys: &[SignatureKey],
    anchor: Option<&Path>,
    progress: &mut dyn FnMut(u64),
) -> io::Result<Report> {
    let first = first_head(path)?;
    let anchored =
        anchor.map(|anchor| Points::of_anchor(anchor, first).map_err(|error| of_anchor(anchor, &error))).transpose()?;
    let kept = Points::kept(&kept_path(path))?;
    let mut walk = Walk { keys, anchored, kept, ..Walk::default() };
    let mut reader = Reader::open(path, 0)?;
    let (mut broken, mut told) = (None, 0);
    loop {
        let line = match next(&mut reader, path) {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                broken = Some((walk.unreadable(&error), false));
                break;
            }
            Err(error) => return Err(error),
        };
        if let Err(found) = walk.step(&line) {
            broken = Some((found, walk.is_unexplained));
            break;
        }
        if walk.report.bytes - told > TELL_EVERY {
            told = walk.report.bytes;
            progress(told);
        }
    }
    let mut place = reader.place().map(|(file, line)| (file.to_owned(), line));
    if broken.is_none()
        && let Some(Segment { path, first: Some(first), .. }) = reader.stranger()?
    {
        let text = "this file has lines of numbers that others have: no process of the log wrote it";
        broken = Some((Fault::new(FaultKind::Forged, first, text), false));
        place = Some((path, 1));
    }
    let fault = match broken {
        // What is found first is told also where the second look fails.
        Some((found, true)) => Some(match walk.chain {
            Some(last) => explain::explain(path, last, found.clone()).unwrap_or(found),
            None => explain::explain_first(path, found.clone()).unwrap_or(found),
        }),
        Some((found, false)) => Some(found),
        None => walk.end(reader.rest()),
    };
    walk.report.fault = fault.map(|fault| fault.at(place));
    progress(walk.report.bytes);
    Ok(walk.finish(keys))
}

/// An error that says which of the two files it is about.
fn of_anchor(anchor: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the anchor {}: {error}", anchor.display()))
}

/// How the log's first line of a chain is linked, if it can be read.
fn first_head(path: &Path) -> io::Result<Option<Head>> {
    match Reader::open(path, 1)?.next() {
        Ok(line) => Ok(line.and_then(|line| line.head)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(error),
    }
}

/// The next line. What is half of one may be written just now: then it is waited for.
fn next<'r>(reader: &'r mut Reader, path: &Path) -> io::Result<Option<Line<'r>>> {
    if !reader.has_line()?
        && !reader.rest().is_empty()
        && let Ok(file) = fs::File::open(path)
    {
        // Whoever writes has it locked.
        file.lock_shared()?;
    }
    reader.next()
}

/// How many lines may be behind the last signed checkpoint: those between two, those of a turn of the writer, and some to spare.
const MAX_UNPROVED: u64 = 10_000 + 2 * 65_536 + 10_000;
/// How much time may be between those lines: the most between two checkpoints, and as much to spare.
const MAX_UNPROVED_TIME: SignedDuration = SignedDuration::from_hours(2);
const TELL_EVERY: u64 = 16 * 1024 * 1024;

/// What is known up to a line.
#[derive(Default)]
struct Walk<'a> {
    keys: &'a [SignatureKey],
    anchored: Option<Points>,
    kept: Points,
    /// The chain up to the last line that fits.
    chain: Option<Chain>,
    /// The last two lines before there is a chain.
    before: [Option<Stray>; 2],
    /// A line of no chain: half a line, if the next one says so.
    stray: Option<Stray>,
    /// Whether it takes a second look to tell what was done.
    is_unexplained: bool,
    /// Processes that did not say that they have written everything, and where each began.
    open: BTreeMap<String, u64>,
    /// Checkpoints without a signature since the last one that is proved.
    unsigned: Option<u64>,
    /// The times of the first and the last line.
    times: [Vec<u8>; 2],
    /// When the first line behind the last proved checkpoint was written, and the latest time that one of those lines tells.
    unproved: Option<(Timestamp, String)>,
    report: Report,
}

#[derive(Clone, Copy)]
struct Stray {
    bytes: u64,
    digest: Digest,
}

impl Walk<'_> {
    /// Takes a line that fits, or says why it does not.
    fn step(&mut self, line: &Line<'_>) -> Result<(), Fault> {
        self.report.bytes += line.bytes.len() as u64 + 1;
        let digest = Digest::of(line.bytes);
        let Some(head) = line.head else { return self.stray(line, digest) };
        self.missed(&head, line.bytes)?;
        match self.chain {
            Some(chain) if self.stray.is_some() && (head.seq, head.prev) != (chain.seq + 1, chain.head) => {
                return Err(Fault::new(FaultKind::Edited, chain.seq + 1, "it is no line of a log any more"));
            }
            Some(chain) => self.linked(chain, &head)?,
            None => self.first(&head)?,
        }
        self.torn(&head, line.bytes)?;
        self.chain = Some(Chain { id: head.chain, seq: head.seq, head: digest });
        self.report.lines += 1;
        self.remember(&head, line.bytes);
        self.unproved(line.bytes);
        match head.kind {
            Kind::Checkpoint => self.checkpoint(&head, line.bytes, digest),
            Kind::Opened | Kind::Closed | Kind::Lost => self.told(&head, line.bytes),
            Kind::Torn
            | Kind::Decision
            | Kind::Exchange
            | Kind::Revocation
            | Kind::Access
            | Kind::Rotation
            | Kind::Erasure
            | Kind::Alert
            | Kind::Skipped => Ok(()),
        }
    }

    /// Whether a line fits behind the one before.
    fn linked(&mut self, chain: Chain, head: &Head) -> Result<(), Fault> {
        if head.chain == chain.id && head.seq == chain.seq + 1 && head.prev == chain.head {
            return Ok(());
        }
        self.is_unexplained = true;
        Err(Fault::new(FaultKind::Edited, head.seq, "it does not fit behind the line before"))
    }

    /// Whether the first line of the chain may be it.
    fn first(&mut self, head: &Head) -> Result<(), Fault> {
        let [mut last, earlier] = self.before;
        if head.kind == Kind::Torn && last.is_some() {
            // The last one is the half line that it tells of.
            self.stray = last;
            self.report.unchained -= 1;
            last = earlier;
        }
        if head.seq == 1 {
            let before = last.map_or(Chain::NOTHING, |line| line.digest);
            let fault = Fault::new(FaultKind::Edited, 1, "what stood before the chain is not there any more as it was");
            return if head.prev == before { Ok(()) } else { Err(fault) };
        }
        let removed = self.kept.get(head.chain, head.seq - 1);
        match removed {
            Some(point) if point.digest == head.prev => match prove(&point.line, self.keys) {
                Proof::Forged => Err(Fault::new(
                    FaultKind::Forged,
                    head.seq - 1,
                    "the checkpoint of the removed file is not signed by a given key",
                )),
                Proof::Signed | Proof::Unsigned => {
                    self.report.removed = head.seq - 1;
                    Ok(())
                }
            },
            Some(_) => Err(Fault::new(
                FaultKind::Removed,
                head.seq,
                "it does not fit behind the checkpoint of the removed file",
            )),
            None if self.report.unchained > 0 => {
                Err(Fault::new(FaultKind::Edited, 1, "the first lines are not of this chain"))
            }
            None => {
                self.is_unexplained = true;
                let text =
                    format!("the log begins with line {}: the file of those before it is not beside it", head.seq);
                Err(Fault::new(FaultKind::Removed, 1, text))
            }
        }
    }

    /// A line of no chain.
    fn stray(&mut self, line: &Line<'_>, digest: Digest) -> Result<(), Fault> {
        let stray = Stray { bytes: line.bytes.len() as u64, digest };
        let Some(chain) = self.chain else {
            self.report.unchained += 1;
            self.before = [Some(stray), self.before[0]];
            return Ok(());
        };
        if self.stray.is_some() {
            return Err(Fault::new(FaultKind::Edited, chain.seq + 1, "two lines after each other are none of a chain"));
        }
        self.stray = Some(stray);
        Ok(())
    }

    /// Whether a line of no chain, if there was one, is half a line that this one tells of.
    fn torn(&mut self, head: &Head, line: &[u8]) -> Result<(), Fault> {
        let stray = self.stray.take();
        if stray.is_none() && head.kind != Kind::Torn {
            return Ok(());
        }
        let seq = head.seq;
        let members: Members = serde_json::from_slice(line).unwrap_or_default();
        let told = members.digest.and_then(|text| Digest::parse(text.as_bytes()));
        match (stray, head.kind == Kind::Torn) {
            (Some(stray), true) if (Some(stray.digest), Some(stray.bytes)) == (told, members.bytes) => {
                self.report.torn += 1;
                Ok(())
            }
            (Some(_), true) => {
                Err(Fault::new(FaultKind::Edited, seq, "the half line before it is not the one that it tells of"))
            }
            (Some(_), false) => Err(Fault::new(FaultKind::Forged, seq, "a line that nobody wrote is before it")),
            (None, _) => Err(Fault::new(FaultKind::Removed, seq, "the half line that it tells of is not there")),
        }
    }

    fn checkpoint(&mut self, head: &Head, line: &[u8], digest: Digest) -> Result<(), Fault> {
        let anchored = self.anchored.as_ref().and_then(|points| points.get(head.chain, head.seq));
        if anchored.is_some_and(|point| point.digest != digest) {
            return Err(Fault::new(FaultKind::Forged, head.seq, "the anchor has another checkpoint of this number"));
        }
        self.report.anchored += u64::from(anchored.is_some());
        match prove(line, self.keys) {
            Proof::Forged => Err(Fault::new(FaultKind::Forged, head.seq, "its signature is by none of the given keys")),
            Proof::Signed => {
                self.report.signed += 1;
                self.report.proved = Some(mark(head.seq, line));
                self.unsigned = None;
                self.unproved = None;
                Ok(())
            }
            Proof::Unsigned => {
                self.report.unsigned += 1;
                self.unsigned.get_or_insert(head.seq);
                Ok(())
            }
        }
    }

    fn remember(&mut self, head: &Head, line: &[u8]) {
        let shown = &line[..line.len().min(256)];
        if self.report.first.is_none() {
            self.report.first = Some(mark(head.seq, line));
        }
        self.times[1].clear();
        self.times[1].extend_from_slice(shown);
    }

    /// Remembers of a line how far it is from the last proved checkpoint.
    fn unproved(&mut self, line: &[u8]) {
        if self.report.proved.is_none() {
            return;
        }
        let told = mark(0, &line[..line.len().min(256)]).time;
        match &mut self.unproved {
            Some((_, latest)) if *latest < told => *latest = told,
            Some(_) => {}
            None => {
                let Ok(time) = told.parse::<Timestamp>() else { return };
                // An exchange's time is that of its beginning.
                let members: Members = serde_json::from_slice(line).unwrap_or_default();
                let took = i64::try_from(members.total_us.unwrap_or(0)).unwrap_or(0);
                let written = time.checked_add(SignedDuration::from_micros(took)).unwrap_or(time);
                self.unproved = Some((written, told));
            }
        }
    }

    /// What is wrong with an end that no checkpoint proves, where there should be one.
    fn too_long(&self, last: u64) -> Option<Fault> {
        let proved = self.report.proved.as_ref()?;
        let time = self.unproved.as_ref().and_then(|(since, latest)| {
            let latest = latest.parse::<Timestamp>().ok()?;
            Some(latest.duration_since(*since))
        });
        let is_too_long = last - proved.seq > MAX_UNPROVED || time.is_some_and(|time| time > MAX_UNPROVED_TIME);
        let text = "there are more lines, or is more time, behind the last signed checkpoint than ever without another";
        is_too_long.then(|| Fault::new(FaultKind::Forged, proved.seq + 1, text))
    }

    /// What is wrong with a file that cannot be what was written.
    fn unreadable(&self, error: &io::Error) -> Fault {
        let seq = self.chain.map_or(1, |chain| chain.seq + 1);
        Fault::new(FaultKind::Edited, seq, format!("its file was changed: {error}"))
    }

    /// What is wrong with the end, where every line fits.
    fn end(&self, rest: &[u8]) -> Option<Fault> {
        let last = self.chain.map_or(0, |chain| chain.seq);
        if !rest.is_empty() || self.stray.is_some() {
            let text = "the log ends with half a line: its process was killed while it wrote, or its end was cut";
            return Some(Fault::new(FaultKind::Truncated, last + 1, text));
        }
        if let Some(points) = &self.anchored {
            if let Some(seq) = points.contradicted() {
                return Some(Fault::new(FaultKind::Forged, seq, "the anchor has two checkpoints of this number"));
            }
            if let Some(beyond) = points.beyond(self.chain) {
                return Some(beyond);
            }
            let expected = self.chain.map_or(0, |chain| points.between(chain.id, self.report.first.as_ref(), last));
            if expected > self.report.anchored {
                return Some(Fault::new(FaultKind::Forged, last, "the anchor has checkpoints that the log has not"));
            }
            let checkpoints = self.report.signed + self.report.unsigned;
            if self.report.anchored == 0 && checkpoints > 0 {
                let text = format!(
                    "the anchor has none of its {checkpoints} checkpoints: it is that of another log, was emptied, or has had no time to get one"
                );
                return Some(Fault::new(FaultKind::Unanchored, 0, text));
            }
        }
        let is_proved = self.report.proved.is_some();
        let unsigned = self.unsigned.filter(|_| is_proved);
        let unsigned =
            unsigned.map(|seq| Fault::new(FaultKind::Forged, seq, "it is not signed, and neither is one behind it"));
        unsigned.or_else(|| self.too_long(last))
    }

    fn finish(mut self, keys: &[SignatureKey]) -> Report {
        self.report.chain = self.chain.map(|chain| chain.id.to_string());
        self.report.last = self.chain.map(|chain| mark(chain.seq, &self.times[1]));
        self.report.not_closed = self.open.into_iter().map(|(process, since)| (since, process)).collect();
        self.report.not_closed.sort();
        self.report.is_signed = !keys.is_empty();
        if self.report.fault.is_none() && keys.is_empty() && self.report.lines + self.report.unchained == 0 {
            self.report.fault = Some(Fault::new(FaultKind::Truncated, 0, "it has no line"));
        }
        if self.report.fault.is_none() && !keys.is_empty() && self.report.proved.is_none() {
            self.report.fault =
                Some(Fault::new(FaultKind::Forged, 0, "there is no checkpoint that a given key signed"));
        }
        self.report
    }
}

#[cfg(test)]
mod tests;
