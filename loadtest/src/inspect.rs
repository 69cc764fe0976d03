//! What it costs to look through requests: claviger, and nginx with ModSecurity and the Core Rule Set, each without it and with it.

use std::io::{self, Write};

use serde_json::json;

use crate::InspectArgs;
use crate::compare::{measure, tell};
use crate::fault::{Fault, While};
use crate::machine::Cores;
use crate::nginx::{self, Nginx};
use crate::payload::{self, Payload};
use crate::program;
use crate::report::{Round, median};
use crate::site::{Proxy, Site};
use crate::wrk::Wrk;

/// Load before each is measured, in seconds.
const WARM_UP: u32 = 1;
/// Whoever answers fewer then is measured at least for so many seconds.
const FEW: u64 = 20;
const LONGER: u32 = 5;

/// The proxies, in the order of their columns, as JSON calls them.
const PROXIES: [&str; 4] = ["claviger", "claviger_inspect", "nginx", "nginx_modsecurity"];

/// All rounds of one payload, by proxy.
struct Row {
    payload: Payload,
    rounds: [Vec<Round>; 4],
}

/// Measures and prints.
pub(crate) fn run(args: &InspectArgs, out: &mut dyn Write, progress: &mut dyn Write) -> Result<(), Fault> {
    nginx::find()?;
    let file = program::claviger(args.common.claviger.as_deref())?;
    let cores = Cores::choose()?;
    // One site each, as each claviger has an audit log of its own.
    let (site, looking) = (Site::new(cores, 0)?, Site::new(cores, 0)?);
    let wrk = Wrk::find(site.folder(), site.authorization(), cores.load, args.connections)?;
    let looking_wrk = Wrk::find(looking.folder(), looking.authorization(), cores.load, args.connections)?;
    let mut proxies = [
        (site.claviger(&file)?, &site, &wrk),
        (looking.claviger_with_inspection(&file)?, &looking, &looking_wrk),
        (nginx::start(&site, Nginx::Logging)?, &site, &wrk),
        (nginx::start(&site, Nginx::ModSecurity)?, &site, &wrk),
    ];
    for (at, (proxy, site, _)) in proxies.iter().enumerate() {
        prove(proxy, site, at % 2 == 1)?;
    }
    tell(progress, "all four answer honest requests, and refuse attacks where they are to")?;
    let mut rows = Vec::new();
    let mut completed = [0; 2];
    for payload in payload::all() {
        let mut rounds: [Vec<Round>; 4] = Default::default();
        let mut seconds = [args.seconds; 4];
        // The first of them is for pools, caches and the branch predictor.
        for number in 0..=args.rounds {
            for (at, (proxy, _, wrk)) in proxies.iter_mut().enumerate() {
                let wrk = wrk.sending(&payload)?;
                let count = if number == 0 {
                    let warm = wrk.run(proxy.address, WARM_UP)?.requests;
                    seconds[at] = if warm < FEW { args.seconds.max(LONGER) } else { args.seconds };
                    warm
                } else {
                    let round = measure(&wrk, proxy, seconds[at])?;
                    tell(progress, &format!("{}, {}: {:.1} us of CPU each", payload.name, PROXIES[at], round.cpu))?;
                    rounds[at].push(round);
                    rounds[at].last().map_or(0, |round| round.requests)
                };
                if let Some(completed) = completed.get_mut(at) {
                    *completed += count;
                }
            }
        }
        rows.push(Row { payload, rounds });
    }
    for ((proxy, site, _), completed) in proxies.into_iter().zip(completed) {
        proxy.program.end()?;
        let records = site.completed_in_audit()?;
        if records < completed {
            return Err(Fault::new(format!("{completed} requests were completed and {records} are in the audit log")));
        }
    }
    print(&rows, args, out).during("printing the result")?;
    if rows.iter().flat_map(|row| &row.rounds).flatten().any(|round| round.errors + round.refused > 0) {
        return Err(Fault::new("there were errors under load; the figures do not count"));
    }
    Ok(())
}

/// Proves that honest requests pass, and that attacks do or do not.
fn prove(proxy: &Proxy, site: &Site, is_looking: bool) -> Result<(), Fault> {
    let name = proxy.program.name();
    let attacks = payload::attacks().map(|attack| (attack, if is_looking { 403 } else { 200 }));
    for (payload, want) in payload::all().into_iter().map(|payload| (payload, 200)).chain(attacks) {
        let status = site.status_of(proxy.address, &payload)?;
        if status != want {
            return Err(Fault::new(format!("{name} answered {}: {status} and not {want}", payload.name)));
        }
    }
    Ok(())
}

impl Row {
    /// Medians, by proxy.
    fn figures(&self, figure: fn(&Round) -> f64) -> [f64; 4] {
        self.rounds.each_ref().map(|rounds| median(rounds.iter().map(figure)))
    }

    /// What looking through adds: the median of the differences of neighbouring rounds, of claviger and of nginx.
    fn added(&self) -> [f64; 2] {
        let [claviger, looking, nginx, modsecurity] = &self.rounds;
        [(claviger, looking), (nginx, modsecurity)]
            .map(|(without, with)| median(without.iter().zip(with).map(|(without, with)| with.cpu - without.cpu)))
    }
}

fn print(rows: &[Row], args: &InspectArgs, out: &mut dyn Write) -> io::Result<()> {
    let InspectArgs { rounds, seconds, connections, .. } = args;
    if args.common.json {
        let named = |figures: [f64; 4]| PROXIES.into_iter().zip(figures).collect::<std::collections::BTreeMap<_, _>>();
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let [claviger, nginx] = row.added();
                json!({
                    "payload": row.payload.name,
                    "cpu_us": named(row.figures(|round| round.cpu)),
                    "requests_per_second": named(row.figures(|round| round.rate)),
                    "added_us": { "claviger": claviger, "nginx": nginx },
                })
            })
            .collect();
        let text = json!({ "rounds": rounds, "seconds": seconds, "connections": connections, "payloads": rows });
        return writeln!(out, "{text:#}");
    }
    writeln!(
        out,
        "| CPU per request, us | claviger | with inspection | adds | nginx | with ModSecurity and CRS | adds |\n|---|--:|--:|--:|--:|--:|--:|"
    )?;
    for row in rows {
        let ([claviger, looking, nginx, modsecurity], [ours, theirs]) = (row.figures(|round| round.cpu), row.added());
        let name = row.payload.name;
        writeln!(
            out,
            "| {name} | {claviger:.1} | {looking:.1} | {ours:.1} | {nginx:.1} | {modsecurity:.1} | {theirs:.1} |"
        )?;
    }
    writeln!(out, "\nmedians of {rounds} rounds of {seconds} s, {connections} connections, one core for the proxy")
}
