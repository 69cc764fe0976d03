//! Bringing records from the log's files to one receiver: in their order, until it has them, and never in a request's way.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use tokio::sync::watch;

use super::batch::Batch;
use super::settings::SinkSettings;
use super::spool::{Spool, moment};
use super::transport::{Receipt, Transport};
use crate::audit::{Log, Skipped, SkippedFor};
use crate::telemetry::SinkMetrics;

/// How often it is looked whether there are new records.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often it is measured how far the receiver is behind.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// The wait after the first failure, doubled with each further one, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// How long records that are there at the end may take.
const LAST: Duration = Duration::from_secs(5);
/// The most bytes that are sent at once, but for one record that is longer.
const MAX_BYTES: usize = 1 << 20;
/// From so many bytes on that are not acknowledged, the receiver is asked whether it has them.
const MAX_PENDING: usize = 8 << 20;

/// One sink at work.
pub(super) struct Delivery {
    settings: SinkSettings,
    spool: Spool,
    transport: Transport,
    metrics: SinkMetrics,
    log: Log,
    /// What is not acknowledged, in its order, and how much of it was sent.
    waiting: VecDeque<Batch>,
    sent: usize,
    failures: u32,
    measured: Option<Instant>,
    /// What was refused and is not told of yet, and when that was told of last.
    refused: (u64, Option<Instant>),
}

/// How often it is told in the log that records were refused: what tells it is a record too, which may be refused.
const TELL_EVERY: Duration = Duration::from_secs(60);

impl Delivery {
    pub(super) fn new(settings: SinkSettings, spool: Spool, metrics: SinkMetrics, log: Log) -> Self {
        let (transport, waiting) = (Transport::new(settings.clone()), VecDeque::new());
        Self {
            settings,
            spool,
            transport,
            metrics,
            log,
            waiting,
            sent: 0,
            failures: 0,
            measured: None,
            refused: (0, None),
        }
    }

    /// Goes on until it is told to stop; then sends what is there, if that can be done at once.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let wait = match self.step().await {
                Ok(true) => {
                    self.measure_now_and_then();
                    continue;
                }
                Ok(false) => LOOK_EVERY,
                Err(fault) => self.failed(&fault),
            };
            self.measure_now_and_then();
            // When nobody is there any more who could stop it, it stops too.
            if let Ok(Err(_)) = tokio::time::timeout(wait, stop.wait_for(|stop| *stop)).await {
                break;
            }
        }
        if let Ok(Err(fault)) = tokio::time::timeout(LAST, self.finish()).await {
            log::warn!(sink = self.settings.name.as_str(); "records are left for the next start: {fault}");
        }
        self.tell_of_refused(true);
    }

    async fn finish(&mut self) -> Result<(), String> {
        while self.step().await? {}
        self.settle().await
    }

    fn tell_of_refused(&mut self, is_last: bool) {
        let (count, told) = self.refused;
        if count > 0 && (is_last || told.is_none_or(|told| told.elapsed() >= TELL_EVERY)) {
            self.refused = (0, Some(Instant::now()));
            self.skipped(count, SkippedFor::Refused);
        }
    }

    /// Does what is next; tells whether there was something to do.
    async fn step(&mut self) -> Result<bool, String> {
        if self.is_due() {
            self.settle().await?;
        }
        let oldest = SystemTime::now().checked_sub(self.settings.max_age).unwrap_or(SystemTime::UNIX_EPOCH);
        let oldest = moment(oldest);
        self.shed(&oldest)?;
        if self.sent == self.waiting.len() {
            let found = self.spool.next(self.settings.max_batch, MAX_BYTES, &oldest).map_err(unreadable)?;
            self.skipped(found.skipped, SkippedFor::Age);
            let is_none = found.batch.is_none();
            self.waiting.extend(found.batch);
            if is_none {
                if found.skipped > 0 && self.waiting.is_empty() {
                    self.spool.acknowledge_all().map_err(unreadable)?;
                }
                return Ok(found.skipped > 0);
            }
        }
        let Some(batch) = self.waiting.get(self.sent) else { return Ok(false) };
        let receipt = self.transport.send(batch).await?;
        self.sent += 1;
        self.received(receipt)?;
        Ok(true)
    }

    fn is_due(&self) -> bool {
        let pending = || self.waiting.iter().take(self.sent).map(|batch| batch.bytes().len()).sum::<usize>();
        self.transport.is_due() || pending() >= MAX_PENDING
    }

    /// Asks the receiver whether it has everything that was sent.
    async fn settle(&mut self) -> Result<(), String> {
        if self.sent == 0 {
            return Ok(());
        }
        let receipt = self.transport.settle().await?;
        self.received(receipt)
    }

    fn received(&mut self, receipt: Receipt) -> Result<(), String> {
        let Receipt::Acknowledged { refused } = receipt else { return Ok(()) };
        if std::mem::take(&mut self.failures) > 0 {
            log::warn!(sink = self.settings.name.as_str(); "records are delivered again");
        }
        let sent: u64 = self.done(self.sent)?;
        self.metrics.sent.inc_by(sent.saturating_sub(refused));
        self.refused.0 += refused;
        self.metrics.skipped.inc_by(refused);
        self.tell_of_refused(false);
        Ok(())
    }

    /// Forgets the first batches, of which nothing more is to be done; tells how many records they had.
    fn done(&mut self, batches: usize) -> Result<u64, String> {
        if let Some(last) = batches.checked_sub(1).and_then(|last| self.waiting.get(last)) {
            let (chain, seq) = last.end();
            self.spool.acknowledge(chain, seq).map_err(unreadable)?;
        }
        self.sent = self.sent.saturating_sub(batches);
        Ok(self.waiting.drain(..batches).map(|batch| batch.records() as u64).sum())
    }

    /// Leaves out what became too old while it waited.
    fn shed(&mut self, oldest: &str) -> Result<(), String> {
        let old = self.waiting.iter().take_while(|batch| *batch.written < *oldest).count();
        if self.sent > 0 || old == 0 {
            return Ok(());
        }
        let skipped = self.done(old)?;
        self.skipped(skipped, SkippedFor::Age);
        Ok(())
    }

    /// Has everything sent again that is not acknowledged; tells when.
    fn failed(&mut self, fault: &str) -> Duration {
        self.metrics.errors.inc();
        if self.failures == 0 {
            log::error!(sink = self.settings.name.as_str(); "records cannot be delivered and wait: {fault}");
        }
        self.transport.reset();
        self.sent = 0;
        let (first, longest) = RETRY;
        let wait = first.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures += 1;
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        // Many nodes that lost the same receiver do not come back to it all at once.
        let jitter = RandomState::new().hash_one(millis) % (millis / 4 + 1);
        wait - Duration::from_millis(jitter)
    }

    /// Tells of records that the receiver will never have: in the log itself, too.
    fn skipped(&self, count: u64, reason: SkippedFor) {
        if count == 0 {
            return;
        }
        if reason == SkippedFor::Age {
            self.metrics.skipped.inc_by(count);
        }
        let sink = self.settings.name.clone();
        log::error!(sink = sink.as_str(), count, reason = reason.text(); "records are not delivered");
        self.log.submit(Skipped { time: SystemTime::now(), sink, count, reason });
    }

    fn measure_now_and_then(&mut self) {
        self.tell_of_refused(false);
        if self.measured.is_some_and(|measured| measured.elapsed() < MEASURE_EVERY) {
            return;
        }
        self.measured = Some(Instant::now());
        // What cannot be read is told by the next step.
        let lag = self.spool.lag().unwrap_or(0);
        self.metrics.lag_records.set(i64::try_from(lag).unwrap_or(i64::MAX));
        self.metrics.lag_seconds.set(self.age().as_secs_f64());
    }

    /// How long ago the oldest record happened that the receiver has not.
    fn age(&self) -> Duration {
        let since = self.waiting.front().and_then(|batch| batch.since.parse::<Timestamp>().ok());
        let age = since.map(|since| Timestamp::now().duration_since(since));
        age.and_then(|age| age.try_into().ok()).unwrap_or_default()
    }
}

fn unreadable(error: std::io::Error) -> String {
    format!("the log cannot be read: {error}")
}
