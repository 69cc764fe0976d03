//! Rate limits, settled with the other nodes beside the requests that they count.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Shared;
use super::link::{Fault, Link};
use crate::limit::{Limits, Rate};

/// How often.
const EVERY: Duration = Duration::from_millis(100);
/// The most keys of one limit at a time; the rest has its turn the next time.
const KEYS: usize = 5000;
/// The most keys that are asked about at once: for so long nobody else is answered.
const AT_ONCE: usize = 250;

/// Settles as long as it is driven.
pub(super) async fn run(shared: Arc<Shared>, limits: Arc<Limits>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        // While the others are away every node counts alone, and tells of it later.
        let Some(link) = shared.link.load_full() else { continue };
        for (name, rate) in limits.shared_rates() {
            // Whoever minds the link finds out what is wrong with it.
            let _ = settle(&link, &limits.keyer().key(&[b"rate", name.as_bytes()]).text(), &rate).await;
        }
    }
}

async fn settle(link: &Link, place: &str, rate: &Rate) -> Result<(), Fault> {
    let spent = rate.spent(KEYS);
    let mut chunks = spent.chunks(AT_ONCE);
    while let Some(some) = chunks.next() {
        let asked = Instant::now();
        match link.settle(place, rate, some).await {
            Ok(ahead) => some.iter().zip(ahead).for_each(|((key, _), ahead)| rate.settle(*key, ahead, asked)),
            Err(fault) => {
                // These may have been counted, and are not told twice.
                chunks.flatten().for_each(|(key, spent)| rate.unspend(*key, *spent));
                return Err(fault);
            }
        }
    }
    Ok(())
}
