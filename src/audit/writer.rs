//! The thread that turns records into lines and brings them to the file.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use super::anchor::Anchor;
use super::batch::Batch;
use super::chain::{ChainId, Kind};
use super::keep::Keeper;
use super::known::Known;
use super::line::Lines;
use super::log::Shared;
use super::pseudonyms::Tender;
use super::queue::{Lost, Taken};
use super::sink::Sink;
use super::{Deed, Durability, Entry, OnFull, Settings};

/// The pause after a failed write.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The process, as lines tell of it.
#[derive(Debug)]
pub(super) struct Process {
    /// Its own id: as random as a chain's.
    pub(super) id: ChainId,
    pub(super) durability: Durability,
    pub(super) on_full: OnFull,
    /// The number and digest of the configuration in force.
    pub(super) config: Option<(u64, [u8; 32])>,
    /// How far a log went that was to go on here, and is not there any more.
    pub(super) missed: Option<Known>,
}

/// What the thread works with.
pub(super) struct Writer {
    shared: Arc<Shared>,
    sink: Sink,
    anchor: Option<Anchor>,
    keeper: Option<Keeper>,
    /// Ends with the writer.
    _tender: Option<Tender>,
    lines: Lines,
    batch: Batch,
    process: Process,
    every: Duration,
    after: u64,
    /// Lines since the last checkpoint, and since when there are any.
    unmarked: u64,
    since: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        (sink, lines): (Sink, Lines),
        anchor: Option<Anchor>,
        (keeper, tender): (Option<Keeper>, Option<Tender>),
        settings: &Settings,
    ) -> Self {
        let process = Process {
            id: ChainId::new(),
            durability: settings.durability,
            on_full: settings.on_full,
            config: shared.first_config,
            missed: None,
        };
        Self {
            shared,
            sink,
            anchor,
            keeper,
            _tender: tender,
            lines,
            batch: Batch::default(),
            process,
            every: settings.checkpoint_every,
            after: settings.checkpoint_after,
            unmarked: 0,
            since: None,
        }
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut ending = Ending { shared: &shared, synced: false };
        let mut entries = Vec::new();
        self.open();
        while let Some(taken) = shared.queue.take(&mut entries, self.next_look()) {
            self.turn(&mut entries, taken);
        }
        ending.synced = self.close();
    }

    fn open(&mut self) {
        self.process.missed = self.begin();
        let (lines, process) = (&mut self.lines, &self.process);
        self.batch.add(Kind::Opened, |out| lines.opened(out, process, SystemTime::now()));
        self.mark();
        self.write();
        self.shared.queue.wrote(0, Lost::default());
    }

    /// Tries until it is known where the log goes on.
    fn begin(&mut self) -> Option<Known> {
        loop {
            match self.sink.begin(SystemTime::now()) {
                Ok(missed) => return missed,
                Err(error) => {
                    self.shared.queue.failed(&error);
                    thread::sleep(RETRY_AFTER);
                }
            }
        }
    }

    /// The last lines; tells whether everything is on the disk.
    fn close(&mut self) -> bool {
        let (lines, process) = (&mut self.lines, &self.process);
        self.batch.add(Kind::Closed, |out| lines.closed(out, process, SystemTime::now()));
        self.mark();
        self.write();
        let is_anchored = self.anchor.take().is_none_or(Anchor::close);
        let is_synced = sync(&mut self.sink);
        if is_synced {
            self.sink.note();
        }
        is_synced && is_anchored
    }

    /// When there has to be a checkpoint at the latest.
    fn next_mark(&self) -> Option<Instant> {
        self.since.map(|since| since + self.every)
    }

    /// When there has to be a checkpoint, or a new file, at the latest.
    fn next_look(&self) -> Option<Instant> {
        let rotation = self.sink.due_in(SystemTime::now()).and_then(|wait| Instant::now().checked_add(wait));
        self.next_mark().into_iter().chain(rotation).min()
    }

    fn turn(&mut self, entries: &mut Vec<Entry>, taken: Taken) {
        let Taken { lost, waiters } = taken;
        self.lines.stepped(crate::domain::clock_step(SystemTime::now()));
        self.ready();
        let (mut unwritten, mut is_sure) = (0, true);
        for entry in entries.iter() {
            self.add(entry);
            unwritten += 1;
            if self.batch.is_full() {
                is_sure &= self.write();
                self.shared.queue.wrote(std::mem::take(&mut unwritten), Lost::default());
            }
        }
        if lost.count() > 0 {
            let lines = &mut self.lines;
            self.batch.add(Kind::Lost, |out| lines.lost(out, lost, SystemTime::now()));
        }
        // A checkpoint behind which there is nothing needs none.
        let lines = entries.iter().filter(|entry| !matches!(entry, Entry::Configured(..))).count();
        if lines > 0 {
            self.since.get_or_insert_with(Instant::now);
            self.unmarked += lines as u64;
        }
        let is_time = self.next_mark().is_some_and(|at| at <= Instant::now());
        if is_time || self.unmarked >= self.after {
            self.mark();
        }
        if !self.batch.is_empty() || self.sink.is_due(SystemTime::now()) {
            is_sure &= self.write();
            self.shared.queue.wrote(unwritten, lost);
        }
        if is_sure {
            confirm(waiters);
        }
        self.shared.queue.show(entries);
    }

    /// Tries until there is the key that pseudonyms of now are made with: nobody is told of in clear for want of one.
    fn ready(&mut self) {
        let mut has_failed = false;
        while let Err(fault) = self.lines.ready(SystemTime::now()) {
            has_failed = true;
            self.shared.queue.failed(&fault.into());
            thread::sleep(RETRY_AFTER);
        }
        if has_failed {
            self.shared.queue.wrote(0, Lost::default());
        }
    }

    fn add(&mut self, entry: &Entry) {
        let lines = &mut self.lines;
        match entry {
            Entry::Decision(record) => self.batch.add(Kind::Decision, |out| lines.decision(out, record)),
            Entry::Exchange(record) => self.batch.add(Kind::Exchange, |out| lines.exchange(out, record)),
            Entry::Skipped(skipped) => self.batch.add(Kind::Skipped, |out| lines.skipped(out, skipped)),
            Entry::Act(act) => {
                let kind = match act.deed {
                    Deed::Revoked | Deed::Lifted => Kind::Revocation,
                    Deed::Access(_) => Kind::Access,
                    Deed::Rotation(_) => Kind::Rotation,
                    Deed::Erased => Kind::Erasure,
                };
                self.batch.add(kind, |out| lines.act(out, act));
            }
            Entry::Alert(alert) => self.batch.add(Kind::Alert, |out| lines.alert(out, alert)),
            Entry::Configured(number, digest) => {
                // One that was in force for a moment is told too.
                if self.process.config.replace((*number, *digest)) != Some((*number, *digest)) {
                    self.mark();
                }
            }
        }
    }

    /// Adds a checkpoint.
    fn mark(&mut self) {
        self.look_up();
        let (lines, process) = (&mut self.lines, &self.process);
        self.batch.add(Kind::Checkpoint, |out| lines.checkpoint(out, process, SystemTime::now()));
        (self.unmarked, self.since) = (0, None);
    }

    /// What checkpoints tell that are made now, and what signs them.
    fn look_up(&mut self) {
        self.sink.key = self.shared.key.load_full();
    }

    /// Tries until the batch is in the file, and on the disk where somebody may wait for that; tells whether the first try did it, and nobody cut
    /// the file meanwhile: else nobody knows what is on the disk.
    fn write(&mut self) -> bool {
        self.look_up();
        let mut is_sure = true;
        // What was cut off since the last ones were sure to be there is none of these.
        self.sink.is_cut = false;
        while let Err(error) = self.put() {
            is_sure = false;
            self.shared.queue.failed(&error);
            thread::sleep(RETRY_AFTER);
        }
        is_sure &= !std::mem::take(&mut self.sink.is_cut);
        self.shared.metrics.displaced.inc_by(std::mem::take(&mut self.sink.displaced));
        if std::mem::take(&mut self.sink.is_rotated)
            && let Some(keeper) = &self.keeper
        {
            keeper.wake();
        }
        self.hand_out();
        is_sure
    }

    /// Gives checkpoints to those who keep them elsewhere. The log has to have them before: what it lost in a power cut and the other place
    /// has would look forged for ever.
    fn hand_out(&mut self) {
        let is_kept = self.anchor.is_some() || self.shared.sends();
        if is_kept && !self.sink.checkpoints.is_empty() {
            match (sync(&mut self.sink), self.sink.is_cut) {
                (true, false) => self.sink.note(),
                (true, true) => {}
                (false, _) => self.shared.metrics.errors.inc(),
            }
        }
        for checkpoint in self.sink.checkpoints.drain(..) {
            self.shared.metrics.checkpoints.inc();
            self.shared.send(&checkpoint);
            if let Some(anchor) = &self.anchor {
                anchor.add(checkpoint);
            }
        }
    }

    fn put(&mut self) -> io::Result<()> {
        let now = SystemTime::now();
        let (lines, process) = (&mut self.lines, &self.process);
        self.sink.write(&mut self.batch, |out| lines.checkpoint(out, process, now), now)?;
        match self.process.durability {
            Durability::Batch => Ok(()),
            Durability::Fsync => self.sink.needs_disk().and_then(|()| self.sink.sync()),
        }
    }
}

/// Tells those who wait that what they wait for is on the disk.
fn confirm(waiters: Vec<oneshot::Sender<()>>) {
    for waiter in waiters {
        // Who went away meanwhile waits no more.
        let _ = waiter.send(());
    }
}

/// Not tried again: after a failure the system may call pages clean that never reached the disk.
fn sync(sink: &mut Sink) -> bool {
    let result = sink.sync();
    if let Err(error) = &result {
        log::error!(error:%; "the audit log may not be on the disk");
    }
    result.is_ok()
}

/// Tells the queue that the writer has ended, also by a panic: then nothing is accepted any more.
struct Ending<'a> {
    shared: &'a Shared,
    synced: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.shared.queue.end(self.synced);
    }
}

#[cfg(test)]
mod tests;
