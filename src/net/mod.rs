//! Every call the product itself makes: time and size limits, no redirects, egress rules.

mod call;
mod client;
mod egress;
mod error;
mod mail;
mod refreshed;
mod resolver;

pub use call::{Answer, Question, sensitive};
pub use client::{Client, ClientSettings, Fetched};
pub use egress::Egress;
pub use error::NetError;
pub use mail::{Mail, MailSecurity, MailServer};
pub use refreshed::{Fresh, Pace, Refreshed};
