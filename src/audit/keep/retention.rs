//! What of whole files that are old is removed, so that what is left verifies.
//!
//! A log may begin behind a checkpoint that is kept beside it, and nowhere else. Every file that claviger ended ends with one. In a file that
//! something else moved, lines may stand behind the last one: they stay, as a file of their own, until a later checkpoint goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::mem;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use super::super::chain::Kind;
use super::super::files;
use super::super::read::Reader;
use super::super::segment::{Form, Segment, ZSTD, beside, whole_path};
use super::super::tail::ends_amid_line;
use super::{kept_path, pack, remove_if_there, sync_directory};

/// Removes files that nobody has written to since then, up to their last checkpoint. Where it is killed, the next call does the rest.
pub(super) fn remove_old(path: &Path, since: SystemTime) -> io::Result<()> {
    if old(path, since)?.is_empty() {
        return Ok(());
    }
    let mut kept = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(kept_path(path))?;
    if kept.try_lock().is_err() {
        return Ok(());
    }
    let mut unproved = Vec::new();
    // Looked for once more: another process may have had the lock until now.
    for segment in old(path, since)? {
        let content = match Content::of(&segment) {
            // Another process has compressed it just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            content => content?,
        };
        let mut done = match &content.last {
            Some(last) => {
                keep(&mut kept, last)?;
                let done = mem::take(&mut unproved);
                if last.end < content.len {
                    match keep_rest(path, &segment, last) {
                        // It goes with the next checkpoint, as what follows it does.
                        Ok(Some(rest)) => unproved.push(rest),
                        Ok(None) => return Ok(()),
                        // There may be no room before what follows goes, and with that goes this.
                        Err(error) => {
                            log::error!(error:%, file:% = segment.path.display(); "what is left of a file of the audit log cannot be kept by itself");
                            unproved.extend(done);
                            unproved.push(segment);
                            continue;
                        }
                    }
                }
                done
            }
            None if content.is_of_log => {
                unproved.push(segment);
                continue;
            }
            None => Vec::new(),
        };
        done.push(segment);
        for one in done {
            remove_if_there(&one.path)?;
        }
        sync_directory(path)?;
    }
    Ok(())
}

/// Those that nobody has written to since then, the oldest first.
fn old(path: &Path, since: SystemTime) -> io::Result<Vec<Segment>> {
    let mut old = Vec::new();
    for segment in Segment::whole(path)? {
        if fs::metadata(&segment.path)?.modified()? > since {
            break;
        }
        old.push(segment);
    }
    Ok(old)
}

/// What a file holds.
#[derive(Default)]
struct Content {
    /// Whether it has a line of a chain.
    is_of_log: bool,
    /// How long it is, in bytes that are not compressed.
    len: u64,
    last: Option<Checkpoint>,
}

/// The last checkpoint of a file.
struct Checkpoint {
    seq: u64,
    /// Its text, without its end.
    line: Vec<u8>,
    /// Where the next line begins.
    end: u64,
}

impl Content {
    fn of(segment: &Segment) -> io::Result<Self> {
        let (mut reader, mut content) = (Reader::open_one(segment.clone())?, Self::default());
        while let Some(line) = reader.next()? {
            content.len += line.bytes.len() as u64 + u64::from(line.is_ended);
            let Some(head) = line.head else { continue };
            content.is_of_log = true;
            if head.kind == Kind::Checkpoint {
                content.last = Some(Checkpoint { seq: head.seq, line: line.bytes.to_vec(), end: content.len });
            }
        }
        Ok(content)
    }
}

/// Keeps a checkpoint, behind which the log may begin then.
fn keep(kept: &mut File, last: &Checkpoint) -> io::Result<()> {
    let start = if ends_amid_line(kept)? { &b"\n"[..] } else { b"" };
    kept.write_all(&[start, &last.line, b"\n"].concat())?;
    kept.sync_all()
}

/// Makes a file of what stands behind the last checkpoint of another one, as old as that; none where another process does.
fn keep_rest(path: &Path, segment: &Segment, last: &Checkpoint) -> io::Result<Option<Segment>> {
    let first = last.seq.saturating_add(1);
    if let Some(there) = Segment::whole(path)?.into_iter().find(|one| one.first == Some(first)) {
        // A process made it that was killed before it removed what it made it of. Where it is anything else, nothing else has what is left.
        let is_rest = is_same(open_rest(segment, last)?.0, files::read(&there.path, File::open(&there.path)?)?)?;
        let taken = || io::Error::new(io::ErrorKind::AlreadyExists, there.path.display().to_string());
        return if is_rest { Ok(Some(there)) } else { Err(taken()) };
    }
    let whole = whole_path(path, first);
    let is_made = pack(&whole, || open_rest(segment, last).map(Some))?;
    let made = Segment { path: beside(&whole, ZSTD), first: Some(first), form: Form::Zstd };
    Ok(is_made.then_some(made))
}

/// What stands behind the last checkpoint of a file, and how old that is.
fn open_rest(segment: &Segment, last: &Checkpoint) -> io::Result<(impl Read, SystemTime)> {
    let file = File::open(&segment.path)?;
    let modified = file.metadata()?.modified()?;
    let mut input = files::read(&segment.path, file)?;
    io::copy(&mut input.by_ref().take(last.end), &mut io::sink())?;
    Ok((input, modified))
}

/// Whether two are the same to their ends.
fn is_same(one: impl Read, other: impl Read) -> io::Result<bool> {
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    loop {
        let (this, that) = (one.fill_buf()?, other.fill_buf()?);
        let len = this.len().min(that.len());
        if len == 0 || this[..len] != that[..len] {
            return Ok(this.is_empty() && that.is_empty());
        }
        one.consume(len);
        other.consume(len);
    }
}
