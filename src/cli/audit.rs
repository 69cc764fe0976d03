//! `claviger audit`: whether an audit log is what was written, and what it says.

mod erase;
mod names;
mod query;
mod shown;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::Failure;
use crate::audit::Segment;
use crate::audit::verify::{Mark, Report, verify};
use crate::crypto::{SignatureAlgorithm, SignatureKey};

pub(super) use names::Names;
pub(super) use query::Bar;

pub use erase::{EraseArgs, PseudonymArgs};
pub use query::QueryArgs;

/// Look into audit logs: who accessed what, and whether they are whole.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Tell who accessed what, in one line each.
    Query(Box<QueryArgs>),
    /// Tell whether a log is what its processes wrote: what is whole, from where to where, and the first line that is not.
    Verify(VerifyArgs),
    /// Destroy keys of pseudonyms: nobody can tell any more whom records of their time are about.
    Erase(EraseArgs),
    /// Tell the pseudonyms that somebody has in records, under each key that there is.
    Pseudonym(PseudonymArgs),
}

/// Which log, and what proves it.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all of it is what was written, 1 some of it is not, 2 wrong arguments, or it cannot be read."
)]
pub struct VerifyArgs {
    /// The log, as `[audit] path` names it; its older files are found beside it.
    pub path: PathBuf,
    /// A public key in PEM that checkpoints are signed with; may be given more than once. Without one, a log that somebody made anew is not
    /// told from one that was written.
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    /// The second file of checkpoints, as `[audit] anchor` names it. Without it, a log whose end was cut off is not told from a shorter one.
    #[arg(long, value_name = "FILE")]
    pub anchor: Option<PathBuf>,
    /// Print one JSON object instead.
    #[arg(long)]
    pub json: bool,
}

impl AuditCommand {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Query(args) => args.run(out),
            Self::Verify(args) => args.run(out),
            Self::Erase(args) => args.run(out),
            Self::Pseudonym(args) => args.run(out),
        }
    }
}

impl VerifyArgs {
    fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let keys = self.keys.iter().map(|file| key(file)).collect::<Result<Vec<_>, _>>()?;
        let wrong = |error: io::Error| Failure::new(2, format!("claviger: {}: {error}", self.path.display()));
        if self.path.extension().is_some_and(|extension| extension == "zst") {
            let text =
                "this is one file of a log, compressed: name the log, without a number; all of its files are read";
            return Err(Failure::new(2, format!("claviger: {}: {text}", self.path.display())));
        }
        if self.anchor.is_none() && Segment::of(&self.path).map_err(wrong)?.is_empty() {
            return Err(wrong(io::ErrorKind::NotFound.into()));
        }
        let is_shown = io::stderr().is_terminal() && !self.json;
        let mut progress = |bytes: u64| {
            if is_shown {
                // It is only shown.
                let _ = write!(io::stderr(), "\r{} MB looked at", bytes / 1_000_000);
            }
        };
        let report = verify(&self.path, &keys, self.anchor.as_deref(), &mut progress).map_err(wrong)?;
        if is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        if self.json {
            let text = serde_json::to_string(&report).map_err(io::Error::other)?;
            writeln!(out, "{text}")?;
        } else {
            tell(&self.path, &report, self.anchor.is_some(), out)?;
        }
        if report.fault.is_none() { Ok(()) } else { Err(Failure::silent(1)) }
    }
}

fn key(file: &Path) -> Result<SignatureKey, Failure> {
    let wrong = |text: String| Failure::new(2, format!("claviger: {}: {text}", file.display()));
    let pem = fs::read(file).map_err(|error| wrong(error.to_string()))?;
    SignatureKey::public(SignatureAlgorithm::Ed25519, &pem).map_err(|fault| wrong(fault.to_string()))
}

fn tell(path: &Path, report: &Report, is_anchored: bool, out: &mut dyn Write) -> io::Result<()> {
    let verdict = if report.fault.is_none() { "intact" } else { "NOT intact" };
    writeln!(out, "{}: {verdict}", path.display())?;
    if let Some(fault) = &report.fault {
        let of = if fault.seq == 0 { "the log is".to_owned() } else { format!("line {}", fault.seq) };
        write!(out, "  {of} {}: {}", fault.kind.text(), fault.text)?;
        match (&fault.file, fault.line) {
            (Some(file), Some(line)) => writeln!(out, " ({}:{line})", file.display())?,
            _ => writeln!(out)?,
        }
    }
    if let (Some(chain), Some(first), Some(last)) = (&report.chain, &report.first, &report.last) {
        let (from, to) = (shown(first), shown(last));
        writeln!(out, "  {} lines of the log {chain} fit: from {from} to {to}", report.lines)?;
    }
    if report.removed > 0 {
        let last = report.removed;
        writeln!(out, "  lines 1 to {last} were removed; the log begins behind checkpoint {last}")?;
    }
    proofs(report, is_anchored, out)?;
    if report.unchained > 0 {
        writeln!(out, "  {} lines before them are of no chain: nothing protects them", report.unchained)?;
    }
    if report.torn > 0 {
        writeln!(out, "  {} half lines, of processes that were killed, are kept and told of", report.torn)?;
    }
    if report.lost > 0 {
        let served = report.lost - report.lost_refused.min(report.lost);
        writeln!(out, "  {} exchanges have no line, as lines say: {served} of them may have been served", report.lost)?;
    }
    for (seq, process) in &report.not_closed {
        writeln!(
            out,
            "  process {process}, from line {seq} on, did not say that it wrote everything: it runs yet, or it was killed and what it had not written is missing"
        )?;
    }
    Ok(())
}

fn proofs(report: &Report, is_anchored: bool, out: &mut dyn Write) -> io::Result<()> {
    match (&report.proved, &report.last) {
        (Some(proved), Some(last)) => writeln!(
            out,
            "  {} checkpoints are signed, the last is {}; {} lines behind it have no signature yet",
            report.signed,
            shown(proved),
            last.seq.saturating_sub(proved.seq)
        )?,
        _ if !report.is_signed => {
            writeln!(
                out,
                "  signatures were not looked at: without --key, whoever can write the log can make it anew"
            )?;
        }
        _ => {}
    }
    if is_anchored {
        writeln!(out, "  {} checkpoints are in the anchor too", report.anchored)
    } else {
        writeln!(out, "  without --anchor, an end that was cut off does not show")
    }
}

fn shown(mark: &Mark) -> String {
    format!("{} ({})", mark.seq, mark.time)
}
