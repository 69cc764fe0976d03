//! The embedded store: one SQLite file in WAL mode, so that two processes may have it open while one takes over from the other.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags, params};

use super::{Change, Revocation, RevocationId, Revoked};

/// What outlives a process. Every change is on the disk when it returns.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// Which file it is: one of the same name that took its place is another.
    inode: (u64, u64),
    /// What SQLite counts the changes of others by.
    version: i64,
}

/// Why the store cannot be used. It names the file and the cure.
#[derive(Debug)]
pub struct StoreError {
    path: PathBuf,
    reason: String,
}

/// The form of the tables. A file of another number was written by another version of the program.
const FORM: i64 = 1;
/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS revocation (
        id        TEXT PRIMARY KEY,
        of        TEXT NOT NULL,
        reason    TEXT NOT NULL,
        by        TEXT NOT NULL,
        since     INTEGER NOT NULL,
        until     INTEGER,
        lifted_by TEXT,
        told      INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
";

impl Store {
    /// Opens the store at this path, or makes it, readable by its owner alone.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be opened, is damaged, or is of another version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // Made first, so that it is never there with other permissions; SQLite gives those of its own files the same.
        create_private(path).map_err(|error| StoreError::at(path, error.to_string()))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|error| StoreError::at(path, error.to_string()))?;
        let inode = inode(path).map_err(|error| StoreError::at(path, error.to_string()))?;
        let mut store = Self { connection, path: path.to_owned(), inode, version: 0 };
        store.begin()?;
        Ok(store)
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.prepare().map_err(|error| self.fault(&error))?;
        match self.number("user_version")? {
            0 => self.create()?,
            FORM => {}
            form => return Err(self.broken(format!("it has form {form}, and this program knows form {FORM}"))),
        }
        let verdict: Result<String, _> = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
        let verdict = verdict.map_err(|error| self.fault(&error))?;
        if verdict != "ok" {
            return Err(self.broken(verdict));
        }
        self.version = self.number("data_version")?;
        Ok(())
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(BUSY)?;
        // In WAL mode, FULL puts each change on the disk before it is answered for.
        self.connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;")
    }

    fn create(&self) -> Result<(), StoreError> {
        let text = format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {FORM}; COMMIT;");
        self.connection.execute_batch(&text).map_err(|error| self.fault(&error))
    }

    fn number(&self, pragma: &str) -> Result<i64, StoreError> {
        self.connection.pragma_query_value(None, pragma, |row| row.get(0)).map_err(|error| self.fault(&error))
    }

    /// The version that it has now, where others have changed it since the one that was last [`taken`](Self::taken).
    pub(super) fn changed(&self) -> Result<Option<i64>, StoreError> {
        if inode(&self.path).ok() != Some(self.inode) {
            return Err(self.broken("it is not the file any more that was opened: restart".to_owned()));
        }
        let version = self.number("data_version")?;
        Ok((self.version != version).then_some(version))
    }

    /// Says that all of this version was taken over.
    pub(super) fn taken(&mut self, version: i64) {
        self.version = version;
    }

    /// All revocations, also those that are over.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn revocations(&mut self) -> Result<Vec<Revocation>, StoreError> {
        self.read("SELECT id, of, reason, by, since, until, lifted_by FROM revocation")
    }

    /// The changes that nobody wrote down yet.
    pub(super) fn untold(&self) -> Result<Vec<Change>, StoreError> {
        let begun = "SELECT id, of, reason, by, since, until, lifted_by FROM revocation WHERE told = 0 ORDER BY since";
        let lifted = "SELECT id, of, reason, by, since, until, lifted_by FROM revocation \
                      WHERE told < 2 AND lifted_by IS NOT NULL ORDER BY since";
        let begun = self.read(begun)?.into_iter().map(Change::Revoked);
        Ok(begun.chain(self.read(lifted)?.into_iter().map(Change::Lifted)).collect())
    }

    /// Says that this change is written down.
    pub(super) fn told(&self, change: &Change) -> Result<(), StoreError> {
        let told = match change {
            Change::Revoked(_) => 1,
            Change::Lifted(_) => 2,
        };
        let update = "UPDATE revocation SET told = max(told, ?2) WHERE id = ?1";
        self.change(update, params![change.id().to_string(), told]).map(drop)
    }

    /// Revokes from now on: running processes take it over within milliseconds. On the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; then it does not hold.
    pub fn add(&self, one: &Revocation) -> Result<(), StoreError> {
        let insert = "INSERT INTO revocation (id, of, reason, by, since, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let until = one.until.map(millis);
        let values = params![one.id.to_string(), one.of.to_string(), one.reason, one.by, millis(one.since), until];
        self.change(insert, values).map(drop)
    }

    /// Lifts one; tells whether there was one of this id in force.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; then it still holds.
    pub fn lift(&self, id: RevocationId, by: &str) -> Result<bool, StoreError> {
        let update = "UPDATE revocation SET lifted_by = ?2 WHERE id = ?1 AND lifted_by IS NULL";
        self.change(update, params![id.to_string(), by]).map(|changed| changed > 0)
    }

    /// Removes those that are over and told.
    pub(super) fn remove_ended(&self, now: SystemTime) -> Result<(), StoreError> {
        let over = "((until <= ?1 AND told > 0) OR told > 1)";
        let any = format!("SELECT EXISTS (SELECT 1 FROM revocation WHERE {over})");
        let any: bool = self.connection.query_row(&any, [millis(now)], |row| row.get(0)).map_err(|e| self.fault(&e))?;
        if any {
            // A look does not write, and so needs no lock.
            self.change(&format!("DELETE FROM revocation WHERE {over}"), params![millis(now)])?;
        }
        Ok(())
    }

    fn read(&self, query: &str) -> Result<Vec<Revocation>, StoreError> {
        let mut all = Vec::new();
        let mut query = self.connection.prepare_cached(query).map_err(|error| self.fault(&error))?;
        let mut rows = query.query([]).map_err(|error| self.fault(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.fault(&error))? {
            let one = read(row).map_err(|error| self.fault(&error))?;
            // Left out, it would not hold: better no start than one that forgot somebody.
            all.push(one.ok_or_else(|| self.broken("a revocation in it cannot be read".to_owned()))?);
        }
        Ok(all)
    }

    fn change(&self, text: &str, values: impl rusqlite::Params) -> Result<usize, StoreError> {
        let changed = self.connection.prepare_cached(text).and_then(|mut change| change.execute(values));
        changed.map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &rusqlite::Error) -> StoreError {
        StoreError { path: self.path.clone(), reason: error.to_string() }
    }

    fn broken(&self, reason: String) -> StoreError {
        StoreError { path: self.path.clone(), reason }
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Revocation>> {
    let (id, of): (String, String) = (row.get(0)?, row.get(1)?);
    let (Ok(id), Ok(of)) = (id.parse::<RevocationId>(), of.parse::<Revoked>()) else { return Ok(None) };
    let (since, until) = (time(row.get(4)?), row.get::<_, Option<i64>>(5)?.map(time));
    let (reason, by, lifted_by) = (row.get(2)?, row.get(3)?, row.get(6)?);
    Ok(Some(Revocation { id, of, reason, by, since, until, lifted_by }))
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    i64::try_from(since).unwrap_or(i64::MAX)
}

fn time(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

fn inode(path: &Path) -> std::io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

impl StoreError {
    fn at(path: &Path, reason: String) -> Self {
        Self { path: path.to_owned(), reason }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the store {}: {}. Make the file and its directory writable for this user, or put back a copy of it; \
             moved away, it is made anew and every revocation in it is forgotten",
            self.path.display(),
            self.reason
        )
    }
}

impl std::error::Error for StoreError {}
