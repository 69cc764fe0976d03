//! What one route looks for in responses, and what is done about it.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::groups::Groups;
use super::literals::Literals;

/// A kind of what must not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeakKind {
    /// A secret in a format that tells itself by how it begins.
    Token,
    /// A JSON web token (RFC 7519). Apart, since it is what many an API is there to give out.
    Jwt,
    /// A private key in PEM (RFC 7468), OpenSSH's, PGP's or PuTTY's form.
    PrivateKey,
    /// The number of a payment card (ISO/IEC 7812).
    Card,
    /// A bank account (ISO 13616).
    Iban,
    /// A US social security number.
    UsSsn,
    /// A UK national insurance number.
    UkNino,
    /// A Spanish DNI or NIE.
    EsDni,
    /// A French social security number (NIR).
    FrNir,
    /// An Italian tax code (codice fiscale).
    ItCf,
    /// A Brazilian CPF.
    BrCpf,
    /// E-mail addresses, where there are many.
    Emails,
    /// What an error tells of the inside of the upstream (CWE-209).
    ErrorDetails,
}

impl LeakKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Token,
        Self::Jwt,
        Self::PrivateKey,
        Self::Card,
        Self::Iban,
        Self::UsSsn,
        Self::UkNino,
        Self::EsDni,
        Self::FrNir,
        Self::ItCf,
        Self::BrCpf,
        Self::Emails,
        Self::ErrorDetails,
    ];

    /// The name that records, metrics and the configuration use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Jwt => "jwt",
            Self::PrivateKey => "private_key",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::UsSsn => "us_ssn",
            Self::UkNino => "uk_nino",
            Self::EsDni => "es_dni",
            Self::FrNir => "fr_nir",
            Self::ItCf => "it_cf",
            Self::BrCpf => "br_cpf",
            Self::Emails => "emails",
            Self::ErrorDetails => "error_details",
        }
    }
}

/// What is done about a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeakAction {
    /// It is not looked for.
    Off,
    /// It goes on, and the record says how much of it there was.
    Count,
    /// Each byte of it is masked.
    Redact,
    /// The response is refused, or broken off.
    Block,
}

impl LeakAction {
    /// The name that metrics and the configuration use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Count => "count",
            Self::Redact => "redact",
            Self::Block => "block",
        }
    }
}

/// What is done about errors that tell of the upstream's inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorDetails {
    /// Nothing is looked for.
    Off,
    /// The record tells of them.
    Count,
    /// An answer of status 500 or more with such details is replaced.
    Mask,
    /// And so is every HTML page with such a status, whatever it says.
    MaskHtml,
}

/// What is done about bodies that are not what they are declared to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniff {
    /// Nothing.
    Off,
    /// Browsers are told to believe the declared type (`X-Content-Type-Options: nosniff`).
    Nosniff,
    /// They are, and what is declared as JSON and begins as markup is refused.
    Refuse,
}

/// What a profile is made of.
#[derive(Debug, Clone)]
pub struct LeakSettings {
    /// What is done, by kind; what is not named is as by default. [`LeakKind::ErrorDetails`] has its own below.
    pub actions: Vec<(LeakKind, LeakAction)>,
    /// More addresses than this in one response are a leak.
    pub emails_max: u32,
    /// What is done about errors.
    pub errors: ErrorDetails,
    /// What is done about types.
    pub sniff: Sniff,
}

impl Default for LeakSettings {
    fn default() -> Self {
        Self { actions: Vec::new(), emails_max: 50, errors: ErrorDetails::Count, sniff: Sniff::Nosniff }
    }
}

/// A compiled profile; shared by all routes that name it.
pub struct LeakProfile {
    pub(super) actions: [LeakAction; LeakKind::ALL.len()],
    pub(super) emails_max: u32,
    errors: ErrorDetails,
    sniff: Sniff,
    pub(super) literals: Option<Literals>,
    pub(super) groups: Option<Groups>,
    warned: Mutex<Option<Instant>>,
}

/// How often the log tells that something was found, at most.
const WARN_EVERY: Duration = Duration::from_mins(1);

impl LeakProfile {
    /// A profile of these settings.
    pub fn new(settings: &LeakSettings) -> Self {
        let action = |kind| {
            let set = settings.actions.iter().rev().find(|(own, _)| *own == kind);
            set.map_or(default(kind), |(_, action)| *action)
        };
        let mut actions = LeakKind::ALL.map(action);
        if let Some(own) = actions.get_mut(LeakKind::ErrorDetails as usize) {
            *own = if settings.errors == ErrorDetails::Off { LeakAction::Off } else { LeakAction::Count };
        }
        let is_on = |kind: LeakKind| actions.get(kind as usize).is_some_and(|action| *action != LeakAction::Off);
        Self {
            literals: Literals::new(is_on),
            groups: Groups::new(is_on),
            emails_max: settings.emails_max,
            errors: settings.errors,
            sniff: settings.sniff,
            warned: Mutex::new(None),
            actions,
        }
    }

    /// What is done about a kind.
    pub fn action(&self, kind: LeakKind) -> LeakAction {
        self.actions.get(kind as usize).copied().unwrap_or(LeakAction::Off)
    }

    /// What is done about errors.
    pub fn errors(&self) -> ErrorDetails {
        self.errors
    }

    /// What is done about types.
    pub fn sniff(&self) -> Sniff {
        self.sniff
    }

    /// Whether a response may be refused for what is in it, so that its head has to wait.
    pub fn may_block(&self) -> bool {
        self.actions.contains(&LeakAction::Block)
    }

    /// Whether the log is to tell now that something was found: whoever can bring that about must not be able to fill it.
    pub fn may_warn(&self, now: Instant) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = warned.is_none_or(|last| now.saturating_duration_since(last) >= WARN_EVERY);
        if is_due {
            *warned = Some(now);
        }
        is_due
    }
}

/// What is done about a kind that nothing is said of. Redacted is what has a form that nothing else has, and that hardly any API is there to
/// give out; the rest may be what the API is for.
fn default(kind: LeakKind) -> LeakAction {
    match kind {
        LeakKind::Token | LeakKind::PrivateKey | LeakKind::Card => LeakAction::Redact,
        LeakKind::Emails | LeakKind::ErrorDetails => LeakAction::Count,
        LeakKind::Jwt
        | LeakKind::Iban
        | LeakKind::UsSsn
        | LeakKind::UkNino
        | LeakKind::EsDni
        | LeakKind::FrNir
        | LeakKind::ItCf
        | LeakKind::BrCpf => LeakAction::Off,
    }
}

impl fmt::Debug for LeakProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeakProfile")
            .field("actions", &self.actions)
            .field("emails_max", &self.emails_max)
            .field("errors", &self.errors)
            .field("sniff", &self.sniff)
            .finish_non_exhaustive()
    }
}
