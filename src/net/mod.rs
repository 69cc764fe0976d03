//! Every call the product itself makes: time and size limits, no redirects, egress rules.

mod egress;

pub use egress::Egress;
