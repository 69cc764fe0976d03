//! Why a head is not signed.

use std::fmt;

/// Why something cannot be signed, or signed with. None repeats what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The access key id is empty, too long, or holds more than letters, digits and `_`.
    AccessKeyId,
    /// The secret access key is empty.
    Secret,
    /// The session token is empty or holds what is not visible ASCII.
    SessionToken,
    /// The region or the service is empty, or holds more than letters, digits, `-`, `.` and `_`.
    Scope,
    /// The time is before the year 0 or after the year 9999.
    Time,
    /// The signing key was derived for another day.
    Day,
    /// The head has no `host`.
    NoHost,
    /// A field that is to be signed is no text in UTF-8.
    Field,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessKeyId => "the access key id is 1 to 128 letters, digits and `_`",
            Self::Secret => "the secret access key is empty",
            Self::SessionToken => "the session token is empty or holds characters that are not visible ASCII",
            Self::Scope => "region and service are letters, digits, `-`, `.` and `_`",
            Self::Time => "the time has no date of eight digits",
            Self::Day => "the signing key is of another day",
            Self::NoHost => "the request has no `host` to sign",
            Self::Field => "a field that is to be signed is no text in UTF-8",
        })
    }
}

impl std::error::Error for Fault {}
