//! What has come in the last seconds, counted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use serde::Serialize;
use serde_json::{Map, Value};

/// Counts of the last seconds.
pub(super) struct Tally {
    seconds: VecDeque<Counts>,
    most: usize,
    told: VecDeque<Happening>,
    left_out: u64,
    /// At the ends of those seconds.
    samples: VecDeque<Sample>,
}

/// What came in one second: how often of each name.
#[derive(Default)]
struct Counts {
    principals: HashMap<String, u64>,
    routes: HashMap<String, u64>,
}

/// What metrics said at a time.
struct Sample {
    at: Instant,
    requests: f64,
    denials: BTreeMap<String, f64>,
    gauges: BTreeMap<&'static str, f64>,
}

/// What is shown.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    /// Exchanges that ended, a second.
    pub(super) requests_per_second: f64,
    /// Now.
    pub(super) in_flight: f64,
    pub(super) connections: f64,
    pub(super) sessions: f64,
    pub(super) grants: f64,
    /// Records that are not written, and that sinks have not delivered.
    pub(super) audit_queue: f64,
    pub(super) sink_lag: f64,
    pub(super) secrets_failed: f64,
    /// Refusals by code, a second.
    pub(super) denials: Vec<Rate>,
    /// Who asks most, and for what, a second: of the records that were seen.
    pub(super) principals: Vec<Rate>,
    pub(super) routes: Vec<Rate>,
    /// What else the log told, the latest last.
    pub(super) happenings: Vec<Happening>,
    /// Records that came faster than they could be counted.
    pub(super) left_out: u64,
}

/// How often of one name.
#[derive(Debug, Serialize, PartialEq)]
pub(super) struct Rate {
    pub(super) name: String,
    pub(super) per_second: f64,
}

/// Something that is no exchange.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Happening {
    pub(super) time: String,
    pub(super) kind: String,
    pub(super) what: String,
}

/// The most names that are counted in a second; those that come later are not.
const MAX_NAMES: usize = 4096;
/// The most that are shown of a list.
const SHOWN: usize = 10;
const GAUGES: [(&str, &str); 7] = [
    ("in_flight", "claviger_in_flight"),
    ("connections", "claviger_connections"),
    ("sessions", "claviger_sessions"),
    ("grants", "claviger_grants"),
    ("audit_queue", "claviger_audit_queue"),
    ("sink_lag", "claviger_sink_lag_records"),
    ("secrets_failed", "claviger_secrets{state=\"failed\"}"),
];
/// Records of what went well by itself.
const QUIET: [&str; 5] = ["exchange", "decision", "checkpoint", "opened", "closed"];

impl Tally {
    /// One of so many seconds.
    pub(super) fn new(most: usize) -> Self {
        let seconds = VecDeque::from([Counts::default()]);
        Self { seconds, most, told: VecDeque::new(), left_out: 0, samples: VecDeque::new() }
    }

    /// Counts one record, or what was left out of them.
    pub(super) fn record(&mut self, line: &str) {
        let members: Map<String, Value> = serde_json::from_str(line).unwrap_or_default();
        let text = |member: &str| members.get(member).and_then(Value::as_str);
        let Some(kind) = text("kind") else {
            self.left_out += members.get("count").and_then(Value::as_u64).unwrap_or(0);
            return;
        };
        if kind == "exchange" {
            let Some(counts) = self.seconds.back_mut() else { return };
            let who = text("authenticator").zip(text("principal")).map(|(by, id)| format!("{by}:{id}"));
            add(&mut counts.principals, who.unwrap_or_else(|| format!("? {}", text("client").unwrap_or("-"))));
            add(&mut counts.routes, text("route").unwrap_or("-").to_owned());
        } else if !QUIET.contains(&kind) {
            let words = ["severity", "rule", "act", "of", "sink", "count", "reason", "by"];
            let words = words.iter().filter_map(|member| match members.get(*member)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
            });
            let (time, kind) = (text("time").unwrap_or_default().to_owned(), kind.to_owned());
            self.told.push_back(Happening { time, kind, what: words.collect::<Vec<_>>().join(" ") });
            while self.told.len() > SHOWN {
                self.told.pop_front();
            }
        }
    }

    /// Takes what metrics say now.
    pub(super) fn metrics(&mut self, text: &str, at: Instant) {
        let mut sample = Sample { at, requests: 0.0, denials: BTreeMap::new(), gauges: BTreeMap::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let value: f64 = value.parse().unwrap_or(0.0);
            if series.starts_with("claviger_requests_total{") {
                sample.requests += value;
            } else if let Some(code) = series.strip_prefix("claviger_denials_total{code=\"") {
                sample.denials.insert(code.trim_end_matches("\"}").to_owned(), value);
            }
            for (name, start) in GAUGES {
                if series.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('{')) {
                    *sample.gauges.entry(name).or_default() += value;
                }
            }
        }
        self.samples.push_back(sample);
        // One at each end of every second.
        while self.samples.len() > self.most + 1 {
            self.samples.pop_front();
        }
    }

    /// Begins the next second, and forgets the one that is too long ago.
    pub(super) fn next_second(&mut self) {
        self.seconds.push_back(Counts::default());
        while self.seconds.len() > self.most {
            self.seconds.pop_front();
        }
    }

    /// What there is to be shown.
    pub(super) fn shown(&self) -> Shown {
        let seconds = self.seconds.len() as f64;
        let (first, last) = (self.samples.front(), self.samples.back());
        let span = first.zip(last).map_or(1.0, |(first, last)| (last.at - first.at).as_secs_f64().max(0.001));
        let requests = first.zip(last).map_or(0.0, |(first, last)| last.requests - first.requests);
        let denials = last.map(|last| &last.denials).into_iter().flatten().map(|(code, count)| {
            let before = first.and_then(|first| first.denials.get(code)).copied().unwrap_or(0.0);
            (code.clone(), (count - before) / span)
        });
        let gauge = |name: &str| last.and_then(|last| last.gauges.get(name)).copied().unwrap_or(0.0);
        Shown {
            requests_per_second: round(requests / span),
            in_flight: gauge("in_flight"),
            connections: gauge("connections"),
            sessions: gauge("sessions"),
            grants: gauge("grants"),
            audit_queue: gauge("audit_queue"),
            sink_lag: gauge("sink_lag"),
            secrets_failed: gauge("secrets_failed"),
            denials: top(denials),
            principals: top(sum(&self.seconds, |counts| &counts.principals, seconds)),
            routes: top(sum(&self.seconds, |counts| &counts.routes, seconds)),
            happenings: self.told.iter().cloned().collect(),
            left_out: self.left_out,
        }
    }
}

fn add(counts: &mut HashMap<String, u64>, name: String) {
    if counts.len() < MAX_NAMES || counts.contains_key(&name) {
        *counts.entry(name).or_default() += 1;
    }
}

fn sum(
    seconds: &VecDeque<Counts>,
    of: fn(&Counts) -> &HashMap<String, u64>,
    span: f64,
) -> impl Iterator<Item = (String, f64)> {
    let mut sums: HashMap<String, u64> = HashMap::new();
    for (name, count) in seconds.iter().flat_map(of) {
        *sums.entry(name.clone()).or_default() += count;
    }
    sums.into_iter().map(move |(name, count)| (name, count as f64 / span))
}

/// The highest rates, those that are not zero.
fn top(rates: impl Iterator<Item = (String, f64)>) -> Vec<Rate> {
    let mut rates: Vec<_> = rates.map(|(name, rate)| Rate { name, per_second: round(rate) }).collect();
    rates.retain(|rate| rate.per_second > 0.0);
    rates.sort_by(|a, b| b.per_second.total_cmp(&a.per_second).then_with(|| a.name.cmp(&b.name)));
    rates.truncate(SHOWN);
    rates
}

fn round(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_came_is_counted_by_the_second() {
        let mut tally = Tally::new(2);
        let now = Instant::now();
        tally.metrics("claviger_requests_total{outcome=\"allowed\",route=\"a\"} 10\nclaviger_in_flight 1\n", now);
        for who in ["ada", "ada", "bob"] {
            tally.record(&format!(r#"{{"kind":"exchange","authenticator":"corp","principal":"{who}","route":"a"}}"#));
        }
        tally.next_second();
        tally.record(r#"{"kind":"exchange","client":"192.0.2.7"}"#);
        tally.record(r#"{"kind":"revocation","time":"t","act":"revoked","of":"principal:corp:ada"}"#);
        tally.record(r#"{"count":7}"#);
        let metrics = "# HELP x\nclaviger_requests_total{outcome=\"allowed\",route=\"a\"} 20\n\
                       claviger_requests_total{outcome=\"denied\",route=\"a\"} 10\nclaviger_in_flight 3\n\
                       claviger_denials_total{code=\"not_allowed\"} 4\nclaviger_in_flight_other 9\n";
        tally.metrics(metrics, now + Duration::from_secs(2));
        let shown = tally.shown();
        let rates = |list: &[Rate]| list.iter().map(|rate| (rate.name.clone(), rate.per_second)).collect::<Vec<_>>();
        let rate = |name: &str, per_second: f64| (name.to_owned(), per_second);
        assert_eq!((shown.requests_per_second, shown.in_flight, shown.left_out), (10.0, 3.0, 7));
        assert_eq!(rates(&shown.principals), [rate("corp:ada", 1.0), rate("? 192.0.2.7", 0.5), rate("corp:bob", 0.5)]);
        assert_eq!(rates(&shown.denials), [rate("not_allowed", 2.0)]);
        assert_eq!(shown.happenings[0].what, "revoked principal:corp:ada");
        tally.next_second();
        tally.next_second();
        assert_eq!(rates(&tally.shown().principals), []);
    }

    #[test]
    fn all_rates_are_of_the_same_seconds() {
        let mut tally = Tally::new(3);
        let now = Instant::now();
        let metrics = |requests: u64| format!("claviger_requests_total{{outcome=\"denied\",route=\"a\"}} {requests}\n");
        tally.metrics(&metrics(0), now);
        for second in 1..=5 {
            // In the first three, one each; then none.
            (0..u64::from(second <= 3)).for_each(|_| tally.record(r#"{"kind":"exchange","client":"192.0.2.7"}"#));
            tally.metrics(&metrics(second.min(3)), now + Duration::from_secs(second));
            let (shown, seconds) = (tally.shown(), second.min(3));
            let want = round((second.min(3) - second.saturating_sub(3)) as f64 / seconds as f64);
            let told = shown.principals.first().map_or(0.0, |rate| rate.per_second);
            assert_eq!((shown.requests_per_second, told), (want, want), "after {second}");
            tally.next_second();
        }
    }
}
