//! The embedded store: one SQLite file in WAL mode, so that two processes may have it open while one takes over from the other.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, fs, io};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use crate::domain::{self, Id, Name};

use super::{Change, Revocation, Revoked};

mod access;
mod sessions;
mod shared;

pub(super) use access::{KeptAccess, access_row};
pub(super) use sessions::{KeptKey, Spent};
pub(super) use shared::key_row;
pub use shared::{Mark, ROWS_AT_ONCE};

/// What outlives a process. Every change is on the disk when it returns.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// Which file it is: one of the same name that took its place is another.
    inode: (u64, u64),
    /// What SQLite counts the changes of others by, as it was when [`news`](Self::news) were last read.
    version: Option<i64>,
    /// The number of the last change that was read.
    seen: i64,
}

/// A revocation as it lies in the store.
pub(super) struct Kept {
    pub(super) one: Revocation,
    /// The number of its last change.
    number: i64,
    /// How much of it is written down: 1 that it began, 2 that it was lifted too.
    told: i64,
}

/// Why the store cannot be used. It names the file and the cure.
#[derive(Debug)]
pub struct StoreError {
    path: PathBuf,
    reason: String,
    cure: &'static str,
}

/// The form of the tables. A file of another number was written by another version of the program.
const FORM: i64 = 9;
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
        approval  TEXT,
        change    INTEGER NOT NULL,
        told      INTEGER NOT NULL DEFAULT 0,
        sent      INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX IF NOT EXISTS revocation_change ON revocation (change);
    CREATE INDEX IF NOT EXISTS revocation_of ON revocation (of);
    CREATE INDEX IF NOT EXISTS revocation_until ON revocation (until);
    CREATE INDEX IF NOT EXISTS revocation_told ON revocation (told);
";
/// What the table of earlier forms lacks.
const APPROVAL: &str = "ALTER TABLE revocation ADD COLUMN approval TEXT;";
/// What is read of a revocation, in the order of [`read`].
const COLUMNS: &str = "id, of, reason, by, since, until, lifted_by, change, told, approval";
/// The number of the next change.
const NEXT: &str = "(SELECT coalesce(max(change), 0) + 1 FROM revocation)";

impl Store {
    /// Opens the store at this path, or makes it, readable by its owner alone.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be opened, is damaged, or is of another version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let at = |error: io::Error| StoreError::at(path, error.to_string());
        // Made first, so that it is never there with other permissions; SQLite gives those of its own files the same.
        let is_made = create_private(path).map_err(at)?;
        if !is_made && is_empty(path).map_err(at)? {
            return Err(StoreError { cure: EMPTY, ..StoreError::at(path, "it is empty".to_owned()) });
        }
        let opened = Self::open_made(path);
        if is_made && opened.is_err() {
            // Nothing is lost with it, and the next start is not to find it empty.
            let _ = fs::remove_file(path);
        }
        opened
    }

    fn open_made(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|error| StoreError::at(path, error.to_string()))?;
        let inode = inode(path).map_err(|error| StoreError::at(path, error.to_string()))?;
        let store = Self { connection, path: path.to_owned(), inode, version: None, seen: 0 };
        store.begin()?;
        Ok(store)
    }

    /// The same of one that is there: nobody's access is ended in a store that no gateway looks at.
    ///
    /// # Errors
    /// [`StoreError`] as for [`open`](Self::open), and when there is none.
    pub fn existing(path: &Path) -> Result<Self, StoreError> {
        match fs::metadata(path) {
            Err(error) => Err(StoreError { cure: FIND, ..StoreError::at(path, error.to_string()) }),
            Ok(_) => Self::open(path),
        }
    }

    /// Opens the same file once more, without looking whether it is sound again.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened.
    pub fn again(&self) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(|error| self.fault(&error))?;
        let store = Self { connection, path: self.path.clone(), inode: self.inode, version: None, seen: 0 };
        store.prepare().map_err(|error| self.fault(&error))?;
        Ok(store)
    }

    fn begin(&self) -> Result<(), StoreError> {
        self.prepare().map_err(|error| self.fault(&error))?;
        match self.number("user_version")? {
            0 => self.create("")?,
            // What came before had fewer tables.
            2 => self.create(&format!("{}{APPROVAL}", shared::SENT))?,
            5 => self.create(&format!("{}{}{}{APPROVAL}", shared::SENT, shared::VERSION, sessions::USES))?,
            6 => self.create(&format!("{}{}{APPROVAL}", sessions::USES, shared::NODES))?,
            7 => self.create(&format!("{}{APPROVAL}", shared::NODES))?,
            8 => self.create(APPROVAL)?,
            FORM => {}
            form => return Err(self.broken(format!("it has form {form}, and this program knows form {FORM}"))),
        }
        let verdict: Result<String, _> = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
        let verdict = verdict.map_err(|error| self.fault(&error))?;
        if verdict != "ok" {
            return Err(self.broken(verdict));
        }
        Ok(())
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(BUSY)?;
        // In WAL mode, FULL puts each change on the disk before it is answered for.
        self.connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;")
    }

    fn create(&self, first: &str) -> Result<(), StoreError> {
        let text = format!(
            "BEGIN IMMEDIATE; {first} {TABLES} {} {} {} PRAGMA user_version = {FORM}; COMMIT;",
            sessions::TABLES,
            access::TABLES,
            shared::TABLES
        );
        self.connection.execute_batch(&text).map_err(|error| self.fault(&error))
    }

    fn number(&self, pragma: &str) -> Result<i64, StoreError> {
        self.connection.pragma_query_value(None, pragma, |row| row.get(0)).map_err(|error| self.fault(&error))
    }

    /// What SQLite counts the changes of others by.
    pub(super) fn version(&self) -> Result<i64, StoreError> {
        if inode(&self.path).ok() != Some(self.inode) {
            return Err(self.broken("it is not the file any more that was opened: restart".to_owned()));
        }
        self.number("data_version")
    }

    /// Whether others have changed anything since this was last asked; at first they have.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn is_changed(&mut self) -> Result<bool, StoreError> {
        let version = self.version()?;
        Ok(self.version.replace(version) != Some(version))
    }

    /// Has everything be news again.
    pub(super) fn forget_seen(&mut self) {
        (self.version, self.seen) = (None, 0);
    }

    /// What others have changed since this was last asked, and everything at first. Costs next to nothing where that is nothing.
    pub(super) fn news(&mut self) -> Result<Vec<Kept>, StoreError> {
        let version = self.version()?;
        if self.version == Some(version) {
            return Ok(Vec::new());
        }
        let news = self.read("WHERE change > ?1", [self.seen])?;
        // Only now: what could not be read is read again.
        self.version = Some(version);
        self.seen = news.last().map_or(self.seen, |kept| kept.number);
        Ok(news)
    }

    /// All revocations, also those that are over.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn revocations(&self) -> Result<Vec<Revocation>, StoreError> {
        Ok(self.read("", [])?.into_iter().map(|kept| kept.one).collect())
    }

    /// The changes that nobody wrote down yet.
    pub(super) fn untold(&self) -> Result<Vec<Change>, StoreError> {
        let untold = self.read("WHERE told = 0 OR (told = 1 AND lifted_by IS NOT NULL)", [])?;
        Ok(untold.iter().flat_map(Kept::untold).collect())
    }

    /// Says that these changes are written down, all or none.
    pub(super) fn all_told(&self, changes: &[Change]) -> Result<(), StoreError> {
        let begun = self.begin_change()?;
        changes.iter().try_for_each(|change| self.told(change))?;
        self.end_change(begun)
    }

    fn told(&self, change: &Change) -> Result<(), StoreError> {
        let told = match change {
            Change::Revoked(_) => 1,
            Change::Lifted(_) => 2,
        };
        let update = "UPDATE revocation SET told = max(told, ?2) WHERE id = ?1";
        self.change(update, params![change.id().to_string(), told]).map(drop)
    }

    /// Revokes all of these from now on, or none: running processes take it over within milliseconds. On the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; then none holds.
    pub fn add(&self, all: &[Revocation]) -> Result<(), StoreError> {
        let begun = self.begin_change()?;
        let insert = format!(
            "INSERT INTO revocation (id, of, reason, by, since, until, approval, change) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, {NEXT})"
        );
        for one in all {
            let until = one.until.map(millis);
            let (id, of, approval) = (one.id.to_string(), one.of.to_string(), one.approval.as_ref().map(Name::as_str));
            self.change(&insert, params![id, of, one.reason, one.by, millis(one.since), until, approval])?;
        }
        self.end_change(begun)
    }

    /// Lifts one; tells whether there was one of this id in force.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; then it still holds.
    pub fn lift(&self, id: Id, by: &str) -> Result<bool, StoreError> {
        let update =
            format!("UPDATE revocation SET lifted_by = ?2, change = {NEXT} WHERE id = ?1 AND lifted_by IS NULL");
        self.change(&update, params![id.to_string(), by]).map(|changed| changed > 0)
    }

    /// Removes those that are over and told, and known to the others where there are any. The last change stays: the numbers of the next go on from it.
    pub(super) fn remove_ended(&self, now: SystemTime, is_shared: bool) -> Result<(), StoreError> {
        // The others have to hear of one that was lifted.
        let lifted = if is_shared { "told > 1 AND sent > 1" } else { "told > 1" };
        let over =
            format!("((until <= ?1 AND told > 0) OR ({lifted})) AND change < (SELECT max(change) FROM revocation)");
        let any = format!("SELECT EXISTS (SELECT 1 FROM revocation WHERE {over})");
        let any: bool = self.connection.query_row(&any, [millis(now)], |row| row.get(0)).map_err(|e| self.fault(&e))?;
        if any {
            // A look does not write, and so needs no lock.
            self.change(&format!("DELETE FROM revocation WHERE {over}"), params![millis(now)])?;
        }
        Ok(())
    }

    /// Those of a condition, in the order of their changes.
    fn read(&self, condition: &str, values: impl rusqlite::Params) -> Result<Vec<Kept>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM revocation {condition} ORDER BY change");
        let mut all = Vec::new();
        let mut query = self.connection.prepare_cached(&query).map_err(|error| self.fault(&error))?;
        let mut rows = query.query(values).map_err(|error| self.fault(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.fault(&error))? {
            let one = read(row).map_err(|error| self.fault(&error))?;
            // Left out, it would not hold: better no start than one that forgot somebody.
            all.push(one.ok_or_else(|| self.broken("a revocation in it cannot be read".to_owned()))?);
        }
        Ok(all)
    }

    /// What is changed until it ends is changed together, or not at all.
    fn begin_change(&self) -> Result<Transaction<'_>, StoreError> {
        let begun = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate);
        begun.map_err(|error| self.fault(&error))
    }

    fn end_change(&self, begun: Transaction<'_>) -> Result<(), StoreError> {
        begun.commit().map_err(|error| self.fault(&error))
    }

    fn change(&self, text: &str, values: impl rusqlite::Params) -> Result<usize, StoreError> {
        let changed = self.connection.prepare_cached(text).and_then(|mut change| change.execute(values));
        changed.map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::at(&self.path, error.to_string())
    }

    fn broken(&self, reason: String) -> StoreError {
        StoreError::at(&self.path, reason)
    }
}

impl Kept {
    /// What is not written down of it.
    pub(super) fn untold(&self) -> impl Iterator<Item = Change> {
        let begun = (self.told == 0).then(|| Change::Revoked(self.one.clone()));
        let is_lifted = self.told < 2 && self.one.lifted_by.is_some();
        begun.into_iter().chain(is_lifted.then(|| Change::Lifted(self.one.clone())))
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Kept>> {
    let (id, of): (String, String) = (row.get(0)?, row.get(1)?);
    let (Ok(id), Ok(of)) = (id.parse::<Id>(), of.parse::<Revoked>()) else { return Ok(None) };
    let (since, until) = (time(row.get(4)?), row.get::<_, Option<i64>>(5)?.map(time));
    let (reason, by, lifted_by) = (row.get(2)?, row.get(3)?, row.get(6)?);
    // Without its name it would wait for nobody in particular: it ends access as any other does.
    let approval = row.get::<_, Option<String>>(9)?.and_then(|name| Name::parse(&name).ok());
    let one = Revocation { id, of, reason, by, since, until, lifted_by, approval };
    Ok(Some(Kept { one, number: row.get(7)?, told: row.get(8)? }))
}

fn millis(time: SystemTime) -> i64 {
    i64::try_from(domain::millis(time)).unwrap_or(i64::MAX)
}

fn time(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

/// Whether there is nothing in it, also a moment later: whoever makes one writes to it at once.
fn is_empty(path: &Path) -> io::Result<bool> {
    for _ in 0..50 {
        if fs::metadata(path)?.len() > 0 {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(true)
}

/// Tells whether it was not there.
fn create_private(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match fs::OpenOptions::new().create_new(true).append(true).mode(0o600).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::OpenOptions::new().append(true).open(path).map(|_| false)
        }
        Err(error) => Err(error),
    }
}

fn inode(path: &Path) -> std::io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

impl StoreError {
    fn at(path: &Path, reason: String) -> Self {
        Self { path: path.to_owned(), reason, cure: MEND }
    }
}

const MEND: &str = "Make the file and its directory writable for this user, or put back a copy of it; moved away, it is made anew and every \
    revocation in it is forgotten";
const FIND: &str = "A gateway makes it when it starts: is this the path that its `[store]` names?";
const EMPTY: &str = "Put back a copy of it; removed, it is made anew and every revocation that was in it is forgotten";

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store {}: {}. {}", self.path.display(), self.reason, self.cure)
    }
}

impl std::error::Error for StoreError {}
