//! Looking for lines of a log: first for bytes that a line must hold, in all that was read at once, and only what holds them is parsed.

use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::SystemTime;

use aho_corasick::AhoCorasick;
use jiff::Timestamp;
use memchr::{memchr, memmem, memrchr};

use super::files::{Counted, open_all, read};
use crate::telemetry::write_json;

/// What lines are looked for: all that is said has to hold.
#[derive(Debug, Default)]
pub struct Query {
    /// Members that have one of some texts, each with what finds the bytes that a line with it holds.
    wanted: Vec<Wanted>,
    since: Option<String>,
    until: Option<String>,
}

#[derive(Debug)]
struct Wanted {
    /// Members with the text of which one has to be there; of one without a text it matters only that it is there.
    any: Vec<(&'static str, Option<String>)>,
    /// How long the bytes are that are looked for.
    length: usize,
    finder: Finder,
}

#[derive(Debug)]
enum Finder {
    One(Box<memmem::Finder<'static>>),
    /// One of several.
    Any(AhoCorasick),
    /// Any line may be one.
    None,
}

/// How far it has come, for whoever waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read from the disk.
    pub done: u64,
    /// Bytes that the files have.
    pub of: u64,
}

/// How much is read at once, in bytes. A longer line makes room for itself.
const CHUNK: usize = 1 << 20;
/// A line that is longer is none of ours.
const MAX_LINE: usize = 64 << 20;

impl Query {
    /// Adds that a member has this text.
    #[must_use]
    pub fn with(self, member: &'static str, text: &str) -> Self {
        self.with_any([(member, text.to_owned())])
    }

    /// Adds that some member has one of these texts.
    #[must_use]
    pub fn with_any(mut self, any: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.wanted.push(Wanted::new(any.into_iter().map(|(member, text)| (member, Some(text))).collect()));
        self
    }

    /// Adds that a member is there.
    #[must_use]
    pub fn having(mut self, member: &'static str) -> Self {
        self.wanted.push(Wanted::new(vec![(member, None)]));
        self
    }

    /// Adds that lines are of this time or later.
    #[must_use]
    pub fn since(self, time: SystemTime) -> Self {
        Self { since: Some(text(time)), ..self }
    }

    /// Adds that lines are of an earlier time.
    #[must_use]
    pub fn until(self, time: SystemTime) -> Self {
        Self { until: Some(text(time)), ..self }
    }

    /// Calls `each` with every line, without its end, that may be one of those, in all files of the log at this path, the oldest first. What
    /// a line holds is to be looked at with [`Self::fits`]. Tells how it goes on from time to time.
    ///
    /// # Errors
    /// When a file cannot be read, or `each` fails.
    pub fn scan(
        &self,
        path: &Path,
        progress: &mut dyn FnMut(Progress),
        each: &mut dyn FnMut(&[u8]) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<Progress> {
        let named =
            |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let files = open_all(path).map_err(|(path, error)| named(&path, error))?;
        let sizes = files.iter().map(|(_, file)| file.metadata().map_or(0, |metadata| metadata.len()));
        let mut told = Progress { done: 0, of: sizes.sum() };
        for (path, file) in files {
            let before = told.done;
            let mut tell = |done: u64| {
                told.done = before + done;
                progress(told);
            };
            if self.scan_file(read(&path, file), &mut tell, each).map_err(|error| named(&path, error))?.is_break() {
                break;
            }
        }
        Ok(told)
    }

    fn scan_file(
        &self,
        input: io::Result<Counted>,
        tell: &mut dyn FnMut(u64),
        each: &mut dyn FnMut(&[u8]) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<ControlFlow<()>> {
        let mut input = input?;
        let mut buffer = vec![0; CHUNK];
        let mut filled = 0;
        loop {
            let read = match input.read(&mut buffer[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            filled += read;
            // The last line of a file may have no end.
            let whole = if read == 0 { filled } else { memrchr(b'\n', &buffer[..filled]).map_or(0, |at| at + 1) };
            let is_full = filled == buffer.len();
            if read > 0 && !is_full {
                continue;
            }
            if self.scan_lines(&buffer[..whole], each)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            tell(input.done());
            if read == 0 {
                return Ok(ControlFlow::Continue(()));
            }
            if whole == 0 && buffer.len() >= MAX_LINE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"));
            }
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
            if whole == 0 {
                buffer.resize(buffer.len() * 2, 0);
            }
        }
    }

    fn scan_lines(
        &self,
        text: &[u8],
        each: &mut dyn FnMut(&[u8]) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<ControlFlow<()>> {
        // What is rarest is most likely the longest.
        let rarest = self.wanted.iter().max_by_key(|wanted| wanted.length);
        let mut at = 0;
        while at < text.len() {
            let start = match rarest {
                Some(wanted) => match wanted.finder.find(&text[at..]) {
                    Some(found) => memrchr(b'\n', &text[at..at + found]).map_or(at, |end| at + end + 1),
                    None => break,
                },
                None => at,
            };
            let end = memchr(b'\n', &text[start..]).map_or(text.len(), |length| start + length);
            at = end + 1;
            let line = &text[start..end];
            let holds = |wanted: &Wanted| wanted.finder.find(line).is_some();
            if self.is_in_time(line) && self.wanted.iter().all(holds) && each(line)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Times of one length sort by their text.
    fn is_in_time(&self, line: &[u8]) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        const MEMBER: &[u8] = b"\"time\":\"";
        let Some(at) = memmem::find(line, MEMBER) else { return false };
        let Some(time) = line.get(at + MEMBER.len()..at + MEMBER.len() + LENGTH) else { return false };
        self.since.as_ref().is_none_or(|since| since.as_bytes() <= time)
            && self.until.as_ref().is_none_or(|until| time < until.as_bytes())
    }

    /// Whether the members of a line are as they are wanted: bytes alone could also stand within one.
    pub fn fits(&self, line: &serde_json::Map<String, serde_json::Value>) -> bool {
        let is = |(member, text): &(&str, Option<String>)| match (line.get(*member), text) {
            (Some(value), Some(text)) => value.as_str() == Some(text),
            (found, None) => found.is_some(),
            (None, Some(_)) => false,
        };
        self.wanted.iter().all(|wanted| wanted.any.iter().any(is))
    }
}

impl Wanted {
    fn new(any: Vec<(&'static str, Option<String>)>) -> Self {
        let patterns: Vec<_> = any.iter().map(|(member, text)| written(member, text.as_deref())).collect();
        let length = patterns.iter().map(Vec::len).min().unwrap_or(0);
        let finder = match patterns.as_slice() {
            [one] => Finder::One(Box::new(memmem::Finder::new(one).into_owned())),
            // Where there are more than it takes, each line is parsed.
            _ => AhoCorasick::new(&patterns).map_or(Finder::None, Finder::Any),
        };
        Self { any, length, finder }
    }
}

/// A member as the log's writer writes it.
fn written(member: &str, text: Option<&str>) -> Vec<u8> {
    let mut bytes = format!("\"{member}\":").into_bytes();
    if let Some(text) = text {
        // Into memory, a text can always be written.
        let _ = write_json(&mut bytes, &text);
    }
    bytes
}

impl Finder {
    fn find(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::One(finder) => finder.find(text),
            Self::Any(finder) => finder.find(text).map(|found| found.start()),
            Self::None => Some(0),
        }
    }
}

/// A time as lines have it: `2026-11-23T09:30:00.000000Z`.
const LENGTH: usize = 27;

fn text(time: SystemTime) -> String {
    format!("{:.6}", Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests;
