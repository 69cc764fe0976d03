//! Rate and concurrency limits per client, principal or route, exact and bounded in memory. Never what is done about an excess.

mod concurrency;
mod failures;
mod fields;
mod key;
mod lockouts;
mod rate;
mod registry;
mod shards;
mod volume;

pub use concurrency::{Concurrency, Slot};
pub use failures::{Ended, Failed, FailureSettings, Failures};
pub use fields::{RateFields, retry_after};
pub use key::{Key, Keyer};
pub use lockouts::Lockouts;
pub use rate::{Allowed, Exceeded, Rate, RateSettings, Spent};
pub use registry::Limits;
pub use volume::{ErrorRatio, Full, Meter, Volume, VolumeSettings};
