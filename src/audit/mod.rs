//! One record per exchange and per act of an operator, written off the request path. Never bodies, header values, queries or secrets.

mod act;
mod files;
mod line;
mod log;
mod query;
mod queue;
mod record;
mod sink;
mod writer;

pub use self::act::{Act, Deed, Entry, RotationDeed};
pub use self::log::{Log, Settings, Unwritten};
pub use query::{Progress, Query};
pub use record::{Outcome, Protocol, Record, Timings};
