//! The data plane.

pub mod ingress;
