//! Tokens to act on somebody's behalf with, each had for a token about them (RFC 8693): asked for when somebody comes who needs one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as Turn, Semaphore};
use tokio::time::timeout;

use super::oauth2::{ask, next_after, wait_after};
use super::provider::Look;
use super::{Oauth2Settings, Settings, Slot, VaultError};
use crate::domain::{Secret, SecretRef};
use crate::net::{Client, NetError};

/// Where tokens are had, and with what.
#[derive(Debug)]
pub struct Exchange {
    settings: Oauth2Settings,
    client: Result<Client, NetError>,
    under_way: Semaphore,
}

/// The token of one subject.
#[derive(Debug)]
pub struct Exchanged {
    of: Arc<Exchange>,
    slot: Arc<Slot>,
    /// Held while one is asked for, so that many who need it ask once.
    turn: Arc<Turn<()>>,
    times: Mutex<Times>,
}

#[derive(Debug)]
struct Times {
    /// When the next is asked for.
    due: Instant,
    failures: u32,
    /// When one was not taken last.
    doubted: Option<Instant>,
}

/// What sort of token is had for another (RFC 8693 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// An access token, of whatever form.
    AccessToken,
    /// A JWT.
    Jwt,
}

impl TokenType {
    /// Its URI.
    pub fn uri(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
        }
    }

    /// The one of this URI; none for what no target would be sent, such as refresh tokens.
    pub fn parse(uri: &str) -> Option<Self> {
        [Self::AccessToken, Self::Jwt].into_iter().find(|one| one.uri() == uri)
    }
}

/// So many tokens are asked for at once.
const AT_ONCE: usize = 64;
/// How long anybody waits for a token.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a request waits for another one after the last was not taken.
const DOUBT_WAITS: Duration = Duration::from_secs(3);
/// Another one is had no more often, however often one is not taken.
const DOUBT_EVERY: Duration = Duration::from_secs(5);

impl Exchange {
    /// An exchange; nobody is asked yet.
    pub fn new(settings: Oauth2Settings) -> Self {
        let client = Client::new(settings.client.clone());
        Self { settings, client, under_way: Semaphore::new(AT_ONCE) }
    }

    async fn ask(&self, subject: &Secret) -> Result<(Secret, Duration), VaultError> {
        let timed_out = VaultError::Call(NetError::Timeout);
        let room = timeout(PATIENCE, self.under_way.acquire()).await.map_err(|_| timed_out)?;
        let _room = room.map_err(|_| timed_out)?;
        ask(&self.settings, Some(subject), &self.client).await?.token(&self.settings.grant)
    }
}

impl Exchanged {
    /// The token of one subject, which nobody has asked for yet; `name` is what the log calls it.
    pub fn new(of: Arc<Exchange>, name: SecretRef) -> Self {
        let now = Instant::now();
        // It is good until its end, and nobody knows better in between.
        let slot = Slot::new(name, Settings::UNTIL_IT_ENDS, now).own();
        let times = Times { due: now, failures: 0, doubted: None };
        Self { of, slot: Arc::new(slot), turn: Arc::default(), times: Mutex::new(times) }
    }

    /// Where the token is.
    pub fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Sees to it that there is a token, if there can be one: waits where there is none, for some seconds at most, and has the next in the
    /// background where the last has lived for two thirds of its time. `subject` makes what is handed in.
    pub async fn see_to(self: &Arc<Self>, subject: impl FnOnce() -> Option<Secret>) {
        let is_due = |now| now >= self.times().due;
        let is_there = self.slot.load().is_ok();
        if is_due(Instant::now()) {
            self.begin(is_due, subject);
        }
        if !is_there {
            let _ = timeout(PATIENCE, self.turn.lock()).await;
        }
    }

    /// Whether another token than that of this version is there, after having asked for one: for whoever was told that this one is no good.
    pub async fn renew(self: &Arc<Self>, version: u64, subject: impl FnOnce() -> Option<Secret>) -> bool {
        let is_same = || self.slot.version() == version;
        self.begin(|now| is_same() && self.times().doubt(now), subject);
        if is_same() {
            let _ = timeout(DOUBT_WAITS, self.turn.lock()).await;
        }
        !is_same()
    }

    /// Asks in a task of its own, where nobody does and this says so: a client that goes away keeps nobody else from the token.
    fn begin(self: &Arc<Self>, is_needed: impl FnOnce(Instant) -> bool, subject: impl FnOnce() -> Option<Secret>) {
        let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() else { return };
        if !is_needed(Instant::now()) {
            return;
        }
        let Some(subject) = subject() else { return };
        let this = Arc::clone(self);
        tokio::spawn(async move {
            this.ask(&subject).await;
            drop(turn);
        });
    }

    async fn ask(&self, subject: &Secret) {
        let begun = Instant::now();
        let asked = self.of.ask(subject).await;
        let now = Instant::now();
        let mut times = self.times();
        let looked = match asked {
            Ok((token, lasts)) => {
                (times.due, times.failures) = (begun + next_after(lasts), 0);
                Ok(Look::Read { mark: None, outcome: Ok(token), ends: Some(begun + lasts), confirmed: None })
            }
            Err(fault) => {
                times.due = now + wait_after(times.failures);
                times.failures = times.failures.saturating_add(1);
                Err(fault)
            }
        };
        self.slot.found(looked, now);
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    /// Whether another one is asked for now because the last was not taken.
    fn doubt(&mut self, now: Instant) -> bool {
        let is_due = self.doubted.is_none_or(|last| now.saturating_duration_since(last) >= DOUBT_EVERY);
        if is_due {
            self.doubted = Some(now);
        }
        is_due
    }
}
