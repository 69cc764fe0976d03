//! `claviger key`: making API keys for callers, and digests of their passwords; and which keys there are.

mod list;

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::Failure;
use crate::crypto::{ApiKeyRecord, MasterKey, SigningKey, api_key};
use crate::domain::{Name, Principal, Secret};

pub use list::ListKeys;

/// Make API keys and password digests for callers, and show which keys a configuration takes.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key: prints it once, with what to put into the configuration, which holds no secret.
    New(NewKey),
    /// Show the keys that a configuration takes: whose they are, what they confer, until when and from where; nothing that proves one.
    List(ListKeys),
    /// Make a private key for `[identity_token]`: prints it in PEM, for `claviger vault set`. Whoever has it can speak for the gateway.
    Identity,
    /// Make a private key that signs the audit log's checkpoints: prints it in PEM, for `claviger vault set`, and writes its public half, which
    /// `claviger audit verify` takes, to a file.
    Audit {
        /// Where the public half goes; the file must not be there yet.
        #[arg(long, value_name = "FILE")]
        public: PathBuf,
    },
    /// Make a key that seals what the gateway keeps in its store, such as the keys that sign sessions: prints it, for `claviger vault set`.
    Sealing,
    /// Make the digest of a password, which is asked for, or read from standard input when that is no terminal.
    Password(super::NewPassword),
}

/// What a new key is for.
#[derive(Debug, Args)]
pub struct NewKey {
    /// The id of the principal that the key proves.
    #[arg(long, value_parser = id)]
    pub owner: String,
    /// A role of that principal; may be given more than once.
    #[arg(long = "role", value_name = "ROLE", value_parser = id)]
    pub roles: Vec<String>,
    /// The key's name in the configuration; the public part of the key where none is given.
    #[arg(long, value_parser = Name::parse)]
    pub name: Option<Name>,
    /// When the key ends: a time from now (`90d`) or an instant (`2030-01-01T00:00:00Z`). Without it, never.
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// Make a decoy, which proves nobody: leave it where only a thief finds it. `--owner` says whose leak its use would be.
    #[arg(long, conflicts_with_all = ["roles", "expires"])]
    pub canary: bool,
    /// Whose sessions end when the decoy is presented, as `AUTHENTICATOR:ID`; may be given more than once.
    #[arg(long, value_name = "AUTHENTICATOR:ID", value_parser = id, requires = "canary")]
    pub revokes: Vec<String>,
    /// Print one JSON object instead.
    #[arg(long)]
    pub json: bool,
}

impl KeyCommand {
    /// Does it; a key is written to `out` and nowhere else.
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::New(new) => new.run_at(SystemTime::now(), out),
            Self::List(args) => args.run(out),
            Self::Identity => identity(out).map_err(Failure::from),
            Self::Audit { public } => audit(public, out).map_err(Failure::from),
            Self::Sealing => Ok(writeln!(out, "{}", *MasterKey::generate().to_text())?),
            Self::Password(new) => new.run_with(super::vault::ask, out).map_err(Failure::from),
        }
    }
}

/// Makes a key; its public half goes to this file.
fn audit(public: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let pem = SigningKey::generate()?;
    let key = SigningKey::from_pem(&Secret::new(pem.as_bytes().to_vec()))?;
    let text = key.public_pem().ok_or("no Ed25519 key was made")?;
    let file = File::create_new(public).map_err(|error| format!("{}: {error}", public.display()));
    file?.write_all(text.as_bytes())?;
    out.write_all(pem.as_bytes())?;
    Ok(())
}

impl NewKey {
    fn run_at(&self, now: SystemTime, out: &mut dyn Write) -> Result<(), Failure> {
        let expires = self.expires.as_deref().map(|text| expiry(text, now)).transpose();
        let expires = expires.map_err(|wrong| Failure::new(2, format!("claviger: {wrong}")))?;
        let (key, record) = api_key::generate();
        let text =
            if self.json { self.json_text(&key, &record, expires) } else { self.toml_text(&key, &record, expires) };
        let text = text.map_err(io::Error::from)?;
        out.write_all(text.as_bytes())?;
        Ok(())
    }

    fn name<'a>(&'a self, record: &'a ApiKeyRecord) -> &'a str {
        self.name.as_ref().map_or(record.prefix(), Name::as_str)
    }

    fn toml_text(
        &self,
        key: &str,
        record: &ApiKeyRecord,
        expires: Option<String>,
    ) -> Result<Zeroizing<String>, serde_json::Error> {
        // JSON's strings, and arrays of them, are TOML's too.
        let (owner, roles) = (serde_json::to_string(&self.owner)?, serde_json::to_string(&self.roles)?);
        let (name, prefix, digest) = (self.name(record), record.prefix(), record.digest_text());
        let expires = expires.map(|at| format!("expires = \"{at}\"\n")).unwrap_or_default();
        let confers = if self.canary {
            format!("canary = true\nrevokes = {}\n", serde_json::to_string(&self.revokes)?)
        } else {
            format!("roles = {roles}\n")
        };
        let to = if self.canary { "leave it where only a thief finds it" } else { "give it to its owner" };
        Ok(Zeroizing::new(format!(
            "The key, shown only now; {to}:\n\n{key}\n\n\
             For the configuration, which may call its `api_key` authenticator something else than `keys`:\n\n\
             [authn.keys.api_key.key.{name}]\nprefix = \"{prefix}\"\ndigest = \"{digest}\"\nowner = {owner}\n{confers}{expires}"
        )))
    }

    fn json_text(
        &self,
        key: &str,
        record: &ApiKeyRecord,
        expires: Option<String>,
    ) -> Result<Zeroizing<String>, serde_json::Error> {
        #[derive(serde::Serialize)]
        struct Shown<'a> {
            key: &'a str,
            name: &'a str,
            prefix: &'a str,
            digest: String,
            owner: &'a str,
            roles: &'a [String],
            #[serde(skip_serializing_if = "Option::is_none")]
            expires: Option<String>,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            canary: bool,
            #[serde(skip_serializing_if = "<[String]>::is_empty")]
            revokes: &'a [String],
        }
        let (name, prefix, digest) = (self.name(record), record.prefix(), record.digest_text());
        let shown = Shown {
            key,
            name,
            prefix,
            digest,
            owner: &self.owner,
            roles: &self.roles,
            expires,
            canary: self.canary,
            revokes: &self.revokes,
        };
        Ok(Zeroizing::new(serde_json::to_string(&shown)? + "\n"))
    }
}

fn identity(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let key = SigningKey::generate()?;
    out.write_all(key.as_bytes())?;
    Ok(())
}

/// The instant in RFC 3339 form, in whole seconds.
fn expiry(text: &str, now: SystemTime) -> Result<String, &'static str> {
    let at = match humantime::parse_duration(text) {
        Ok(after) => now.checked_add(after),
        Err(_) => humantime::parse_rfc3339(text).ok(),
    };
    // Beyond the year 9999, RFC 3339 has no form and the formatter panics.
    let last = humantime::parse_rfc3339("9999-12-31T23:59:59Z").unwrap_or(now);
    match at {
        Some(at) if at > now && at <= last => Ok(humantime::format_rfc3339_seconds(at).to_string()),
        Some(_) => Err("--expires is not in the future, or past the year 9999"),
        None => Err("--expires is a time from now (`90d`) or an instant (`2030-01-01T00:00:00Z`)"),
    }
}

/// A principal's id or a role.
pub(super) fn id(text: &str) -> Result<String, &'static str> {
    Principal::is_valid_id(text)
        .then(|| text.to_owned())
        .ok_or("1 to 256 bytes without control characters, and at most one `@`")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(subcommand)]
        command: KeyCommand,
    }

    fn run(line: &[&str]) -> Result<String, String> {
        let cli = Cli::try_parse_from([&["key", "new"], line].concat()).map_err(|e| e.to_string())?;
        let KeyCommand::New(new) = cli.command else { panic!("another command") };
        let mut out = Vec::new();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        new.run_at(now, &mut out).map_err(|e| e.text)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn the_printed_table_proves_the_printed_key() {
        let line = ["--owner", "ci \"x\" \\", "--role", "deploy", "--role", "read", "--name", "ci", "--expires", "1d"];
        let text = run(&line).expect("a key");
        let key = text.lines().nth(2).expect("a key");
        let (prefix, secret) = api_key::parse(key).expect("a key's form");
        let table: Vec<&str> = text.lines().skip_while(|line| !line.starts_with('[')).collect();
        let [header, found_by, digest, owner, roles, expires] = table[..] else { panic!("six lines: {text}") };
        assert_eq!((header, found_by), ("[authn.keys.api_key.key.ci]", &*format!("prefix = \"{prefix}\"")));
        assert_eq!((owner, roles), (r#"owner = "ci \"x\" \\""#, r#"roles = ["deploy","read"]"#));
        assert_eq!(expires, r#"expires = "1970-01-03T00:00:00Z""#);
        let digest = digest.strip_prefix("digest = ").expect("a digest").trim_matches('"');
        assert!(ApiKeyRecord::new(prefix, digest).expect("a record").verify(key));
        assert_eq!(text.matches(secret).count(), 1, "once and in one place");
    }

    #[test]
    fn json_has_the_same() {
        let text = run(&["--owner", "ci", "--json"]).expect("a key");
        let shown: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let field = |name: &str| shown[name].as_str().expect("text");
        let (prefix, _) = api_key::parse(field("key")).expect("a key's form");
        assert!(ApiKeyRecord::new(prefix, field("digest")).expect("a record").verify(field("key")));
        assert_eq!((field("name"), field("prefix"), field("owner")), (prefix, prefix, "ci"));
        assert!(shown.get("expires").is_none() && shown["roles"].as_array().expect("roles").is_empty());
    }

    #[test]
    fn wrong_arguments_make_no_key() {
        for (line, want) in [
            (&["--role", "a"][..], "--owner"),
            (&["--owner", "a@b@c"], "at most one `@`"),
            (&["--owner", "a", "--role", "x\n"], "control characters"),
            (&["--owner", "a", "--name", "a.b"], "a name is"),
            (&["--owner", "a", "--expires", "soon"], "a time from now"),
            (&["--owner", "a", "--expires", "0s"], "not in the future"),
            (&["--owner", "a", "--expires", "1970-01-01T00:00:00Z"], "not in the future"),
            (&["--owner", "a", "--expires", "9000y"], "year 9999"),
        ] {
            let error = run(line).expect_err("an error");
            assert!(error.contains(want), "{line:?}: {error}");
        }
    }
}
