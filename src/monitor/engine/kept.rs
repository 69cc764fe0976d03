//! What is usual, written down and read again: who restarts or upgrades a gateway is not to lose what took weeks to learn.
//!
//! Lines of JSON, so that a later version can read what an earlier one wrote: a head, and for each table its name and a line for each who has a place
//! in it. What counts within minutes or hours is not kept, and alerts are cleared by whoever ends.

use std::io::{self, BufRead, Read as _, Write};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Engine;
use crate::monitor::hitters::Hitters;
use crate::monitor::settings::Settings;

/// The form of what is written. Who changes what a member means, counts it up; members may come and go without.
const FORM: u32 = 1;
/// The longest line that is read: several times what anybody has.
const LONGEST: u64 = 64 << 10;

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    /// [`FORM`].
    form: u32,
    /// What keys the numbers of principals, networks and routes.
    secret: [u8; 16],
    /// The time of the latest record.
    until: u32,
}

/// How far writing has come.
#[derive(Debug, Default)]
pub struct Progress {
    table: usize,
    nth: usize,
}

/// Why nothing could be read.
#[derive(Debug)]
pub enum Unread {
    /// It is not there, or cannot be read.
    Io(io::Error),
    /// It is not what was written.
    Broken(serde_json::Error),
    /// It was written by a version that means something else by it.
    Form(u32),
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Broken(error) => write!(f, "it is damaged: {error}"),
            Self::Form(form) => write!(f, "it is of form {form}, and this version reads form {FORM}"),
        }
    }
}

impl std::error::Error for Unread {}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<serde_json::Error> for Unread {
    fn from(error: serde_json::Error) -> Self {
        Self::Broken(error)
    }
}

impl Engine {
    /// Writes the next so many of what is usual; tells whether that was all. Records may be looked at in between: each line is true by itself.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, progress: &mut Progress, most: usize, to: &mut impl Write) -> io::Result<bool> {
        if (progress.table, progress.nth) == (0, 0) {
            line(to, &Head { form: FORM, secret: *self.keys.secret(), until: self.now })?;
        }
        let mut left = most;
        while let Some(name) = TABLES.get(progress.table) {
            if progress.nth == 0 {
                line(to, name)?;
            }
            let written = match name {
                Table::Principals => lines(to, &self.principals, progress.nth, left)?,
                Table::Uses => lines(to, &self.uses, progress.nth, left)?,
                Table::Routes => lines(to, &self.routes, progress.nth, left)?,
                Table::Users => lines(to, &self.users, progress.nth, left)?,
            };
            progress.nth += written;
            left -= written;
            if left == 0 {
                return Ok(false);
            }
            *progress = Progress { table: progress.table + 1, nth: 0 };
        }
        Ok(true)
    }

    /// One that knows what was written.
    ///
    /// # Errors
    /// [`Unread`]; then nothing is known.
    pub fn read(settings: Arc<Settings>, from: &mut impl BufRead) -> Result<Self, Unread> {
        let mut text = Vec::new();
        next(from, &mut text)?;
        let head: Head = serde_json::from_slice(&text)?;
        if head.form != FORM {
            return Err(Unread::Form(head.form));
        }
        let mut engine = Self { now: head.until, ..Self::new(settings, &head.secret) };
        let mut table = None;
        while next(from, &mut text)? {
            if text.starts_with(b"\"") {
                // What a later version keeps besides, this one does not know.
                table = serde_json::from_slice(&text).ok();
                continue;
            }
            match table {
                Some(Table::Principals) => put_back(&mut engine.principals, &text)?,
                Some(Table::Uses) => put_back(&mut engine.uses, &text)?,
                Some(Table::Routes) => put_back(&mut engine.routes, &text)?,
                Some(Table::Users) => put_back(&mut engine.users, &text)?,
                None => {}
            }
        }
        Ok(engine)
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Table {
    Principals,
    Uses,
    Routes,
    Users,
}

const TABLES: [Table; 4] = [Table::Principals, Table::Uses, Table::Routes, Table::Users];

fn line(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.write_all(b"\n")
}

fn lines<V: Default + Serialize>(
    to: &mut impl Write,
    table: &Hitters<V>,
    nth: usize,
    most: usize,
) -> io::Result<usize> {
    let mut written = 0;
    for slot in table.from(nth).take(most) {
        line(to, &slot)?;
        written += 1;
    }
    Ok(written)
}

fn put_back<V: Default + DeserializeOwned>(table: &mut Hitters<V>, text: &[u8]) -> Result<(), Unread> {
    let (key, weight, value): (u64, f64, V) = serde_json::from_slice(text)?;
    table.put_back(key, weight.max(0.0), value);
    Ok(())
}

/// Reads the next line; tells whether there was one.
fn next(from: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<bool> {
    text.clear();
    from.take(LONGEST).read_until(b'\n', text)?;
    Ok(!text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "{\"form\":1,\"secret\":[7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7],\"until\":1700000000}\n";

    fn read(text: &str) -> Result<Engine, Unread> {
        Engine::read(Arc::new(Settings::default()), &mut text.as_bytes())
    }

    fn written(engine: &Engine, most: usize) -> String {
        let (mut to, mut progress) = (Vec::new(), Progress::default());
        while !engine.write(&mut progress, most, &mut to).expect("written") {}
        String::from_utf8(to).expect("text")
    }

    #[test]
    fn what_is_written_is_read_again_in_pieces_of_any_length() {
        let text = format!(
            "{HEAD}\"principals\"\n[1,9.5,{{\"requests\":7,\"networks\":[[5,1700000000]]}}]\n[2,3.0,{{}}]\n\"uses\"\n\
             \"routes\"\n[4,8.0,{{}}]\n\"users\"\n[6,1.0,{{\"Few\":[1,2]}}]\n[7,1.0,{{\"Many\":[3,0,9]}}]\n"
        );
        let engine = read(&text).expect("an engine");
        assert_eq!((engine.principals.len(), engine.uses.len(), engine.routes.len()), (2, 0, 1));
        assert!(engine.principals.look(1).is_some_and(|habits| habits.knows_network(5)));
        let whole = written(&engine, usize::MAX);
        for most in 1..8 {
            assert_eq!(written(&engine, most), whole, "{most} at once");
        }
        assert_eq!(written(&read(&whole).expect("an engine"), 3), whole);
    }

    #[test]
    fn what_a_later_version_keeps_besides_is_left_out() {
        let text = format!("{HEAD}\"moods\"\n[1,{{}}]\n\"principals\"\n[1,9.5,{{\"requests\":7,\"mood\":[1]}}]\n");
        assert_eq!(read(&text).expect("an engine").principals.len(), 1);
    }

    #[test]
    fn what_is_not_what_was_written_is_refused() {
        let cases = [
            ("", "damaged"),
            ("{}\n", "damaged"),
            (&HEAD.replace("\"form\":1", "\"form\":2"), "form 2"),
            (&format!("{HEAD}\"principals\"\n[1,9.5,{{\"requests\":7"), "damaged"),
            (&format!("{HEAD}\"principals\"\n[1,null,{{}}]\n"), "damaged"),
            (&format!("{HEAD}\"users\"\n[1,2.0,{{\"Many\":[{}0]}}]\n", "0,".repeat(40_000)), "damaged"),
        ];
        for (text, why) in cases {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn of_more_than_there_is_room_for_the_heaviest_stay() {
        let lines: String = (1..=100).map(|n| format!("[{n},{}.0,{{}}]\n", n % 50)).collect();
        let mut settings = Settings::default();
        settings.max_principals = 10;
        let text = format!("{HEAD}\"principals\"\n{lines}");
        let engine = Engine::read(Arc::new(settings), &mut text.as_bytes()).expect("an engine");
        assert_eq!(engine.principals.len(), 10);
        assert!([49, 48, 47, 99, 98].iter().all(|key| engine.principals.look(*key).is_some()));
    }
}
