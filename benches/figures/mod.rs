//! How figures are taken and told that have an aim.

/// Resident memory, in MB.
pub(crate) fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("this process");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1024.0 / 1e6
}

/// One line, with whether the aim was met.
pub(crate) fn tell(what: &str, got: f64, unit: &str, aim: f64) {
    let verdict = if got <= aim { "met" } else { "MISSED" };
    println!("{what:<66} {got:>9.3} {unit:<3} (aim {aim} {unit}: {verdict})");
}
