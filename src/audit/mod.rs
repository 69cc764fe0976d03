//! One record per exchange and per act of an operator, written off the request path. Never bodies, header values, queries or secrets.
//!
//! A log is one chain of lines ([`Head`]) in one or more files ([`Segment`]), which [`Reader`] reads in their order, also while they are
//! written; whoever is in the same process can [`Log::watch`] instead.

mod act;
mod alert;
mod anchor;
mod batch;
mod chain;
mod files;
mod follow;
mod keep;
mod known;
mod line;
mod log;
pub mod pseudonyms;
mod query;
mod queue;
mod read;
mod record;
mod segment;
mod settings;
mod sink;
pub mod sinks;
mod tail;
pub mod verify;
mod writer;

pub use self::act::{Act, Deed, Entry, RotationDeed, Skipped, SkippedFor};
pub use self::alert::AlertRecord;
pub use self::chain::{ChainId, Digest, Head, Kind};
pub use self::follow::Follower;
pub use self::log::{First, Log, NotDurable, Unwritten};
pub use self::pseudonyms::Phrase;
pub use self::read::{Line, Reader};
pub use self::segment::{Form, Segment};
pub use self::settings::{Durability, OnFull, Settings};
pub use query::{Progress, Query};
pub use record::{Outcome, Protocol, Record, Timings};
