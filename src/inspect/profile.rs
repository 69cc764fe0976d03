//! What one route asks for: which rules, how strict, and what fields are known to hold.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::AHashMap;
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use super::detect::DETECTORS;
use super::judge::Judge;
use super::rules::{Tuning, trail_matches};
use super::schema::Seen;
use super::{Class, Contract, Engine, Fault, FaultKind, Limits, Location, Part, Report, Rule, Sink as _, decode};

/// What is done about an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing is looked for.
    Off,
    /// What would be refused is told in the record, and goes on.
    Shadow,
    /// It is refused.
    Enforce,
}

/// What a field is known to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// Prose and identifiers, as anywhere.
    Text,
    /// Source code, markup, scripts: only what is an attack on whoever stores or logs it.
    Code,
    /// Queries in SQL and other languages.
    Query,
    /// Nothing that anybody interprets.
    Opaque,
}

impl FieldKind {
    const ALL: [Self; 4] = [Self::Text, Self::Code, Self::Query, Self::Opaque];

    /// Whether evidence of this class counts in such a field.
    pub(super) fn heeds(self, class: Class) -> bool {
        match self {
            Self::Text => true,
            Self::Code => matches!(class, Class::Jndi | Class::Structure | Class::Leak | Class::Custom),
            Self::Query => {
                !matches!(class, Class::Sqli | Class::Nosql | Class::Ldap | Class::Ssti | Class::Node | Class::Php)
            }
            Self::Opaque => matches!(class, Class::Structure | Class::Leak | Class::Custom),
        }
    }
}

/// What the fields at some place hold: `body:messages[*].content`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRule {
    /// The part of the request.
    pub part: Part,
    /// The way, with `*` for anything within a step and `**` for any steps.
    pub trail: String,
    /// What it holds.
    pub kind: FieldKind,
}

/// What a profile is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is done about an attack.
    pub mode: Mode,
    /// From which score on it is one.
    pub threshold: u32,
    /// Up to which level of paranoia rules are on.
    pub paranoia: u8,
    /// Changes of rules, by id, and of classes, by name.
    pub tuning: Vec<(String, Tuning)>,
    /// What fields hold.
    pub fields: Vec<FieldRule>,
    /// Which media types bodies may have, in lower case, such as `application/json` or `image/*`; any, where there are none.
    pub types: Vec<String>,
    /// Bounds.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            threshold: 5,
            paranoia: 1,
            tuning: Vec::new(),
            fields: Vec::new(),
            types: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// The head of a request, as the upstream will have it.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path, percent-encoded as it was sent.
    pub path: &'a str,
    /// What stands behind the `?`.
    pub query: Option<&'a str>,
    /// The header fields.
    pub headers: &'a HeaderMap,
}

/// A compiled profile. Judges requests; shared by all that have it.
pub struct Profile {
    /// Tells it from all others of this process.
    pub(super) id: u64,
    pub(super) engine: Arc<Engine>,
    pub(super) settings: Settings,
    /// For each rule of the engine, what it is worth here; `None` when it is off, 0 when it is only told.
    pub(super) worth: Vec<Option<u32>>,
    /// For each kind of field, the detectors of which no class counts there, as bits.
    asleep: [u32; FieldKind::ALL.len()],
    /// What requests are held to besides.
    pub(super) contract: Option<Contract>,
}

/// What the next profile is told apart by; 0 is none.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Profile {
    /// A profile of these rules.
    ///
    /// # Errors
    /// A tuning that names neither a rule nor a class.
    pub fn new(engine: Arc<Engine>, mut settings: Settings) -> Result<Self, String> {
        let mut classes: AHashMap<&str, Tuning> = AHashMap::new();
        let mut rules: AHashMap<&str, Tuning> = AHashMap::new();
        for (name, tuning) in &settings.tuning {
            let is_class = Class::ALL.iter().any(|class| class.as_str() == name);
            if !is_class && !engine.by_id.contains_key(name) {
                return Err(name.clone());
            }
            if is_class { &mut classes } else { &mut rules }.insert(name, *tuning);
        }
        let worth = engine.rules().map(|rule| match rules.get(rule.id.as_str()).or(classes.get(rule.class.as_str())) {
            Some(Tuning::Off) => None,
            Some(Tuning::Shadow) => Some(0),
            Some(Tuning::On) => Some(rule.score),
            None => (rule.paranoia <= settings.paranoia).then_some(rule.score),
        });
        let worth: Vec<Option<u32>> = worth.collect();
        let is_heard = |class: &Class| {
            let mut rules = engine.rules().zip(&worth);
            rules.any(|(rule, worth)| rule.class == *class && worth.is_some())
        };
        let asleep = FieldKind::ALL.map(|kind| {
            let counts = |class: &Class| kind.heeds(*class) && is_heard(class);
            let asleep = (0..).zip(DETECTORS).filter(|(_, detector)| !detector.classes.iter().any(counts));
            asleep.fold(0, |bits, (n, _): (u32, _)| bits | 1 << n)
        });
        // Of several ways to a field, the one that says most of it counts.
        let wild = |field: &FieldRule| {
            let stars = field.trail.matches('*').count();
            (field.trail.matches("**").count(), stars, Reverse(field.trail.len()))
        };
        settings.fields.sort_by_key(wild);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, engine, settings, worth, asleep, contract: None })
    }

    /// The same, with what requests are held to.
    #[must_use]
    pub fn with_contract(self, contract: Contract) -> Self {
        Self { contract: Some(contract).filter(|contract| !contract.is_empty()), ..self }
    }

    /// Whether requests are held to what an API promises.
    pub fn has_contract(&self) -> bool {
        self.contract.is_some()
    }

    /// The rule of this id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.engine.by_id.get(id).map(|n| &self.engine.rules[*n as usize].rule)
    }

    /// What it is made of.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Judges a request; `body` is all of it, or nothing where there is none or it is not looked at.
    pub fn judge(&self, head: &Head<'_>, body: Option<&[u8]>) -> Report {
        self.judge_seen(head, Seen::Whole(body.unwrap_or_default()))
    }

    /// Judges the head of a request with a body that is looked at as it passes.
    pub fn judge_head(&self, head: &Head<'_>) -> Report {
        self.judge_seen(head, Seen::Passing)
    }

    fn judge_seen(&self, head: &Head<'_>, seen: Seen<'_>) -> Report {
        let mut judge = Judge::new(self);
        let (limits, types) = (&self.settings.limits, self.settings.types.as_slice());
        let mut fault = None;
        let mut goes_on = self.heed(&mut fault, decode::head(head, limits, &mut judge));
        if let (true, Seen::Whole(body)) = (goes_on, seen) {
            let read = decode::body(head.headers, body, limits, &mut judge);
            let has_files = || decode::is_of(head.headers, &["multipart/*".to_owned()]);
            let text = Some(body).filter(|_| read.is_err() && !has_files());
            goes_on = self.read_anyway(&mut fault, read, text, &mut judge);
        }
        if goes_on && !matches!(seen, Seen::Whole(b"")) && !types.is_empty() && !decode::is_of(head.headers, types) {
            let foreign = Fault { kind: FaultKind::UnknownType, at: Part::Body.as_str().to_owned(), keyword: None };
            goes_on = self.heed(&mut fault, Err(foreign));
        }
        // Last: what it reads was found readable, in one way and within the limits.
        if let (true, Some(contract)) = (goes_on, &self.contract) {
            self.heed(&mut fault, contract.check(head, seen, limits));
        }
        judge.report.fault = fault;
        judge.finish()
    }

    /// Keeps what is wrong, rather what stops a request than what does not; and says whether to go on.
    fn heed(&self, fault: &mut Option<Fault>, found: Result<(), Fault>) -> bool {
        let Err(found) = found else { return true };
        let stops = self.stops(found.kind);
        if stops || fault.is_none() {
            *fault = Some(found);
        }
        !stops
    }

    /// The same of what was read, which ends where something is wrong: where that stops nothing, it is looked at as one text, if it is text, and
    /// nothing in it is known to hold what would be an attack elsewhere.
    fn read_anyway(
        &self,
        fault: &mut Option<Fault>,
        read: Result<(), Fault>,
        text: Option<&[u8]>,
        judge: &mut Judge<'_>,
    ) -> bool {
        let is_unread = read.is_err() && !self.settings.fields.iter().any(|field| field.part == Part::Body);
        let goes_on = self.heed(fault, read);
        if let Some(text) = text.filter(|text| goes_on && is_unread && std::str::from_utf8(text).is_ok()) {
            judge.value(Location { part: Part::Body, trail: b"", is_name: false }, text);
        }
        goes_on
    }

    /// Whether what is wrong so stops a request: without a rule for it, it does.
    pub fn stops(&self, kind: FaultKind) -> bool {
        let rule = self.engine.by_id.get(kind.id());
        rule.is_none_or(|n| self.worth[*n as usize].is_some_and(|worth| worth > 0))
    }

    /// Judges a message of a WebSocket, which is text or bytes.
    pub fn judge_message(&self, message: &[u8], is_text: bool) -> Report {
        let mut judge = Judge::new(self);
        let (mut fault, read) = (None, decode::message(message, is_text, &self.settings.limits, &mut judge));
        self.read_anyway(&mut fault, read, Some(message), &mut judge);
        judge.report.fault = fault;
        judge.finish()
    }

    /// Judges a piece of a body that cannot be read whole, as text.
    pub fn judge_window(&self, window: &[u8]) -> Report {
        let mut judge = Judge::new(self);
        judge.value(Location { part: Part::Body, trail: b"", is_name: false }, window);
        judge.finish()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("engine", &self.engine).field("settings", &self.settings).finish()
    }
}

impl Profile {
    /// Whether evidence of this class counts in the field at this place.
    pub(super) fn heeds(&self, at: &Location<'_>, class: Class) -> bool {
        FieldKind::ALL.iter().all(|kind| kind.heeds(class)) || self.kind_of(at).heeds(class)
    }

    /// What the field at this place is known to hold.
    pub(super) fn kind_of(&self, at: &Location<'_>) -> FieldKind {
        let declared = self.settings.fields.iter();
        let mut declared =
            declared.filter(|field| field.part == at.part && trail_matches(field.trail.as_bytes(), at.trail));
        declared.next().map_or(FieldKind::Text, |field| field.kind)
    }

    /// The detectors of which no class counts in such a field, as bits.
    pub(super) fn asleep_in(&self, kind: FieldKind) -> u32 {
        self.asleep[kind as usize]
    }
}
