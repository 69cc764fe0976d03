//! The closed set of providers: how each one looks for change and reads.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::domain::Secret;

use super::command::Program;
use super::files::{self, Access, ReadError, Stamp};
use super::hashicorp::Hashicorp;
use super::key_source::{self, load_key};
use super::oauth2::Tokens;
use super::sealed::{SealedFile, check_secret};
use super::secrets_manager::SecretsManager;
use super::{Entries, KeySource, Kind, MAX_SECRET, VaultError};

/// One source of secrets, ready to be read.
#[derive(Debug)]
pub(super) enum Provider {
    /// See [`Kind::SealedFile`].
    SealedFile { file: SealedFile, key: KeySource },
    /// See [`Kind::Environment`].
    Environment { prefix: String },
    /// See [`Kind::Directory`].
    Directory { root: PathBuf },
    /// See [`Kind::Hashicorp`].
    Hashicorp(Box<Mutex<Hashicorp>>),
    /// See [`Kind::SecretsManager`].
    SecretsManager(Box<Mutex<SecretsManager>>),
    /// See [`Kind::Command`].
    Command(Box<Mutex<Program>>),
    /// See [`Kind::Oauth2`].
    Oauth2(Box<Mutex<Tokens>>),
}

/// The longest that anything is taken to last, in seconds: a year. A server may say more than a clock can count.
pub(super) const LONGEST: u64 = 366 * 24 * 3600;

/// How long something lasts of which a server says so many seconds.
pub(super) fn lasting(seconds: u64) -> Duration {
    Duration::from_secs(seconds.min(LONGEST))
}

/// What was seen of a source when a secret was read from it; as long as it is the same, so is the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// The source never changes.
    Constant,
    /// One file.
    File(Stamp),
    /// A sealed file and its key's file.
    Sealed(Stamp, Option<Stamp>),
    /// What a server said when it was asked this often.
    Version(u64),
    /// Nobody is asked before that.
    Until(Instant),
}

/// What a look at one secret found.
#[derive(Debug)]
pub(super) enum Look {
    /// The source is as it was at the mark.
    Unchanged,
    /// It is not time to ask again.
    NotDue,
    /// It is as it was when it was last asked for, and good until its lease ends.
    Renewed {
        /// When the lease is over.
        ends: Option<Instant>,
        /// When the source last said so; now, where that is left out.
        confirmed: Option<Instant>,
    },
    /// The source answered.
    Read {
        /// Without one, it has to be read again next time.
        mark: Option<Mark>,
        /// The secret, or what is wrong with it.
        outcome: Result<Secret, VaultError>,
        /// When its lease is over.
        ends: Option<Instant>,
        /// When the source said so, which may have been for another secret of the same document; now, where that is left out.
        confirmed: Option<Instant>,
    },
}

impl Look {
    /// A secret without a lease, or what is wrong with it.
    fn read(mark: Option<Mark>, outcome: Result<Secret, VaultError>) -> Self {
        Self::Read { mark, outcome, ends: None, confirmed: None }
    }
}

/// What sort of source a provider is.
pub(super) struct Nature {
    /// Whether looking may wait for others, so that nobody who compiles a configuration does.
    pub(super) is_remote: bool,
    /// Whether others are asked with the secrets of vaults that are remote themselves. The access key of one of AWS is of a local vault, and
    /// so is there before anybody is asked: what needs its secrets in turn comes after it.
    pub(super) needs_others: bool,
    /// Whether two paths can never mean the same secret.
    pub(super) tells_paths_apart: bool,
    /// Whether another value can be had for the asking.
    pub(super) can_renew: bool,
    /// Whether it has what [`Provider::close`] ends.
    pub(super) gives_back: bool,
}

const LOCAL: Nature =
    Nature { is_remote: false, needs_others: false, tells_paths_apart: true, can_renew: false, gives_back: false };
const REMOTE: Nature = Nature { is_remote: true, ..LOCAL };

impl Provider {
    pub(super) fn new(kind: &Kind) -> Self {
        match kind.clone() {
            Kind::SealedFile { path, key } => Self::SealedFile { file: SealedFile::new(path), key },
            Kind::Environment { prefix } => Self::Environment { prefix },
            Kind::Directory { path } => Self::Directory { root: path },
            Kind::Hashicorp(settings) => Self::Hashicorp(Box::new(Mutex::new(Hashicorp::new(&settings)))),
            Kind::SecretsManager(settings) => {
                Self::SecretsManager(Box::new(Mutex::new(SecretsManager::new(&settings))))
            }
            Kind::Oauth2(settings) => Self::Oauth2(Box::new(Mutex::new(Tokens::new(&settings)))),
            Kind::Command(settings) => Self::Command(Box::new(Mutex::new(Program::new(&settings)))),
        }
    }

    /// What sort of source it is.
    pub(super) fn nature(&self) -> Nature {
        match self {
            Self::SealedFile { .. } | Self::Directory { .. } => LOCAL,
            // All but letters and digits are one character there.
            Self::Environment { .. } => Nature { tells_paths_apart: false, ..LOCAL },
            Self::Hashicorp(_) => Nature { gives_back: true, ..REMOTE },
            Self::SecretsManager(_) | Self::Command(_) => REMOTE,
            Self::Oauth2(_) => Nature { needs_others: true, can_renew: true, ..REMOTE },
        }
    }

    /// Whether the path may lead to a secret of another name. The end of an ARN may be left out at AWS, so that in one of `users/ada-XXXXXX` it
    /// is whatever ends a name; names themselves hold no `:`.
    pub(super) fn guesses(&self, path: &str) -> bool {
        match self {
            Self::SecretsManager(_) => path.split('#').next().is_some_and(|name| name.contains(':')),
            Self::SealedFile { .. }
            | Self::Environment { .. }
            | Self::Directory { .. }
            | Self::Hashicorp(_)
            | Self::Command(_)
            | Self::Oauth2(_) => false,
        }
    }

    /// The sealed file and where its key is, where that is what it is.
    pub(super) fn sealed(&self) -> Option<(PathBuf, KeySource)> {
        match self {
            Self::SealedFile { file, key } => Some((file.path().to_owned(), key.clone())),
            Self::Environment { .. }
            | Self::Directory { .. }
            | Self::Hashicorp(_)
            | Self::SecretsManager(_)
            | Self::Command(_)
            | Self::Oauth2(_) => None,
        }
    }

    /// Forgets all but these paths.
    pub(super) fn keep(&self, used: &HashSet<String>) {
        match self {
            Self::Hashicorp(server) => lock(server).keep(used),
            Self::SecretsManager(server) => lock(server).keep(used),
            Self::Command(program) => lock(program).keep(used),
            Self::SealedFile { .. } | Self::Environment { .. } | Self::Directory { .. } | Self::Oauth2(_) => {}
        }
    }

    /// Ends what was had for this process alone.
    pub(super) fn close(&self, within: Duration) {
        if let Self::Hashicorp(server) = self {
            lock(server).close(within);
        }
    }

    /// Begins a pass over some of its secrets.
    pub(super) fn pass(&self) -> Pass<'_> {
        Pass { provider: self, mark: OnceCell::new(), opened: OnceCell::new() }
    }
}

/// One pass: what all secrets of a source have in common is looked at once, and a sealed file opened at most once and closed at the end, so
/// that secrets nobody uses do not stay in memory.
pub(super) struct Pass<'a> {
    provider: &'a Provider,
    mark: OnceCell<Result<Mark, VaultError>>,
    opened: OnceCell<Result<(Entries, Option<Mark>), VaultError>>,
}

impl Pass<'_> {
    /// Looks at one secret, and reads it unless it is as it was at the mark.
    ///
    /// # Errors
    /// When the source does not answer.
    pub(super) fn look(&self, path: &str, seen: Option<Mark>, now: Instant) -> Result<Look, VaultError> {
        match self.provider {
            Provider::Hashicorp(server) => lock(server).look(path, seen, now),
            Provider::SecretsManager(server) => lock(server).look(path, seen, now),
            Provider::Command(program) => lock(program).look(path, seen, now),
            Provider::Oauth2(tokens) => lock(tokens).look(seen, now),
            Provider::SealedFile { file, key } => self.look_in_sealed(file, key, path, seen),
            Provider::Environment { .. } if seen.is_some() => Ok(Look::Unchanged),
            Provider::Environment { prefix } => Ok(Look::read(Some(Mark::Constant), read_variable(prefix, path))),
            Provider::Directory { root } => look_in_directory(root, path, seen),
        }
    }

    fn look_in_sealed(
        &self,
        file: &SealedFile,
        key: &KeySource,
        path: &str,
        seen: Option<Mark>,
    ) -> Result<Look, VaultError> {
        if seen.is_some() {
            let mark = (*self.mark.get_or_init(|| Ok(Mark::Sealed(file.stamp()?, key_source::stamp(key)?))))?;
            if seen == Some(mark) {
                return Ok(Look::Unchanged);
            }
        }
        let (entries, mark) = self.opened.get_or_init(|| open(file, key)).as_ref().map_err(|error| *error)?;
        let secret = entries.get(path).ok_or(VaultError::NotFound).and_then(|secret| {
            check_secret(secret)?;
            Ok(Secret::new(secret.expose().to_vec()))
        });
        Ok(Look::read(*mark, secret))
    }
}

fn lock<T>(one: &Mutex<T>) -> MutexGuard<'_, T> {
    one.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(file: &SealedFile, key: &KeySource) -> Result<(Entries, Option<Mark>), VaultError> {
    // Before the key is read: when it changes in between, the next pass sees another stamp.
    let key_stamp = key_source::stamp(key)?;
    let (entries, stamp) = file.read_stamped(&load_key(key)?)?;
    let now = SystemTime::now();
    let settled = stamp.is_settled(now) && key_stamp.is_none_or(|stamp| stamp.is_settled(now));
    Ok((entries, settled.then_some(Mark::Sealed(stamp, key_stamp))))
}

fn look_in_directory(root: &Path, path: &str, seen: Option<Mark>) -> Result<Look, VaultError> {
    // References were checked when they were parsed; a path that leaves the directory must not depend on that alone.
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) || path.contains('\0') {
        return Ok(Look::read(None, Err(VaultError::Escapes)));
    }
    let file = root.join(path);
    if seen.is_some() && Stamp::of(&file).is_ok_and(|stamp| seen == Some(Mark::File(stamp))) {
        return Ok(Look::Unchanged);
    }
    match files::read(&file, MAX_SECRET, Access::Any) {
        Ok((mut content, stamp)) => {
            let secret = Secret::new(std::mem::take(&mut *content)).trim_line_end();
            let checked = check_secret(&secret).map(|()| secret);
            Ok(Look::read(stamp.is_settled(SystemTime::now()).then_some(Mark::File(stamp)), checked))
        }
        // The name is gone while the directory answers: removed, not away.
        Err(ReadError::Io(error)) if is_absent(error.kind()) && root.is_dir() => {
            Ok(Look::read(None, Err(VaultError::NotFound)))
        }
        Err(error) => Err(error.of_vault()),
    }
}

fn is_absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn read_variable(prefix: &str, path: &str) -> Result<Secret, VaultError> {
    let value: OsString = std::env::var_os(variable_name(prefix, path)).ok_or(VaultError::NotFound)?;
    let secret = Secret::new(value.into_vec());
    check_secret(&secret).map(|()| secret)
}

fn variable_name(prefix: &str, path: &str) -> String {
    let fold = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    prefix.chars().chain(path.chars().map(fold)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_by_prefix_and_path() {
        for (prefix, path, want) in
            [("APP_", "stripe/api-key", "APP_STRIPE_API_KEY"), ("", "token", "TOKEN"), ("app.", "a.b=c", "app.A_B_C")]
        {
            assert_eq!(variable_name(prefix, path), want);
        }
    }
}
