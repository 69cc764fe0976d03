//! Where records go, how long they are kept there, and what becomes of requests when they cannot be written.

use std::path::PathBuf;
use std::time::Duration;

use super::pseudonyms::Pseudonyms;
use crate::domain::Name;

/// The settings of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file, which is appended to; standard output where there is none.
    pub path: Option<PathBuf>,
    /// How many records may wait for the writer while requests are still admitted.
    pub max_queue: usize,
    /// What this process is called in every line.
    pub node: Option<Name>,
    /// What becomes of requests while records cannot be written.
    pub on_full: OnFull,
    /// How long a request waits for the log, with [`OnFull::Wait`].
    pub max_wait: Duration,
    /// When a request may be forwarded.
    pub durability: Durability,
    /// How long after a line there is a checkpoint at the latest.
    pub checkpoint_every: Duration,
    /// After how many lines there is one.
    pub checkpoint_after: u64,
    /// The size from which on a file is whole, in bytes.
    pub max_size: u64,
    /// The age from which on a file is whole.
    pub max_age: Duration,
    /// How long whole files are kept; for ever where none is given.
    pub keep: Option<Duration>,
    /// A second file, elsewhere, that every checkpoint is added to.
    pub anchor: Option<PathBuf>,
    /// A service that every checkpoint is sent to, by whoever asks for [`Log::checkpoints`](super::Log::checkpoints).
    pub anchor_url: Option<String>,
    /// Whose names are pseudonyms; none where all are told in clear.
    pub pseudonyms: Option<Pseudonyms>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: None,
            max_queue: 65_536,
            node: None,
            on_full: OnFull::default(),
            max_wait: Duration::from_secs(10),
            durability: Durability::default(),
            checkpoint_every: Duration::from_mins(1),
            checkpoint_after: 10_000,
            max_size: 256 * 1024 * 1024,
            max_age: Duration::from_hours(24),
            keep: None,
            anchor: None,
            anchor_url: None,
            pseudonyms: None,
        }
    }
}

/// What becomes of requests while records cannot be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFull {
    /// They wait, for a time, and are refused then.
    Wait,
    /// They are refused.
    #[default]
    Refuse,
    /// They are served, and a line tells later how many have none.
    Drop,
}

impl OnFull {
    /// The word for it in configurations and lines.
    pub fn text(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Refuse => "refuse",
            Self::Drop => "drop",
        }
    }

    /// What a word stands for.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Wait, Self::Refuse, Self::Drop].into_iter().find(|one| one.text() == text)
    }
}

/// When a request may be forwarded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// When its record can be expected to be written.
    #[default]
    Batch,
    /// When the disk has what was decided about it.
    Fsync,
}

impl Durability {
    /// The word for it in configurations and lines.
    pub fn text(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Fsync => "fsync",
        }
    }

    /// What a word stands for.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Batch, Self::Fsync].into_iter().find(|one| one.text() == text)
    }
}
