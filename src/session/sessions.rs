//! Sessions: begun for a proved principal, kept in the store, told to their callers in a token.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dashmap::DashMap;
use serde_json::{Map, Value, json};

use super::store::Spent;
use super::{Away, Earlier, Peers, Revocation, Row, RowKind, Signers, SignersFault, Store, StoreError};
use crate::crypto::{MasterKey, random};
use crate::domain::{Bounds, Id, Name, Principal, Stay, millis, seconds};

/// One session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose it is, with what its proof conferred, as far as that was asked for; it names the session.
    pub principal: Arc<Principal>,
    /// What it is confined to, and when it was last used.
    pub stay: Arc<Stay>,
    /// When it began.
    pub since: SystemTime,
    /// When it ends.
    pub until: SystemTime,
}

/// What a session is begun with.
#[derive(Debug)]
pub struct NewSession {
    /// Who was proved, with the scopes that are asked for and what the token is to be bound to.
    pub principal: Principal,
    /// What it is to be confined to.
    pub bounds: Bounds,
    /// Every role that it then has, for whoever reads the token.
    pub roles: Vec<Arc<str>>,
    /// How long it may go without use.
    pub idle: Option<Duration>,
    /// When it is to end.
    pub until: SystemTime,
}

/// Why there is no session.
#[derive(Debug)]
pub enum SessionFault {
    /// There is no store, or there are no keys yet.
    Closed,
    /// The principal has as many as it may.
    TooMany,
    /// It is over, or as many requests came in it as it was for.
    Spent,
    /// The store cannot be used.
    Store(StoreError),
    /// The other nodes cannot be told or asked.
    Away(Away),
}

/// All sessions of a process, which it shares with others through the store.
#[derive(Debug, Default)]
pub struct Sessions {
    store: OnceLock<Connections>,
    peers: OnceLock<Arc<dyn Peers>>,
    signers: ArcSwapOption<Signers>,
    /// Those that were used here and may become idle.
    used: DashMap<Id, Used, ahash::RandomState>,
}

/// Who looks does not wait for who writes, and for the disk with them.
#[derive(Debug)]
struct Connections {
    reading: Mutex<Store>,
    writing: Mutex<Store>,
    keeping: Mutex<Store>,
}

#[derive(Debug)]
struct Used {
    stay: Arc<Stay>,
    until: SystemTime,
    /// What the store says of when it was last used.
    told: SystemTime,
}

/// How often a use is tried again that another node was faster with.
const ATTEMPTS: u32 = 10;
/// The most sessions whose last use is remembered. One that is not becomes idle too early.
const MAX_USED: usize = 1 << 21;

impl Sessions {
    /// The longest that a session may last.
    pub const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);
    /// The `typ` of tokens (RFC 9068 §2.1).
    pub const TYPE: &str = "at+jwt";
    /// Into how many parts an idle time is divided: the store learns of a use no later than one of them after.
    const PARTS: u32 = 8;

    /// Uses this store from now on; once.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened again.
    pub fn open(&self, store: Store) -> Result<(), StoreError> {
        let connections = Connections {
            reading: Mutex::new(store.again()?),
            keeping: Mutex::new(store.again()?),
            writing: Mutex::new(store),
        };
        // A second one is of the same process, which has one.
        let _ = self.store.set(connections);
        Ok(())
    }

    /// Shares everything with these nodes from now on; once.
    pub fn share_with(&self, peers: Arc<dyn Peers>) {
        // A second time it would be with the same.
        let _ = self.peers.set(peers);
    }

    /// Whether there are other nodes, of which nothing was heard for so long that an end could have been missed.
    pub fn is_cut_off(&self) -> bool {
        self.peers.get().is_some_and(|peers| peers.is_silent())
    }

    /// Hears what other nodes have begun, where there are any. Not for threads that serve requests.
    ///
    /// # Errors
    /// [`SessionFault::Away`] when they cannot be asked.
    pub fn hear(&self) -> Result<(), SessionFault> {
        self.peers.get().map_or(Ok(()), |peers| peers.hear().map_err(SessionFault::Away))
    }

    /// Whether there are other nodes.
    pub fn is_shared(&self) -> bool {
        self.peers.get().is_some()
    }

    /// The keys that sign; none until [`Self::keep_keys`] has worked.
    pub fn signers(&self) -> Option<Arc<Signers>> {
        self.signers.load_full()
    }

    /// Reads the signing keys, which this key seals, and replaces the one that signs when it has for so long.
    ///
    /// # Errors
    /// [`SignersFault`]; the keys that were read before serve on.
    pub fn keep_keys(&self, seal: &MasterKey, rotate: Duration, now: SystemTime) -> Result<(), SignersFault> {
        let Some(store) = self.store.get() else { return Ok(()) };
        // Waiting for the network, nobody may hold what sessions are begun with.
        let store = store.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let signers = Signers::keep(&store, self.peers.get().map(|peers| &**peers), seal, rotate, now)?;
        let is_same = self.signers().is_some_and(|old| old.key_set() == signers.key_set());
        if !is_same {
            self.signers.store(Some(Arc::new(signers)));
        }
        Ok(())
    }

    /// Begins a session, which is on the disk when this returns; with its token (RFC 9068), of this issuer and for it.
    ///
    /// # Errors
    /// One [`SessionFault`] per way to fail; there is no session then.
    pub fn begin(
        &self,
        new: NewSession,
        issuer: &str,
        most: u32,
        now: SystemTime,
    ) -> Result<(Session, String), SessionFault> {
        let signers = self.signers().ok_or(SessionFault::Closed)?;
        let stay = Arc::new(Stay::new(Id(random()), new.bounds, new.idle, now));
        let principal = Principal { expires: Some(new.until), session: Some(Arc::clone(&stay)), ..new.principal };
        let session = Session { principal: Arc::new(principal), stay, since: now, until: new.until };
        let signer = signers.signer(now).ok_or(SessionFault::Closed)?;
        let token = signer.token(Self::TYPE, session.claims(&new.roles, issuer)).map_err(|_| SessionFault::Closed)?;
        let store = self.writing().ok_or(SessionFault::Closed)?;
        if !store.add_session(&session, most, now)? {
            return Err(SessionFault::TooMany);
        }
        drop(store);
        self.tell(&session, now)?;
        Ok((session, token))
    }

    /// Tells the other nodes of a session; one that they do not know of is none.
    fn tell(&self, session: &Session, now: SystemTime) -> Result<(), SessionFault> {
        let (Some(peers), Some(store)) = (self.peers.get(), self.writing()) else { return Ok(()) };
        let row = store.session_row(session.stay.id, now)?.ok_or(SessionFault::Closed)?;
        drop(store);
        let Err(away) = peers.put(&[row]) else { return Ok(()) };
        if let Some(store) = self.writing() {
            store.remove_session(session.stay.id)?;
        }
        Err(SessionFault::Away(away))
    }

    /// The session of this id, if it is not over.
    ///
    /// # Errors
    /// [`SessionFault::Store`] when it cannot be read, and [`SessionFault::Closed`].
    pub fn find(&self, id: Id, now: SystemTime) -> Result<Option<Session>, SessionFault> {
        let found = self.reading().ok_or(SessionFault::Closed)?.session(id, now)?;
        Ok(found.map(|found| self.share(found)))
    }

    /// How many there are that are not over; none where that cannot be read.
    pub fn count(&self, now: SystemTime) -> Option<u64> {
        let store = self.store.get()?.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        store.count_sessions(now).ok()
    }

    /// The same with the last use that all requests of it here share.
    fn share(&self, found: Session) -> Session {
        if found.stay.idle.is_none() {
            return found;
        }
        if self.used.len() >= MAX_USED && !self.used.contains_key(&found.stay.id) {
            return found;
        }
        let new = || Used { stay: Arc::clone(&found.stay), until: found.until, told: found.stay.used() };
        let used = self.used.entry(found.stay.id).or_insert_with(new);
        let stay = Arc::clone(&used.stay);
        drop(used);
        stay.touch(found.stay.used());
        let principal = Principal { session: Some(Arc::clone(&stay)), ..Principal::clone(&found.principal) };
        Session { principal: Arc::new(principal), stay, ..found }
    }

    /// Spends one of the requests that a session is for; on the disk when this returns, and counted once at all nodes together.
    ///
    /// # Errors
    /// [`SessionFault::Spent`] where none is left, [`SessionFault::Store`], [`SessionFault::Away`], or [`SessionFault::Closed`].
    pub fn spend(&self, id: Id, now: SystemTime) -> Result<(), SessionFault> {
        let Some(peers) = self.peers.get() else {
            let is_left = self.writing().ok_or(SessionFault::Closed)?.spend(id, now)?;
            return if is_left { Ok(()) } else { Err(SessionFault::Spent) };
        };
        for _ in 0..ATTEMPTS {
            let found = self.reading().ok_or(SessionFault::Closed)?.next_use(id, now)?;
            let Some(Spent { next: Some(version), ends }) = found else { return Err(SessionFault::Spent) };
            let row = Row { kind: RowKind::Spent, id: id.to_string(), version, ends, document: String::new() };
            if peers.decide(&row, Earlier::Decisions).map_err(SessionFault::Away)? {
                return Ok(());
            }
            peers.hear().map_err(SessionFault::Away)?;
        }
        Err(SessionFault::Away(Away::Link))
    }

    /// Whether all uses of a session are spent that it was begun with, as far as is known here.
    ///
    /// # Errors
    /// [`SessionFault`] where that cannot be told.
    pub fn is_spent(&self, id: Id, now: SystemTime) -> Result<bool, SessionFault> {
        Ok(self.reading().ok_or(SessionFault::Closed)?.next_use(id, now)?.and_then(|spent| spent.next).is_none())
    }

    /// Tells the store what was used, and forgets what is over.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; it is told again then.
    pub fn settle(&self, now: SystemTime) -> Result<(), StoreError> {
        let Some(store) = self.writing() else { return Ok(()) };
        let mut news = Vec::new();
        self.used.retain(|id, used| {
            let every = used.stay.idle.unwrap_or_default() / Self::PARTS;
            let last = used.stay.used();
            if last > used.told + every {
                news.push((*id, last, used.until));
            }
            now < used.until
        });
        if !news.is_empty() {
            store.use_sessions(&news)?;
        }
        store.remove_sessions(now)?;
        drop(store);
        if let Some(peers) = self.peers.get() {
            let row = |(id, last, ends): &(Id, SystemTime, SystemTime)| {
                let (version, document) = (millis(*last), String::new());
                Row { kind: RowKind::Use, id: id.to_string(), version, ends: *ends, document }
            };
            let rows: Vec<_> = news.iter().map(row).collect();
            // Those that are not told now are with their next use.
            let _ = rows.chunks(super::ROWS_AT_ONCE as usize).try_for_each(|rows| peers.put(rows).map(drop));
        }
        for (id, last, _) in news {
            if let Some(mut used) = self.used.get_mut(&id) {
                used.told = last;
            }
        }
        Ok(())
    }

    /// Ends sessions, unless they are ended already for as long; tells whether they were not. Processes that have the store open take it over
    /// within milliseconds.
    ///
    /// # Errors
    /// [`SessionFault::Store`] when it cannot be written, and [`SessionFault::Closed`].
    pub fn revoke(&self, revocation: &Revocation) -> Result<bool, SessionFault> {
        let store = self.writing().ok_or(SessionFault::Closed)?;
        Ok(store.add_once(revocation)?)
    }

    /// Ends all sessions of a principal that have begun here, or at a node that is heard; tells how many. Processes that have the store open
    /// take it over within milliseconds. Not for threads that serve requests.
    ///
    /// # Errors
    /// [`SessionFault::Store`] when it cannot be written, and [`SessionFault::Closed`].
    pub fn end_all(
        &self,
        principal: (&Name, &str),
        (reason, by): (&str, &str),
        now: SystemTime,
    ) -> Result<usize, SessionFault> {
        let end = || -> Result<usize, SessionFault> {
            Ok(self.writing().ok_or(SessionFault::Closed)?.end_sessions(principal, (reason, by), now)?)
        };
        let ended = end()?;
        // What is known here ends at once, and the rest as soon as it is heard of.
        if self.is_shared() && self.hear().is_ok() { Ok(ended + end()?) } else { Ok(ended) }
    }

    fn reading(&self) -> Option<MutexGuard<'_, Store>> {
        self.store.get().map(|all| all.reading.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn writing(&self) -> Option<MutexGuard<'_, Store>> {
        self.store.get().map(|all| all.writing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Session {
    /// How long it lasts from this time on, in whole seconds.
    pub fn seconds_left(&self, now: SystemTime) -> u64 {
        self.until.duration_since(now).map_or(0, |left| left.as_secs())
    }

    /// Its scopes as one text (RFC 6749 §3.3). One with a blank in it would be read as two.
    pub fn scope(&self) -> String {
        let scopes = self.principal.scopes.iter().map(|scope| &**scope).filter(|scope| !scope.contains(' '));
        scopes.collect::<Vec<_>>().join(" ")
    }

    /// What is told of it by this issuer, where it has these roles (RFC 9068 §2.2, RFC 7662 §2.2, RFC 8705 §3, RFC 9449 §6).
    pub fn claims(&self, roles: &[Arc<str>], issuer: &str) -> Map<String, Value> {
        let principal = &self.principal;
        let name = principal.name();
        let mut claims = Map::new();
        let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        claim("iss", issuer.into());
        claim("aud", issuer.into());
        // The id alone could be somebody else's, whom another authenticator proves.
        claim("sub", name.as_str().into());
        claim("client_id", name.as_str().into());
        claim("iat", seconds(self.since).into());
        claim("exp", seconds(self.until).into());
        claim("jti", self.stay.id.to_string().into());
        claim("roles", roles.iter().map(|role| Value::from(&**role)).collect());
        let scope = self.scope();
        if !scope.is_empty() {
            claim("scope", scope.into());
        }
        if let Some(actor) = &principal.actor {
            claim("act", json!({ "sub": &**actor }));
        }
        let bound = [("x5t#S256", principal.confirmation.certificate), ("jkt", principal.confirmation.key)];
        let encoded = |digest: [u8; 32]| Value::from(URL_SAFE_NO_PAD.encode(digest));
        let bound: Map<_, _> =
            bound.into_iter().filter_map(|(name, digest)| Some((name.to_owned(), encoded(digest?)))).collect();
        if !bound.is_empty() {
            claim("cnf", Value::Object(bound));
        }
        claims
    }
}

impl From<StoreError> for SessionFault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for SessionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("there is no store, or no key that signs"),
            Self::Spent => f.write_str("the session is used up"),
            Self::TooMany => f.write_str("the principal has as many sessions as it may"),
            Self::Store(error) => error.fmt(f),
            Self::Away(away) => away.fmt(f),
        }
    }
}

impl std::error::Error for SessionFault {}

#[cfg(test)]
mod tests;
