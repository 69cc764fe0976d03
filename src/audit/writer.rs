//! The thread that turns records into lines and brings them to the file.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::domain::{Name, clock_step};

use super::Entry;
use super::line::Lines;
use super::queue::Queue;
use super::sink::Sink;

/// The pause after a failed write.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Writes until the queue is closed and empty.
pub(super) fn run(queue: &Arc<Queue>, mut sink: Sink, node: Option<Name>) {
    let mut lines = Lines::new(node);
    let mut ending = Ending { queue, synced: false };
    let mut batch = Vec::new();
    while let Some(lost) = queue.take(&mut batch) {
        let mut unwritten = 0;
        lines.stepped(clock_step(SystemTime::now()));
        for entry in &batch {
            match entry {
                Entry::Exchange(record) => lines.exchange(sink.batch(), record),
                Entry::Act(act) => lines.act(sink.batch(), act),
                Entry::Alert(alert) => lines.alert(sink.batch(), alert),
            }
            unwritten += 1;
            if sink.is_full() {
                write(queue, &mut sink);
                queue.wrote(unwritten, 0);
                unwritten = 0;
            }
        }
        if lost > 0 {
            lines.lost(sink.batch(), lost, SystemTime::now());
        }
        write(queue, &mut sink);
        queue.wrote(unwritten, lost);
        queue.show(&mut batch);
    }
    ending.synced = sync(&sink);
}

/// Tries until the batch is in the file. Whoever closes the log waits no longer than it wants to.
fn write(queue: &Queue, sink: &mut Sink) {
    while let Err(error) = sink.write(Instant::now()) {
        queue.failed(&error);
        thread::sleep(RETRY_AFTER);
    }
}

/// Not tried again: after a failure the system may call pages clean that never reached the disk.
fn sync(sink: &Sink) -> bool {
    let result = sink.sync();
    if let Err(error) = &result {
        log::error!(error:%; "the audit log may not be on the disk");
    }
    result.is_ok()
}

/// Tells the queue that the writer has ended, also by a panic: then nothing is accepted any more.
struct Ending<'a> {
    queue: &'a Queue,
    synced: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.queue.end(self.synced);
    }
}
