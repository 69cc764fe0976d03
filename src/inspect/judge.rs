//! Judges one request, value by value: who looks at each, what counts, and what it comes to.

use std::ops::Range;

use super::detect::{DETECTORS, Input};
use super::finding::MAX_EXCERPT;
use super::normal;
use super::profile::{FieldKind, Profile};
use super::quiet::Quiet;
use super::room::Room;
use super::steps;
use super::{Finding, Location, Part, Report, Sink};

/// The most findings that a report keeps.
const MAX_FINDINGS: usize = 32;

/// The most work that detectors do for one request: bytes, once for each detector that looks at them. Honest requests of the largest size that is
/// read take a tenth of it.
const MAX_WORK: usize = 128 << 20;

/// The most steps for each byte of a value, as lexers count them, and how much longer a value counts than it is. Of honest values source code takes the
/// most; what has escapes besides, and is read twice, may take more, one file in fifty, and passes where a field is declared to hold code.
/// Whatever else takes more was put together to be slow.
const MAX_STEPS: u64 = 32;
const MAX_STEPS_SHORT: u64 = 64;

/// The rule that is met where either is spent.
const TOO_COSTLY: &str = "structure.too-costly";

/// Judges one request, value by value.
pub(super) struct Judge<'a> {
    profile: &'a Profile,
    pub(super) report: Report,
    /// The most that any one value came to.
    at_place: u32,
    /// Rules that were met, each once.
    rules: Vec<u32>,
    /// Those that were met in the value that is looked at.
    here: Vec<u32>,
    /// What is left of [`MAX_WORK`].
    work: usize,
    /// What a value without bytes may take.
    budget: Budget,
    /// Up to where steps may go for all values so far: many short ones, each longer than it is, take no more than one long one.
    most: u64,
    room: Option<Box<Room>>,
    quiet: Quiet,
}

impl Sink for Judge<'_> {
    fn value(&mut self, at: Location<'_>, bytes: &[u8]) {
        if bytes.len() < 2 && self.profile.engine.unfiltered.is_empty() {
            return;
        }
        if self.quiet.knows(bytes) {
            self.most += bytes.len() as u64 * MAX_STEPS;
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
    pub(super) fn new(profile: &'a Profile) -> Self {
        let room = Room::take();
        let rule = profile.engine.by_id.get(TOO_COSTLY).copied();
        let suffices = |worth| worth >= profile.settings.threshold;
        let ends = rule.is_some_and(|n| profile.worth[n as usize].is_some_and(suffices));
        Self {
            budget: Budget { most: MAX_STEPS_SHORT * MAX_STEPS, rule, ends },
            most: steps::taken() + MAX_STEPS_SHORT * MAX_STEPS,
            profile,
            report: Report::default(),
            at_place: 0,
            rules: Vec::new(),
            here: Vec::new(),
            work: MAX_WORK,
            room,
            quiet: Quiet::default(),
        }
    }

    /// Looks at a value as it is and as it may be read further on.
    fn forms(&mut self, at: Location<'_>, bytes: &[u8], room: &mut Room) {
        self.here.clear();
        self.most += bytes.len() as u64 * MAX_STEPS;
        let mut budget = self.budget.of(bytes, self.most);
        let before = budget.most;
        let mut score = self.look(at, bytes, &mut budget, room);
        let is_quiet = score == 0 && room.woken.is_none() && self.profile.engine.unfiltered.is_empty();
        if is_quiet && !normal::may_decode(&room.woken.occurs) {
            self.quiet.learn(bytes);
            return;
        }
        // What is decided needs no second look.
        if score < self.profile.settings.threshold && normal::may_decode(&room.woken.occurs) {
            let mut decoded = std::mem::take(&mut room.decoded);
            if normal::decode(bytes, &mut decoded) {
                score += self.look(at, &decoded, &mut budget, room);
            }
            room.decoded = decoded;
        }
        // What rules of one's own were let take.
        self.most += budget.most - before;
        self.at_place = self.at_place.max(score);
    }

    /// Looks at one form of a value; what was found in another form of it is not counted again.
    fn look(&mut self, at: Location<'_>, bytes: &[u8], budget: &mut Budget, room: &mut Room) -> u32 {
        let engine = &*self.profile.engine;
        let bytes = without_padding(bytes);
        engine.gate.wake(bytes, &mut room.woken);
        // What a field holds is only asked where that takes less than to look: senders choose how long the way to a value is.
        let is_asked = room.woken.detectors != 0 && bytes.len() >= 4 * at.trail.len();
        let kind = if is_asked { self.profile.kind_of(&at) } else { FieldKind::Text };
        let awake = room.woken.detectors & !self.profile.asleep_in(kind);
        let unfiltered = engine.unfiltered.at(at.trail);
        if awake == 0 && room.woken.rules.is_empty() && unfiltered.iter().all(|rules| rules.is_empty()) {
            return self.excess(at, budget);
        }
        let mut score = 0;
        let watchers = awake.count_ones() as usize
            + room.woken.rules.len()
            + unfiltered.iter().map(|rules| rules.len()).sum::<usize>();
        match (self.work.checked_sub(bytes.len() * watchers), budget.rule.filter(|_| budget.ends)) {
            (Some(left), _) => self.work = left,
            (None, Some(n)) => return self.met(n, at, b"", 0..0),
            (None, None) => {}
        }
        if awake != 0 {
            self.detect(at, bytes, awake, budget, room);
            for (rule, range) in &room.found.evidence {
                // A test holds that there is a rule for each.
                if let Some(n) = engine.by_id.get(*rule) {
                    score += self.met(*n, at, bytes, range.clone());
                }
            }
        }
        let woken = room.woken.rules.iter().copied().chain(unfiltered.into_iter().flatten().map(|n| (*n, 0)));
        for (n, end) in woken {
            if budget.is_spent() {
                break;
            }
            let compiled = &engine.rules[n as usize];
            budget.most += compiled.allowance(bytes.len());
            if let Some(end) = compiled.end_in(&at, bytes, end) {
                score += self.met(n, at, bytes, end.saturating_sub(MAX_EXCERPT / 2)..end);
            }
        }
        score + self.excess(at, budget)
    }

    /// Counts the rule for values that are too costly, if this one is.
    #[inline]
    fn excess(&mut self, at: Location<'_>, budget: &Budget) -> u32 {
        if !budget.is_exceeded() {
            return 0;
        }
        budget.rule.map_or(0, |n| self.met(n, at, b"", 0..0))
    }

    /// Has those who are awake look.
    fn detect(&self, at: Location<'_>, bytes: &[u8], awake: u32, budget: &Budget, room: &mut Room) {
        room.lower.clear();
        room.lower.extend_from_slice(bytes);
        room.lower.make_ascii_lowercase();
        let input = Input {
            bytes,
            lower: &room.lower,
            part: at.part,
            trail: Input::near(at.trail),
            is_name: at.is_name,
            occurs: &room.woken.occurs,
        };
        room.found.clear();
        steps::count((bytes.len() / 4 + 16) * awake.count_ones() as usize);
        for (n, detector) in DETECTORS.iter().enumerate() {
            if awake & (1 << n) != 0 && !budget.is_spent() {
                room.found.turn();
                let before = room.found.evidence.len();
                (detector.run)(&input, &mut room.found);
                let new = room.found.evidence.iter().skip(before);
                debug_assert!(new.clone().all(|(id, _)| detector.ids.contains(id)), "{new:?}");
            }
        }
    }

    /// Counts a rule that was met, if it is on and heeded in this field; says what it is worth.
    fn met(&mut self, n: u32, at: Location<'_>, bytes: &[u8], range: Range<usize>) -> u32 {
        let Some(worth) = self.profile.worth[n as usize] else { return 0 };
        let rule = &self.profile.engine.rules[n as usize].rule;
        if !self.profile.heeds(&at, rule.class) {
            return 0;
        }
        if self.here.contains(&n) {
            return 0;
        }
        self.here.push(n);
        if !self.rules.contains(&n) {
            self.rules.push(n);
        }
        // What counts is told before what does not.
        let is_full = self.report.findings.len() >= MAX_FINDINGS;
        let idle = self.report.findings.iter().position(|finding| is_full && worth > 0 && finding.score == 0);
        if let Some(idle) = idle {
            self.report.findings.remove(idle);
        }
        if !is_full || idle.is_some() {
            self.report.findings.push(Finding {
                rule: rule.id.clone(),
                class: rule.class,
                score: worth,
                at: at.to_string(),
                excerpt: excerpt(&at, bytes, range),
            });
        }
        worth
    }

    /// Adds up, and leaves the room for the next request. Evidence at one place counts in full; spread over a request, each rule once and half.
    pub(super) fn finish(mut self) -> Report {
        let all: u32 = self.rules.iter().filter_map(|n| self.profile.worth[*n as usize]).sum();
        self.report.score = self.at_place.max(all / 2);
        let settings = &self.profile.settings;
        self.report.is_attack = self.report.fault.as_ref().is_some_and(|fault| self.profile.stops(fault.kind))
            || self.report.score >= settings.threshold;
        if let Some(room) = self.room.take() {
            room.give_back();
        }
        self.report
    }
}

/// How many steps may be taken for a value, in all its forms.
#[derive(Clone, Copy)]
struct Budget {
    most: u64,
    /// The rule that is met where it takes more.
    rule: Option<u32>,
    /// Whether no more is looked at then: not where the rule is off, in shadow, or worth less than is refused for, and so what was not looked at would pass.
    ends: bool,
}

impl Budget {
    /// From now on, for a value of so many bytes, and no further than to where steps may go for all.
    fn of(self, bytes: &[u8], all: u64) -> Self {
        let most = steps::taken() + self.most + bytes.len() as u64 * MAX_STEPS;
        Self { most: most.min(all), ..self }
    }

    fn is_exceeded(&self) -> bool {
        steps::taken() > self.most
    }

    fn is_spent(&self) -> bool {
        self.ends && self.is_exceeded()
    }
}

/// The most blanks at either end of a value that are looked at: a line break or two tell something, more are there to make a short value long.
const MAX_EDGE: usize = 4;

/// The value without most of the blanks around it.
fn without_padding(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let end = bytes.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(bytes.len(), |last| last + 1);
    bytes.get(start.saturating_sub(MAX_EDGE)..bytes.len().min(end + MAX_EDGE)).unwrap_or_default()
}

/// What a record may show of a value: little, and nothing where secrets stand.
fn excerpt(at: &Location<'_>, bytes: &[u8], range: Range<usize>) -> String {
    let start = range.start.min(bytes.len());
    let shown = &bytes[start..range.end.clamp(start, bytes.len()).min(start + MAX_EXCERPT)];
    // Whoever is at home in an address says so in front of an `@`.
    let is_address = shown.contains(&b'@') && bytes.windows(3).any(|three| three == b"://");
    if at.part == Part::Cookie || names_secret(at.trail) || is_address {
        return "[hidden]".to_owned();
    }
    shown.escape_ascii().to_string()
}

/// Whether a name says that a secret stands there.
fn names_secret(trail: &[u8]) -> bool {
    const WORDS: [&[u8]; 12] = [
        b"pass",
        b"pwd",
        b"secret",
        b"token",
        b"key",
        b"auth",
        b"session",
        b"credential",
        b"signature",
        b"cookie",
        b"otp",
        b"pin",
    ];
    let holds = |word: &[u8]| trail.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    WORDS.into_iter().any(holds)
}
