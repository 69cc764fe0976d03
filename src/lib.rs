//! Claviger: a privileged-access proxy for APIs. ARCHITECTURE.md has the picture; `proxy/pipeline.rs` has one request on one page.

pub mod admin;
pub mod audit;
pub mod authn;
pub mod authz;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod inject;
pub mod inspect;
pub mod limit;
pub mod monitor;
pub mod net;
pub mod otlp;
pub mod proxy;
pub mod review;
pub mod server;
pub mod session;
pub mod state;
pub mod target;
pub mod telemetry;
pub mod vault;
