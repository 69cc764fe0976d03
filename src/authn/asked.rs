//! What all authenticators have in common that ask somebody over HTTP: how often they ask, for how long an answer holds, and what no answer
//! means.
//!
//! | the answer | the request |
//! |---|---|
//! | proves the caller | goes on; for `cache` so do others with the same credential, and never beyond the answer's own end |
//! | is a clear no | is refused; for a second so are others with the same credential |
//! | is late, garbled, a redirect, an error, or there is none | is refused as one that cannot be judged now (503), never let in |
//!
//! An age begins when the question is asked: what is revoked is refused `cache` later at the latest. Requests that come while the same
//! question is under way share its answer. While nobody can be connected to, one question at a time is asked, and all others are refused
//! at once.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};

use crate::crypto::sha256;
use crate::domain::{AuthnFault, Denial, Name, Principal, Recent, Unavailable};
use crate::net::{Answer, Client, ClientSettings, Egress, NetError, Question};

use super::flights::Flights;

/// Who is asked, and how long for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AskSettings {
    /// The NAME of the `[authn.NAME]`.
    pub name: Name,
    /// Where.
    pub url: String,
    /// The longest that a whole ask may take; at most [`AskSettings::MAX_TIMEOUT`].
    pub timeout: Duration,
    /// The longest that an answer holds, zero for not at all; at most [`AskSettings::MAX_CACHE`].
    pub cache: Duration,
}

impl AskSettings {
    /// The longest timeout: the client waits meanwhile.
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(30);
    /// The longest time for which a revoked credential may live on.
    pub const MAX_CACHE: Duration = Duration::from_secs(300);
    /// The largest answer, in bytes.
    pub const MAX_ANSWER: usize = 64 * 1024;

    /// The limits of a client that asks: this long in all, small answers, and these authorities alone where there are any (PEM).
    pub fn limits(timeout: Duration, egress: Egress, authorities: Option<String>) -> ClientSettings {
        let base = ClientSettings::default();
        ClientSettings {
            egress,
            authorities,
            timeout,
            connect_timeout: base.connect_timeout.min(timeout),
            max_body: Self::MAX_ANSWER,
            ..base
        }
    }
}

/// Why settings make no authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskFault {
    /// The URL cannot be called.
    Net(NetError),
    /// The timeout is above [`AskSettings::MAX_TIMEOUT`].
    Timeout,
    /// The cache is above [`AskSettings::MAX_CACHE`].
    Cache,
    /// No audience, or an empty one.
    Audience,
    /// A header that decides framing or routing, or that the proxy sets itself.
    Header,
    /// No header that holds the credential.
    NoHeader,
    /// The algorithm is none that a client's own key signs with.
    Algorithm,
    /// The private key is not PEM of the sort that the algorithm needs.
    Key,
}

/// The digest of a whole question, or of the part of it that differs from one to the next.
pub(super) type Key = [u8; 32];

type Outcome = Result<Arc<Principal>, Denial>;

/// One who asks: its client, what it was told lately, and what it is asking now.
pub(super) struct Asked {
    pub(super) settings: AskSettings,
    client: Arc<Client>,
    known: Recent<32, (Arc<Principal>, Instant)>,
    refused: Recent<32, (AuthnFault, Instant)>,
    flights: Flights,
    slots: Semaphore,
    /// How many questions in a row found nobody there.
    unanswered: AtomicU32,
    /// The one question that is asked then.
    trial: Semaphore,
    complained: Mutex<Option<Instant>>,
}

/// The most answers that are remembered of one who is asked, by sort.
const MAX_KNOWN: usize = 65_536;
const MAX_REFUSED: usize = 8192;
/// How long a clear no holds: enough to blunt a client that tries again at once, short enough for a credential that is only just known.
const REFUSED_FOR: Duration = Duration::from_secs(1);
/// The most questions under way at once.
const MAX_UNDER_WAY: usize = 256;
/// From so many questions in a row without a connection on, one at a time is asked, until one is answered.
const MAX_UNANSWERED: u32 = 5;
/// The shortest time between two warnings that somebody is away.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// What is answered while the one who is asked is away.
pub(super) const AWAY: Denial = Denial::Unavailable(Unavailable::Authenticator);

impl Asked {
    pub(super) fn new(settings: AskSettings, client: &Arc<Client>) -> Result<Self, AskFault> {
        client.check(&settings.url).map_err(AskFault::Net)?;
        if settings.timeout > AskSettings::MAX_TIMEOUT {
            return Err(AskFault::Timeout);
        }
        if settings.cache > AskSettings::MAX_CACHE {
            return Err(AskFault::Cache);
        }
        Ok(Self {
            client: Arc::clone(client),
            known: Recent::new(MAX_KNOWN),
            refused: Recent::new(MAX_REFUSED),
            flights: Flights::default(),
            slots: Semaphore::new(MAX_UNDER_WAY),
            unanswered: AtomicU32::new(0),
            trial: Semaphore::new(1),
            complained: Mutex::new(None),
            settings,
        })
    }

    /// The answer to the question of this digest: a remembered one, that of the same question under way, or that of asking now.
    pub(super) async fn verdict<R: Future<Output = Outcome>>(
        &self,
        key: Key,
        now: SystemTime,
        ask: impl FnOnce() -> R,
    ) -> Outcome {
        if let Some(known) = self.recall(&key, now) {
            return known;
        }
        let flight = self.flights.join(key);
        let asking = flight.answer.get_or_init(|| async {
            // Another flight may have landed just before this one took off.
            match self.recall(&key, now) {
                Some(known) => known,
                None => self.ask_now(key, ask).await,
            }
        });
        // Who waits for an ask that another gave up, and then asks anew, waits no longer than who asked at once.
        let outcome = match tokio::time::timeout(self.settings.timeout, asking).await {
            Ok(outcome) => outcome.clone()?,
            Err(_) => return Err(self.away(NetError::Timeout)),
        };
        in_time(outcome, now)
    }

    fn recall(&self, key: &Key, now: SystemTime) -> Option<Outcome> {
        let tick = Instant::now();
        // By a clock that nobody can set back.
        let is_young = |asked: &Instant, age| tick.saturating_duration_since(*asked) < age;
        let known = self
            .known
            .find(key, |(principal, asked)| is_young(asked, self.settings.cache).then(|| Arc::clone(principal)));
        if let Some(principal) = known {
            return Some(in_time(principal, now));
        }
        let refused_for = REFUSED_FOR.min(self.settings.cache);
        let fault = self.refused.find(key, |(fault, asked)| is_young(asked, refused_for).then_some(*fault));
        fault.map(|fault| Err(Denial::Unauthenticated(fault)))
    }

    async fn ask_now<R: Future<Output = Outcome>>(&self, key: Key, ask: impl FnOnce() -> R) -> Outcome {
        let Ok(_slot) = self.slots.try_acquire() else {
            return Err(self.away("too many questions are under way"));
        };
        let Ok(_trial) = self.trial() else {
            return Err(self.away("the last questions were not answered, and another is under way"));
        };
        let asked = Instant::now();
        let outcome = ask().await;
        match &outcome {
            // Nothing is remembered.
            _ if self.settings.cache.is_zero() => {}
            Ok(principal) => self.known.keep(key, (Arc::clone(principal), asked)),
            Err(Denial::Unauthenticated(fault)) => self.refused.keep(key, (*fault, asked)),
            // No answer is nothing to remember.
            Err(_) => {}
        }
        outcome
    }

    /// How many wait for an answer.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.flights.waiting()
    }

    /// Sends one question.
    pub(super) async fn call(&self, question: Question) -> Result<Answer, Denial> {
        self.heard(self.client.ask(&self.settings.url, question).await)
    }

    /// The answer, or the refusal where there is none. Whatever the answer is, somebody is there: no caller can make it look otherwise.
    pub(super) fn heard<T>(&self, answer: Result<T, NetError>) -> Result<T, Denial> {
        match answer {
            Ok(_) => self.unanswered.store(0, Ordering::Relaxed),
            // Late is no sign that nobody is there: whoever asks what takes long would take the answers from all others.
            Err(NetError::Name | NetError::Connect) => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        answer.map_err(|error| self.away(error))
    }

    /// Leave to ask, which only one has while nobody answers.
    fn trial(&self) -> Result<Option<SemaphorePermit<'_>>, TryAcquireError> {
        if self.unanswered.load(Ordering::Relaxed) < MAX_UNANSWERED {
            return Ok(None);
        }
        self.trial.try_acquire().map(Some)
    }

    /// The refusal for an answer of this status, which says nothing.
    pub(super) fn odd_status(&self, status: StatusCode) -> Denial {
        self.away(format_args!("the server answered with status {}", status.as_u16()))
    }

    /// The refusal while there is no answer, told in the log now and then.
    pub(super) fn away(&self, why: impl fmt::Display) -> Denial {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|last| last.elapsed() >= WARN_EVERY) {
            *complained = Some(Instant::now());
            drop(complained);
            log::warn!("authenticator `{}` has no answer: {why}", self.settings.name);
        }
        AWAY
    }
}

/// The digest of a question of these parts: each with its length before it, so that no two questions are one text.
pub(super) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Key {
    let mut whole = Vec::new();
    for part in parts {
        whole.extend_from_slice(&(part.len() as u64).to_be_bytes());
        whole.extend_from_slice(part);
    }
    sha256(&whole)
}

fn in_time(principal: Arc<Principal>, now: SystemTime) -> Outcome {
    match principal.expires {
        Some(end) if now >= end => Err(Denial::Unauthenticated(AuthnFault::Expired)),
        Some(_) | None => Ok(principal),
    }
}

impl fmt::Display for AskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Net(error) => return error.fmt(f),
            Self::Timeout => "the timeout is at most 30 s",
            Self::Cache => "the cache is at most 5 min",
            Self::Audience => "at least one audience is needed, and none may be empty",
            Self::Header => "a header that decides framing or routing, or that the proxy sets itself",
            Self::NoHeader => "at least one header is needed that holds the credential",
            Self::Algorithm => "not an algorithm that a client's own key signs with",
            Self::Key => "the private key is not PEM of the sort that the algorithm needs",
        })
    }
}

impl std::error::Error for AskFault {}
