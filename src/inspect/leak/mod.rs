//! What must not leave in a response: secrets of known formats, private keys, numbers of cards and of people, addresses in bulk, and what
//! errors tell of the inside of an upstream. Found in a stream of chunks, of which no more is ever held than one such text is long.
//!
//! ```text
//! scanner    a stream: what has come, what may go on, what is masked; the same however it is cut
//! literals   tokens and private keys, by how they begin            formats, keys
//! groups     cards and national ids, by groups of digits           card, ids, check
//! emails     addresses, each counted once
//! errors     traces, messages of databases, paths: in answers that tell of an error alone
//! ```
//!
//! Every finder decides at one place after the other, by a bounded number of bytes before and behind it, and waits where these have not come.
//! So its decisions are those on the whole text.

mod card;
mod check;
mod emails;
mod errors;
mod field;
mod formats;
mod found;
mod groups;
mod ids;
mod keys;
mod literals;
mod profile;
mod scanner;
#[cfg(test)]
mod tests;
mod view;

pub use field::Field;
pub use found::Counts;
pub use profile::{ErrorDetails, LeakAction, LeakKind, LeakProfile, LeakSettings, Sniff};
pub use scanner::LeakScanner;
