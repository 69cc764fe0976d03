//! Everything between an accepted connection and Pingora's proxy: who connects and how many, how long they may take, and that a head can
//! be read in one way only. Nothing here knows routes or answers a client.

mod app;
mod chunks;
mod connection;
mod counters;
mod gate;
mod guarded;
pub mod head;
mod proxy_protocol;
mod scan;
mod seats;
mod settings;
mod timer;

pub use app::Ingress;
pub use connection::{Connection, connection};
pub use counters::IngressCounters;
pub use gate::Gate;
pub use guarded::Guarded;
pub use seats::{Seat, Seats};
pub use settings::Settings;
