//! `claviger vault`: making and changing sealed files. A secret comes from a prompt or standard input, never from an argument, which every
//! user of the machine could read.

mod prompt;

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Failure, RotateArgs, StatusArgs};
use crate::crypto::MasterKey;
use crate::domain::{Secret, SecretRef};
use crate::vault::{KeySource, RekeyFault, SealedFile, VaultError, create_key, load_key, rekey, reseal};

pub(super) use prompt::ask;

/// Make and change sealed files of secrets, replace a secret, and show how all stand.
#[derive(Debug, Subcommand)]
pub enum VaultCommand {
    #[command(flatten)]
    /// What is done to a file, whether a gateway runs or not.
    File(FileCommand),
    /// Replace a secret now, as `[rotation.NAME]` says; the gateway that runs does it. Exit code 1 when the old one stays.
    Rotate(RotateArgs),
    /// Show the secrets that the running gateway uses: age, lease, stage, last error; never a value.
    Status(StatusArgs),
}

impl VaultCommand {
    /// Does it, and says on `out` what was done.
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::File(command) => command.run_with(ask, out).map_err(Failure::from),
            Self::Rotate(args) => args.run(out),
            Self::Status(args) => args.run(out),
        }
    }
}

/// Make and change sealed files of secrets.
#[derive(Debug, Subcommand)]
pub enum FileCommand {
    /// Make an empty sealed file, and with --key-file a new master key for it; overwrites neither.
    Init {
        /// The sealed file to make.
        file: PathBuf,
        /// Where the master key is or goes.
        #[command(flatten)]
        key: MasterKeyArgs,
    },
    /// Add or replace a secret; its value is asked for, or read from standard input when that is no terminal.
    Set {
        /// The sealed file.
        file: PathBuf,
        /// The secret's path, as in `vault:PATH`.
        #[arg(value_parser = secret_path)]
        name: String,
        /// Where the master key is.
        #[command(flatten)]
        key: MasterKeyArgs,
    },
    /// List the names of the secrets, one a line.
    List {
        /// The sealed file.
        file: PathBuf,
        /// Where the master key is.
        #[command(flatten)]
        key: MasterKeyArgs,
        /// Print a JSON array instead.
        #[arg(long)]
        json: bool,
    },
    /// Seal files with a new master key, which takes the old one's place. Ended in the middle, the same command finishes it.
    ///
    /// Name every file that the key opens; the old key is in KEY_FILE.old then. A gateway that runs takes the files and the key as they change, and
    /// needs no reload; but where its key is in an environment variable, it has to be started anew with the new one, within `max_stale`.
    /// Copies that were made before open with the old key alone.
    Rekey {
        /// The sealed files: all that the key opens.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Where the master key is.
        #[command(flatten)]
        key: MasterKeyArgs,
        /// Leave the old key where it is, and put the new one here; a key that is here already is taken.
        #[arg(long, value_name = "FILE")]
        new_key_file: Option<PathBuf>,
    },
    /// Remove a secret.
    Rm {
        /// The sealed file.
        file: PathBuf,
        /// The secret's path.
        name: String,
        /// Where the master key is.
        #[command(flatten)]
        key: MasterKeyArgs,
    },
}

/// Where the master key is.
#[derive(Debug, Args)]
pub struct MasterKeyArgs {
    /// The file that holds the master key; only its owner may access it.
    #[arg(long, value_name = "FILE", conflicts_with = "key_env")]
    pub key_file: Option<PathBuf>,
    /// The environment variable that holds the master key, where no file does.
    #[arg(long, value_name = "VARIABLE", default_value = "CLAVIGER_MASTER_KEY")]
    pub key_env: String,
}

impl FileCommand {
    fn run_with(
        &self,
        ask: impl FnOnce(&str) -> io::Result<Secret>,
        out: &mut dyn Write,
    ) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Init { file, key } => init(file, key, out)?,
            Self::Set { file, name, key } => {
                let key = key.load()?;
                // Asked for before the file is locked, so that nobody waits for somebody's typing.
                let secret = ask(name)?;
                SealedFile::new(file.clone()).update(&key, |all| all.set(name, secret)).map_err(|e| about(file, e))?;
                writeln!(out, "{name} is set")?;
            }
            Self::List { file, key, json } => {
                let entries = SealedFile::new(file.clone()).read(&key.load()?).map_err(|e| about(file, e))?;
                match json {
                    true => writeln!(out, "{}", serde_json::Value::from_iter(entries.names()))?,
                    false => entries.names().try_for_each(|name| writeln!(out, "{name}"))?,
                }
            }
            Self::Rekey { files, key, new_key_file } => replace_key(files, key, new_key_file.as_deref(), out)?,
            Self::Rm { file, name, key } => {
                let key = key.load()?;
                SealedFile::new(file.clone()).update(&key, |all| all.remove(name)).map_err(|e| about(file, e))?;
                writeln!(out, "{name} is removed")?;
            }
        }
        Ok(())
    }
}

impl MasterKeyArgs {
    fn load(&self) -> Result<MasterKey, String> {
        match &self.key_file {
            Some(file) => load_key(&KeySource::File(file.clone())).map_err(|e| about(file, e)),
            None if std::env::var_os(&self.key_env).is_none() => Err(format!(
                "where is the master key? give --key-file, or set the environment variable {}",
                self.key_env
            )),
            None => load_key(&KeySource::Env(self.key_env.clone()))
                .map_err(|e| format!("environment variable {}: {e} (or give --key-file)", self.key_env)),
        }
    }
}

fn init(file: &Path, key: &MasterKeyArgs, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let Some(key_file) = &key.key_file else {
        SealedFile::new(file.to_owned()).create(&key.load()?).map_err(|e| about(file, e))?;
        writeln!(out, "{} is ready", file.display())?;
        return Ok(());
    };
    let master = create_key(key_file).map_err(|e| about(key_file, e))?;
    if let Err(error) = SealedFile::new(file.to_owned()).create(&master) {
        // Made a moment ago, and nothing is sealed with it.
        std::fs::remove_file(key_file)?;
        return Err(about(file, error).into());
    }
    writeln!(out, "{} is ready, and {} opens it.", file.display(), key_file.display())?;
    writeln!(out, "Keep a copy of the key somewhere else: without it, nothing opens the file.")?;
    Ok(())
}

const KEPT: &str = "a key from before is there: move it where copies of that time are, or remove it. If this command was ended before, all is done";

fn replace_key(
    files: &[PathBuf],
    key: &MasterKeyArgs,
    new_key_file: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    let told = |(path, error): RekeyFault| {
        let is_kept = error == VaultError::Unwritable(io::ErrorKind::AlreadyExists);
        if is_kept { about(&path, KEPT) } else { about(&path, error) }
    };
    let (holds, kept) = match (new_key_file, &key.key_file) {
        (Some(new), old) if old.as_deref() == Some(new) => {
            return Err(
                "the new key goes into another file than the old one; leave out --new-key-file to have it replaced"
                    .into(),
            );
        }
        (Some(new), _) => {
            reseal(files, &key.load()?, new).map_err(told)?;
            (new, None)
        }
        (None, Some(file)) => (file.as_path(), Some(rekey(files, file).map_err(told)?)),
        (None, None) => {
            return Err("where does the new key go? give --new-key-file, or --key-file of the old one".into());
        }
    };
    for file in files {
        writeln!(out, "{} is sealed anew, and {} opens it.", file.display(), holds.display())?;
    }
    if let Some(kept) = kept.map(|kept| kept.display().to_string()) {
        writeln!(out, "{kept} is the old key, which opens copies from before: move it where they are, or remove it.")?;
    }
    writeln!(out, "Keep a copy of the new key somewhere else: without it, nothing opens these files.")?;
    Ok(())
}

fn about(path: &Path, error: impl Display) -> String {
    format!("{}: {error}", path.display())
}

/// A path that a reference can name.
fn secret_path(text: &str) -> Result<String, String> {
    SecretRef::parse(&format!("vault:{text}")).map(|name| name.path).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(subcommand)]
        command: FileCommand,
    }

    /// What the command line prints, or its error; `value` is what the prompt gets.
    fn run(line: &[&str], value: &[u8]) -> Result<String, String> {
        let cli = Cli::try_parse_from([&["vault"], line].concat()).map_err(|e| e.to_string())?;
        let mut out = Vec::new();
        cli.command.run_with(|_| prompt::read_all(&mut &value[..]), &mut out).map_err(|e| e.to_string())?;
        Ok(String::from_utf8(out).expect("text"))
    }

    struct Fixture {
        _dir: tempfile::TempDir,
        file: String,
        key: String,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a directory");
            let at = |name| dir.path().join(name).display().to_string();
            Self { file: at("secrets.sealed"), key: at("master.key"), _dir: dir }
        }

        fn run(&self, command: &str, name: &[&str], value: &[u8]) -> Result<String, String> {
            run(&[&[command, &self.file], name, &["--key-file", &self.key]].concat(), value)
        }
    }

    #[test]
    fn secrets_are_set_listed_and_removed() {
        let f = Fixture::new();
        assert!(f.run("init", &[], b"").expect("made").contains("is ready"));
        for path in [&f.file, &f.key] {
            assert_eq!(std::fs::metadata(path).expect("there").permissions().mode() & 0o777, 0o600, "{path}");
        }
        assert_eq!(f.run("list", &[], b""), Ok(String::new()));
        assert_eq!(f.run("set", &["stripe/api-key"], b"canary-4711\n"), Ok("stripe/api-key is set\n".to_owned()));
        f.run("set", &["a"], b"x").expect("set");
        assert_eq!(f.run("list", &[], b""), Ok("a\nstripe/api-key\n".to_owned()));
        assert_eq!(f.run("list", &["--json"], b""), Ok("[\"a\",\"stripe/api-key\"]\n".to_owned()));
        let key = load_key(&KeySource::File(f.key.clone().into())).expect("a key");
        let entries = SealedFile::new(f.file.clone().into()).read(&key).expect("read");
        assert_eq!(entries.get("stripe/api-key").expect("there").expose(), b"canary-4711");
        f.run("rm", &["a"], b"").expect("removed");
        assert_eq!(f.run("list", &[], b""), Ok("stripe/api-key\n".to_owned()));
    }

    #[test]
    fn errors_name_the_file_and_the_cure_and_no_value() {
        let f = Fixture::new();
        f.run("init", &[], b"").expect("made");
        let long = [7; crate::vault::MAX_SECRET + 1];
        for (command, name, value, want) in [
            ("init", &[][..], &b""[..], "master.key: the file cannot be written: entity already exists"),
            ("rm", &["none"], b"", "secrets.sealed: the vault has no secret of this name"),
            ("set", &["a"], b"\n", "secrets.sealed: the secret is empty"),
            ("set", &["a"], &long, "larger than is taken"),
            ("set", &["../a"], b"canary-4711", "a secret's path is"),
            ("set", &["a", "canary-4711"], b"", "unexpected argument"),
        ] {
            let error = f.run(command, name, value).expect_err("an error");
            assert!(error.contains(want), "{error}");
            assert!(value.is_empty() || !error.contains("4711"), "{error}");
        }
        std::fs::set_permissions(&f.key, PermissionsExt::from_mode(0o644)).expect("set");
        let error = f.run("list", &[], b"").expect_err("an error");
        assert!(error.contains("master.key") && error.contains("chmod 600"), "{error}");
        let error = run(&["list", &f.file, "--key-env", "CLAVIGER_TEST_UNSET"], b"").expect_err("an error");
        assert!(error.contains("CLAVIGER_TEST_UNSET") && error.contains("--key-file"), "{error}");
    }

    #[test]
    fn a_new_key_takes_the_old_ones_place_or_lies_beside_it() {
        let f = Fixture::new();
        f.run("init", &[], b"").expect("made");
        f.run("set", &["a"], b"x").expect("set");
        let told = f.run("rekey", &[], b"").expect("sealed anew");
        assert!(told.contains("secrets.sealed is sealed anew, and") && told.contains("master.key opens it"), "{told}");
        assert_eq!(f.run("list", &[], b""), Ok("a\n".to_owned()));
        let next = format!("{}.next", f.key);
        // Done again, it is as it was.
        for _ in 0..2 {
            let told = f.run("rekey", &["--new-key-file", &next], b"").expect("sealed anew");
            assert!(told.contains("master.key.next opens it"), "{told}");
        }
        assert!(f.run("list", &[], b"").expect_err("another key").contains("does not open"));
        assert_eq!(run(&["list", &f.file, "--key-file", &next], b""), Ok("a\n".to_owned()));
        let same =
            run(&["rekey", &f.file, "--key-file", &next, "--new-key-file", &next], b"").expect_err("the same key");
        assert!(same.contains("another file"), "{same}");
        let error = f.run("rekey", &[], b"").expect_err("the key before it is there");
        assert!(error.contains("master.key.old: a key from before is there"), "{error}");
    }

    #[test]
    fn init_overwrites_nothing_and_leaves_no_key_without_a_file() {
        let f = Fixture::new();
        std::fs::write(&f.file, "precious").expect("written");
        assert!(f.run("init", &[], b"").expect_err("refused").contains("already exists"));
        assert_eq!(std::fs::read(&f.file).expect("read"), b"precious");
        assert!(!Path::new(&f.key).exists());
    }
}
