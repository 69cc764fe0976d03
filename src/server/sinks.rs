//! The sinks of the audit log, as the configuration in force wants them.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::sinks::Sinks;
use crate::state::Services;

/// How often it is looked whether there is another configuration.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Has the sinks of each configuration work while it is in force; as long as the returned future is driven.
pub(super) async fn keep(services: &Arc<Services>, sinks: Option<Arc<Sinks>>) {
    let Some(sinks) = sinks else { return };
    let mut every = tokio::time::interval(LOOK_EVERY);
    let mut at_work = Vec::new();
    let mut number = 0;
    loop {
        every.tick().await;
        let snapshot = services.snapshot();
        let has_failed = sinks.has_failed();
        if snapshot.number == number && !has_failed {
            continue;
        }
        if has_failed {
            log::error!("a sink has ended that should not have; all of them begin again");
        }
        number = snapshot.number;
        if snapshot.sinks.is_empty() && at_work.is_empty() {
            continue;
        }
        let metrics = &services.engines.metrics;
        let wanted: Vec<_> = snapshot.sinks.iter().map(|sink| (sink.clone(), metrics.sink(&sink.name))).collect();
        let names: Vec<_> = snapshot.sinks.iter().map(|sink| sink.name.clone()).collect();
        at_work.iter().filter(|name| !names.contains(name)).for_each(|name| metrics.forget_sink(name));
        at_work = names;
        let sinks = Arc::clone(&sinks);
        // Those that were at work end first, which waits for what they have still to say.
        let started = tokio::task::spawn_blocking(move || sinks.start(wanted)).await;
        if let Ok(Err(error)) = started {
            log::error!("records are not delivered: {error}");
        }
    }
}
