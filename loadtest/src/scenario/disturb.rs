//! What goes on while a claviger is under load: reloads, and new keys.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Disturbance;
use crate::fault::{Fault, While};
use crate::machine;
use crate::site::{PATH, Proxy, Site};
use crate::upstream::{REFLECT, SPACER};

/// Between two of them.
const EVERY: Duration = Duration::from_millis(100);
/// How long the last key may take to come into use.
const PATIENCE: Duration = Duration::from_secs(5);

/// Does something, and meanwhile disturbs claviger; proves that it took notice.
pub(super) fn during<T: Send>(
    disturbance: Option<Disturbance>,
    site: &Site,
    proxy: &Proxy,
    work: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, Fault> {
    let Some(disturbance) = disturbance else { return work() };
    let original = fs::read_to_string(site.config_path()).during("reading the configuration")?;
    let applied = "claviger_reloads_total{result=\"applied\"}";
    let before = site.metric(proxy, applied)?;
    machine::pin(site.cores().load)?;
    let is_over = AtomicBool::new(false);
    let (done, count) = thread::scope(|scope| {
        let disturber = scope.spawn(|| disturb(disturbance, site, proxy, &original, &is_over));
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        let count = disturber.join().unwrap_or_else(|_| Err(Fault::new("who disturbs broke off")));
        (done, count)
    });
    let (done, count) = (done?, count?);
    match disturbance {
        Disturbance::Reloads => {
            let applied = site.metric(proxy, applied)? - before;
            // Signals that come during a reload are one.
            if applied < f64::from(count) / 2.0 {
                return Err(Fault::new(format!("of {count} reloads, {applied} were applied")));
            }
        }
        Disturbance::Rotations => expect_key(site, proxy, &secret(count))?,
    }
    fs::write(site.config_path(), original).during("restoring the configuration")?;
    Ok(done)
}

/// Gives how often it did.
fn disturb(
    disturbance: Disturbance,
    site: &Site,
    proxy: &Proxy,
    original: &str,
    is_over: &AtomicBool,
) -> Result<u32, Fault> {
    let (began, mut count) = (Instant::now(), 0);
    while !is_over.load(Ordering::Relaxed) {
        count += 1;
        match disturbance {
            Disturbance::Reloads => {
                site.change_config(original, count)?;
                proxy.program.signal(Signal::HUP)?;
            }
            Disturbance::Rotations => site.rotate(&secret(count))?,
        }
        thread::sleep((EVERY * count).saturating_sub(began.elapsed()));
    }
    Ok(count)
}

fn secret(number: u32) -> String {
    format!("sk_live_rotated_{number:08}_4f3e2d1c0b9a8f7e")
}

fn expect_key(site: &Site, proxy: &Proxy, secret: &str) -> Result<(), Fault> {
    let began = Instant::now();
    loop {
        let seen = site.get(proxy.address, &format!("{PATH}{REFLECT}"), Some(&site.authorization()))?;
        if seen.replace(SPACER, "").contains(secret) {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(Fault::new(format!("the last of the new keys did not come into use within {PATIENCE:?}")));
        }
        thread::sleep(Duration::from_millis(50));
    }
}
