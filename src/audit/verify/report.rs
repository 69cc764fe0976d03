//! What looking through a log has shown.

use std::path::PathBuf;

use serde::Serialize;

/// What a log is, up to its end or to its first fault.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The id of the log.
    pub chain: Option<String>,
    /// The first line of it.
    pub first: Option<Mark>,
    /// The last line that fits.
    pub last: Option<Mark>,
    /// How many lines fit.
    pub lines: u64,
    /// How many bytes were looked at.
    pub bytes: u64,
    /// Lines from before there was a chain, which nothing protects.
    pub unchained: u64,
    /// The last of the lines before the first, which were removed with their files: of them, a checkpoint alone is kept. 0 for none.
    pub removed: u64,
    /// Whether there were keys to prove signatures with.
    pub is_signed: bool,
    /// Checkpoints that a given key signed.
    pub signed: u64,
    /// Checkpoints without a signature, or where no key was given, all.
    pub unsigned: u64,
    /// The last checkpoint that a given key signed: nothing before it was changed by anybody who has not the key.
    pub proved: Option<Mark>,
    /// Checkpoints that the anchor has too.
    pub anchored: u64,
    /// Half lines that processes left which were killed, and that are told of.
    pub torn: u64,
    /// Exchanges of which lines say that they have none.
    pub lost: u64,
    /// Those of them that were refused.
    pub lost_refused: u64,
    /// Processes that did not say that they wrote everything, by the line that they began with: they run yet, or were killed.
    pub not_closed: Vec<(u64, String)>,
    /// What is wrong; none where the log is whole.
    pub fault: Option<Fault>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Its number.
    pub seq: u64,
    /// Its time.
    pub time: String,
}

/// What is wrong with a log, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What was done.
    pub kind: FaultKind,
    /// The number of the first line that is concerned; 0 for the whole log.
    pub seq: u64,
    /// How that shows.
    pub text: String,
    /// The file in which it showed.
    pub file: Option<PathBuf>,
    /// The line in the file, from 1.
    pub line: Option<u64>,
}

/// What can be done to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A line is not what was written.
    Edited,
    /// Lines are missing in the middle, or at the beginning.
    Removed,
    /// Lines are not in their order.
    Reordered,
    /// A line is there twice.
    Duplicated,
    /// The end is missing.
    Truncated,
    /// Something that the processes did not write: a line that was put in, a checkpoint without a good signature.
    Forged,
    /// Lines of another log.
    Spliced,
    /// Nothing that is known of: the anchor has none of its checkpoints, and so shows no end that was cut off.
    Unanchored,
}

impl FaultKind {
    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Removed => "removed",
            Self::Reordered => "reordered",
            Self::Duplicated => "duplicated",
            Self::Truncated => "truncated",
            Self::Forged => "forged",
            Self::Spliced => "spliced",
            Self::Unanchored => "unanchored",
        }
    }
}

impl Fault {
    pub(super) fn new(kind: FaultKind, seq: u64, text: impl Into<String>) -> Self {
        Self { kind, seq, text: text.into(), file: None, line: None }
    }

    pub(super) fn at(self, place: Option<(PathBuf, u64)>) -> Self {
        let (file, line) = place.unzip();
        Self { file, line, ..self }
    }
}
