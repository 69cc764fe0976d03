//! The file in which what the monitor learnt outlives the process.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::Path;
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
/// zstd's fastest.
const LEVEL: i32 = 1;

/// A monitor that knows what an earlier one wrote; one that knows nothing where that is not kept or cannot be read, which is said.
pub(super) fn read(services: &Services) -> Engine {
    let settings = Arc::clone(&services.snapshot().monitor);
    let anew = || Engine::new(Arc::clone(&settings), &crypto::random());
    let Some(path) = settings.state.as_deref().filter(|_| settings.is_enabled) else { return anew() };
    let file = path.display();
    match open(path).map_err(Unread::from).and_then(|mut text| Engine::read(Arc::clone(&settings), &mut text)) {
        Ok(engine) => {
            log::info!(principals = engine.size().principals; "what is usual is known from {file}");
            engine
        }
        Err(Unread::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            log::info!("what is usual is learnt anew, and will be kept in {file}");
            anew()
        }
        Err(error) => {
            log::error!(error:%; "{file} cannot be read: what is usual is learnt anew, and until then detections that need it tell nothing");
            anew()
        }
    }
}

fn open(path: &Path) -> io::Result<BufReader<Decoder<'static, BufReader<File>>>> {
    Ok(BufReader::new(Decoder::new(File::open(path)?)?))
}

/// Writes it, a little at a time.
pub(super) struct Habits {
    due: Instant,
    written: Instant,
    under_way: Option<Writing>,
    age: IntGauge,
}

impl Habits {
    /// One that says by this how long ago it last was written.
    pub(super) fn new(age: IntGauge) -> Self {
        let now = Instant::now();
        Self { due: now + SOON, written: now, under_way: None, age }
    }

    /// Writes the next piece, where it is time to; to be called each second.
    pub(super) fn keep(&mut self, engine: &Engine, path: Option<&Path>) {
        let Some(path) = path else { return self.age.set(0) };
        let now = Instant::now();
        if now >= self.due {
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
        let mut writing = match self.under_way.take() {
            Some(writing) => writing,
            None => Writing::begin(path)?,
        };
        if engine.write(&mut writing.progress, AT_ONCE, &mut writing.to)? {
            return writing.end(path).map(|()| true);
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
        let directory = path.parent().filter(|one| !one.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Readable to its owner alone.
        let file = Builder::new().prefix(".claviger-monitor-").tempfile_in(directory)?;
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
