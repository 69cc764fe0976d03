//! What the monitor looks for: one row a detection, with the values that it starts from and why they are what they are.

use std::time::Duration;

use crate::domain::Name;

/// What the monitor looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Detection {
    /// Many wrong credentials from one address, or for one identity.
    FailedLogins,
    /// Wrong credentials for many identities from one address.
    CredentialStuffing,
    /// Wrong credentials for one identity from many networks.
    DistributedGuessing,
    /// The same over hours, by an address that proves few.
    SlowStuffing,
    /// Wrong credentials for one identity from many networks over hours.
    SlowGuessing,
    /// Somebody proved an identity from an address that stuffs credentials.
    StuffingSucceeded,
    /// A principal asks one route for far more than it usually does.
    RequestSpike,
    /// A principal moves far more bytes over one route than it usually does.
    ByteSpike,
    /// A principal asks for more and more, too slowly for a spike.
    SlowRise,
    /// A principal comes from a network that it never came from.
    NewNetwork,
    /// A principal uses a route, or a method of one, that it never used.
    NewRoute,
    /// A principal is at work at an hour at which it never was.
    UnusualHour,
    /// A principal asks for what no rule allows, again and again.
    Probing,
    /// A route refuses far more requests than it usually does.
    Denials,
    /// A route's upstream fails far more often than it usually does.
    UpstreamErrors,
    /// Most callers of a route ask for what is not there.
    BrokenRoute,
    /// Somebody tries many objects, most of which are not there or not theirs.
    Enumeration,
    /// A principal takes far more bytes within an hour than it usually does.
    Exfiltration,
    /// A principal reads far more different objects within an hour than it usually does.
    Harvest,
    /// A session goes on from a network that its principal never used.
    MovedSession,
    /// A session is used from two networks at once.
    StolenSession,
    /// An upstream's answer held the secret that it was sent.
    ReflectedSecret,
    /// A decoy was used.
    Canary,
    /// Somebody took a grant without approval.
    BreakGlass,
    /// A secret is older than it should become.
    SecretOverdue,
    /// A new secret was no good, or there is none.
    RotationFailed,
    /// Secrets cannot be had.
    VaultTrouble,
    /// The audit log takes no records, or has lost some.
    AuditTrouble,
    /// Who is to have audit records besides this machine does not take them.
    ReceiverAway,
    /// Records are never delivered, or soon will not be.
    RecordsUndelivered,
    /// The monitor was handed more than it could look at, or raised more alerts than it can hold.
    MonitorBehind,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// To be looked at some day.
    Info,
    /// To be looked at today.
    Warning,
    /// To be looked at now.
    Critical,
}

/// What is done by itself when an alert is raised, besides telling of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// The session in which it happened is ended.
    FreezeSession,
    /// The principal is refused, with all its sessions.
    FreezePrincipal,
    /// The principal is held, with all its sessions, until somebody approves that it goes on.
    RequireApproval {
        /// The `[approval.NAME]` that says who approves.
        approval: Name,
        /// After how long it goes on without; none for never.
        lapse: Option<Duration>,
    },
}

/// How one detection works.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Whether it is looked for.
    pub is_on: bool,
    /// How bad it is.
    pub severity: Severity,
    /// What is done by itself.
    pub action: Action,
    /// For how long access is ended.
    pub freeze: Duration,
    /// How much it takes, in the detection's own unit; for what is compared with what is usual, the least that is told.
    pub at: u64,
    /// The span of time in which it counts together.
    pub window: Duration,
    /// How many times the usual it takes.
    pub factor: u32,
    /// How many of a hundred requests it takes.
    pub share: u32,
    /// How long is learnt what is usual before anything is told.
    pub learn: Duration,
    /// For how long an alert is held after it last happened.
    pub hold: Duration,
}

/// A value of a [`Rule`] that some detections have and others have not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// [`Rule::at`].
    At,
    /// [`Rule::window`].
    Window,
    /// [`Rule::factor`].
    Factor,
    /// [`Rule::share`].
    Share,
    /// [`Rule::learn`].
    Learn,
}

/// What is known of a detection before anything is configured.
#[derive(Debug)]
pub struct Spec {
    /// Which it is.
    pub detection: Detection,
    /// The word for it in configurations, alerts and metrics.
    pub name: &'static str,
    /// The values it starts from.
    pub rule: Rule,
    /// Which of them mean something.
    pub parameters: &'static [Parameter],
    /// What [`Rule::at`] counts.
    pub unit: &'static str,
    /// Whether a principal is known whose access could be ended.
    pub names_principal: bool,
    /// What is told, and why with these values.
    pub about: &'static str,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

impl Spec {
    const fn new(detection: Detection, name: &'static str, severity: Severity, about: &'static str) -> Self {
        let rule = Rule {
            is_on: true,
            severity,
            action: Action::None,
            freeze: Duration::from_secs(15 * MINUTE),
            at: 1,
            window: Duration::from_secs(MINUTE),
            factor: 1,
            share: 0,
            learn: Duration::ZERO,
            hold: Duration::from_secs(10 * MINUTE),
        };
        Self { detection, name, rule, parameters: &[], unit: "", names_principal: false, about }
    }

    const fn at(mut self, at: u64, unit: &'static str) -> Self {
        self.rule.at = at;
        self.unit = unit;
        self
    }

    const fn window(mut self, seconds: u64) -> Self {
        self.rule.window = Duration::from_secs(seconds);
        self
    }

    const fn usual(mut self, factor: u32, learn_seconds: u64) -> Self {
        self.rule.factor = factor;
        self.rule.learn = Duration::from_secs(learn_seconds);
        self
    }

    const fn share(mut self, percent: u32) -> Self {
        self.rule.share = percent;
        self
    }

    const fn hold(mut self, seconds: u64) -> Self {
        self.rule.hold = Duration::from_secs(seconds);
        self
    }

    const fn has(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }

    const fn principals(mut self) -> Self {
        self.names_principal = true;
        self
    }

    /// Whether a value of the rule means something to it.
    pub fn takes(&self, parameter: Parameter) -> bool {
        self.parameters.contains(&parameter)
    }
}

use Detection as D;
use Parameter::{At, Factor, Learn, Share, Window};
use Severity::{Critical, Info, Warning};

/// Every detection, in the order of [`Detection`].
pub static SPECS: [Spec; 31] = [
    Spec::new(D::FailedLogins, "failed_logins", Warning, "Wrong credentials from one address, or for one identity. People mistype, and offices share an address: 20 in five minutes is no person.")
        .at(20, "wrong credentials").window(5 * MINUTE).has(&[At, Window]),
    Spec::new(D::CredentialStuffing, "credential_stuffing", Critical, "Wrong credentials for many identities from one address (IPv6 by /64). Ten people of one office do not all mistype within ten minutes.")
        .at(10, "identities").window(10 * MINUTE).has(&[At, Window]),
    Spec::new(D::DistributedGuessing, "distributed_guessing", Warning, "Wrong credentials for one identity from many networks, as those send them who have many addresses to stay below what any one is held to.")
        .at(6, "networks").window(HOUR).has(&[At, Window]),
    Spec::new(D::SlowStuffing, "slow_stuffing", Warning, "The same over hours, of an address from which wrong credentials for so many identities come, and those are so many of all that it claims and proves: in an office, far more people are proved than mistype.")
        .at(20, "identities").window(12 * HOUR).share(60).has(&[At, Window, Share]).hold(HOUR),
    Spec::new(D::SlowGuessing, "slow_guessing", Warning, "Wrong credentials for one identity from many networks over hours. Nobody mistypes in ten places a day.")
        .at(10, "networks").window(12 * HOUR).has(&[At, Window]).hold(HOUR),
    Spec::new(D::StuffingSucceeded, "stuffing_succeeded", Critical, "An identity was proved from an address while that stuffs credentials, and never from its network before: one of the guesses was right.")
        .hold(HOUR).principals(),
    Spec::new(D::RequestSpike, "request_spike", Warning, "Requests of one principal to one route within a minute, against the minutes in which it is at work. Less than `at` is nothing that an upstream notices.")
        .at(600, "requests").usual(5, 30 * MINUTE).has(&[At, Factor, Learn]).principals(),
    Spec::new(D::ByteSpike, "byte_spike", Warning, "Bytes of one principal over one route within a minute, both ways, against the minutes in which it is at work.")
        .at(64 << 20, "bytes").usual(8, 30 * MINUTE).has(&[At, Factor, Learn]).principals(),
    Spec::new(D::SlowRise, "slow_rise", Warning, "Requests of one principal by the quarter of an hour: a cumulated sum (CUSUM) of how far each lies above what is usual over days. It takes many quarters, each a little too much.")
        .at(100, "requests").usual(2, 6 * HOUR).has(&[At, Factor, Learn]).hold(HOUR).principals(),
    Spec::new(D::NewNetwork, "new_network", Info, "A network (/24, IPv6 /48) that a principal did not use in thirty days. Those with `at` networks or more travel, and are not told.")
        .at(6, "networks").usual(1, 24 * HOUR).has(&[At, Learn]).principals(),
    Spec::new(D::NewRoute, "new_route", Info, "A route, or a method of one, that a principal never used, and that no more than five of the role that lets it in, where one does, ever did: what many of them use is no news. Those with `at` or more explore, and are not told.")
        .at(24, "routes with methods").usual(1, 24 * HOUR).has(&[At, Learn]).principals(),
    Spec::new(D::UnusualHour, "unusual_hour", Info, "An hour of the day at which, or next to which, a principal was never at work on such a day (weekdays and weekends are two), after so much time with days of that kind.")
        .usual(1, 7 * 24 * HOUR).has(&[Learn]).hold(HOUR).principals(),
    Spec::new(D::Probing, "probing", Warning, "Requests of one principal that no rule allows. A client with a mistake asks the same again; thirty in five minutes look for a way.")
        .at(30, "requests").window(5 * MINUTE).has(&[At, Window]).principals(),
    Spec::new(D::Denials, "denials", Warning, "Requests that a route refuses within a minute, against its usual minutes and all that it gets: an attack, or a change that locks people out.")
        .at(50, "requests").share(20).usual(5, 30 * MINUTE).has(&[At, Share, Factor, Learn]),
    Spec::new(D::UpstreamErrors, "upstream_errors", Warning, "Answers of 5xx on a route within a minute, against its usual minutes and all answers.")
        .at(20, "answers").share(20).usual(5, 30 * MINUTE).has(&[At, Share, Factor, Learn]),
    Spec::new(D::BrokenRoute, "broken_route", Warning, "Callers of a route most of what they ask for is not there, or not allowed, and how many of all its callers those are: a deploy or a rule took it away. None of them is told for `enumeration` or `probing` there meanwhile.")
        .at(10, "callers").window(5 * MINUTE).share(60).has(&[At, Window, Share]),
    Spec::new(D::Enumeration, "enumeration", Critical, "Different paths (HyperLogLog) that were not there, or not allowed, and how many of all requests those are: of one principal on one route, or of one address that proves nobody.")
        .at(100, "paths").window(5 * MINUTE).share(40).has(&[At, Window, Share]).principals(),
    Spec::new(D::Exfiltration, "exfiltration", Critical, "Bytes that one principal is answered with within an hour, against the hours in which it is at work.")
        .at(256 << 20, "bytes").usual(5, 6 * HOUR).has(&[At, Factor, Learn]).hold(HOUR).principals(),
    Spec::new(D::Harvest, "harvest", Critical, "Different paths (HyperLogLog) that one principal read within an hour, against the hours in which it is at work: all of the customers, each once, may be few bytes.")
        .at(1000, "paths").usual(5, 6 * HOUR).has(&[At, Factor, Learn]).hold(HOUR).principals(),
    Spec::new(
        D::MovedSession,
        "moved_session",
        Warning,
        "A session that goes on from a network that its principal did not use in thirty days: stolen, or somebody on a journey. Between known networks it may move.",
    )
    .hold(HOUR)
    .principals(),
    Spec::new(
        D::StolenSession,
        "stolen_session",
        Critical,
        "A session that is used by turns, there and back twice, each within this time, from where it was and from such a network: two have it. Once is somebody with two addresses.",
    )
    .window(15 * MINUTE)
    .has(&[Window])
    .hold(HOUR)
    .principals(),
    Spec::new(D::ReflectedSecret, "reflected_secret", Warning, "An answer held the secret that the request was sent with. It was masked; the upstream has it in its answers all the same."),
    Spec::new(D::Canary, "canary", Critical, "A decoy was used, which nobody has a reason to: there is no threshold.").hold(HOUR),
    Spec::new(D::BreakGlass, "break_glass", Critical, "Somebody took a grant without approval. It is to be reviewed.").hold(HOUR),
    Spec::new(D::SecretOverdue, "secret_overdue", Warning, "A secret that is replaced is older than its rotation lets it become.").hold(MINUTE),
    Spec::new(D::RotationFailed, "rotation_failed", Warning, "A new secret was rolled back, could not be made, or an old one not be retired.").hold(HOUR),
    Spec::new(D::VaultTrouble, "vault_trouble", Critical, "A secret that requests need cannot be had.").hold(MINUTE),
    Spec::new(D::AuditTrouble, "audit_trouble", Critical, "The audit log takes no records, so that requests are refused; or exchanges have none.").hold(MINUTE),
    Spec::new(D::ReceiverAway, "receiver_away", Warning, "A sink's receiver, or the anchor, has for so long not taken what it is to have. It waits in the files.")
        .window(5 * MINUTE).has(&[Window]).hold(MINUTE),
    Spec::new(D::RecordsUndelivered, "records_undelivered", Critical, "Records were left out for a sink's receiver, or the oldest that waits has so much of the sink's `max_age` behind it, after which it is left out.")
        .share(50).has(&[Share]).hold(HOUR),
    Spec::new(D::MonitorBehind, "monitor_behind", Warning, "Records that the monitor did not look at, since more came than it could, or alerts that it could not hold: what they tell of is in the audit log all the same. Or ends of access that it asked for, which cannot be written and wait, or were given up.")
        .hold(MINUTE),
];

impl Detection {
    /// How many there are.
    pub const COUNT: usize = SPECS.len();

    /// What is known of it.
    pub fn spec(self) -> &'static Spec {
        &SPECS[self as usize]
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        SPECS.iter().find(|spec| spec.name == name).map(|spec| spec.detection)
    }
}

impl Severity {
    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Action {
    /// The word for it.
    pub fn text(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::FreezeSession => "freeze_session",
            Self::FreezePrincipal => "freeze_principal",
            Self::RequireApproval { .. } => "require_approval",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_detection_has_its_row_at_its_place() {
        for (nth, spec) in SPECS.iter().enumerate() {
            assert_eq!(spec.detection as usize, nth, "{}", spec.name);
            assert_eq!(Detection::named(spec.name), Some(spec.detection));
            assert_eq!(spec.takes(Parameter::At), !spec.unit.is_empty(), "{}", spec.name);
        }
    }
}
