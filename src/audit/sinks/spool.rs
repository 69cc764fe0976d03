//! What a sink has still to bring: the log's own files, from the record after the last one that its receiver has.
//!
//! The cursor is a small file beside the log, `PATH.sink.NAME`: the chain and the number of that record. It is locked by who delivers, so
//! that in an upgrade one process does. What it says may lag behind, never ahead: a record arrives at least once.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use memchr::memmem;

use super::batch::Batch;
use crate::audit::chain::Chain;
use crate::audit::follow::newest;
use crate::audit::read::Reader;
use crate::audit::segment::beside;
use crate::domain::Name;

/// The records of a log that one sink has to bring.
pub(super) struct Spool {
    path: PathBuf,
    cursor: File,
    reader: Reader,
    /// The last record that was read.
    read: Place,
    /// The last one that the receiver has.
    acknowledged: Place,
    /// The latest time of those that were read: none that comes was written before it.
    time: String,
}

/// A record's place in a chain; both parts are empty before the first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Place {
    chain: String,
    seq: u64,
}

/// What a look for more records found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Some to send.
    pub(super) batch: Option<Batch>,
    /// How many were too old, or were removed with their file.
    pub(super) skipped: u64,
}

/// The most records that one look skips: they are counted in the log, which is to be told now and then.
const MOST_SKIPPED: u64 = 1_000_000;

impl Spool {
    /// Opens the log at this path for a sink; nothing where another process delivers to it.
    ///
    /// # Errors
    /// When the cursor cannot be written or the log not be read.
    pub(super) fn open(path: &Path, sink: &Name) -> io::Result<Option<Self>> {
        let place = beside(path, &format!(".sink.{sink}"));
        let cursor = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(place)?;
        match cursor.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut acknowledged = Place::read(&cursor)?;
        let is_another = |newest: &Chain| newest.id.as_str() != acknowledged.chain || newest.seq < acknowledged.seq;
        if let Some(newest) = newest(path)?.filter(is_another) {
            // Another log is there now, or its end was lost after it was sent and is written anew, or this sink is new: it begins with the oldest
            // record that there is.
            acknowledged = Place { chain: newest.id.to_string(), seq: 0 };
        }
        let reader = Reader::open(path, acknowledged.seq + 1)?;
        let (path, read) = (path.to_owned(), acknowledged.clone());
        Ok(Some(Self { path, cursor, reader, read, acknowledged, time: String::new() }))
    }

    /// The next records, as many as fit into both bounds, without those that were written before `oldest`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) fn next(&mut self, records: usize, bytes: usize, oldest: &str) -> io::Result<Found> {
        let (mut found, mut batch) = (Found::default(), Batch::default());
        while batch.records() < records && batch.bytes().len() < bytes && found.skipped < MOST_SKIPPED {
            let Some(line) = self.reader.next()? else { break };
            let (Some(head), Ok(text)) = (line.head, std::str::from_utf8(line.bytes)) else { continue };
            let time = time_of(text).unwrap_or_default();
            if *time > *self.time {
                time.clone_into(&mut self.time);
            }
            if self.read.seq > 0 {
                // Numbers that are missing were removed with their files.
                found.skipped += head.seq.saturating_sub(self.read.seq + 1);
            }
            self.read.seq = head.seq;
            if *self.time < *oldest {
                found.skipped += 1;
            } else {
                batch.add(text, head.chain.as_str(), head.seq, time);
            }
        }
        batch.written.clone_from(&self.time);
        found.batch = (batch.records() > 0).then_some(batch);
        Ok(found)
    }

    /// The receiver has everything up to this record of this chain, or will never have it.
    ///
    /// # Errors
    /// When the cursor cannot be written.
    pub(super) fn acknowledge(&mut self, chain: &str, seq: u64) -> io::Result<()> {
        self.acknowledged = Place { chain: chain.to_owned(), seq };
        self.acknowledged.write(&self.cursor)
    }

    /// The same of everything that was read.
    ///
    /// # Errors
    /// When the cursor cannot be written.
    pub(super) fn acknowledge_all(&mut self) -> io::Result<()> {
        self.acknowledged = self.read.clone();
        self.acknowledged.write(&self.cursor)
    }

    /// How many records the receiver has not yet.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) fn lag(&self) -> io::Result<u64> {
        let newest = newest(&self.path)?.map_or(0, |chain| chain.seq);
        Ok(newest.saturating_sub(self.acknowledged.seq))
    }
}

impl Place {
    /// Fixed in its length, so that it is always overwritten whole.
    fn write(&self, file: &File) -> io::Result<()> {
        file.write_all_at(format!("{} {:020}\n", self.chain, self.seq).as_bytes(), 0)
    }

    fn read(file: &File) -> io::Result<Self> {
        let mut text = String::new();
        file.take(256).read_to_string(&mut text)?;
        let place = text.strip_suffix('\n').and_then(|text| text.split_once(' '));
        let place = place.and_then(|(chain, seq)| Some(Self { chain: chain.to_owned(), seq: seq.parse().ok()? }));
        Ok(place.unwrap_or_default())
    }
}

/// The time of a record, as it is written.
fn time_of(line: &str) -> Option<&str> {
    const MEMBER: &str = ",\"time\":\"";
    let start = memmem::find(line.as_bytes(), MEMBER.as_bytes())? + MEMBER.len();
    line.get(start..)?.split('"').next()
}

/// A time as records tell it, so that of two the later one is the greater.
pub(super) fn moment(time: SystemTime) -> String {
    Timestamp::try_from(time).map(|time| format!("{time:.6}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::time::Duration;

    use super::*;
    use crate::audit::chain::{Chain, Kind};

    fn sink() -> Name {
        Name::parse("siem").expect("a name")
    }

    fn append(path: &Path, chain: &mut Chain, times: &[&str]) {
        let mut text = Vec::new();
        for time in times {
            chain.link(&mut text, Kind::Exchange, format!(",\"time\":\"{time}\"").as_bytes());
        }
        let mut file = OpenOptions::new().append(true).create(true).open(path).expect("a file");
        file.write_all(&text).expect("written");
    }

    fn numbers(found: &Found) -> Vec<u64> {
        let lines = found.batch.iter().flat_map(Batch::lines);
        lines
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["seq"].as_u64().expect("seq"))
            .collect()
    }

    #[test]
    fn what_is_not_acknowledged_is_read_again_by_the_next_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        let mut chain = Chain::new();
        append(&path, &mut chain, &["2026-01-01T00:00:00.000000Z"; 5]);
        let mut spool = Spool::open(&path, &sink()).expect("opened").expect("nobody else");
        assert!(Spool::open(&path, &sink()).expect("looked").is_none(), "one delivers at a time");
        let first = spool.next(2, 1 << 20, "").expect("read");
        assert_eq!(numbers(&first), [1, 2]);
        let batch = first.batch.expect("two");
        assert_eq!((batch.key(), batch.end()), (format!("claviger-{}-1-2", chain.id), (chain.id.as_str(), 2)));
        spool.acknowledge(chain.id.as_str(), 2).expect("written");
        assert_eq!(
            (numbers(&spool.next(9, 1 << 20, "").expect("read")), spool.lag().expect("read")),
            (vec![3, 4, 5], 3)
        );
        drop(spool);
        let mut again = Spool::open(&path, &sink()).expect("opened").expect("nobody else");
        assert_eq!(
            numbers(&again.next(9, 1, "").expect("read")),
            [3],
            "so many bytes, and the record that reaches them"
        );
        drop(again);
        fs::write(folder.path().join("audit.log.sink.siem"), format!("{} 9\n", chain.id)).expect("written");
        let mut ahead = Spool::open(&path, &sink()).expect("opened").expect("nobody else");
        assert_eq!(
            numbers(&ahead.next(9, 1 << 20, "").expect("read")).len(),
            5,
            "its end was lost and is written anew"
        );
        drop(ahead);
        fs::write(folder.path().join("audit.log.sink.siem"), "torn").expect("written");
        let mut torn = Spool::open(&path, &sink()).expect("opened").expect("nobody else");
        assert_eq!(numbers(&torn.next(9, 1 << 20, "").expect("read")).len(), 5, "too much rather than too little");
    }

    #[test]
    fn another_log_in_its_place_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        append(&path, &mut Chain::new(), &["2026-01-01T00:00:00.000000Z"; 5]);
        let mut spool = Spool::open(&path, &sink()).expect("opened").expect("nobody else");
        spool.next(9, 1 << 20, "").expect("read");
        spool.acknowledge_all().expect("written");
        drop(spool);
        fs::remove_file(&path).expect("removed");
        append(&path, &mut Chain::new(), &["2026-01-01T00:00:00.000000Z"; 3]);
        let mut spool = Spool::open(&path, &sink()).expect("opened").expect("nobody else");
        let found = spool.next(9, 1 << 20, "").expect("read");
        assert_eq!((numbers(&found), found.skipped), (vec![1, 2, 3], 0));
    }

    #[test]
    fn old_records_are_skipped_and_those_of_long_exchanges_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        let at = |seconds: u64| moment(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds));
        let (old, new) = (at(0), at(100));
        append(&path, &mut Chain::new(), &[&old, &old, &new, &old]);
        let mut spool = Spool::open(&path, &sink()).expect("opened").expect("nobody else");
        let found = spool.next(9, 1 << 20, &at(50)).expect("read");
        assert_eq!((numbers(&found), found.skipped), (vec![3, 4], 2), "the last one ended after the third");
        let batch = found.batch.expect("two");
        assert_eq!((batch.since.as_str(), batch.written.as_str()), (&*new, &*new));
    }
}
