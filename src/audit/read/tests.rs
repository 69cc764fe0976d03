//! Logs are read through their files, also while they are written.

use super::*;
use crate::audit::chain::{Chain, Kind};
use crate::audit::segment::whole_path;

struct Log {
    _folder: tempfile::TempDir,
    path: PathBuf,
    chain: Chain,
    first: u64,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        Self { _folder: folder, path, chain: Chain::new(), first: 1 }
    }

    fn add(&mut self, count: u64) {
        let mut text = Vec::new();
        for _ in 0..count {
            self.chain.link(&mut text, Kind::Exchange, b",\"x\":1");
        }
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&self.path).expect("a file");
        io::Write::write_all(&mut file, &text).expect("written");
    }

    fn rotate(&mut self) -> PathBuf {
        let whole = whole_path(&self.path, self.first);
        fs::rename(&self.path, &whole).expect("renamed");
        self.first = self.chain.seq + 1;
        whole
    }

    fn compress(&self, path: &Path) {
        let text = fs::read(path).expect("read");
        let packed = zstd::encode_all(&text[..], 3).expect("packed");
        fs::write(super::super::segment::beside(path, ".zst"), packed).expect("written");
        fs::remove_file(path).expect("removed");
    }
}

fn seqs(reader: &mut Reader) -> Vec<u64> {
    let mut seqs = Vec::new();
    while let Some(line) = reader.next().expect("read") {
        seqs.push(line.head.expect("a head").seq);
    }
    seqs
}

#[test]
fn lines_come_through_all_files_from_any_one_on() {
    let mut log = Log::new();
    for packed in [true, true, false] {
        log.add(10);
        let whole = log.rotate();
        if packed {
            log.compress(&whole);
        }
    }
    log.add(5);
    for from in [0, 1, 5, 10, 11, 12, 20, 21, 30, 31, 35] {
        let want: Vec<u64> = (from.max(1)..=35).collect();
        assert_eq!(seqs(&mut Reader::open(&log.path, from).expect("opened")), want, "{from}");
    }
    let mut later = Reader::open(&log.path, 37).expect("opened");
    assert_eq!(seqs(&mut later), [0; 0]);
    log.add(3);
    assert_eq!(seqs(&mut later), [37, 38]);
}

#[test]
fn a_reader_follows_a_log_that_is_written_rotated_and_compressed() {
    let mut log = Log::new();
    let mut reader = Reader::open(&log.path, 1).expect("opened");
    assert_eq!(seqs(&mut reader), [0; 0], "there is nothing yet");
    log.add(2);
    assert_eq!(seqs(&mut reader), [1, 2]);
    log.add(1);
    let whole = log.rotate();
    log.add(2);
    assert_eq!(seqs(&mut reader), [3, 4, 5], "the rest of the old file and the new one");
    log.rotate();
    assert_eq!(seqs(&mut reader), [0; 0]);
    log.compress(&whole);
    log.add(2);
    let second = log.rotate();
    log.compress(&second);
    log.add(1);
    log.rotate();
    log.add(1);
    assert_eq!(seqs(&mut reader), [6, 7, 8, 9]);
    fs::rename(&log.path, log.path.with_extension("elsewhere")).expect("moved away by somebody else");
    assert_eq!(seqs(&mut reader), [0; 0]);
    log.add(1);
    assert_eq!(seqs(&mut reader), [10]);
}

#[test]
fn half_a_line_waits_for_its_end_and_that_of_a_whole_file_is_told() {
    let mut log = Log::new();
    log.add(1);
    let append = |text: &[u8]| {
        let mut file = fs::OpenOptions::new().append(true).open(&log.path).expect("a file");
        io::Write::write_all(&mut file, text).expect("written");
    };
    append(b"half");
    let mut reader = Reader::open(&log.path, 0).expect("opened");
    assert!(reader.next().expect("read").expect("a line").head.is_some());
    assert!(reader.next().expect("read").is_none());
    assert_eq!(reader.rest(), b"half");
    append(b" a line\nhalf");
    let line = reader.next().expect("read").expect("a line");
    assert_eq!((line.bytes, line.is_ended, line.head), (&b"half a line"[..], true, None));
    assert_eq!(reader.place(), Some((&*log.path, 2)));
    log.rotate();
    log.add(1);
    let line = reader.next().expect("read").expect("a line");
    assert_eq!((line.bytes, line.is_ended), (&b"half"[..], false));
    assert_eq!(seqs(&mut reader), [2]);
}

#[test]
fn long_lines_are_read() {
    let mut log = Log::new();
    let mut text = Vec::new();
    let long = format!(",\"x\":\"{}\"", "y".repeat(3 * BUFFER));
    log.chain.link(&mut text, Kind::Exchange, long.as_bytes());
    fs::write(&log.path, &text).expect("written");
    log.add(2);
    assert_eq!(seqs(&mut Reader::open(&log.path, 0).expect("opened")), [1, 2, 3]);
}
