//! What one route asks for: which rules, how strict, and what fields are known to hold.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::AHashMap;
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use super::detect::{DETECTORS, Input};
use super::finding::MAX_EXCERPT;
use super::room::Room;
use super::rules::{Tuning, trail_matches};
use super::{Class, Engine, Finding, Limits, Location, Part, Report, Rule, Sink, decode, normal};

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
    /// Whether evidence of this class counts in such a field.
    fn heeds(self, class: Class) -> bool {
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
    id: u64,
    engine: Arc<Engine>,
    settings: Settings,
    /// For each rule of the engine, what it is worth here; `None` when it is off, 0 when it is only told.
    worth: Vec<Option<u32>>,
    /// Detectors of which no class is on, as bits.
    asleep: u32,
}

/// What the next profile is told apart by; 0 is none.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The most findings that a report keeps.
const MAX_FINDINGS: usize = 32;

impl Profile {
    /// A profile of these rules.
    ///
    /// # Errors
    /// A tuning that names neither a rule nor a class.
    pub fn new(engine: Arc<Engine>, settings: Settings) -> Result<Self, String> {
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
        let worth = worth.collect();
        let is_off = |class: &Class| classes.get(class.as_str()) == Some(&Tuning::Off);
        let asleep = (0..).zip(DETECTORS).filter(|(_, detector)| detector.classes.iter().all(is_off));
        let asleep = asleep.fold(0, |bits, (n, _): (u32, _)| bits | 1 << n);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, engine, settings, worth, asleep })
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
        let mut judge = Judge::new(self);
        let walked = decode::head(head, &self.settings.limits, &mut judge).and_then(|()| {
            body.map_or(Ok(()), |body| decode::body(head.headers, body, &self.settings.limits, &mut judge))
        });
        judge.report.fault = walked.err();
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

/// The most work that detectors do for one request: bytes, once for each detector that looks at them. Honest requests of the largest size that is
/// read take a tenth of it.
const MAX_WORK: usize = 128 << 20;

/// The rule that is met where that is spent.
const TOO_COSTLY: &str = "structure.too-costly";

/// Judges one request, value by value.
struct Judge<'a> {
    profile: &'a Profile,
    report: Report,
    /// The most that any one value came to.
    at_place: u32,
    /// Rules that were met, each once.
    rules: Vec<u32>,
    /// What is left of [`MAX_WORK`].
    work: usize,
    room: Option<Box<Room>>,
}

impl Sink for Judge<'_> {
    fn value(&mut self, at: Location<'_>, bytes: &[u8]) {
        if bytes.len() < 2 {
            return;
        }
        let is_client = at.part == Part::Header && at.trail == b"user-agent";
        let mut room = self.room.take().unwrap_or_default();
        if !is_client || !room.clients.knows(self.profile.id, bytes) {
            self.forms(at, bytes, &mut room);
            if is_client && self.report.findings.is_empty() {
                room.clients.learn(self.profile.id, bytes);
            }
        }
        self.room = Some(room);
    }
}

impl<'a> Judge<'a> {
    fn new(profile: &'a Profile) -> Self {
        let room = Room::take();
        Self { profile, report: Report::default(), at_place: 0, rules: Vec::new(), work: MAX_WORK, room }
    }

    /// Looks at a value as it is and as it may be read further on.
    fn forms(&mut self, at: Location<'_>, bytes: &[u8], room: &mut Room) {
        let before = self.report.findings.len();
        let mut score = self.look(at, bytes, before, room);
        if normal::may_decode(&room.woken.occurs) {
            let mut decoded = std::mem::take(&mut room.decoded);
            if normal::decode(bytes, &mut decoded) {
                score += self.look(at, &decoded, before, room);
            }
            room.decoded = decoded;
        }
        self.at_place = self.at_place.max(score);
    }

    /// Looks at one form of a value; what was found in another form of it (from `known` on) is not counted again.
    fn look(&mut self, at: Location<'_>, bytes: &[u8], known: usize, room: &mut Room) -> u32 {
        let engine = &*self.profile.engine;
        engine.gate.wake(bytes, &mut room.woken);
        let awake = room.woken.detectors & !self.profile.asleep;
        if awake == 0 && room.woken.rules.is_empty() && engine.unfiltered.is_empty() {
            return 0;
        }
        let mut score = 0;
        let watchers = awake.count_ones() as usize + room.woken.rules.len() + engine.unfiltered.len();
        match self.work.checked_sub(bytes.len() * watchers) {
            Some(left) => self.work = left,
            None => {
                // Where the operator turned this rule off, all is looked at, whatever it costs.
                let costly = engine.by_id.get(TOO_COSTLY).filter(|n| self.profile.worth[**n as usize].is_some());
                if let Some(n) = costly {
                    return self.met(*n, at, b"", 0..0, known);
                }
            }
        }
        if awake != 0 {
            self.detect(at, bytes, awake, room);
            for (rule, range) in &room.found.evidence {
                // A test holds that there is a rule for each.
                if let Some(n) = engine.by_id.get(*rule) {
                    score += self.met(*n, at, bytes, range.clone(), known);
                }
            }
        }
        let woken = room.woken.rules.iter().copied().chain(engine.unfiltered.iter().map(|n| (*n, 0)));
        for (n, end) in woken {
            let compiled = &engine.rules[n as usize];
            if !compiled.places.is_empty() && !compiled.places.iter().any(|place| place.covers(&at)) {
                continue;
            }
            let end = match &compiled.pattern {
                None => Some(end),
                Some(pattern) => match (pattern.find(bytes), compiled.rule.negate) {
                    (Some(end), false) => Some(end),
                    (None, true) => Some(bytes.len()),
                    (Some(_), true) | (None, false) => None,
                },
            };
            if let Some(end) = end {
                score += self.met(n, at, bytes, end.saturating_sub(MAX_EXCERPT / 2)..end, known);
            }
        }
        score
    }

    /// Has those who are awake look.
    fn detect(&self, at: Location<'_>, bytes: &[u8], awake: u32, room: &mut Room) {
        room.lower.clear();
        room.lower.extend_from_slice(bytes);
        room.lower.make_ascii_lowercase();
        let input = Input {
            bytes,
            lower: &room.lower,
            part: at.part,
            trail: at.trail,
            is_name: at.is_name,
            occurs: &room.woken.occurs,
        };
        room.found.evidence.clear();
        super::steps::count(bytes.len() * 2 * awake.count_ones() as usize);
        for (n, detector) in DETECTORS.iter().enumerate() {
            if awake & (1 << n) != 0 {
                let before = room.found.evidence.len();
                (detector.run)(&input, &mut room.found);
                let new = room.found.evidence.iter().skip(before);
                debug_assert!(new.clone().all(|(id, _)| detector.ids.contains(id)), "{new:?}");
            }
        }
    }

    /// Counts a rule that was met, if it is on and heeded in this field; says what it is worth.
    fn met(&mut self, n: u32, at: Location<'_>, bytes: &[u8], range: Range<usize>, known: usize) -> u32 {
        let Some(worth) = self.profile.worth[n as usize] else { return 0 };
        let rule = &self.profile.engine.rules[n as usize].rule;
        if !self.profile.kind_of(&at).heeds(rule.class) {
            return 0;
        }
        if self.report.findings[known.min(self.report.findings.len())..].iter().any(|finding| finding.rule == rule.id) {
            return 0;
        }
        if !self.rules.contains(&n) {
            self.rules.push(n);
        }
        if self.report.findings.len() < MAX_FINDINGS {
            let start = range.start.min(bytes.len());
            let excerpt = &bytes[start..range.end.clamp(start, bytes.len()).min(start + MAX_EXCERPT)];
            self.report.findings.push(Finding {
                rule: rule.id.clone(),
                class: rule.class,
                score: worth,
                at: at.to_string(),
                excerpt: excerpt.escape_ascii().to_string(),
            });
        }
        worth
    }

    /// Adds up, and leaves the room for the next request. Evidence at one place counts in full; spread over a request, each rule once and half.
    fn finish(mut self) -> Report {
        let all: u32 = self.rules.iter().filter_map(|n| self.profile.worth[*n as usize]).sum();
        self.report.score = self.at_place.max(all / 2);
        let settings = &self.profile.settings;
        self.report.is_attack = self.report.fault.is_some() || self.report.score >= settings.threshold;
        if let Some(room) = self.room.take() {
            room.give_back();
        }
        self.report
    }
}

impl Profile {
    /// What the field at this place is known to hold.
    fn kind_of(&self, at: &Location<'_>) -> FieldKind {
        let declared = self.settings.fields.iter();
        let mut declared =
            declared.filter(|field| field.part == at.part && trail_matches(field.trail.as_bytes(), at.trail));
        declared.next().map_or(FieldKind::Text, |field| field.kind)
    }
}
