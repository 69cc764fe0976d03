//! One record per exchange, written off the request path. Never bodies, header values, queries or secrets.

mod line;
mod log;
mod queue;
mod record;
mod sink;
mod writer;

pub use self::log::{Log, Settings, Unwritten};
pub use record::{Outcome, Protocol, Record, Timings};
