//! Instructions per request, counted by valgrind: figures that no other load on the machine changes, held to a baseline.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::CountArgs;
use crate::compare::tell;
use crate::fault::{Fault, While};
use crate::http;
use crate::machine::Cores;
use crate::profile::Profile;
use crate::report::float;
use crate::site::{Proxy, Site};
use crate::stage::Stage;

/// Requests of a first run and of a second: what the second has more is what requests cost, without start, end and the token's first proof.
const REQUESTS: [u32; 2] = [100, 500];
/// How long one answer may take: the program is some fifty times slower than it is.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is counted: a name for people, and how the function's name ends in a profile. Each is called once in an exchange.
const PHASES: [(&str, &str); 9] = [
    ("raw head", "proxy::ingress::scan::HeadScan::push"),
    ("normal form", "claviger::proxy::identify::identify"),
    ("route", "claviger::state::router::Router::find"),
    ("authenticate", "claviger::authn::chain::Chain::authenticate::{{closure}}"),
    ("authorize", "claviger::authz::policy::Policy::authorize"),
    ("acquire", "claviger::inject::Credential::acquire"),
    ("apply", "claviger::proxy::upstream::apply"),
    ("scrub the head", "claviger::proxy::upstream::strip_response"),
    ("audit line", "claviger::audit::line::Lines::exchange"),
];
/// The row of everything that the process does for a request.
const EXCHANGE: &str = "whole exchange";

/// Counts, prints, and compares.
pub(crate) fn run(args: &CountArgs, out: &mut dyn Write, progress: &mut dyn Write) -> Result<(), Fault> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return tell(progress, "skipped: valgrind is not installed");
    }
    let file = args.claviger.canonicalize().during(&format!("finding {}", args.claviger.display()))?;
    let site = Site::staged(Cores::choose()?, Stage { threads: args.threads, ..Stage::default() })?;
    let mut profile = |requests| {
        tell(progress, &format!("{requests} requests to claviger under valgrind ..."))?;
        profile(&site, &file, requests, args.connections)
    };
    let counts = count(&profile(REQUESTS[0])?, &profile(REQUESTS[1])?)?;
    let text = serde_json::to_string_pretty(&counts).during("writing the figures")?;
    if args.threads > 1 || args.connections > 1 {
        return writeln!(out, "{text}").during("writing the figures");
    }
    if args.renew {
        return fs::write(&args.baseline, text + "\n").during(&format!("writing {}", args.baseline.display()));
    }
    let text = fs::read_to_string(&args.baseline).during(&format!("reading {}", args.baseline.display()))?;
    let baseline = serde_json::from_str(&text).during(&format!("reading {}", args.baseline.display()))?;
    let risen = print(&counts, &baseline, args.tolerance, out).during("printing the result")?;
    if risen.is_empty() {
        return Ok(());
    }
    Err(Fault::new(format!(
        "more instructions than the baseline has, by over {} %: {}. If that is what the change is worth, renew the baseline with --renew",
        args.tolerance,
        risen.join(", ")
    )))
}

/// The profile of a process that answers so many requests.
fn profile(site: &Site, file: &Path, requests: u32, connections: u16) -> Result<Profile, Fault> {
    let proxy = site.claviger_counted(file)?;
    ask(site, &proxy, requests, connections)?;
    proxy.program.end()?;
    let written = site.folder().join(Site::PROFILE);
    Profile::parse(&fs::read_to_string(written).during("reading the profile")?)
}

/// Instructions per request, in all and of each phase.
fn count(few: &Profile, many: &Profile) -> Result<BTreeMap<String, u64>, Fault> {
    let each = |few: u64, many: u64| many.saturating_sub(few) / u64::from(REQUESTS[1] - REQUESTS[0]);
    let phase = |&(name, ending): &(&str, &str)| {
        let costs = few.inclusive(ending).zip(many.inclusive(ending));
        let (few, many) = costs.ok_or_else(|| Fault::new(format!("{ending} is not in the profile")))?;
        Ok((name.to_owned(), each(few, many)))
    };
    let whole = (EXCHANGE.to_owned(), each(few.total(), many.total()));
    PHASES.iter().map(phase).chain([Ok(whole)]).collect()
}

/// So many requests, one after the other, by connections in turns: what is done for them does not depend on how they fall together.
fn ask(site: &Site, proxy: &Proxy, count: u32, connections: u16) -> Result<(), Fault> {
    let request = http::request(proxy.address, site.token());
    let connect = |_| {
        let stream = TcpStream::connect(proxy.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    let all = || -> std::io::Result<()> {
        let mut streams = (0..connections).map(connect).collect::<std::io::Result<Vec<_>>>()?;
        let places = (0..streams.len()).cycle();
        for (_, place) in (0..count).zip(places) {
            streams[place].write_all(&request)?;
            answered(&mut streams[place])?;
        }
        Ok(())
    };
    all().during("asking claviger under valgrind")
}

fn answered(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut answer = Vec::new();
    loop {
        match http::status(&answer)? {
            Some(200) => return Ok(()),
            Some(other) => return Err(std::io::Error::other(format!("a request was answered {other}"))),
            None => {}
        }
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk)?;
        answer.extend_from_slice(
            chunk.get(..read).filter(|chunk| !chunk.is_empty()).ok_or(std::io::ErrorKind::UnexpectedEof)?,
        );
    }
}

/// Prints the table; gives the names of what is above the baseline by more than so many percent, or not in it.
fn print(
    counts: &BTreeMap<String, u64>,
    baseline: &BTreeMap<String, u64>,
    tolerance: u32,
    out: &mut dyn Write,
) -> std::io::Result<Vec<String>> {
    let mut risen = Vec::new();
    writeln!(out, "| instructions | baseline | now | |\n|---|--:|--:|--:|")?;
    for (name, &now) in counts {
        let before = baseline.get(name).copied().unwrap_or(0);
        let change = float(now) / float(before.max(1)) * 100.0 - 100.0;
        writeln!(out, "| {name} | {before} | {now} | {change:+.1} % |")?;
        // The whole also holds what threads do by the clock meanwhile, of which a slower machine counts more.
        let tolerance = if name == EXCHANGE { tolerance * 3 } else { tolerance };
        if before == 0 || change > f64::from(tolerance) {
            risen.push(name.clone());
        }
    }
    Ok(risen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rose_by_more_than_is_tolerated_or_is_new_is_told() {
        let counts = |pairs: &[(&str, u64)]| pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        let baseline = counts(&[("same", 1000), ("less", 1000), ("a little", 1000), ("more", 1000)]);
        let now = counts(&[("same", 1000), ("less", 10), ("a little", 1050), ("more", 1051), ("new", 1)]);
        let mut out = Vec::new();
        assert_eq!(print(&now, &baseline, 5, &mut out).expect("printed"), ["more", "new"]);
        assert!(String::from_utf8_lossy(&out).contains("| more | 1000 | 1051 | +5.1 % |"));
    }
}
