//! What makes a request unreadable, or readable in more than one way.

use std::fmt;

/// Why a request cannot be judged by what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Where, as [`Location`](super::Location) shows it; never what stands there.
    pub at: String,
    /// Of what an API does not promise to take, the keyword of the schema that failed.
    pub keyword: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.kind.id(), self.at)?;
        self.keyword.as_ref().map_or(Ok(()), |keyword| write!(f, ": {keyword}"))
    }
}

/// What can be wrong with the form of a request. Each has the id of a rule of class `structure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Not in the format that its type declares.
    Malformed,
    /// A key twice in one object, also where it is spelled in two ways.
    DuplicateKey,
    /// Half of a surrogate pair, bytes that are not in the charset, a NUL in a parameter (CWE-158).
    BadText,
    /// Nested too deep.
    TooDeep,
    /// Too many keys, parameters, elements, parts, files, aliases, queries or messages.
    TooMany,
    /// A string, number, name or set of cookies that is too long.
    TooLong,
    /// A coding that is not known, or too many of them (415).
    UnknownCoding,
    /// Not in the coding that it claims.
    BrokenCoding,
    /// Becomes too large when decoded, or too large for what it was (413).
    Bomb,
    /// A charset that is not known, or two of them (415).
    UnknownCharset,
    /// A type that the profile does not take (415).
    UnknownType,
    /// A document type, entity or inclusion in XML.
    Doctype,
    /// Says of itself what cannot be: two boundaries, a part with an encoding that is none, a type that is none.
    BadHead,
    /// A name of a file that leads out of its folder.
    FileName,
    /// A path that can be read in more than one way.
    AmbiguousPath,
    /// Not what the API promises to take: no such operation, or a parameter or a body that its schema does not allow.
    Contract,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Malformed,
        Self::DuplicateKey,
        Self::BadText,
        Self::TooDeep,
        Self::TooMany,
        Self::TooLong,
        Self::UnknownCoding,
        Self::BrokenCoding,
        Self::Bomb,
        Self::UnknownCharset,
        Self::UnknownType,
        Self::Doctype,
        Self::BadHead,
        Self::FileName,
        Self::AmbiguousPath,
        Self::Contract,
    ];

    /// The status of HTTP that tells it to the client (RFC 9110 15.5).
    pub fn status(self) -> u16 {
        match self {
            Self::Bomb => 413,
            Self::UnknownCoding | Self::UnknownCharset | Self::UnknownType => 415,
            Self::Malformed
            | Self::DuplicateKey
            | Self::BadText
            | Self::TooDeep
            | Self::TooMany
            | Self::TooLong
            | Self::BrokenCoding
            | Self::Doctype
            | Self::BadHead
            | Self::FileName
            | Self::AmbiguousPath
            | Self::Contract => 400,
        }
    }

    /// The id of its rule.
    pub fn id(self) -> &'static str {
        match self {
            Self::Malformed => "structure.malformed",
            Self::DuplicateKey => "structure.duplicate-key",
            Self::BadText => "structure.bad-text",
            Self::TooDeep => "structure.too-deep",
            Self::TooMany => "structure.too-many",
            Self::TooLong => "structure.too-long",
            Self::UnknownCoding => "structure.unknown-coding",
            Self::BrokenCoding => "structure.broken-coding",
            Self::Bomb => "structure.bomb",
            Self::UnknownCharset => "structure.unknown-charset",
            Self::UnknownType => "structure.unknown-type",
            Self::Doctype => "structure.doctype",
            Self::BadHead => "structure.bad-head",
            Self::FileName => "structure.file-name",
            Self::AmbiguousPath => "structure.ambiguous-path",
            Self::Contract => "structure.contract",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::{Class, RuleFile};

    #[test]
    fn each_fault_has_a_rule() {
        let rules = RuleFile::ready_made().expect("rules");
        for kind in FaultKind::ALL {
            assert!(rules.iter().any(|rule| rule.id == kind.id() && rule.class == Class::Structure), "{}", kind.id());
        }
    }
}
