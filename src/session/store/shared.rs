//! What lies in the store, as it travels between the nodes of a cluster.

use std::time::{Duration, SystemTime};

use rusqlite::params;

use super::{COLUMNS, NEXT as NEXT_REVOCATION, Store, StoreError, access, millis, read, sessions, time};
use crate::domain::Id;
use crate::session::access::AccessRequest;
use crate::session::{Row, RowKind};

pub(super) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS cluster (
        one   INTEGER PRIMARY KEY CHECK (one = 1),
        node  TEXT NOT NULL,
        epoch TEXT,
        seen  INTEGER NOT NULL DEFAULT 0,
        nodes TEXT NOT NULL DEFAULT ''
    ) STRICT;
    INSERT OR IGNORE INTO cluster (one, node) VALUES (1, lower(hex(randomblob(16))));
    CREATE INDEX IF NOT EXISTS revocation_unsent ON revocation (sent) WHERE sent < 1 + (lifted_by IS NOT NULL);
";
/// What the tables of earlier forms lack.
pub(super) const SENT: &str = "ALTER TABLE revocation ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;";
pub(super) const NODES: &str = "ALTER TABLE cluster ADD COLUMN nodes TEXT NOT NULL DEFAULT '';";
pub(super) const VERSION: &str = "ALTER TABLE access ADD COLUMN version INTEGER NOT NULL DEFAULT 1;";

/// How many rows are handled at once.
pub const ROWS_AT_ONCE: u32 = 500;
/// How long others can hear of something that is over.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// How far apart the clocks of two nodes may be.
const CLOCKS: Duration = Duration::from_secs(3600);
/// How long others can hear of a key: longer than any signs.
const KEY_KEPT: Duration = Duration::from_secs(400 * 24 * 3600);
const REVOCATION: &str = "json_array(id, of, reason, by, since, until, lifted_by, approval)";

/// How far a node has heard the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// Which life of what they share this is about; none where nothing was shared yet.
    pub epoch: Option<String>,
    /// The number of the last change that was heard.
    pub seen: u64,
}

impl Store {
    /// Which node's store this is: a number that is made with it.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn node(&self) -> Result<Id, StoreError> {
        let node = self.row("SELECT node FROM cluster", [], |row| row.get::<_, String>(0))?;
        node.and_then(|text| text.parse().ok()).ok_or_else(|| self.broken("it does not say whose it is".to_owned()))
    }

    /// The nodes that this one knows of, with blanks between.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn nodes(&self) -> Result<String, StoreError> {
        Ok(self.row("SELECT nodes FROM cluster", [], |row| row.get(0))?.unwrap_or_default())
    }

    /// Notes which nodes there are.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn set_nodes(&self, nodes: &str) -> Result<(), StoreError> {
        self.change("UPDATE cluster SET nodes = ?1", [nodes]).map(drop)
    }

    /// How far the others were heard.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn mark(&self) -> Result<Mark, StoreError> {
        let mark =
            |row: &rusqlite::Row<'_>| Ok(Mark { epoch: row.get(0)?, seen: row.get::<_, i64>(1)?.unsigned_abs() });
        Ok(self.row("SELECT epoch, seen FROM cluster", [], mark)?.unwrap_or_default())
    }

    /// The revocations, and the ends of some, that the others were not told of yet, a number of them.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn unsent(&self, now: SystemTime) -> Result<Vec<Row>, StoreError> {
        let unsent = "sent < 1 + (lifted_by IS NOT NULL)";
        let query = format!("{} WHERE {unsent} LIMIT {ROWS_AT_ONCE}", select(RowKind::Revocation));
        self.packed(&query, [], RowKind::Revocation, now)
    }

    /// Says that the others were told of these revocations.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; they are told again then.
    pub fn sent(&self, rows: &[Row]) -> Result<(), StoreError> {
        let begun = self.begin_change()?;
        for row in rows {
            self.change(
                "UPDATE revocation SET sent = max(sent, ?2) WHERE id = ?1",
                params![row.id, number(row.version)],
            )?;
        }
        self.end_change(begun)
    }

    /// Everything of a kind that is not over, a number of them at a time in the order of their ids; those after this one.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn rows(&self, kind: RowKind, after: Option<&str>, now: SystemTime) -> Result<Vec<Row>, StoreError> {
        let (key, place) = match kind {
            RowKind::Key => ("number", "CAST(?1 AS INTEGER)"),
            RowKind::Revocation | RowKind::Session | RowKind::Use | RowKind::Spent | RowKind::Access => ("id", "?1"),
        };
        let goes_on = match kind {
            RowKind::Revocation => "(until IS NULL OR until > ?2)",
            RowKind::Session | RowKind::Use | RowKind::Spent => "until > ?2",
            RowKind::Key | RowKind::Access => "?2 IS NOT NULL",
        };
        let query = format!("{} WHERE {key} > {place} AND {goes_on} ORDER BY {key} LIMIT {ROWS_AT_ONCE}", select(kind));
        self.packed(&query, params![after.unwrap_or_default(), millis(now)], kind, now)
    }

    fn packed(
        &self,
        query: &str,
        values: impl rusqlite::Params,
        kind: RowKind,
        now: SystemTime,
    ) -> Result<Vec<Row>, StoreError> {
        let mut all = Vec::new();
        let mut query = self.connection.prepare_cached(query).map_err(|error| self.fault(&error))?;
        let mut rows = query.query(values).map_err(|error| self.fault(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.fault(&error))? {
            let packed = |row: &rusqlite::Row<'_>| {
                let ends = row.get::<_, Option<i64>>(2)?.map(time);
                let ends = match kind {
                    RowKind::Key => now + KEY_KEPT,
                    RowKind::Revocation => ends.map_or(now + 100 * KEPT, |ends| ends + CLOCKS),
                    RowKind::Session | RowKind::Use | RowKind::Spent => ends.unwrap_or(now),
                    RowKind::Access => ends.unwrap_or(now).min(now + access::LONGEST) + access::OVER,
                };
                Ok(Row {
                    kind,
                    id: row.get(0)?,
                    version: row.get::<_, i64>(1)?.unsigned_abs(),
                    ends,
                    document: row.get(3)?,
                })
            };
            all.push(packed(row).map_err(|error| self.fault(&error))?);
        }
        Ok(all)
    }

    /// A session as others hear of it.
    pub(in crate::session) fn session_row(&self, id: Id, now: SystemTime) -> Result<Option<Row>, StoreError> {
        let query = format!("{} WHERE id = ?1", select(RowKind::Session));
        Ok(self.packed(&query, [id.to_string()], RowKind::Session, now)?.pop())
    }

    /// Takes over what others said, as far as it is news, and how far they were heard then; tells whether any was. On the disk when this
    /// returns.
    ///
    /// # Errors
    /// [`StoreError`] when something cannot be written or means nothing here; then nothing was taken over.
    pub fn take(&self, rows: &[Row], mark: Option<&Mark>) -> Result<bool, StoreError> {
        let begun = self.begin_change()?;
        let mut changed = 0;
        for row in rows {
            changed += self.take_one(row)?;
        }
        if let Some(mark) = mark.filter(|_| changed > 0) {
            self.set_mark(mark)?;
        }
        // Dropped where nothing changed: nobody has to look, and no disk has to be waited for.
        if changed > 0 { self.end_change(begun).map(|()| true) } else { Ok(false) }
    }

    /// Notes how far the others were heard.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn set_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.change("UPDATE cluster SET epoch = ?1, seen = ?2", params![mark.epoch, number(mark.seen)]).map(drop)
    }

    fn take_one(&self, row: &Row) -> Result<usize, StoreError> {
        match row.kind {
            RowKind::Revocation => self.take_revocation(row),
            RowKind::Key => {
                // A node that ran alone has made keys of its own: of each number there is one, and the others have to know it.
                let insert = "INSERT INTO signing_key (number, sealed, signs) SELECT ?1 ->> 0, unhex(?1 ->> 1), ?1 ->> 2 WHERE true
                              ON CONFLICT (number) DO UPDATE SET sealed = excluded.sealed, signs = excluded.signs
                              WHERE sealed <> excluded.sealed";
                self.change(insert, [&row.document])
            }
            RowKind::Session => self.take_session(row),
            RowKind::Use => self.change(
                "UPDATE session SET used = ?2 WHERE id = ?1 AND used < ?2",
                params![row.id, number(row.version)],
            ),
            RowKind::Spent => self.change(
                "UPDATE session SET spent = ?2 WHERE id = ?1 AND spent < ?2",
                params![row.id, number(row.version)],
            ),
            RowKind::Access => {
                let one: AccessRequest = serde_json::from_str(&row.document).map_err(|_| self.strange(row))?;
                self.take_access(&one, row.version)
            }
        }
    }

    fn take_revocation(&self, row: &Row) -> Result<usize, StoreError> {
        let insert = format!(
            "INSERT INTO revocation (id, of, reason, by, since, until, lifted_by, approval, change, told, sent)
             SELECT ?1 ->> 0, ?1 ->> 1, ?1 ->> 2, ?1 ->> 3, ?1 ->> 4, ?1 ->> 5, ?1 ->> 6, ?1 ->> 7, {NEXT_REVOCATION},
                    1 + ((?1 ->> 6) IS NOT NULL), ?2 WHERE true
             ON CONFLICT (id) DO UPDATE SET lifted_by = excluded.lifted_by, change = excluded.change, sent = excluded.sent,
                    told = iif(told = 0, 0, 2) WHERE lifted_by IS NULL AND excluded.lifted_by IS NOT NULL"
        );
        let changed = self.change(&insert, params![row.document, number(row.version)])?;
        // What could not be read later must not get in.
        let query = format!("SELECT {COLUMNS} FROM revocation WHERE id = ?1");
        match self.row(&query, [&row.id], read)?.flatten() {
            Some(_) => Ok(changed),
            None => Err(self.strange(row)),
        }
    }

    fn take_session(&self, row: &Row) -> Result<usize, StoreError> {
        let changed = self.change(&sessions::unpack(), [&row.document])?;
        let id: Id = row.id.parse().map_err(|_| self.strange(row))?;
        let is_there = changed == 0 || self.session(id, SystemTime::UNIX_EPOCH)?.is_some();
        if is_there { Ok(changed) } else { Err(self.strange(row)) }
    }

    fn strange(&self, row: &Row) -> StoreError {
        let what = row.kind.text();
        self.broken(format!("a {what} that another node sent means nothing here: let all nodes run the same version"))
    }
}

/// The id, the version, the end and the document of every row of a kind.
fn select(kind: RowKind) -> String {
    match kind {
        RowKind::Revocation => {
            format!("SELECT id, 1 + (lifted_by IS NOT NULL), until, {REVOCATION} FROM revocation")
        }
        RowKind::Key => {
            "SELECT CAST(number AS TEXT), 1, NULL, json_array(number, hex(sealed), signs) FROM signing_key".to_owned()
        }
        RowKind::Session => format!("SELECT id, 1, until, {} FROM session", sessions::pack()),
        RowKind::Use => "SELECT id, used, until, '' FROM (SELECT * FROM session WHERE idle IS NOT NULL)".to_owned(),
        RowKind::Spent => "SELECT id, spent, until, '' FROM (SELECT * FROM session WHERE spent > 0)".to_owned(),
        RowKind::Access => "SELECT id, version, ends, document FROM access".to_owned(),
    }
}

/// A number as SQLite has them.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A signing key as others hear of it.
pub(in crate::session) fn key_row(number: i64, sealed: &[u8], signs: SystemTime, now: SystemTime) -> Row {
    let document = serde_json::json!([number, crate::domain::hex(sealed), millis(signs)]).to_string();
    Row { kind: RowKind::Key, id: number.to_string(), version: 1, ends: now + KEY_KEPT, document }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Name, Principal, PrincipalKind};
    use crate::session::{NewAccess, Revocation, Revoked};

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("claviger.db")).expect("opened");
        (folder, store)
    }

    #[test]
    fn of_two_requests_of_one_version_every_node_takes_the_one_that_is_shared() {
        let (_folder, store) = store();
        let (now, name) = (SystemTime::now(), |text| Name::parse(text).expect("a name"));
        let asked = NewAccess {
            approval: name("once"),
            bounds: crate::domain::Bounds::default(),
            uses: None,
            exact: None,
            lasts: Duration::from_secs(60),
            reason: "x".to_owned(),
            ticket: None,
            expires: now + Duration::from_secs(60),
        };
        let ours =
            AccessRequest::new(asked, &Principal::new(name("corp"), PrincipalKind::Human, "ada".to_owned()), now);
        let mut theirs = ours.clone();
        theirs.end("corp:ada", None, now).expect("ended");
        let row = |one: &AccessRequest, version| access::access_row(one, version, now);
        assert!(store.take(&[row(&ours, 6)], None).expect("taken"));
        assert!(store.take(&[row(&theirs, 6)], None).expect("taken"), "another one of this version");
        assert!(!store.take(&[row(&theirs, 6)], None).expect("known"), "the same again is no news");
        assert!(!store.take(&[row(&ours, 5)], None).expect("known"), "nor is an earlier one");
        let kept = store.access(ours.id).expect("read").expect("there");
        assert_eq!(kept.state, theirs.state);
    }

    #[test]
    fn a_key_of_a_node_that_ran_alone_gives_way_to_the_one_that_all_know() {
        let (_folder, store) = store();
        let now = SystemTime::now();
        assert!(store.add_signing_key(0, b"our own", now).expect("written"));
        assert!(store.take(&[key_row(1, b"theirs", now, now)], None).expect("taken"));
        assert_eq!(store.signing_keys().expect("read")[0].sealed, b"theirs");
    }

    #[test]
    fn nobody_is_told_of_what_is_over() {
        let (_folder, store) = store();
        let now = SystemTime::now();
        let revoked = |lasts| Revocation::new(Revoked::All, "x".into(), "x".into(), now, lasts);
        store.add(&[revoked(Some(Duration::from_secs(60))), revoked(None)]).expect("written");
        let told = |after| store.rows(RowKind::Revocation, None, now + Duration::from_secs(after)).expect("read");
        assert_eq!((told(59).len(), told(61).len()), (2, 1));
        let soon = now + Duration::from_secs(60) + CLOCKS;
        assert!(told(0).iter().any(|row| row.ends <= soon + Duration::from_secs(1)), "it is not kept for ever");
    }
}
