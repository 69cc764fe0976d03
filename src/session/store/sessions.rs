//! The tables of sessions, and of the keys that sign their tokens.

use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::{OptionalExtension as _, Row, params};

use super::{Store, StoreError, millis, time};
use crate::domain::{Bounds, Confirmation, Id, Methods, Name, NetworkSet, Principal, PrincipalKind, Stay};
use crate::session::{Revocation, Revoked, Session};

pub(super) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS session (
        id            TEXT PRIMARY KEY,
        authenticator TEXT NOT NULL,
        principal     TEXT NOT NULL,
        kind          TEXT NOT NULL,
        proof_key     TEXT,
        networks      TEXT,
        actor         TEXT,
        roles         TEXT NOT NULL,
        scopes        TEXT NOT NULL,
        only_roles    TEXT,
        only_routes   TEXT,
        only_methods  TEXT,
        certificate   BLOB,
        key           BLOB,
        since         INTEGER NOT NULL,
        until         INTEGER NOT NULL,
        idle          INTEGER,
        used          INTEGER NOT NULL,
        uses          INTEGER,
        spent         INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS session_until ON session (until);
    CREATE INDEX IF NOT EXISTS session_of ON session (authenticator, principal, until);
    CREATE TABLE IF NOT EXISTS signing_key (
        number INTEGER PRIMARY KEY,
        sealed BLOB NOT NULL,
        signs  INTEGER NOT NULL
    ) STRICT;
";

/// What the table of earlier forms lacks.
pub(super) const USES: &str = "ALTER TABLE session ADD COLUMN uses INTEGER;
    ALTER TABLE session ADD COLUMN spent INTEGER NOT NULL DEFAULT 0;";

/// What a session is; how much of it was spent is told apart.
const COLUMNS: &str = "id, authenticator, principal, kind, proof_key, networks, actor, roles, scopes, only_roles, only_routes, only_methods, \
                       certificate, key, since, until, idle, used, uses";

/// The columns that are bytes, and so travel in hexadecimal.
const BYTES: [&str; 2] = ["certificate", "key"];

fn columns() -> impl Iterator<Item = &'static str> {
    COLUMNS.split(',').map(str::trim)
}

/// A session as one JSON array, in SQL.
pub(super) fn pack() -> String {
    let packed = columns().map(|column| match column {
        bytes if BYTES.contains(&bytes) => format!("iif({bytes} IS NULL, NULL, hex({bytes}))"),
        other => other.to_owned(),
    });
    format!("json_array({})", packed.collect::<Vec<_>>().join(", "))
}

/// The opposite: one more session, unless it is there.
pub(super) fn unpack() -> String {
    let unpacked = columns().enumerate().map(|(place, column)| match column {
        bytes if BYTES.contains(&bytes) => format!("unhex(?1 ->> {place})"),
        _ => format!("?1 ->> {place}"),
    });
    let unpacked = unpacked.collect::<Vec<_>>().join(", ");
    format!("INSERT OR IGNORE INTO session ({COLUMNS}) SELECT {unpacked}")
}

/// A signing key as it lies in the store.
pub(in crate::session) struct KeptKey {
    /// Counts up; none is given twice.
    pub(in crate::session) number: i64,
    pub(in crate::session) sealed: Vec<u8>,
    /// From when on it signs.
    pub(in crate::session) signs: SystemTime,
}

/// What the next use of a session is.
pub(in crate::session) struct Spent {
    /// The number of it, from 1; none where all are spent.
    pub(in crate::session) next: Option<u64>,
    /// When the session ends.
    pub(in crate::session) ends: SystemTime,
}

/// How many sessions that were ended, or used up, count as much as one that goes on.
const ENDED: u32 = 10;

impl Store {
    /// Whether a principal may have one more session. One that was ended, or used up, makes room, but is kept until its time is over: it counts a
    /// tenth, so that nobody fills the store by beginning and ending. One that is ended for a time goes on after it.
    fn has_room(&self, principal: &Principal, most: u32, now: SystemTime) -> Result<bool, StoreError> {
        let values = params![principal.authenticator.as_str(), principal.id, millis(now)];
        let all = "SELECT count(*) FROM session WHERE authenticator = ?1 AND principal = ?2 AND until > ?3";
        let all: u32 = self.row(all, values, |row| row.get(0))?.unwrap_or_default();
        if all < most {
            return Ok(true);
        }
        let count = "SELECT count(*) FROM session WHERE authenticator = ?1 AND principal = ?2 AND until > ?3
                     AND (uses IS NULL OR spent < uses)
                     AND NOT EXISTS (SELECT 1 FROM revocation WHERE of = 'session:' || session.id AND lifted_by IS NULL
                                     AND (revocation.until IS NULL OR revocation.until >= session.until - 1000))";
        let count: u32 = self.row(count, values, |row| row.get(0))?.unwrap_or_default();
        Ok(count + all.saturating_sub(count) / ENDED < most)
    }

    /// Keeps a session, unless its principal has this many already; tells whether it did. On the disk when this returns.
    pub(in crate::session) fn add_session(
        &self,
        one: &Session,
        most: u32,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        let begun = self.begin_change()?;
        let principal = &one.principal;
        if !self.has_room(principal, most, now)? {
            return Ok(false);
        }
        let bounds = &one.stay.bounds;
        let methods = bounds.methods.map(|methods| methods.names().collect::<Vec<_>>().join(" "));
        let insert = format!(
            "INSERT INTO session ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)"
        );
        let values = params![
            one.stay.id.to_string(),
            principal.authenticator.as_str(),
            principal.id,
            principal.kind.text(),
            principal.key.as_deref(),
            principal.networks.as_ref().map(|networks| list(networks.texts().iter().map(String::as_str))),
            principal.actor.as_deref(),
            list(principal.roles.iter().map(AsRef::as_ref)),
            list(principal.scopes.iter().map(AsRef::as_ref)),
            bounds.roles.as_ref().map(|roles| list(roles.iter().map(AsRef::as_ref))),
            bounds.routes.as_ref().map(|routes| list(routes.iter().map(Name::as_str))),
            methods,
            principal.confirmation.certificate.map(Vec::from),
            principal.confirmation.key.map(Vec::from),
            millis(one.since),
            millis(one.until),
            one.stay.idle.map(|idle| i64::try_from(idle.as_millis()).unwrap_or(i64::MAX)),
            millis(one.stay.used()),
            bounds.uses,
        ];
        self.change(&insert, values)?;
        self.end_change(begun)?;
        Ok(true)
    }

    /// Forgets a session that nobody was told of.
    pub(in crate::session) fn remove_session(&self, id: Id) -> Result<(), StoreError> {
        self.change("DELETE FROM session WHERE id = ?1", [id.to_string()]).map(drop)
    }

    /// Ends what this revocation ends, unless that was ended already for as long; tells whether it was not. On the disk when this returns.
    pub(in crate::session) fn add_once(&self, one: &Revocation) -> Result<bool, StoreError> {
        // A hold ends with an approval: who is to be ended for good is not ended by one.
        let ended = "SELECT 1 FROM revocation WHERE of = ?1 AND lifted_by IS NULL AND (until IS NULL OR until >= ?2)
                     AND (approval IS NULL OR ?3)";
        let values = params![one.of.to_string(), one.until.map(millis), one.approval.is_some()];
        if self.row(ended, values, |_| Ok(()))?.is_some() {
            return Ok(false);
        }
        self.add(std::slice::from_ref(one)).map(|()| true)
    }

    /// How many of a session's uses are spent, as others hear of it once one more is; none where it is over, and no number where none is
    /// left.
    pub(in crate::session) fn next_use(&self, id: Id, now: SystemTime) -> Result<Option<Spent>, StoreError> {
        let query = "SELECT spent, uses, until FROM session WHERE id = ?1 AND until > ?2";
        let read = |row: &Row<'_>| Ok((row.get::<_, u32>(0)?, row.get::<_, Option<u32>>(1)?, row.get(2)?));
        let found = self.row(query, params![id.to_string(), millis(now)], read)?;
        Ok(found.map(|(spent, uses, until)| {
            let next = uses.is_none_or(|uses| spent < uses).then(|| u64::from(spent) + 1);
            Spent { next, ends: time(until) }
        }))
    }

    /// Spends one of a session's uses; tells whether one was left. On the disk when this returns.
    pub(in crate::session) fn spend(&self, id: Id, now: SystemTime) -> Result<bool, StoreError> {
        let update = "UPDATE session SET spent = spent + 1 WHERE id = ?1 AND until > ?2 AND spent < uses";
        self.change(update, params![id.to_string(), millis(now)]).map(|changed| changed > 0)
    }

    /// How many of a session's uses are spent.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn spent(&self, id: Id) -> Result<u32, StoreError> {
        let spent = self.row("SELECT spent FROM session WHERE id = ?1", [id.to_string()], |row| row.get(0))?;
        Ok(spent.unwrap_or_default())
    }

    /// The session of this id, if it is not over.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn session(&self, id: Id, now: SystemTime) -> Result<Option<Session>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM session WHERE id = ?1 AND until > ?2");
        let found = self.row(&query, params![id.to_string(), millis(now)], |row| Ok(session(row)))?;
        found.map(|one| one.map_err(|error| self.unreadable(&error))).transpose()
    }

    /// All sessions that are not over, the latest first.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn sessions(&self, now: SystemTime) -> Result<Vec<Session>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM session WHERE until > ?1 ORDER BY since DESC, id");
        let mut all = Vec::new();
        let mut query = self.connection.prepare_cached(&query).map_err(|error| self.fault(&error))?;
        let mut rows = query.query([millis(now)]).map_err(|error| self.fault(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.fault(&error))? {
            all.push(session(row).map_err(|error| self.unreadable(&error))?);
        }
        Ok(all)
    }

    /// How many sessions there are that are not over.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub(in crate::session) fn count_sessions(&self, now: SystemTime) -> Result<u64, StoreError> {
        let query = "SELECT count(*) FROM session WHERE until > ?1";
        Ok(self.row(query, [millis(now)], |row| row.get::<_, i64>(0))?.map_or(0, i64::unsigned_abs))
    }

    /// Ends all sessions of a principal that go on; tells how many those were. On the disk when this returns.
    pub(in crate::session) fn end_sessions(
        &self,
        (authenticator, principal): (&Name, &str),
        (reason, by): (&str, &str),
        now: SystemTime,
    ) -> Result<usize, StoreError> {
        let query = format!(
            "SELECT {COLUMNS} FROM session WHERE authenticator = ?1 AND principal = ?2 AND until > ?3
             AND NOT EXISTS (SELECT 1 FROM revocation WHERE of = 'session:' || session.id AND lifted_by IS NULL
                                     AND (revocation.until IS NULL OR revocation.until >= session.until - 1000))"
        );
        let mut all = Vec::new();
        let mut query = self.connection.prepare_cached(&query).map_err(|error| self.fault(&error))?;
        let values = params![authenticator.as_str(), principal, millis(now)];
        let mut rows = query.query(values).map_err(|error| self.fault(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.fault(&error))? {
            let one = session(row).map_err(|error| self.unreadable(&error))?;
            let (of, lasts) = (Revoked::Session(one.stay.id), one.until.duration_since(now).unwrap_or_default());
            all.push(Revocation::new(of, reason.to_owned(), by.to_owned(), now, Some(lasts)));
        }
        if !all.is_empty() {
            self.add(&all)?;
        }
        Ok(all.len())
    }

    /// Says when sessions were last used.
    pub(in crate::session) fn use_sessions(&self, all: &[(Id, SystemTime, SystemTime)]) -> Result<(), StoreError> {
        let begun = self.begin_change()?;
        for (id, used, _) in all {
            let update = "UPDATE session SET used = max(used, ?2) WHERE id = ?1";
            self.change(update, params![id.to_string(), millis(*used)])?;
        }
        self.end_change(begun)
    }

    /// Forgets the sessions that were over at this time.
    pub(in crate::session) fn remove_sessions(&self, over: SystemTime) -> Result<(), StoreError> {
        let any = "SELECT 1 FROM session WHERE until <= ?1 LIMIT 1";
        if self.row(any, [millis(over)], |_| Ok(()))?.is_some() {
            // A look does not write, and so needs no lock.
            self.change("DELETE FROM session WHERE until <= ?1", [millis(over)])?;
        }
        Ok(())
    }

    /// The keys that sign tokens, the oldest first.
    pub(in crate::session) fn signing_keys(&self) -> Result<Vec<KeptKey>, StoreError> {
        let query = "SELECT number, sealed, signs FROM signing_key ORDER BY number";
        let read = self.connection.prepare_cached(query).and_then(|mut query| {
            let kept =
                |row: &Row<'_>| Ok(KeptKey { number: row.get(0)?, sealed: row.get(1)?, signs: time(row.get(2)?) });
            query.query_map([], kept)?.collect::<rusqlite::Result<Vec<_>>>()
        });
        read.map_err(|error| self.fault(&error))
    }

    /// Keeps a key behind this last one; tells whether that was still the last.
    pub(in crate::session) fn add_signing_key(
        &self,
        last: i64,
        sealed: &[u8],
        signs: SystemTime,
    ) -> Result<bool, StoreError> {
        let insert = "INSERT INTO signing_key (number, sealed, signs) SELECT ?1, ?2, ?3
                      WHERE (SELECT coalesce(max(number), 0) FROM signing_key) = ?4";
        self.change(insert, params![last + 1, sealed, millis(signs), last]).map(|changed| changed > 0)
    }

    /// Forgets the keys up to this number.
    pub(in crate::session) fn remove_signing_keys(&self, number: i64) -> Result<(), StoreError> {
        self.change("DELETE FROM signing_key WHERE number <= ?1", [number]).map(drop)
    }

    pub(super) fn row<T>(
        &self,
        query: &str,
        values: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let found =
            self.connection.prepare_cached(query).and_then(|mut query| query.query_row(values, read).optional());
        found.map_err(|error| self.fault(&error))
    }

    fn unreadable(&self, what: &str) -> StoreError {
        self.broken(format!("a session in it cannot be read: {what}"))
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    serde_json::Value::from_iter(names).to_string()
}

/// Left out, what cannot be read would be a wider session, or none: it is an error of the file.
fn session(row: &Row<'_>) -> Result<Session, String> {
    let wrong = |column: &str| format!("`{column}`");
    let text = |column: &str| row.get::<_, String>(column).map_err(|error| error.to_string());
    let maybe = |column: &str| row.get::<_, Option<String>>(column).map_err(|error| error.to_string());
    let number = |column: &str| row.get::<_, i64>(column).map_err(|error| error.to_string());
    let names = |column: &str, text: String| serde_json::from_str::<Vec<String>>(&text).map_err(|_| wrong(column));
    let shared = |names: Vec<String>| names.into_iter().map(Arc::from).collect::<Vec<Arc<str>>>();
    let name = |column: &str, text: &str| Name::parse(text).map_err(|_| wrong(column));
    let digest = |column: &str| match row.get::<_, Option<Vec<u8>>>(column).map_err(|error| error.to_string())? {
        Some(bytes) => bytes.try_into().map(Some).map_err(|_| wrong(column)),
        None => Ok(None),
    };
    let roles = maybe("only_roles")?.map(|text| names("only_roles", text).map(shared)).transpose()?;
    let routes = match maybe("only_routes")? {
        Some(text) => {
            let routes = names("only_routes", text)?;
            Some(routes.iter().map(|route| name("only_routes", route)).collect::<Result<Vec<_>, _>>()?)
        }
        None => None,
    };
    let methods =
        maybe("only_methods")?.map(|text| text.split(' ').fold(Methods::NONE, |set, one| set.union(Methods::of(one))));
    let uses = row.get::<_, Option<u32>>("uses").map_err(|error| error.to_string())?;
    let idle = row.get::<_, Option<i64>>("idle").map_err(|error| error.to_string())?;
    let idle = idle.map(|millis| std::time::Duration::from_millis(u64::try_from(millis).unwrap_or_default()));
    let id = text("id")?.parse().map_err(|_| wrong("id"))?;
    let stay = Arc::new(Stay::new(id, Bounds { roles, routes, methods, uses }, idle, time(number("used")?)));
    let (since, until) = (time(number("since")?), time(number("until")?));
    let kind = PrincipalKind::parse(&text("kind")?).ok_or_else(|| wrong("kind"))?;
    let networks = match maybe("networks")? {
        Some(text) => Some(NetworkSet::parse(&names("networks", text)?).ok_or_else(|| wrong("networks"))?),
        None => None,
    };
    let principal = Principal {
        roles: shared(names("roles", text("roles")?)?),
        scopes: shared(names("scopes", text("scopes")?)?),
        expires: Some(until),
        actor: maybe("actor")?.map(Arc::from),
        key: maybe("proof_key")?.map(Arc::from),
        networks,
        confirmation: Confirmation { certificate: digest("certificate")?, key: digest("key")? },
        session: Some(Arc::clone(&stay)),
        ..Principal::new(name("authenticator", &text("authenticator")?)?, kind, text("principal")?)
    };
    Ok(Session { principal: Arc::new(principal), stay, since, until })
}
