//! Every call the product itself makes: time and size limits, no redirects, egress rules.

mod call;
mod client;
mod egress;
mod error;
mod machine;
mod mail;
mod refreshed;
mod resolver;
mod stream;

pub use call::{Answer, Question, sensitive};
pub use client::{Client, ClientSettings, Fetched};
pub use egress::Egress;
pub use error::NetError;
pub use machine::{give_way, host_name};
pub use mail::{Mail, MailSecurity, MailServer};
pub use refreshed::{Fresh, Pace, Refreshed};
pub use stream::{Stream, StreamSettings, StreamTls};
