//! A proved identity.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Name, NetworkSet, Stay};

/// What sort of caller a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalKind {
    /// A person.
    Human,
    /// A program.
    Service,
    /// A program that acts with some autonomy on somebody's behalf.
    Agent,
}

impl PrincipalKind {
    /// The word for it in configurations, claims and records.
    pub fn text(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Service => "service",
            Self::Agent => "agent",
        }
    }

    /// The kind that this word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Human, Self::Service, Self::Agent].into_iter().find(|kind| kind.text() == word)
    }
}

/// A proved identity: who, with what roles and scopes, proved how and until when.
///
/// A verified fact: it may be cached until `expires`, while decisions made from it may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The identity's stable id at its issuer (`sub`, key owner). Visible ASCII-safe text of at most 256 bytes.
    pub id: String,
    /// What sort of caller it is.
    pub kind: PrincipalKind,
    /// Roles that claims or configuration gave it.
    pub roles: Vec<Arc<str>>,
    /// OAuth scopes of the token it came with (RFC 6749 §3.3).
    pub scopes: Vec<Arc<str>>,
    /// The `[authn.NAME]` that proved it.
    pub authenticator: Name,
    /// When the proof ends, where it has an end.
    pub expires: Option<SystemTime>,
    /// Who acts for it (RFC 8693 §4.1), where a token says so.
    pub actor: Option<Arc<str>>,
    /// What the caller must hold besides the token, where the token says so.
    pub confirmation: Confirmation,
    /// The key by which it was proved, as its authenticator calls it: an API key's label, the `kid` of an issuer's
    /// key as its key set has it, a signature's `keyid`, a user's name.
    pub key: Option<Arc<str>>,
    /// The networks that its proof may be used from, where it is confined to some; a session is too that was begun with it.
    pub networks: Option<NetworkSet>,
    /// The session that it came in, where it came in one.
    pub session: Option<Arc<Stay>>,
}

/// What a token is bound to (RFC 7800 §3.1): without it, the token alone proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// The SHA-256 of the client certificate (`x5t#S256`, RFC 8705 §3.1).
    pub certificate: Option<[u8; 32]>,
    /// The SHA-256 thumbprint of the key of DPoP proofs (`jkt`, RFC 9449 §6.1).
    pub key: Option<[u8; 32]>,
}

/// The name under which nobody in particular is known; no `[authn.NAME]` can take it.
pub const ANONYMOUS: &str = "anonymous";

impl Principal {
    /// Whether it is nobody in particular: whoever came without a credential, all of them together.
    pub fn is_anonymous(&self) -> bool {
        self.authenticator.as_str() == ANONYMOUS
    }

    /// A principal with nothing but its identity; the proof has no end and is bound to nothing.
    pub fn new(authenticator: Name, kind: PrincipalKind, id: String) -> Self {
        Self {
            id,
            kind,
            roles: Vec::new(),
            scopes: Vec::new(),
            authenticator,
            expires: None,
            actor: None,
            confirmation: Confirmation::default(),
            key: None,
            networks: None,
            session: None,
        }
    }

    /// The longest id that is taken from a claim or configuration, in bytes.
    pub const MAX_ID: usize = 256;

    /// What tells this principal from every other: the same id from another authenticator is somebody else.
    pub fn key_parts(&self) -> [&[u8]; 2] {
        [self.authenticator.as_str().as_bytes(), self.id.as_bytes()]
    }

    /// The roles that its proof names, as far as its session is not confined to others.
    pub fn own_roles(&self) -> impl Iterator<Item = &str> {
        let counts = |role: &&str| self.session.as_ref().is_none_or(|session| session.bounds.has_role(role));
        self.roles.iter().map(AsRef::as_ref).filter(counts)
    }

    /// Its whole name, `AUTHENTICATOR:ID`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.authenticator, self.id)
    }

    /// The authenticator and the id of a whole name, `AUTHENTICATOR:ID`.
    pub fn parse_name(text: &str) -> Option<(Name, String)> {
        let (authenticator, id) = text.split_once(':')?;
        Some((Name::parse(authenticator).ok()?, id.to_owned())).filter(|(_, id)| Self::is_valid_id(id))
    }

    /// Whether a claim may serve as an id: 1 to [`Self::MAX_ID`] bytes without control characters, and at most one `@`,
    /// since ids with two have fooled domain checks (CVE-2026-40574).
    pub fn is_valid_id(text: &str) -> bool {
        !text.is_empty()
            && text.len() <= Self::MAX_ID
            && !text.chars().any(char::is_control)
            && text.bytes().filter(|&b| b == b'@').count() <= 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_bounded_and_clean() {
        for (text, want) in
            [("alice@example.com", true), ("a@evil@corp", false), ("", false), ("a\r\nb", false), ("a\0", false)]
        {
            assert_eq!(Principal::is_valid_id(text), want, "{text:?}");
        }
    }
}
