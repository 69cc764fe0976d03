//! Rate and concurrency limits per client, principal or route, exact and bounded in memory. Never what is done about an excess.

mod concurrency;
mod fields;
mod key;
mod rate;
mod registry;
mod shards;

pub use concurrency::{Concurrency, Slot};
pub use fields::{RateFields, retry_after};
pub use key::{Key, Keyer};
pub use rate::{Allowed, Exceeded, Rate, RateSettings};
pub use registry::Limits;
