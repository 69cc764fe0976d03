//! Reading a log: line after line through all its files, also while it is written.
//!
//! [`Reader::open`] begins at the first line whose number is at least the one that is asked for, and [`Reader::next`] lends one whole line
//! after the other, through compressed and plain files into the one that is written. At the end it answers `None`; called again later it
//! goes on with what was written since, also when the file was rotated meanwhile. So a consumer keeps one number, that of the last line it
//! has done with, and resumes with the next. Lines that were removed with their files are passed over: the first number that comes tells.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use memchr::memchr;

use super::chain::{Head, Kind};
use super::segment::{Form, Segment};

/// Reads the lines of a log in their order.
pub struct Reader {
    path: PathBuf,
    /// Lines with smaller numbers are passed over.
    from: u64,
    source: Option<Source>,
    buffer: Vec<u8>,
    /// What of the buffer is not lent yet.
    start: usize,
    end: usize,
    /// The number of the last line of the chain that was seen; 0 before the first.
    last: u64,
    /// Whether other files follow.
    goes_on: bool,
    /// The numbers of the first lines of the files that were read.
    begun: HashSet<u64>,
}

/// The file that is read.
struct Source {
    segment: Segment,
    /// Which file it is, whatever its name becomes.
    identity: (u64, u64),
    input: Box<dyn Read + Send>,
    /// How many lines were read of it.
    lines: u64,
    /// Whether a line of a chain was read of it.
    has_begun: bool,
}

/// One line.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Its bytes, without its end.
    pub bytes: &'a [u8],
    /// How it is linked; none where it is no line of a chain: what was written before there was one, half a line, or a stranger's.
    pub head: Option<Head>,
    /// Whether it has an end. Only the last one of a whole file can be without.
    pub is_ended: bool,
}

const BUFFER: usize = 1024 * 1024;
/// A line that is longer is none.
const MAX_LINE: usize = 64 * 1024 * 1024;

impl Reader {
    /// A reader of the log at this path, from the line of this number on; 0 for everything, also what was written before there was a chain.
    ///
    /// # Errors
    /// When its directory or a file cannot be read.
    pub fn open(path: &Path, from: u64) -> io::Result<Self> {
        let mut reader = Self::new(path.to_owned(), from, None);
        reader.source = reader.next_source(from)?;
        Ok(reader)
    }

    /// A reader of one file alone.
    pub(super) fn open_one(segment: Segment) -> io::Result<Self> {
        let source = Source::open(segment)?;
        Ok(Self { goes_on: false, ..Self::new(source.segment.path.clone(), 0, Some(source)) })
    }

    fn new(path: PathBuf, from: u64, source: Option<Source>) -> Self {
        Self {
            path,
            from,
            source,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            last: 0,
            goes_on: true,
            begun: HashSet::new(),
        }
    }

    /// The next whole line; none where there is none yet.
    ///
    /// # Errors
    /// When a file cannot be read; [`InvalidData`](io::ErrorKind::InvalidData) when it is none that a log was written to.
    #[expect(clippy::should_implement_trait, reason = "it lends its lines")]
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            let Some((start, end, is_ended)) = self.find_line()? else { return Ok(None) };
            let head = Head::parse(&self.buffer[start..end]);
            if let Some(head) = head {
                self.last = self.last.max(head.seq);
                let is_first =
                    self.source.as_mut().is_some_and(|source| !std::mem::replace(&mut source.has_begun, true));
                self.begun.extend(is_first.then_some(head.seq));
            }
            if head.map_or(self.from == 0, |head| head.seq >= self.from) {
                return Ok(Some(Line { bytes: &self.buffer[start..end], head, is_ended }));
            }
        }
    }

    /// A file beside those that were read, with lines of numbers that they have: whoever reads file after file takes it for one of them.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn stranger(&self) -> io::Result<Option<Segment>> {
        for segment in Segment::of(&self.path)? {
            let is_strange = segment.first.is_some_and(|n| n <= self.last && !self.begun.contains(&n));
            if is_strange && !self.is_rest(&segment)? {
                return Ok(Some(segment));
            }
        }
        Ok(None)
    }

    /// Whether a file is what stands behind a checkpoint of another, as one is made before that other is removed.
    fn is_rest(&self, segment: &Segment) -> io::Result<bool> {
        let (mut log, mut rest) = (Self::open(&self.path, 0)?, Self::open_one(segment.clone())?);
        let mut before = None;
        let mut ours = loop {
            let Some(line) = log.next()? else { return Ok(false) };
            if line.head.is_some_and(|head| Some(head.seq) == segment.first) {
                break line.bytes.to_vec();
            }
            before = line.head.map(|head| head.kind);
        };
        let mut is_any = false;
        while let Some(theirs) = rest.next()? {
            if ours != theirs.bytes {
                return Ok(false);
            }
            is_any = true;
            ours.clear();
            ours.extend(log.next()?.into_iter().flat_map(|line| line.bytes));
        }
        Ok(is_any && before.is_none_or(|kind| kind == Kind::Checkpoint))
    }

    /// Whether the next line is at hand, or can be read.
    pub(super) fn has_line(&mut self) -> io::Result<bool> {
        if memchr(b'\n', &self.buffer[self.start..self.end]).is_some() {
            return Ok(true);
        }
        self.fill().map(|read| read > 0)
    }

    /// The file of the line that was lent last, and its place there, from 1.
    pub fn place(&self) -> Option<(&Path, u64)> {
        self.source.as_ref().map(|source| (source.segment.path.as_path(), source.lines))
    }

    /// What stands behind the last whole line of the file that is written.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Where the next line is in the buffer.
    fn find_line(&mut self) -> io::Result<Option<(usize, usize, bool)>> {
        let mut searched = self.start;
        loop {
            if let Some(at) = memchr(b'\n', &self.buffer[searched..self.end]) {
                let (start, end) = (self.start, searched + at);
                self.start = end + 1;
                self.count();
                return Ok(Some((start, end, true)));
            }
            let kept = self.end - self.start;
            let read = self.fill()?;
            // What was searched may have been moved to the front.
            searched = self.start + kept;
            if read > 0 {
                continue;
            }
            if self.is_live() {
                if !self.was_moved()? {
                    return Ok(None);
                }
                // Looked at once more: something may have come before it was moved.
                continue;
            }
            if kept > 0 {
                let (start, end) = (self.start, self.end);
                self.start = end;
                self.count();
                return Ok(Some((start, end, false)));
            }
            if !self.goes_on {
                return Ok(None);
            }
            // The same file again, where nothing has come after it yet.
            let next = self.next_source(self.last + 1)?;
            match next.filter(|next| Some(next.identity) != self.source.as_ref().map(|source| source.identity)) {
                Some(next) => self.source = Some(next),
                None => return Ok(None),
            }
        }
    }

    fn count(&mut self) {
        if let Some(source) = &mut self.source {
            source.lines += 1;
        }
    }

    /// Reads more behind what is in the buffer; tells how much.
    fn fill(&mut self) -> io::Result<usize> {
        let Some(source) = &mut self.source else { return Ok(0) };
        if self.end == self.buffer.len() {
            if self.start == 0 {
                if self.buffer.len() >= MAX_LINE {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"));
                }
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        loop {
            match source.input.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The system can read it, and it is not what was compressed.
                Err(error) if source.segment.form == Form::Zstd && error.raw_os_error().is_none() => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn is_live(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.segment.form == Form::Live)
    }

    /// Whether the file is not the one that is written any more, which is remembered.
    fn was_moved(&mut self) -> io::Result<bool> {
        let Some(source) = &mut self.source else { return Ok(false) };
        match fs::metadata(&self.path) {
            Ok(there) if (there.dev(), there.ino()) == source.identity => Ok(false),
            Ok(_) => {
                source.segment.form = Form::Plain;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The file in which the line of this number is, or the first one behind it.
    fn next_source(&self, seq: u64) -> io::Result<Option<Source>> {
        // A file may be compressed between the look and the opening; then there is another.
        for _ in 0..10 {
            let segments = match Segment::of(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                segments => segments?,
            };
            let behind = segments.iter().position(|segment| segment.first.is_none_or(|first| first > seq));
            let first = self.source.is_none() && self.from == 0;
            let Some(at) = (match behind {
                _ if first => (!segments.is_empty()).then_some(0),
                // The line is in the one before, unless all of that was read.
                Some(at) if at > 0 && !self.has_read(&segments[at - 1]) => Some(at - 1),
                Some(at) => Some(at),
                None => segments.len().checked_sub(1),
            }) else {
                return Ok(None);
            };
            match Source::open(segments[at].clone()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                source => return source.map(Some),
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// Whether this is what was read last, under whatever name.
    fn has_read(&self, segment: &Segment) -> bool {
        self.source.is_some() && segment.first.is_some_and(|first| first <= self.last)
    }
}

impl Source {
    fn open(segment: Segment) -> io::Result<Self> {
        let file = File::open(&segment.path)?;
        let about = file.metadata()?;
        let input: Box<dyn Read + Send> = match segment.form {
            Form::Live | Form::Plain => Box::new(file),
            Form::Zstd => Box::new(zstd::stream::read::Decoder::new(file)?),
        };
        Ok(Self { segment, identity: (about.dev(), about.ino()), input, lines: 0, has_begun: false })
    }
}

#[cfg(test)]
mod tests;
