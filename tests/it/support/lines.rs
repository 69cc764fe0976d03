//! What a process says line by line, awaited for a bounded time.

use std::{
    io::{BufRead, BufReader, Read},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// How long a line is awaited. An interpreter that starts on a busy machine takes longer than what runs already.
const SILENCE: Duration = Duration::from_secs(60);

/// The lines of a stream, read on a thread that ends with it.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        let (say, said) = channel();
        thread::spawn(move || {
            // To the end even if nobody asks any more, lest the process wait for room.
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        Self(said)
    }

    /// The next one. None within [`SILENCE`], or the end of the stream, fails the test, which says what was awaited.
    pub(crate) fn next(&self, awaited: &str) -> String {
        self.find(awaited, |line| Some(line.to_owned()))
    }

    /// What is made of the first that is of use, in the same way.
    pub(crate) fn find<T>(&self, awaited: &str, of_use: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + SILENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.0.recv_timeout(left).unwrap_or_else(|error| panic!("no line of {awaited}: {error}"));
            if let Some(found) = of_use(&line) {
                return found;
            }
        }
    }
}
