//! Every way in which a vault does not give a secret.

use std::fmt;
use std::io;

use crate::crypto::OpenError;
use crate::net::NetError;

/// Why there is no secret, or why its last reading failed. Names no path and no value: whoever logs it adds the slot's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultError {
    /// The vault answers and has no such secret.
    NotFound,
    /// The path would leave the directory.
    Escapes,
    /// The vault's file or directory cannot be read.
    Unreadable(io::ErrorKind),
    /// A sealed file or a key file cannot be written.
    Unwritable(io::ErrorKind),
    /// What is at the path is no regular file.
    NotAFile,
    /// The secret, or the sealed file, is longer than is taken.
    TooLarge,
    /// The secret is empty; most often it was read while being written.
    Empty,
    /// No refresh has confirmed the secret for `max_stale`.
    Stale,
    /// The master key's file or variable cannot be read.
    KeyUnreadable(io::ErrorKind),
    /// The master key's file may be accessed by others than its owner.
    KeyExposed,
    /// What was read is no master key.
    KeyMalformed,
    /// The sealed file is empty.
    SealedEmpty,
    /// The sealed file does not open.
    Sealed(OpenError),
    /// The server cannot be asked.
    Call(NetError),
    /// The file or variable with what is needed to log in at the server cannot be read.
    LoginUnreadable(io::ErrorKind),
    /// The server does not let this gateway read it.
    Refused,
    /// No call can be signed: an access key of AWS is not there, or is none.
    AccessKey,
    /// The authorization server gives no token.
    NoToken,
    /// The secret or key with which a token is to be had is none of that kind.
    Unfit,
    /// The server is sealed, or stands by.
    Closed,
    /// The server's answer makes no sense.
    Answer,
    /// The program took too long.
    Late,
    /// The program failed.
    Failed,
    /// The secret is being replaced already.
    Busy,
    /// The sealed file opens, and its content is not what this version writes.
    SealedContent,
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NotFound => "the vault has no secret of this name",
            Self::Escapes => "the secret's path is absolute or has empty, `.` or `..` segments",
            Self::Unreadable(kind) => return write!(f, "the vault cannot be read: {kind}"),
            Self::Unwritable(kind) => return write!(f, "the file cannot be written: {kind}"),
            Self::NotAFile => "this is not a regular file",
            Self::TooLarge => "larger than is taken: 64 KiB for a secret, 16 MiB for a sealed file",
            Self::Empty => "the secret is empty",
            Self::Stale => "the secret was not confirmed for longer than `max_stale`",
            Self::KeyUnreadable(kind) => return write!(f, "the master key cannot be read: {kind}"),
            Self::KeyExposed => "the master key's file may be accessed by others than its owner; run `chmod 600` on it",
            Self::KeyMalformed => {
                "what was read is no master key: `clvmk_` and 43 characters of base64url, as `claviger vault init` writes it"
            }
            Self::SealedEmpty => {
                "the sealed file is empty; restore it from a backup, or remove it and run `claviger vault init`"
            }
            Self::Call(error) => return write!(f, "the vault cannot be asked: {error}"),
            Self::Refused => {
                "the vault does not let this gateway read it: look at its token, role or access key, and the policy"
            }
            Self::AccessKey => {
                "the vault is not asked: `access_key`, `secret` or `session_token` cannot be had, or is nothing that AWS gives out"
            }
            Self::LoginUnreadable(kind) => {
                return write!(f, "the file or variable with which to log in at the vault cannot be read: {kind}");
            }
            Self::NoToken => {
                "the authorization server refuses: look at `client_id`, its secret or key, `grant`, `scope`, `audience` and `resource`"
            }
            Self::Unfit => {
                "the token is to be had with a secret that is no text, or with a key that is no PEM of `algorithm`"
            }
            Self::Closed => "the vault is sealed, or stands by",
            Self::Answer => "the vault's answer makes no sense",
            Self::Late => "the program took longer than `timeout`",
            Self::Failed => "the program failed: run it by hand, with no more of the environment than PATH and HOME",
            Self::Busy => "the secret is being replaced already",
            Self::Sealed(error) => return write!(f, "the sealed file does not open: {error}"),
            Self::SealedContent => {
                "the sealed file holds what this version does not read; use the version that wrote it"
            }
        };
        f.write_str(text)
    }
}

impl std::error::Error for VaultError {}
