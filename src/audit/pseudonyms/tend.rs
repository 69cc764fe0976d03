//! What becomes of keys: old ones are destroyed, and the log tells of each that was, whoever destroyed it.
//!
//! A thread of its own does it. During an upgrade two processes may: a note that one tells of, it has locked.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, SystemTime};

use super::keys::Note;
use super::{KeyFault, Keys, Phrase, Pseudonyms};
use crate::audit::log::Shared;
use crate::audit::{Act, Deed, Entry};
use crate::domain::unhurried;

/// Keeps the thread; it ends when this is dropped.
pub(in crate::audit) struct Tender {
    _alive: SyncSender<()>,
}

/// How often it is looked for notes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After how many looks it is looked for what is old.
const LOOKS: u32 = 600;

impl Tender {
    /// Starts the thread.
    pub(in crate::audit) fn start(settings: &Pseudonyms, shared: Arc<Shared>) -> io::Result<Self> {
        let (keys, keep) = (Keys::of(&settings.directory)?, settings.keep);
        let (alive, ended) = mpsc::sync_channel(1);
        thread::Builder::new().name("audit-keys".to_owned()).spawn(move || run(&keys, keep, &shared, &ended))?;
        Ok(Self { _alive: alive })
    }
}

fn run(keys: &Keys, keep: Option<Duration>, shared: &Shared, ended: &Receiver<()>) {
    let mut looks = 0;
    loop {
        let now = SystemTime::now();
        let done = if looks % LOOKS == 0 { erase_old(keys, keep, unhurried(now)) } else { Ok(()) };
        let done = done.and_then(|()| tell(keys, shared));
        if let Err(fault) = done
            && looks % LOOKS == 0
        {
            log::error!("the keys of the audit log's pseudonyms cannot be looked after: {fault}");
        }
        looks = looks.wrapping_add(1);
        if ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// Destroys the keys of periods that ended so long ago.
pub(super) fn erase_old(keys: &Keys, keep: Option<Duration>, now: SystemTime) -> Result<(), KeyFault> {
    let Some(oldest) = keep.and_then(|keep| now.checked_sub(keep)) else { return Ok(()) };
    let mut done = Ok(());
    for period in keys.periods()?.into_iter().filter(|period| period.end() <= oldest) {
        match keys.erase(period, "claviger", now) {
            Ok(_) => log::info!(period:%; "a key of the audit log's pseudonyms is destroyed, as `keep` says"),
            // The others are destroyed nevertheless.
            Err(fault) => done = done.and(Err(fault)),
        }
    }
    done
}

/// Tells of those that were destroyed: at least once, since a note is removed when its line is written.
fn tell(keys: &Keys, shared: &Shared) -> Result<(), KeyFault> {
    for note in keys.notes()? {
        let written = shared.queue.submit_durably(Entry::from(act(&note)));
        if written.is_some_and(|written| written.blocking_recv().is_ok())
            && let Err(error) = note.told()
        {
            log::error!(error:%; "an erasure is told again: its note cannot be removed");
        }
    }
    Ok(())
}

fn act(note: &Note) -> Act {
    Act {
        time: SystemTime::now(),
        deed: Deed::Erased,
        id: note.period.to_string(),
        of: Phrase::plain(format!("period:{}", note.period)),
        reason: String::new(),
        by: Phrase::who(&note.by),
        since: note.at,
        until: None,
        approval: None,
        ticket: None,
        terms: None,
    }
}
