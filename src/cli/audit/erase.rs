//! `claviger audit erase` and `claviger audit pseudonym`: destroying keys of pseudonyms, and using them.

use std::collections::HashMap;
use std::io::{self, IsTerminal as _, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use memchr::{memchr, memmem};

use super::names::Names;
use super::query::Bar;
use crate::audit::Query;
use crate::audit::pseudonyms::{Field, Keys, Period};
use crate::cli::Failure;
use crate::cli::store::user;
use crate::domain::Principal;

/// Which keys to destroy.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct EraseArgs {
    /// The log, to tell how many of its records are about nobody any more, and how many about somebody yet.
    #[arg(value_name = "LOG")]
    log: Option<PathBuf>,
    /// The directory of the keys, as `[audit.pseudonyms] directory` names it.
    #[arg(long, value_name = "DIRECTORY")]
    keys: PathBuf,
    /// The key of this month, week or day: `2026-10`, `2026-W41` or `2026-10-05`.
    #[arg(long, required_unless_present = "before", conflicts_with = "before")]
    period: Option<Period>,
    /// The keys of all periods that were over when this one began.
    #[arg(long, value_name = "PERIOD")]
    before: Option<Period>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Also the key of a period that goes on: a gateway takes another one at once.
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  claviger audit erase audit.jsonl --keys audit-keys --period 2026-10
  claviger audit erase audit.jsonl --keys audit-keys --before 2026-10 --yes

Exit codes: 0 done, 1 there is no such key, or nothing was destroyed, 2 wrong arguments, or keys that cannot be used.";

/// What is told of every erasure, for it is true of each.
const CAVEAT: &str = "\
The files were overwritten and removed. Copies may be left in backups and snapshots, and where a disk or a file system writes to another
place (SSDs, copy-on-write): destroy those too.
A gateway that uses the directory tells of it in its log within seconds, or when it starts.";

impl EraseArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let keys = Keys::of(&self.keys)?;
        let now = SystemTime::now();
        let chosen = self.chosen(&keys.periods()?, now)?;
        let counted = self.log.as_deref().map(Counted::of).transpose()?;
        if !self.yes {
            self.ask(&chosen)?;
        }
        // All of it before anything is told: who reads may go away.
        chosen.iter().try_for_each(|period| keys.erase(*period, &user(), now).map(drop))?;
        for period in chosen {
            match &counted {
                Some(counted) => {
                    writeln!(out, "{period}: destroyed; {} records are about nobody any more", counted.under(period))?
                }
                None => writeln!(out, "{period}: destroyed")?,
            }
        }
        for period in keys.periods()? {
            match &counted {
                Some(counted) => {
                    writeln!(out, "{period}: is left; {} records can be traced by it", counted.under(period))?
                }
                None => writeln!(out, "{period}: is left")?,
            }
        }
        if let Some(counted) = counted.filter(|counted| counted.clear > 0) {
            writeln!(out, "{} records have no pseudonyms: they were written before there were any", counted.clear)?;
        }
        writeln!(out, "{CAVEAT}")?;
        Ok(())
    }

    fn chosen(&self, there: &[Period], now: SystemTime) -> Result<Vec<Period>, Failure> {
        let is_chosen = |one: &&Period| match (self.period, self.before) {
            (Some(period), _) => **one == period,
            (None, Some(before)) => one.end() <= before.begin(),
            (None, None) => false,
        };
        let chosen: Vec<_> = there.iter().filter(is_chosen).copied().collect();
        if chosen.is_empty() {
            let all: Vec<_> = there.iter().map(ToString::to_string).collect();
            let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
            return Err(Failure::new(
                1,
                format!("claviger: there is no such key in {}; there are: {all}", self.keys.display()),
            ));
        }
        match chosen.iter().find(|one| one.end() > now && !self.force) {
            Some(period) => Err(Failure::new(
                2,
                format!("claviger: {period} goes on, and its key is in use; `--force` destroys it all the same"),
            )),
            None => Ok(chosen),
        }
    }

    fn ask(&self, chosen: &[Period]) -> Result<(), Failure> {
        if !io::stdin().is_terminal() {
            return Err(Failure::new(2, "claviger: nobody can be asked here; say `--yes`"));
        }
        let all: Vec<_> = chosen.iter().map(ToString::to_string).collect();
        let (directory, all) = (self.keys.display(), all.join(", "));
        write!(
            io::stderr(),
            "Nobody will ever know again whom records of {all} are about, by the keys in {directory}. Write `yes` to destroy them: "
        )?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        if answer.trim() == "yes" { Ok(()) } else { Err(Failure::new(1, "claviger: nothing was destroyed")) }
    }
}

/// How many records of a log are under which key.
#[derive(Debug, Default)]
struct Counted {
    by_period: HashMap<String, u64>,
    /// Those that may name somebody in clear.
    clear: u64,
    /// What was told of keys that were destroyed.
    erasures: Erasures,
}

impl Counted {
    fn of(log: &Path) -> Result<Self, Failure> {
        let mut counted = Self { erasures: Erasures::of(log)?, ..Self::default() };
        let mut bar = Bar::new();
        let done = Query::default().scan(log, &mut |progress| bar.tell(progress), &mut |line| {
            counted.add(line);
            Ok(ControlFlow::Continue(()))
        });
        bar.end();
        done.map(|_| counted).map_err(Failure::from)
    }

    fn add(&mut self, line: &[u8]) {
        const NAMING: [&[u8]; 5] = [b"exchange", b"decision", b"revocation", b"access", b"alert"];
        match text_of(line, b"\"period\":\"") {
            // Under a key that is gone already.
            Some(period) if self.erasures.reach(period, line) => {}
            Some(period) => *self.by_period.entry(period.to_owned()).or_default() += 1,
            None => {
                let kind = line.strip_prefix(b"{\"kind\":\"").and_then(|rest| rest.split(|&b| b == b'"').next());
                self.clear += u64::from(kind.is_some_and(|kind| NAMING.contains(&kind)));
            }
        }
    }

    fn under(&self, period: Period) -> u64 {
        self.by_period.get(&period.to_string()).copied().unwrap_or(0)
    }
}

/// Keys that a log tells of as destroyed: where one was in use, the next has the same period.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    /// When the last one of a period was: the next key is in use before the log tells of that, which it may do more than once.
    last: HashMap<String, String>,
}

impl Erasures {
    /// Those of a log.
    ///
    /// # Errors
    /// Those of reading it.
    pub(super) fn of(log: &Path) -> io::Result<Self> {
        let mut all = Self::default();
        Query::default().with("kind", "erasure").scan(log, &mut |_| {}, &mut |line| {
            all.note(line);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }

    fn note(&mut self, line: &[u8]) {
        if !line.starts_with(b"{\"kind\":\"erasure\"") {
            return;
        }
        let (period, since) = (text_of(line, b"\"id\":\""), text_of(line, b"\"since\":\""));
        let Some((period, since)) = period.zip(since) else { return };
        let last = self.last.entry(period.to_owned()).or_default();
        if is_before(last, since) {
            since.clone_into(last);
        }
    }

    /// Whether a line of this period was written before its key was destroyed.
    pub(super) fn reach(&self, period: &str, line: &[u8]) -> bool {
        let erased = self.last.get(period);
        erased.is_some_and(|erased| text_of(line, b"\"time\":\"").is_none_or(|time| is_before(time, erased)))
    }
}

/// Whether a time of a log is earlier than another, in whatever parts of a second they are written.
fn is_before(one: &str, other: &str) -> bool {
    one.trim_end_matches('Z') < other.trim_end_matches('Z')
}

/// The text of a member that lines have once: within a text, quotes have a backslash in front.
pub(super) fn text_of<'l>(line: &'l [u8], member: &[u8]) -> Option<&'l str> {
    let rest = line.get(memmem::find(line, member)? + member.len()..)?;
    std::str::from_utf8(rest.get(..memchr(b'"', rest)?)?).ok()
}

/// Whose pseudonyms to tell.
#[derive(Debug, Args)]
pub struct PseudonymArgs {
    /// A principal as `AUTHENTICATOR:ID` or its id alone (what could be either is told both ways), an address, a session's id, or a reason.
    value: String,
    /// What it is.
    #[arg(long, value_enum, default_value_t = Sort::Principal)]
    of: Sort,
    /// The directory of the keys, as `[audit.pseudonyms] directory` names it.
    #[arg(long, value_name = "DIRECTORY")]
    keys: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sort {
    Principal,
    Client,
    Session,
    Reason,
}

impl PseudonymArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let field = match self.of {
            Sort::Principal => Field::Principal,
            Sort::Client => Field::Client,
            Sort::Session => Field::Session,
            Sort::Reason => Field::Reason,
        };
        let names = Names::open(Some(&self.keys))?;
        let named = Principal::parse_name(&self.value).filter(|_| matches!(self.of, Sort::Principal));
        let Some((_, id)) = named else {
            let mut all = names.pseudonyms(field, &self.value);
            return all
                .try_for_each(|(period, pseudonym)| writeln!(out, "{period}  {pseudonym}"))
                .map_err(Failure::from);
        };
        // An id may have a colon itself.
        for value in [&id, &self.value] {
            names.pseudonyms(field, value).try_for_each(|(period, one)| writeln!(out, "{period}  {one}  {value}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(period: Option<&str>, before: Option<&str>, force: bool) -> EraseArgs {
        let parse = |text: &str| text.parse().expect("a period");
        let (period, before) = (period.map(parse), before.map(parse));
        EraseArgs { log: None, keys: "keys".into(), period, before, yes: true, force }
    }

    #[test]
    fn only_what_was_meant_is_chosen_and_the_key_in_use_by_force_alone() {
        let there: Vec<Period> = ["2026-09", "2026-10-30", "2026-10", "2026-11"]
            .iter()
            .map(|text| text.parse().expect("a period"))
            .collect();
        let now = there[3].begin();
        for (period, before, force, want) in [
            (Some("2026-10"), None, false, Ok("2026-10")),
            (Some("2026-10-30"), None, false, Ok("2026-10-30")),
            (Some("2026-08"), None, true, Err(1)),
            (Some("2026-11"), None, false, Err(2)),
            (Some("2026-11"), None, true, Ok("2026-11")),
            (None, Some("2026-10"), false, Ok("2026-09")),
            (None, Some("2026-10-31"), false, Ok("2026-09 2026-10-30")),
            (None, Some("2026-11"), false, Ok("2026-09 2026-10-30 2026-10")),
            (None, Some("2026-12"), false, Err(2)),
            (None, Some("2026-09"), true, Err(1)),
        ] {
            let chosen = args(period, before, force).chosen(&there, now);
            let chosen = chosen.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            assert_eq!(chosen.map_err(|failure| failure.code), want.map(str::to_owned), "{period:?} {before:?}");
        }
    }

    #[test]
    fn records_are_counted_by_their_key_whatever_is_in_them() {
        let mut counted = Counted::default();
        for line in [
            r#"{"kind":"exchange","period":"2026-10","path":"/\",\"period\":\"2026-11"}"#,
            r#"{"kind":"decision","period":"2026-10"}"#,
            r#"{"kind":"alert","period":"2026-11"}"#,
            r#"{"kind":"exchange","path":"/\"period\":\"2026-10"}"#,
            r#"{"kind":"checkpoint"}"#,
            "half a line",
        ] {
            counted.add(line.as_bytes());
        }
        let under = |text: &str| counted.under(text.parse().expect("a period"));
        assert_eq!((under("2026-10"), under("2026-11"), under("2026-12"), counted.clear), (2, 1, 0, 1));
    }

    #[test]
    fn of_two_keys_of_one_period_each_has_its_records() {
        let mut counted = Counted::default();
        for since in ["2026-10-05T01:02:03.5Z", "2026-10-04T01:02:03Z", "2026-10-05T01:02:03.5Z"] {
            counted.erasures.note(format!(r#"{{"kind":"erasure","id":"2026-10","since":"{since}"}}"#).as_bytes());
        }
        for (time, count) in [("03Z", 0), ("03.499999Z", 0), ("03.5Z", 1), ("03.500001Z", 2), ("04Z", 3)] {
            counted.add(
                format!(r#"{{"kind":"exchange","time":"2026-10-05T01:02:{time}","period":"2026-10"}}"#).as_bytes(),
            );
            assert_eq!(counted.under("2026-10".parse().expect("a period")), count, "{time}");
        }
    }
}
