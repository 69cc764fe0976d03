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
        Self::choose_for(false)
    }

    /// The same, or the first alone, for the load too.
    pub(crate) fn choose_for(is_one_core: bool) -> Result<Self, Fault> {
        let set = sched_getaffinity(None).during("asking for the cores")?;
        let mut free = (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core));
        match (free.next(), free.next()) {
            (Some(core), _) if is_one_core => Ok(Self { proxy: core, load: core }),
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

/// Lets all threads of a process run on all of these cores.
pub(crate) fn spread(pid: u32, cores: &[usize]) -> Result<(), Fault> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    for task in fs::read_dir(format!("/proc/{pid}/task")).during("asking for a process's threads")? {
        let name = task.during("asking for a process's threads")?.file_name();
        let thread = name.to_str().and_then(|name| rustix::process::Pid::from_raw(name.parse().ok()?));
        sched_setaffinity(thread, &set).during("binding to cores")?;
    }
    Ok(())
}

/// A process and those that it started, if it did.
fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    std::iter::once(pid).chain(children.flat_map(family)).collect()
}

/// User and system time that a process and its children have used, all their threads together, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64, Fault> {
    family(pid).into_iter().map(|pid| cpu_seconds_in(Path::new(&format!("/proc/{pid}/stat")))).sum()
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

/// How long a core has been at work since the machine started, in seconds.
pub(crate) fn busy_seconds(core: usize) -> Result<f64, Fault> {
    let stat = fs::read_to_string("/proc/stat").during("reading the cores' time")?;
    let name = format!("cpu{core}");
    let fields = stat.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.filter_map(|word| word.parse::<f64>().ok()).collect::<Vec<_>>())
    });
    match fields.as_deref() {
        // user, nice, system, idle, iowait, irq, softirq
        Some([user, nice, system, _, _, irq, softirq, ..]) => {
            Ok((user + nice + system + irq + softirq) / ticks_per_second())
        }
        _ => Err(Fault::new("/proc has a format that is not known here")),
    }
}

/// Memory of a process, in kilobytes of 1024 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

/// The resident memory of a process and its children, now and at its highest; the highest of each, where there are several.
pub(crate) fn memory(pid: u32) -> Result<Memory, Fault> {
    let all: Vec<Memory> = family(pid).into_iter().map(memory_of_one).collect::<Result<_, _>>()?;
    let sum = |figure: fn(&Memory) -> u64| all.iter().map(figure).sum();
    Ok(Memory { resident: sum(|memory| memory.resident), peak: sum(|memory| memory.peak) })
}

fn memory_of_one(pid: u32) -> Result<Memory, Fault> {
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

/// The machine in a line: processor, cores, memory, kernel.
pub(crate) fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (processor, memory, kernel) =
        (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/proc/sys/kernel/osrelease"));
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = value(&processor, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    // Of all, not those to which this thread is bound.
    let cores = processor.lines().filter(|line| line.starts_with("processor")).count();
    let kib = value(&memory, "MemTotal").and_then(|text| text.trim_end_matches("kB").trim().parse::<u64>().ok());
    format!("{model}, {cores} cores, {} GiB, Linux {}", kib.unwrap_or(0) >> 20, kernel.trim())
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
