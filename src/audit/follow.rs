//! The end of a log as it grows, for those who look on: nothing is kept for them, and who is too slow misses something.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::chain::Chain;
use super::read::Reader;
use super::tail::Tail;

/// Reads a log from its end on.
pub struct Follower {
    path: PathBuf,
    reader: Reader,
    /// The number of the last line that was lent.
    last: u64,
}

impl Follower {
    /// Begins behind the line of this number, or else with what is written from now on.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn open(path: &Path, after: Option<u64>) -> io::Result<Self> {
        let end = newest(path)?.map_or(0, |chain| chain.seq);
        let last = after.unwrap_or(end).min(end);
        Ok(Self { path: path.to_owned(), reader: Reader::open(path, last + 1)?, last })
    }

    /// The next line and its number; none where there is none yet.
    ///
    /// # Errors
    /// When the log cannot be read.
    #[expect(clippy::should_implement_trait, reason = "it lends its lines")]
    pub fn next(&mut self) -> io::Result<Option<(u64, &str)>> {
        // What is no line of a chain was told to nobody.
        let Some(line) = self.reader.next()? else { return Ok(None) };
        if let Some(head) = line.head {
            self.last = head.seq;
        }
        Ok(std::str::from_utf8(line.bytes).ok().map(|text| (self.last, text)))
    }

    /// Goes to the end where that is more than so many lines away; tells how many were left out.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn catch_up(&mut self, most: u64) -> io::Result<u64> {
        let end = newest(&self.path)?.map_or(0, |chain| chain.seq);
        let behind = end.saturating_sub(self.last);
        if behind <= most {
            return Ok(0);
        }
        self.reader = Reader::open(&self.path, end + 1)?;
        self.last = end;
        Ok(behind)
    }
}

/// The end of the chain of a log; none where there is none yet.
pub(super) fn newest(path: &Path) -> io::Result<Option<Chain>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    Ok(Tail::of(&file, file.metadata()?.len())?.chain)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;

    use super::super::chain::Kind;
    use super::*;

    #[test]
    fn who_looks_on_sees_what_comes_and_who_is_too_slow_is_told_what_was_missed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        let mut chain = Chain::new();
        let mut add = |count: usize| {
            let mut text = Vec::new();
            (0..count).for_each(|_| chain.link(&mut text, Kind::Exchange, b",\"x\":1"));
            let mut file = OpenOptions::new().append(true).create(true).open(&path).expect("a file");
            file.write_all(&text).expect("written");
        };
        let seqs = |follower: &mut Follower| {
            let mut seqs = Vec::new();
            while let Some((seq, line)) = follower.next().expect("read") {
                assert!(line.contains(&format!("\"seq\":{seq},")), "{line}");
                seqs.push(seq);
            }
            seqs
        };
        add(3);
        let (mut new, mut again) =
            (Follower::open(&path, None).expect("opened"), Follower::open(&path, Some(1)).expect("opened"));
        assert_eq!((seqs(&mut new), seqs(&mut again)), (vec![], vec![2, 3]));
        add(2);
        assert_eq!((seqs(&mut new), seqs(&mut again)), (vec![4, 5], vec![4, 5]));
        add(10);
        assert_eq!((new.catch_up(10).expect("read"), again.catch_up(9).expect("read")), (0, 10));
        assert_eq!((seqs(&mut new).len(), seqs(&mut again).len()), (10, 0));
        let mut wrong = Follower::open(&path, Some(1000)).expect("opened");
        add(1);
        assert_eq!(seqs(&mut wrong), [16], "a number of another log");
    }
}
