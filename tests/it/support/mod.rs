//! What black-box tests stand on: recording upstreams, the gateway as a process, an identity provider, exact bytes.
//!
//! Everything blocks and runs on threads: a test reads from top to bottom, and a stuck peer is a failed read with a
//! deadline. Nothing sleeps to wait for something; [`eventually`] polls and says what did not happen.

#![allow(dead_code, reason = "a harness offers more than the tests of any one day use")]

pub(crate) mod asking;
pub(crate) mod frames;
pub(crate) mod gateway;
pub(crate) mod http1;
pub(crate) mod issuer;
pub(crate) mod lines;
pub(crate) mod load;
pub(crate) mod moto;
pub(crate) mod mutual;
pub(crate) mod nodes;
pub(crate) mod proof;
pub(crate) mod provider;
pub(crate) mod python;
pub(crate) mod raw;
pub(crate) mod receivers;
pub(crate) mod redis;
pub(crate) mod relay;
pub(crate) mod rusty_vault;
pub(crate) mod scene;
pub(crate) mod setup;
pub(crate) mod signer;
pub(crate) mod streams;
pub(crate) mod tls;
pub(crate) mod upstream;
pub(crate) mod vault;
pub(crate) mod websocket;

use std::time::{Duration, Instant};

/// How long anything on loopback may take before a test calls it failed; far above what a busy machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Polls until the probe yields a value.
///
/// # Panics
/// After [`PATIENCE`], saying what was awaited.
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < deadline, "within {PATIENCE:?} this did not happen: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
