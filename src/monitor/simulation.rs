//! What is told of days of usual traffic, and of attacks amid it: the tables of docs/monitoring.md.

mod attacks;
mod page;
pub(super) mod traffic;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use attacks::Attack;
use traffic::{Caller, DAY, Dice, HOUR, MONDAY, callers};

use super::{Change, Detection, Engine, Notice, Parameter, Progress, SPECS, Settings};
use crate::audit::{Entry, Record};

/// The first nine days are learnt; the tenth, a Wednesday, is as it should be; on the eleventh there are attacks.
const NORMAL: u32 = MONDAY + 9 * DAY;
const ATTACKED: u32 = MONDAY + 10 * DAY;
/// The hour that the table tells of.
const BUSY: u32 = 10;

struct Simulation {
    engine: Engine,
    dice: Dice,
    callers: Vec<Caller>,
    records: u64,
}

/// A request, and the attack that it is part of.
type Arrival = (u64, Option<usize>, Record);

impl Simulation {
    fn new() -> Self {
        let mut dice = Dice(2026);
        let callers = callers(&mut dice);
        Self { engine: Engine::new(Arc::new(Settings::default()), &[7; 16]), dice, callers, records: 0 }
    }

    /// Ends the process, and begins another that reads what was kept.
    fn restart(&mut self) {
        let (mut kept, mut progress) = (Vec::new(), Progress::default());
        // In pieces, as it is in life.
        while !self.engine.write(&mut progress, 1000, &mut kept).expect("written") {}
        self.engine = Engine::read(Arc::new(Settings::default()), &mut &kept[..]).expect("what was written");
    }

    /// One hour of usual traffic, and what else there is in it; hands out what was told, and of which attack's request.
    fn hour(&mut self, begins: u32, attacks: &[Attack], mut told: impl FnMut(Option<usize>, Notice)) {
        let mut arrivals: Vec<Arrival> = Vec::new();
        for caller in &self.callers {
            arrivals.extend(caller.hour(begins, &mut self.dice).into_iter().map(|(at, record)| (at, None, record)));
        }
        let span = u64::from(begins) * 1000..u64::from(begins + HOUR) * 1000;
        for (nth, attack) in attacks.iter().enumerate() {
            let here = attack.requests.iter().filter(|(at, _)| span.contains(at));
            arrivals.extend(here.map(|(at, record)| (*at, Some(nth), record.clone())));
        }
        arrivals.sort_by_key(|(at, ..)| *at);
        let mut settled = 0;
        for (at, attack, record) in arrivals {
            self.records += 1;
            self.engine.observe(&Entry::from(record)).into_iter().for_each(|notice| told(attack, notice));
            if at > settled {
                settled = at + 10_000;
                let now = UNIX_EPOCH + Duration::from_millis(at);
                self.engine.settle(now).into_iter().for_each(|notice| told(None, notice));
            }
        }
    }
}

/// How often each was told on a day, and in its busiest hour.
type Counts = BTreeMap<Detection, (u32, u32)>;

fn normal(simulation: &mut Simulation) -> (Counts, u64) {
    let mut counts = Counts::new();
    let before = simulation.records;
    for hour in 0..24 {
        simulation.hour(NORMAL + hour * HOUR, &[], |_, notice| {
            if notice.change == Change::Raised {
                let (day, busy) = counts.entry(notice.alert.detection).or_default();
                *day += 1;
                *busy += u32::from(hour == BUSY);
            }
        });
    }
    (counts, simulation.records - before)
}

/// What was told of each attack, in this order, with the number of its request that was the last straw.
fn attacked(simulation: &mut Simulation, attacks: &[Attack]) -> Vec<Vec<(Detection, usize)>> {
    let mut all = vec![Vec::new(); attacks.len()];
    for hour in 0..24 {
        simulation.hour(ATTACKED + hour * HOUR, attacks, |attack, notice| {
            let Some(nth) = attack.filter(|_| notice.change == Change::Raised) else { return };
            let last = notice.alert.records[0];
            let request =
                attacks[nth].requests.iter().position(|(_, record)| record.id == last).expect("one of its own");
            let told: &mut Vec<(Detection, usize)> = &mut all[nth];
            if !told.iter().any(|(detection, _)| *detection == notice.alert.detection) {
                told.push((notice.alert.detection, request + 1));
            }
        });
    }
    all
}

fn table_of_normal(counts: &Counts, records: u64) -> String {
    let mut text = format!(
        "A Wednesday of {} principals with {records} requests, after nine days of the same:\n\n\
         | detection | severity | false alerts, 10:00 to 11:00 | on the whole day |\n|---|---|---|---|\n",
        traffic::CALLERS
    );
    let mut all = (0, 0);
    for (detection, (day, busy)) in counts {
        let _ =
            writeln!(text, "| `{}` | {} | {busy} | {day} |", detection.name(), detection.spec().rule.severity.text());
        all = (all.0 + day, all.1 + busy);
    }
    let _ = writeln!(text, "| all others | | 0 | 0 |\n| together | | {} | {} |", all.1, all.0);
    text
}

fn table_of_attacks(attacks: &[Attack], told: &[Vec<(Detection, usize)>]) -> String {
    let mut text = "| attack | told first | after requests | told too |\n|---|---|---|---|\n".to_owned();
    for (attack, told) in attacks.iter().zip(told) {
        let main = attack.wants.and_then(|wants| told.iter().find(|(detection, _)| *detection == wants));
        let others: Vec<_> = told
            .iter()
            .filter(|one| Some(*one) != main)
            .map(|(detection, request)| format!("`{}` after {request}", detection.name()))
            .collect();
        let (name, request) = main.map_or(("nothing".to_owned(), "-".to_owned()), |(detection, request)| {
            (format!("`{}`", detection.name()), request.to_string())
        });
        let _ = writeln!(text, "| {} | {name} | {request} | {} |", attack.about, others.join(", "));
    }
    text
}

fn table_of_detections() -> String {
    let mut text = "| detection | severity | `at` | `window` | `factor` | `share` | `learn` | `hold` | what it tells, and why so |\n|---|---|---|---|---|---|---|---|---|\n".to_owned();
    for spec in &SPECS {
        let has = |parameter, value: String| if spec.takes(parameter) { value } else { "-".to_owned() };
        let rule = &spec.rule;
        let period = |span| humantime::format_duration(span).to_string();
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} |",
            spec.name,
            rule.severity.text(),
            has(Parameter::At, format!("{} {}", rule.at, spec.unit)),
            has(Parameter::Window, period(rule.window)),
            has(Parameter::Factor, rule.factor.to_string()),
            has(Parameter::Share, format!("{}%", rule.share)),
            has(Parameter::Learn, period(rule.learn)),
            period(rule.hold),
            spec.about
        );
    }
    text
}

#[test]
fn every_detection_is_told_in_the_docs() {
    page::is_told("detections", &table_of_detections());
}

#[test]
fn attacks_are_told_and_usual_days_are_quiet() {
    let mut simulation = Simulation::new();
    for hour in 0..(9 * 24) {
        simulation.hour(MONDAY + hour * HOUR, &[], |_, _| {});
    }
    // What was learnt outlives the process; windows of hours begin anew.
    simulation.restart();
    let (counts, records) = normal(&mut simulation);
    simulation.restart();
    let attacks = attacks::all(ATTACKED, &simulation.callers);
    let told = attacked(&mut simulation, &attacks);
    page::is_told("normal", &table_of_normal(&counts, records));
    page::is_told("attacks", &table_of_attacks(&attacks, &told));
    for (attack, told) in attacks.iter().zip(&told) {
        let is_told = attack.wants.is_none_or(|wants| told.iter().any(|(detection, _)| *detection == wants));
        assert!(is_told, "{}: {told:?}", attack.about);
    }
    let broken = told.last().expect("the deploy");
    let is_of_somebody = |(detection, _): &(Detection, usize)| *detection == Detection::Enumeration;
    assert!(!broken.iter().any(is_of_somebody), "nobody in particular looks for what a deploy took away: {broken:?}");
    let critical: u32 = counts
        .iter()
        .filter(|(one, _)| one.spec().rule.severity == super::Severity::Critical)
        .map(|(_, (day, _))| day)
        .sum();
    assert!(critical <= 2, "who is woken by night for nothing stops listening: {counts:?}");
    let busy: u32 = counts.values().map(|(_, busy)| busy).sum();
    assert!(busy <= 12, "{busy} false alerts in an hour: {counts:?}");
}
