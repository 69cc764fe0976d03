//! What a record tells of what was found: in the request, and in the response.

use super::{Admission, Draft};
use crate::inspect::{Finding, Report};
use crate::state::Inspecting;
use crate::telemetry::InspectionVerdict;

impl Draft {
    /// Tells what was found while bodies passed.
    pub(in crate::proxy) fn found(&mut self, admission: &Admission, status: Option<u16>) {
        self.not_taken(admission, status);
        self.reflected(admission);
        self.leaked(admission);
        if let Some((windows, report)) = admission.body.windows.as_ref().and_then(|own| Some((own, own.found()?))) {
            self.inspected(windows.inspecting(), report);
        }
        if let Some((messages, report)) = admission.messages.as_ref().and_then(|own| Some((own, own.found()?))) {
            self.inspected(messages.inspecting(), report);
        }
    }

    /// Tells what was found in the request.
    pub(in crate::proxy) fn inspected(&mut self, inspecting: &Inspecting, report: &Report) {
        let metrics = &self.services.engines.metrics;
        let (verdict, text) = match (report.is_attack, inspecting.enforces()) {
            (false, _) => (InspectionVerdict::Passed, "passed"),
            (true, false) => (InspectionVerdict::Shadowed, "shadowed"),
            (true, true) => (InspectionVerdict::Denied, "denied"),
        };
        metrics.inspections.of(verdict).inc();
        if report.findings.is_empty() && report.fault.is_none() {
            return;
        }
        for class in report.classes() {
            metrics.found(class.as_str());
        }
        if let Some(record) = &mut self.record {
            let told = Told {
                profile: inspecting.name.as_str(),
                verdict: text,
                score: report.score,
                fault: report.fault.as_ref().map(ToString::to_string),
                findings: &report.findings,
            };
            record.inspection = serde_json::to_string(&told).ok().map(Into::into);
        }
    }

    /// Tells of a credential that the target does not take: a metric, and once in a while the log. To the client it looks as if its own proof were wrong.
    fn not_taken(&self, admission: &Admission, status: Option<u16>) {
        let sent = admission.route.credential.as_ref().filter(|_| admission.injection.is_some());
        let (Some(credential), Some(401), None) = (sent, status, self.denial()) else { return };
        self.services.engines.metrics.credential_refused(credential.name(), 1);
        if credential.may_warn(self.lapped) {
            log::warn!(
                credential = credential.name().as_str(), target_name = credential.target().as_str(), route = admission.route.name.as_str();
                "a target answered 401 to a request with its credential: it may not take it any more"
            );
        }
    }

    /// Tells of secrets that came back: in the record, a metric, and once in a while the log.
    fn reflected(&mut self, admission: &Admission) {
        let body = admission.scrubbing.as_ref().map_or(0, |scrubbing| scrubbing.findings().reflected);
        let found = admission.reflected + body;
        if found == 0 {
            return;
        }
        if let Some(record) = &mut self.record {
            record.reflected = found;
        }
        self.services.engines.metrics.reflections.inc();
        let own = admission.route.credential.as_ref().filter(|credential| credential.may_warn(self.lapped));
        if let Some(credential) = own {
            log::warn!(
                credential = credential.name().as_str(), target_name = credential.target().as_str(), route = admission.route.name.as_str();
                "a target answered with a secret that it was sent; it was masked"
            );
        }
    }

    /// Tells of what the response held that must not leave: in the record, a metric, and once in a while the log.
    fn leaked(&mut self, admission: &Admission) {
        let Some(profile) = &admission.route.leak else { return };
        let mut found = admission.leaked;
        if let Some(scrubbing) = &admission.scrubbing {
            found.add(&scrubbing.findings().leaked);
        }
        let found: Vec<_> = found.iter().map(|(kind, count)| (kind, profile.action(kind), count)).collect();
        let Some((first, _, _)) = found.first() else { return };
        if profile.may_warn(self.lapped) {
            log::warn!(
                kind = first.as_str(), target_name = admission.route.target.settings().name.as_str(), route = admission.route.name.as_str();
                "a target answered with what must not leave"
            );
        }
        for (kind, action, count) in &found {
            self.services.engines.metrics.leaked(kind.as_str(), action.as_str(), *count);
        }
        if let Some(record) = &mut self.record {
            record.leaks = found.iter().map(|(kind, _, count)| (kind.as_str(), *count)).collect();
        }
    }
}

/// What a record says of what was found.
#[derive(serde::Serialize)]
struct Told<'a> {
    profile: &'a str,
    verdict: &'static str,
    score: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    findings: &'a [Finding],
}
