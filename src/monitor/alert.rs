//! What is told: an alert with its evidence and the records behind it.

use std::time::{Duration, SystemTime};

use super::detection::{Detection, Severity};
use crate::audit::Phrase;
use crate::audit::pseudonyms::Field;
use crate::domain::{Id, Name, RequestId};

/// Something that somebody should look at. Raised once, held while it goes on, cleared when it is over.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Its id, the same from raised to cleared.
    pub id: Id,
    /// What was found.
    pub detection: Detection,
    /// How bad it is.
    pub severity: Severity,
    /// Who or what it is about.
    pub subject: Subject,
    /// The numbers, as of the last time.
    pub evidence: Evidence,
    /// The ids of the last records behind it, as of when it was raised; the latest first.
    pub records: Vec<RequestId>,
    /// Whose request it was that raised it, where somebody was proved.
    pub actor: Option<Actor>,
    /// When it was raised.
    pub since: SystemTime,
    /// When it last happened.
    pub last: SystemTime,
    /// How often it happened.
    pub times: u64,
    /// When it was cleared; none while it goes on.
    pub cleared: Option<SystemTime>,
    /// Whether it was cleared because the process ended, and not because it is over.
    pub is_cut_short: bool,
}

/// Who or what an alert is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A principal, `AUTHENTICATOR:ID`.
    Principal(String),
    /// A principal who gave access to themselves, `AUTHENTICATOR:ID`.
    Requester(String),
    /// A principal on a route.
    PrincipalOnRoute(String, Name),
    /// A client's address; of IPv6, its /64.
    Address(String),
    /// An identity that was claimed and never proved. What was claimed may be a password in the wrong place: it has a number alone.
    Identity(u64),
    /// A `[route.NAME]`.
    Route(Name),
    /// A session of a principal.
    Session(Id, String),
    /// A decoy, a credential or a secret, by its name.
    Named(String),
    /// A part of this gateway: `audit`, `monitor`.
    Part(&'static str),
}

/// Whose request raised an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The `[authn.NAME]`.
    pub authenticator: Name,
    /// The id there.
    pub id: String,
    /// The session.
    pub session: Option<Id>,
}

/// Up to four numbers with their names: what was counted first, what it was held against last.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Evidence([(&'static str, f64); 4]);

impl Evidence {
    /// These numbers; those beyond four are left out.
    pub(super) fn new(numbers: &[(&'static str, f64)]) -> Self {
        let mut all = [("", 0.0); 4];
        all.iter_mut().zip(numbers).for_each(|(place, number)| *place = *number);
        Self(all)
    }

    /// The numbers.
    pub fn numbers(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.0.into_iter().filter(|(name, _)| !name.is_empty())
    }

    /// As a JSON object, with two digits behind the point where there are any.
    pub fn json(&self) -> serde_json::Value {
        self.numbers()
            .map(|(name, number)| (name.to_owned(), rounded(number)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// As a text: `identities 10, at 10`.
    pub fn text(&self) -> String {
        self.numbers().map(|(name, number)| format!("{name} {}", rounded(number))).collect::<Vec<_>>().join(", ")
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, rounded")]
fn rounded(number: f64) -> serde_json::Value {
    let hundredths = (number * 100.0).round();
    if hundredths.abs() < 9e15 && hundredths % 100.0 == 0.0 && hundredths >= 0.0 {
        return ((hundredths / 100.0) as u64).into();
    }
    (hundredths / 100.0).into()
}

/// The alerts, for whoever wants to see them.
#[derive(Debug, Default)]
pub struct Shown {
    /// Those that go on, the latest first.
    pub active: Vec<Alert>,
    /// The last that are over, the latest first.
    pub over: Vec<Alert>,
}

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It began.
    Raised,
    /// It goes on.
    Held,
    /// It is over.
    Cleared,
}

/// An alert, and what happened to it.
#[derive(Debug, Clone)]
pub struct Notice {
    /// What happened.
    pub change: Change,
    /// To which.
    pub alert: Alert,
    /// Whether what the detection asks for is to be done: when it is raised, and again where that was over, or was done to somebody else.
    pub acts: bool,
}

impl Change {
    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Held => "held",
            Self::Cleared => "cleared",
        }
    }
}

impl Subject {
    /// What sort of subject it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Principal(_) | Self::Requester(_) | Self::PrincipalOnRoute(..) => "principal",
            Self::Address(_) => "address",
            Self::Identity(_) => "identity",
            Self::Route(_) => "route",
            Self::Session(..) => "session",
            Self::Named(_) => "name",
            Self::Part(_) => "part",
        }
    }
}

impl Subject {
    /// Its text, and who is named in it.
    pub fn phrase(&self) -> Phrase {
        let principal = |name: &str| Phrase::plain("principal:").and(Phrase::who(name));
        match self {
            Self::Principal(name) | Self::Requester(name) => principal(name),
            Self::PrincipalOnRoute(name, route) => principal(name).then(format!(" route:{route}")),
            Self::Address(address) => Phrase::plain("address:").with(Field::Client, address),
            Self::Identity(number) => Phrase::plain(format!("identity:{number:016x}")),
            Self::Route(route) => Phrase::plain(format!("route:{route}")),
            Self::Session(id, name) => {
                Phrase::plain("session:").with(Field::Session, id.to_string()).then(" ").and(principal(name))
            }
            Self::Named(name) => Phrase::plain(format!("name:{name}")),
            Self::Part(part) => Phrase::plain(format!("part:{part}")),
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.phrase())
    }
}

impl Alert {
    /// One that is raised now, for the first time.
    pub(super) fn raised(
        detection: Detection,
        severity: Severity,
        (subject, actor): (Subject, Option<Actor>),
        evidence: Evidence,
        now: u32,
    ) -> Self {
        let (id, time) = (Id(crate::crypto::random()), moment(now));
        let (since, last) = (time, time);
        let (records, times, cleared) = (Vec::new(), 1, None);
        let is_cut_short = false;
        Self { id, detection, severity, subject, evidence, records, actor, since, last, times, cleared, is_cut_short }
    }

    /// What it says, in one sentence.
    pub fn summary(&self) -> String {
        format!("{} ({}): {}", self.detection.name(), self.subject, self.evidence.text())
    }

    /// All of it, as a JSON object.
    pub fn json(&self, change: Change) -> serde_json::Value {
        let records: Vec<_> = self.records.iter().map(ToString::to_string).collect();
        serde_json::json!({
            "id": self.id.to_string(),
            "alert": change.text(),
            "detection": self.detection.name(),
            "severity": self.severity.text(),
            "subject": self.subject.to_string(),
            "subject_kind": self.subject.kind(),
            "summary": self.summary(),
            "evidence": self.evidence.json(),
            "records": records,
            "times": self.times,
            "since": stamp(self.since),
            "last": stamp(self.last),
            "cleared": self.cleared.map(stamp),
            "gateway_stopped": self.is_cut_short,
        })
    }
}

/// A time as alerts tell it: RFC 3339, to the millisecond.
pub(super) fn stamp(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

/// The time of so many seconds since 1970.
pub(super) fn moment(seconds: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(seconds))
}
