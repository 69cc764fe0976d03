//! What the operating system knows: cores, a process's CPU time and its memory.

use std::fs;
use std::path::Path;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::fault::{Fault, While};

/// Which cores the proxy under test and everything else run on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    pub(crate) proxy: usize,
    pub(crate) load: usize,
}

impl Cores {
    /// The first two that this process may use.
    pub(crate) fn choose() -> Result<Self, Fault> {
        let set = sched_getaffinity(None).during("asking for the cores")?;
        let mut free = (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core));
        match (free.next(), free.next()) {
            (Some(proxy), Some(load)) => Ok(Self { proxy, load }),
            _ => Err(Fault::new("two cores are needed: one for the proxy, one for the load")),
        }
    }
}

/// Binds this thread, and every process that it starts from now on, to one core.
pub(crate) fn pin(core: usize) -> Result<(), Fault> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).during("binding to a core")
}

/// User and system time that a process has used, all its threads together, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64, Fault> {
    cpu_seconds_in(Path::new(&format!("/proc/{pid}/stat")))
}

/// The same of what this file of `/proc` is about: a process, or one of its threads.
pub(crate) fn cpu_seconds_in(stat: &Path) -> Result<f64, Fault> {
    let stat = fs::read_to_string(stat).during("reading the proxy's CPU time")?;
    // The name in parentheses may hold blanks; user and system time are the 14th and 15th fields of the line.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
    let ticks = |at: usize| fields.as_ref().and_then(|fields| fields.get(at)?.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok((user + system) / ticks_per_second()),
        _ => Err(Fault::new("/proc has a format that is not known here")),
    }
}

#[expect(clippy::cast_precision_loss, reason = "100, or about as much")]
fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// Memory of a process, in kilobytes of 1024 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

/// The resident memory of a process, now and at its highest.
pub(crate) fn memory(pid: u32) -> Result<Memory, Fault> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).during("reading the proxy's memory")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    match (field("VmRSS:"), field("VmHWM:")) {
        (Some(resident), Some(peak)) => Ok(Memory { resident, peak }),
        _ => Err(Fault::new("/proc has a format that is not known here")),
    }
}

/// Lets this process and those it starts have so many files open.
pub(crate) fn allow_open_files(count: u64) -> Result<(), Fault> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    limit.current = Some(count);
    if limit.maximum.is_some_and(|maximum| maximum < count) {
        limit.maximum = Some(count);
    }
    setrlimit(Resource::Nofile, limit).during("raising the number of open files (`ulimit -n`)")
}
