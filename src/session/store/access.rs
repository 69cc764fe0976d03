//! The table of access requests, each a document with its history.

use std::time::{Duration, SystemTime};

use rusqlite::params;

use super::{Store, StoreError, millis, shared, time};
use crate::domain::{AccessFault, Id};
use crate::session::access::{AccessRequest, AccessState};
use crate::session::{Row, RowKind};

pub(super) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS access (
        id       TEXT PRIMARY KEY,
        of       TEXT NOT NULL,
        pending  INTEGER,
        ends     INTEGER NOT NULL,
        document TEXT NOT NULL,
        change   INTEGER NOT NULL,
        told     INTEGER NOT NULL DEFAULT 0,
        version  INTEGER NOT NULL DEFAULT 1
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX IF NOT EXISTS access_change ON access (change);
    CREATE INDEX IF NOT EXISTS access_of ON access (of, pending);
    CREATE INDEX IF NOT EXISTS access_pending ON access (pending);
    CREATE INDEX IF NOT EXISTS access_ends ON access (ends);
";
/// The number of the next change.
const NEXT: &str = "(SELECT coalesce(max(change), 0) + 1 FROM access)";

/// The most requests of one principal that are kept, over or not.
const MAX_KEPT: u32 = 500;
/// The most that are listed.
const MAX_LISTED: u32 = 1000;

/// How long others can hear of one that is over, and of one that waits to be looked at.
pub(super) const OVER: Duration = Duration::from_secs(8 * 24 * 3600);
pub(super) const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// An access request as it lies in the store.
pub(in crate::session) struct KeptAccess {
    pub(in crate::session) one: AccessRequest,
    /// The number of its last change.
    pub(in crate::session) number: i64,
    /// How many of its events are written down.
    pub(in crate::session) told: usize,
    /// Which version of it this is.
    pub(in crate::session) version: u64,
}

impl Store {
    /// Keeps a new request, unless who asks has this many that wait, or [`MAX_KEPT`] in all; tells whether it did. On the disk when this
    /// returns.
    pub(in crate::session) fn add_access(
        &self,
        one: &AccessRequest,
        most: u32,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        let begun = self.begin_change()?;
        if !self.may_ask(one, most, now)? {
            return Ok(false);
        }
        self.take_access(one, 1)?;
        self.end_change(begun)?;
        Ok(true)
    }

    /// Whether there is room for one more request of who asks.
    pub(in crate::session) fn may_ask(
        &self,
        one: &AccessRequest,
        most: u32,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        let of = one.requester();
        let count = "SELECT count(*) FROM access WHERE of = ?1 AND pending > ?2";
        let count: u32 = self.row(count, params![of, millis(now)], |row| row.get(0))?.unwrap_or_default();
        let all: u32 =
            self.row("SELECT count(*) FROM access WHERE of = ?1", [&of], |row| row.get(0))?.unwrap_or_default();
        // Who breaks the glass is not to be told to wait, and who asks a lot is no less on hold.
        let waits = one.state == AccessState::Pending && !one.is_hold;
        Ok(!waits || (count < most && all < MAX_KEPT))
    }

    /// Keeps a request as it is in this version, unless there is a later one; tells how many were changed. Of two of one version, what the
    /// nodes share has the one that counts.
    pub(super) fn take_access(&self, one: &AccessRequest, version: u64) -> Result<usize, StoreError> {
        let insert = format!(
            "INSERT INTO access (id, of, pending, ends, document, version, change) VALUES (?1, ?2, ?3, ?4, ?5, ?6, {NEXT})
             ON CONFLICT (id) DO UPDATE SET pending = excluded.pending, ends = excluded.ends, document = excluded.document,
                    version = excluded.version, change = excluded.change WHERE version < excluded.version
                 OR (version = excluded.version AND document <> excluded.document)"
        );
        let version = shared::number(version);
        self.change(
            &insert,
            params![one.id.to_string(), one.requester(), pending(one), ends(one), document(one), version],
        )
    }

    /// Changes one, alone; what is refused changes nothing but that a request has expired meanwhile. On the disk when this returns.
    pub(in crate::session) fn change_access(
        &self,
        id: Id,
        change: impl FnOnce(&mut AccessRequest) -> Result<(), AccessFault>,
    ) -> Result<Result<AccessRequest, AccessFault>, StoreError> {
        let begun = self.begin_change()?;
        let Some((was, version)) = self.versioned_access(id)? else { return Ok(Err(AccessFault::Unknown)) };
        let mut one = was.clone();
        let done = change(&mut one);
        if one != was {
            self.take_access(&one, version + 1)?;
        }
        self.end_change(begun)?;
        Ok(done.map(|()| one))
    }

    /// The access request of this id, and which version of it this is.
    pub(in crate::session) fn versioned_access(&self, id: Id) -> Result<Option<(AccessRequest, u64)>, StoreError> {
        // In one look: between two, it could become another.
        let found = self.read_access("WHERE id = ?1", [id.to_string()])?.pop();
        Ok(found.map(|kept| (kept.one, kept.version)))
    }

    /// The access request of this id.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn access(&self, id: Id) -> Result<Option<AccessRequest>, StoreError> {
        Ok(self.read_access("WHERE id = ?1", [id.to_string()])?.pop().map(|kept| kept.one))
    }

    /// The access requests that wait, and those that changed last, up to a thousand in all, the latest change last.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn all_access(&self) -> Result<Vec<AccessRequest>, StoreError> {
        let condition = "WHERE change IN (SELECT change FROM access ORDER BY pending IS NULL, change DESC LIMIT ?1)";
        Ok(self.read_access(condition, [MAX_LISTED])?.into_iter().map(|kept| kept.one).collect())
    }

    /// Those that changed after this one, in the order of their changes.
    pub(in crate::session) fn access_since(&self, number: i64) -> Result<Vec<KeptAccess>, StoreError> {
        self.read_access("WHERE change > ?1", [number])
    }

    /// Those on which nobody decided in time.
    pub(in crate::session) fn late_access(&self, now: SystemTime) -> Result<Vec<Id>, StoreError> {
        let late = self.read_access("WHERE pending <= ?1", [millis(now)])?;
        Ok(late.into_iter().map(|kept| kept.one.id).collect())
    }

    /// Says that so many events of this one are written down.
    pub(in crate::session) fn told_access(&self, id: Id, told: usize) -> Result<(), StoreError> {
        let told = i64::try_from(told).unwrap_or(i64::MAX);
        self.change("UPDATE access SET told = max(told, ?2) WHERE id = ?1", params![id.to_string(), told]).map(drop)
    }

    /// Forgets what was over at this time. The last change stays: the numbers of the next go on from it.
    pub(in crate::session) fn remove_access(&self, over: SystemTime) -> Result<(), StoreError> {
        let condition = "ends <= ?1 AND change < (SELECT max(change) FROM access)";
        if self.row(&format!("SELECT 1 FROM access WHERE {condition} LIMIT 1"), [millis(over)], |_| Ok(()))?.is_some() {
            self.change(&format!("DELETE FROM access WHERE {condition}"), [millis(over)])?;
        }
        Ok(())
    }

    fn read_access(&self, condition: &str, values: impl rusqlite::Params) -> Result<Vec<KeptAccess>, StoreError> {
        let query = format!("SELECT document, change, told, version FROM access {condition} ORDER BY change");
        let mut all = Vec::new();
        let mut query = self.connection.prepare_cached(&query).map_err(|error| self.fault(&error))?;
        let mut rows = query.query(values).map_err(|error| self.fault(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.fault(&error))? {
            let read =
                |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?));
            let (document, number, told, version): (String, _, _, _) = read(row).map_err(|error| self.fault(&error))?;
            let one = serde_json::from_str(&document)
                .map_err(|error| self.broken(format!("an access request in it cannot be read: {error}")))?;
            let told = usize::try_from(told).unwrap_or_default();
            all.push(KeptAccess { one, number, told, version: version.unsigned_abs() });
        }
        Ok(all)
    }
}

/// An access request as others hear of it.
pub(in crate::session) fn access_row(one: &AccessRequest, version: u64, now: SystemTime) -> Row {
    let ends = time(ends(one)).min(now + LONGEST) + OVER;
    Row { kind: RowKind::Access, id: one.id.to_string(), version, ends, document: document(one) }
}

/// Until when it waits, if it does.
fn pending(one: &AccessRequest) -> Option<i64> {
    (one.state == AccessState::Pending).then(|| millis(one.expires))
}

/// When nothing more becomes of it by itself.
fn ends(one: &AccessRequest) -> i64 {
    match one.state {
        // Kept until somebody has looked at it.
        _ if one.needs_review() => i64::MAX,
        AccessState::Granted { until, .. } => millis(until),
        AccessState::Pending => millis(one.expires),
        AccessState::Denied | AccessState::Expired | AccessState::Ended => {
            one.events.last().map_or(0, |event| millis(event.at))
        }
    }
}

fn document(one: &AccessRequest) -> String {
    // Of texts, numbers and lists alone.
    serde_json::to_string(one).unwrap_or_else(|error| unreachable!("{error}"))
}
