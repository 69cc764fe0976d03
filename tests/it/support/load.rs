//! Clients that keep a gateway busy while something is done to it, and tell every answer and every failure.

use std::{
    fs::File,
    io::Read as _,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, eventually, http1::Message, raw::Client};

/// Threads that send one request after the other, each on a connection that it keeps for as long as the server lets it.
pub(crate) struct Load<T> {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Tally<T>>>,
}

/// What came of a load.
pub(crate) struct Tally<T> {
    /// What the test wanted to know of each answer.
    pub(crate) answers: Vec<T>,
    /// Requests without a whole answer, and why.
    pub(crate) failures: Vec<String>,
}

/// No thread sends more, and none goes on for longer.
const MOST_REQUESTS: usize = 200_000;
const LONGEST: Duration = Duration::from_secs(300);

impl<T: Send + 'static> Load<T> {
    /// Starts so many threads that send what `request` gives for their number and the count so far.
    pub(crate) fn start(
        threads: usize,
        address: SocketAddr,
        request: impl Fn(usize, usize) -> Vec<u8> + Send + Sync + 'static,
        look: impl Fn(&Message) -> T + Send + Sync + 'static,
    ) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (request, look) = (Arc::new(request), Arc::new(look));
        let threads = (0..threads).map(|number| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            let (request, look) = (Arc::clone(&request), Arc::clone(&look));
            thread::spawn(move || drive(address, &stop, &answered, |count| request(number, count), &*look))
        });
        let threads = threads.collect();
        Self { stop, answered, threads }
    }

    /// Waits until so many more requests were answered.
    pub(crate) fn wait_for(&self, more: usize) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually("the load goes on", || (self.answered.load(Ordering::Relaxed) >= before + more).then_some(()));
    }

    /// Lets the requests under way end, and tells all.
    pub(crate) fn stop(self) -> Tally<T> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally { answers: Vec::new(), failures: Vec::new() };
        for thread in self.threads {
            let tally = thread.join().expect("a load thread");
            all.answers.extend(tally.answers);
            all.failures.extend(tally.failures);
        }
        all
    }
}

fn drive<T>(
    address: SocketAddr,
    stop: &AtomicBool,
    answered: &AtomicUsize,
    request: impl Fn(usize) -> Vec<u8>,
    look: &(dyn Fn(&Message) -> T + Send + Sync),
) -> Tally<T> {
    let mut tally = Tally { answers: Vec::new(), failures: Vec::new() };
    let mut connection: Option<Client> = None;
    let began = Instant::now();
    for count in 0..MOST_REQUESTS {
        if stop.load(Ordering::Relaxed) || began.elapsed() > LONGEST {
            break;
        }
        let kind = if connection.is_some() { "kept" } else { "new" };
        let mut client = match connection.take().map_or_else(|| Client::try_connect(address), Ok) {
            Ok(client) => client,
            Err(error) => {
                tally.failures.push(format!("new connection, connecting: {error}"));
                thread::yield_now();
                continue;
            }
        };
        match client.send(&request(count)).try_response() {
            Ok(Some(response)) => {
                tally.answers.push(look(&response));
                answered.fetch_add(1, Ordering::Relaxed);
                connection = (!response.closes()).then_some(client);
            }
            Ok(None) => tally.failures.push(format!("{kind} connection, closed instead of an answer")),
            Err(error) => tally.failures.push(format!("{kind} connection, reading: {error}")),
        }
    }
    tally
}

/// A run of `wrk`, a load generator of its own make.
pub(crate) struct Wrk {
    process: Child,
    output: std::path::PathBuf,
}

/// What `wrk` says in the end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrkReport {
    /// Requests that were answered.
    pub(crate) requests: u64,
    /// Connections that failed, in the connecting, reading or writing, or timed out.
    pub(crate) socket_errors: u64,
    /// Answers with a status of 400 or more.
    pub(crate) bad_statuses: u64,
}

impl Wrk {
    /// Starts it; nothing when it is not installed, which is then said.
    #[allow(clippy::print_stderr, reason = "a skipped test says so")]
    pub(crate) fn start(url: &str, connections: usize, bearer: &str, output: &std::path::Path) -> Option<Self> {
        let file = File::create(output).expect("a file for the output");
        let mut command = Command::new("wrk");
        command.args(["--threads", "2", "--duration", "300s", "--timeout", "20s"]);
        command.args(["--connections", &connections.to_string(), "--header", &format!("Authorization: {bearer}"), url]);
        let started = command.stdin(Stdio::null()).stdout(file.try_clone().expect("a handle")).stderr(file).spawn();
        match started {
            Ok(process) => Some(Self { process, output: output.to_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("skipped: wrk absent");
                None
            }
            Err(error) => panic!("wrk: {error}"),
        }
    }

    /// Ends it and reads its report.
    pub(crate) fn stop(mut self) -> WrkReport {
        kill_process(Pid::from_child(&self.process), Signal::INT).expect("our child");
        eventually("wrk ends", || self.process.try_wait().expect("our child"));
        let mut text = String::new();
        File::open(&self.output).expect("its output").read_to_string(&mut text).expect("text");
        WrkReport::parse(&text)
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl WrkReport {
    /// # Panics
    /// When there is no count of requests in it.
    pub(crate) fn parse(text: &str) -> Self {
        let numbers = |mark: &str| {
            let line = text.lines().find_map(|line| line.split_once(mark)).map(|(_, rest)| rest).unwrap_or_default();
            let numbers = line.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u64>().ok());
            numbers.sum()
        };
        let requests = text.lines().find_map(|line| line.split_once(" requests in ")).map(|(count, _)| count.trim());
        Self {
            requests: requests.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("no report: {text}")),
            socket_errors: numbers("Socket errors:"),
            bad_statuses: numbers("Non-2xx or 3xx responses:"),
        }
    }
}

/// Waits as [`eventually`] does, for what may take as long as a whole drain.
pub(crate) fn within(limit: Duration, what: &str, mut probe: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !probe() {
        assert!(began.elapsed() < limit.max(PATIENCE), "within {limit:?} this did not happen: {what}");
        thread::sleep(Duration::from_millis(5));
    }
    began.elapsed()
}
