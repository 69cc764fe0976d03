//! Which exchanges are told as spans, and where they wait to be.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::audit::Record;
use crate::audit::sinks::SinkProof;
use crate::domain::{SpanId, TraceId};
use crate::otlp::Exporter;

/// A compiled `[trace]`.
#[derive(Debug)]
pub struct Tracing {
    /// Where spans go.
    pub exporter: Exporter,
    /// What proves who sends them.
    pub proof: Option<SinkProof>,
    /// What this machine is called.
    pub host: String,
    /// Whether callers decide for the traces that they began.
    pub follow: bool,
    /// Of a trace that begins here, the randomness below which it is sampled.
    below: u64,
}

impl Tracing {
    /// Spans go there, of this part of the traces that begin here, 0 to 1.
    pub fn new(exporter: Exporter, proof: Option<SinkProof>, host: String, sample: f64, follow: bool) -> Self {
        Self { exporter, proof, host, follow, below: (sample * (1_u64 << 56) as f64) as u64 }
    }

    /// Whether a trace that begins here is sampled.
    pub fn samples(&self, trace: &TraceId) -> bool {
        trace.randomness() < self.below
    }
}

/// An exchange that is to be told as spans.
#[derive(Debug)]
pub struct Traced {
    /// Its record.
    pub record: Record,
    /// Its trace.
    pub trace: TraceId,
    /// Its own span.
    pub span: SpanId,
    /// The caller's span, where it told of one.
    pub parent: Option<SpanId>,
    /// Its phases.
    pub phases: Phases,
}

impl Traced {
    /// The part of an exchange that is the request to the upstream: what the upstream is told of.
    pub const UPSTREAM: u8 = 4;
}

/// When each phase of an exchange ended, from its beginning; none where it was not reached. How long it took is in the record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Phases {
    /// Proving who calls.
    pub authenticated: Option<Duration>,
    /// Deciding whether it is allowed.
    pub authorized: Option<Duration>,
    /// Getting the credential.
    pub acquired: Option<Duration>,
}

/// Exchanges that wait to be told as spans.
#[derive(Debug)]
pub struct Spans {
    queue: mpsc::Sender<Box<Traced>>,
    waiting: Mutex<Option<mpsc::Receiver<Box<Traced>>>>,
}

impl Spans {
    /// The most exchanges that wait. Those that do not fit are counted and left out: no request waits for a receiver of spans.
    pub const MAX_WAITING: usize = 4096;

    /// Hands one over; false where too many wait.
    pub fn submit(&self, traced: Box<Traced>) -> bool {
        self.queue.try_send(traced).is_ok()
    }

    /// What waits, for the one who tells it.
    pub fn waiting(&self) -> Option<mpsc::Receiver<Box<Traced>>> {
        self.waiting.lock().ok()?.take()
    }
}

impl Default for Spans {
    fn default() -> Self {
        let (queue, waiting) = mpsc::channel(Self::MAX_WAITING);
        Self { queue, waiting: Mutex::new(Some(waiting)) }
    }
}
