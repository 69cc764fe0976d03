//! The file in which what the monitor learnt outlives the process.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::IntGauge;
use tempfile::{Builder, NamedTempFile};
use zstd::stream::{read::Decoder, write::Encoder};

use crate::crypto;
use crate::monitor::{Engine, Progress, Unread};
use crate::state::Services;

/// How long after it was written it is written again.
const EVERY: Duration = Duration::from_mins(10);
/// The same of the first time, and where that failed.
const SOON: Duration = Duration::from_mins(1);
/// How many lines are written each second: for so long records can wait.
const AT_ONCE: usize = 10_000;
/// How the name of a file begins that is being written.
const PREFIX: &str = ".claviger-monitor-";
/// zstd's fastest.
const LEVEL: i32 = 1;

/// A monitor that knows what an earlier one wrote, and what writes it down again; one that knows nothing where that is not kept or cannot be read,
/// which is said.
pub(super) fn read(services: &Services) -> (Engine, Habits) {
    let settings = Arc::clone(&services.snapshot().monitor);
    let mut habits = Habits::new(services.engines.metrics.monitor.state_age.clone());
    let anew = || Engine::new(Arc::clone(&settings), &crypto::random());
    let Some(path) = settings.state.as_deref().filter(|_| settings.is_enabled) else { return (anew(), habits) };
    sweep(path);
    let file = path.display();
    match open(path).map_err(Unread::from).and_then(|mut text| Engine::read(Arc::clone(&settings), &mut text)) {
        Ok(engine) => {
            log::info!(principals = engine.size().principals; "what is usual is known from {file}");
            habits.own = Some((path.to_owned(), stamp(path)));
            (engine, habits)
        }
        Err(Unread::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            log::info!("what is usual is learnt anew, and will be kept in {file}");
            // Also where the process before this one makes it yet.
            habits.own = Some((path.to_owned(), None));
            (anew(), habits)
        }
        Err(error) => {
            log::error!(error:%; "{file} cannot be read: what is usual is learnt anew, and until then detections that need it tell nothing");
            // Another version, or somebody who gives it back its owner, may read it yet.
            match fs::rename(path, beside(path)) {
                Ok(()) => habits.own = Some((path.to_owned(), None)),
                Err(error) => log::error!(error:%; "{file} cannot be moved out of the way, and is left as it is"),
            }
            (anew(), habits)
        }
    }
}

fn open(path: &Path) -> io::Result<BufReader<Decoder<'static, BufReader<File>>>> {
    Ok(BufReader::new(Decoder::new(File::open(path)?)?))
}

/// Where a file is put that cannot be read.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unread");
    name.into()
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|one| !one.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes what processes left that were killed while they wrote. One that is being written is not that old.
fn sweep(path: &Path) {
    const OLD: Duration = Duration::from_hours(1);
    for entry in fs::read_dir(directory(path)).into_iter().flatten().filter_map(Result::ok) {
        let is_part = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let changed = entry.metadata().and_then(|meta| meta.modified());
        if is_part && changed.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > OLD)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What tells a file from another that was put in its place.
type Stamp = (u64, i64, i64);

fn stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|meta| (meta.ino(), meta.mtime(), meta.mtime_nsec()))
}

/// Writes it, a little at a time.
pub(super) struct Habits {
    due: Instant,
    written: Instant,
    under_way: Option<Writing>,
    /// The file that this process has read or written, as it was then.
    own: Option<(PathBuf, Option<Stamp>)>,
    age: IntGauge,
}

impl Habits {
    /// One that says by this how long ago it last was written.
    fn new(age: IntGauge) -> Self {
        let now = Instant::now();
        Self { due: now + SOON, written: now, under_way: None, own: None, age }
    }

    /// Writes the next piece, where it is time to; to be called each second. Not while the process is on its way out: another may have taken over.
    pub(super) fn keep(&mut self, engine: &Engine, path: Option<&Path>, is_draining: bool) {
        let Some(path) = path else {
            self.under_way = None;
            return self.age.set(0);
        };
        let now = Instant::now();
        if now >= self.due && !is_draining {
            match self.piece(engine, path) {
                Ok(true) => (self.due, self.written) = (now + EVERY, now),
                Ok(false) => {}
                Err(error) => self.failed(&error, path),
            }
        }
        self.age.set(i64::try_from(self.written.elapsed().as_secs()).unwrap_or(i64::MAX));
    }

    /// Writes all of it, as the process ends. Where that takes too long, what was written before stays.
    pub(super) fn finish(&mut self, engine: &Engine, path: Option<&Path>, within: Duration) {
        let Some(path) = path else { return };
        let began = Instant::now();
        self.under_way = None;
        let is_of_another = self.own.as_ref().is_some_and(|(own, was)| own == path && stamp(path) != *was);
        if is_of_another {
            log::info!("another process keeps what is usual in {}", path.display());
            return;
        }
        loop {
            match self.piece(engine, path) {
                Ok(true) => return,
                Ok(false) if began.elapsed() < within => {}
                Ok(false) => return self.failed(&io::ErrorKind::TimedOut.into(), path),
                Err(error) => return self.failed(&error, path),
            }
        }
    }

    fn failed(&mut self, error: &io::Error, path: &Path) {
        self.under_way = None;
        self.due = Instant::now() + SOON;
        log::error!(error:%; "what is usual cannot be written to {}", path.display());
    }

    /// Tells whether that was all. What fails begins anew.
    fn piece(&mut self, engine: &Engine, path: &Path) -> io::Result<bool> {
        let is_known = self.own.as_ref().is_some_and(|(own, _)| own == path);
        if !is_known && path.exists() {
            // It may hold what somebody learnt in weeks.
            return Err(io::Error::other(
                "this process has not read it: start it anew with this configuration, or move the file away",
            ));
        }
        let mut writing = match self.under_way.take() {
            Some(writing) => writing,
            None => Writing::begin(path)?,
        };
        if engine.write(&mut writing.progress, AT_ONCE, &mut writing.to)? {
            writing.end(path)?;
            self.own = Some((path.to_owned(), stamp(path)));
            return Ok(true);
        }
        self.under_way = Some(writing);
        Ok(false)
    }
}

/// A file beside the one that it will take the place of; gone if it does not come to that.
struct Writing {
    to: BufWriter<Encoder<'static, NamedTempFile>>,
    progress: Progress,
}

impl Writing {
    fn begin(path: &Path) -> io::Result<Self> {
        // Readable to its owner alone.
        let file = Builder::new().prefix(PREFIX).tempfile_in(directory(path))?;
        let mut encoder = Encoder::new(file, LEVEL)?;
        // Half a file is no file: there is no waiting for the disk here.
        encoder.include_checksum(true)?;
        Ok(Self { to: BufWriter::new(encoder), progress: Progress::default() })
    }

    fn end(mut self, path: &Path) -> io::Result<()> {
        self.to.flush()?;
        let encoder = self.to.into_inner().map_err(io::IntoInnerError::into_error)?;
        encoder.finish()?.persist(path)?;
        Ok(())
    }
}
