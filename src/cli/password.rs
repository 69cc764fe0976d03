//! `claviger key password`: a caller's password as the digest that the configuration holds.

use std::error::Error;
use std::io::{self, Write};

use clap::Args;

use crate::crypto::PasswordDigest;
use crate::domain::Secret;

/// Whose password it is.
#[derive(Debug, Args)]
pub struct NewPassword {
    /// The user's name, as it is presented.
    #[arg(long, value_parser = user)]
    pub user: String,
    /// A role of that user; may be given more than once.
    #[arg(long = "role", value_name = "ROLE", value_parser = super::key::id)]
    pub roles: Vec<String>,
}

impl NewPassword {
    pub(super) fn run_with(
        &self,
        ask: impl FnOnce(&str) -> io::Result<Secret>,
        out: &mut dyn Write,
    ) -> Result<(), Box<dyn Error>> {
        let password = ask(&format!("{}'s password", self.user))?;
        let text = std::str::from_utf8(password.expose()).map_err(|_| "the password is not UTF-8")?;
        if !(1..=256).contains(&text.len()) || text.chars().any(char::is_control) {
            return Err("a password is 1 to 256 bytes without control characters".into());
        }
        let digest = PasswordDigest::generate(password.expose())?.to_text();
        // JSON's strings, and arrays of them, are TOML's too.
        let (user, roles) = (serde_json::to_string(&self.user)?, serde_json::to_string(&self.roles)?);
        write!(
            out,
            "For the configuration, which may call its `basic` authenticator something else than `passwords`:\n\n\
             [authn.passwords.basic.user.{user}]\npassword_digest = \"{digest}\"\nroles = {roles}\n"
        )?;
        Ok(())
    }
}

/// A name that a client can present.
fn user(text: &str) -> Result<String, &'static str> {
    let is_user = (1..=128).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c == ':');
    is_user.then(|| text.to_owned()).ok_or("1 to 128 bytes without colons and control characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_digest_proves_the_password_which_is_not_printed() {
        let new = NewPassword { user: "ada \"x\"".to_owned(), roles: vec!["reader".to_owned()] };
        let mut out = Vec::new();
        new.run_with(|_| Ok(Secret::new(b"s3cret".to_vec())), &mut out).expect("an entry");
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains(r#"[authn.passwords.basic.user."ada \"x\""]"#) && text.contains(r#"roles = ["reader"]"#));
        let digest = text.lines().find_map(|line| line.strip_prefix("password_digest = ")).expect("a digest");
        let digest = PasswordDigest::parse(digest.trim_matches('"')).expect("sound");
        assert!(digest.verify(b"s3cret") && !text.contains("s3cret"));
        for wrong in [&b""[..], b"a\nb", b"\xff", &[b'x'; 257]] {
            assert!(new.run_with(|_| Ok(Secret::new(wrong.to_vec())), &mut Vec::new()).is_err(), "{wrong:?}");
        }
    }
}
