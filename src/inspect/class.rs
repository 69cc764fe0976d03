//! The classes of attacks that are told apart.

use serde::{Deserialize, Serialize};

/// A class of attack, or of what must not leave. Rules, findings and metrics name it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// SQL injection (CWE-89), and injection into queries on XML (CWE-643).
    Sqli,
    /// Script in markup (CWE-79).
    Xss,
    /// Commands for a shell (CWE-78), Unix and Windows.
    Rce,
    /// Path traversal and local files (CWE-22, CWE-98).
    Lfi,
    /// Remote files to be included (CWE-98).
    Rfi,
    /// Addresses that the upstream should not be made to ask (CWE-918).
    Ssrf,
    /// Templates (CWE-1336) and expression languages (CWE-917).
    Ssti,
    /// External entities in XML (CWE-611).
    Xxe,
    /// Operators of document databases (CWE-943).
    Nosql,
    /// LDAP filters (CWE-90).
    Ldap,
    /// Java: gadgets, class loading, OGNL (CWE-502, CWE-917).
    Java,
    /// Look-ups in messages that are logged: `${jndi:`.
    Jndi,
    /// PHP: code, wrappers, serialized objects (CWE-94, CWE-502).
    Php,
    /// JavaScript on a server, and keys that change prototypes (CWE-94, CWE-1321).
    Node,
    /// Line breaks where a header or a mail is made (CWE-93, CWE-113).
    Crlf,
    /// Directives for server-side includes (CWE-97).
    Ssi,
    /// A session that the attacker chose (CWE-384).
    Fixation,
    /// Programs that look for holes.
    Scanner,
    /// HTTP that is not what it seems to be.
    Protocol,
    /// Bodies that cannot be read, or are beyond a limit.
    Structure,
    /// What must not leave: secrets, personal data, the insides of the upstream.
    Leak,
    /// A rule of the operator's own.
    Custom,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::Sqli,
        Self::Xss,
        Self::Rce,
        Self::Lfi,
        Self::Rfi,
        Self::Ssrf,
        Self::Ssti,
        Self::Xxe,
        Self::Nosql,
        Self::Ldap,
        Self::Java,
        Self::Jndi,
        Self::Php,
        Self::Node,
        Self::Crlf,
        Self::Ssi,
        Self::Fixation,
        Self::Scanner,
        Self::Protocol,
        Self::Structure,
        Self::Leak,
        Self::Custom,
    ];

    /// The name that rules and records use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqli => "sqli",
            Self::Xss => "xss",
            Self::Rce => "rce",
            Self::Lfi => "lfi",
            Self::Rfi => "rfi",
            Self::Ssrf => "ssrf",
            Self::Ssti => "ssti",
            Self::Xxe => "xxe",
            Self::Nosql => "nosql",
            Self::Ldap => "ldap",
            Self::Java => "java",
            Self::Jndi => "jndi",
            Self::Php => "php",
            Self::Node => "node",
            Self::Crlf => "crlf",
            Self::Ssi => "ssi",
            Self::Fixation => "fixation",
            Self::Scanner => "scanner",
            Self::Protocol => "protocol",
            Self::Structure => "structure",
            Self::Leak => "leak",
            Self::Custom => "custom",
        }
    }
}
