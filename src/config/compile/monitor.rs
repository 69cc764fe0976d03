//! `[monitor]`.

use std::sync::Arc;
use std::time::Duration;

use super::{Compiled, Compiler};
use crate::config::diagnostic::nearest;
use crate::config::file::{DetectTable, MonitorTable, Text};
use crate::config::values::Spanned;
use crate::domain::Name;
use crate::monitor::{Action, Detection, Parameter, Rule, SPECS, Settings, Severity};
use crate::state::Approval;

pub(super) const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];
const ACTIONS: [(&str, Done); 4] = [
    ("none", Done::Nothing),
    ("freeze_session", Done::Session),
    ("freeze_principal", Done::Principal),
    ("require_approval", Done::Hold),
];
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The longest hold that ends by itself.
const LONGEST: Duration = DAY.saturating_mul(30);

/// What is done by itself, as it is written.
#[derive(Clone, Copy)]
enum Done {
    Nothing,
    Session,
    Principal,
    Hold,
}

/// What ending access, or holding it, rests on.
pub(super) struct Ends<'a> {
    pub(super) has_store: bool,
    /// Whether there is an `[access]`, where somebody can approve.
    pub(super) is_asked: bool,
    pub(super) approvals: &'a Compiled<Arc<Approval>>,
}

impl Compiler<'_, '_> {
    pub(super) fn monitor(&mut self, table: MonitorTable, ends: &Ends<'_>) -> Arc<Settings> {
        let mut settings = Settings::default();
        settings.is_enabled = table.enabled.unwrap_or(true);
        let most = self.number(table.max_principals.as_ref(), 100, 1_000_000);
        settings.max_principals = most.map_or(settings.max_principals, |most| most as usize);
        settings.state = table.state.as_ref().map(|path| self.path(path.get_ref()));
        for (name, table) in table.detect {
            let Some(detection) = Detection::named(name.get_ref()) else {
                let cure = match nearest(name.get_ref(), SPECS.iter().map(|spec| spec.name)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "docs/monitoring.md has all of them".to_owned(),
                };
                self.report.add(name.span(), "there is no such detection", cure);
                continue;
            };
            self.has_what_it_takes(detection, &table);
            let rule = self.detect(detection, &table, ends);
            *settings.rule_mut(detection) = rule;
        }
        Arc::new(settings)
    }

    fn detect(&mut self, detection: Detection, table: &DetectTable, ends: &Ends<'_>) -> Rule {
        let rule = &detection.spec().rule;
        let up_to_day = "this lasts 1s to 24h";
        let (freeze, window, hold) = (table.freeze.as_ref(), table.window.as_ref(), table.hold.as_ref());
        let learn = self.within(
            table.learn.as_ref(),
            rule.learn,
            60 * SECOND,
            90 * DAY,
            "what is usual is learnt in 1m to 90 days",
        );
        Rule {
            is_on: table.enabled.unwrap_or(rule.is_on),
            severity: self.choice(table.severity.as_ref(), &SEVERITIES).unwrap_or(rule.severity),
            action: self.action(detection, table, ends),
            freeze: self.within(freeze, rule.freeze, SECOND, DAY, up_to_day).unwrap_or(rule.freeze),
            at: self.threshold(table.at.as_ref().map(|at| (at.get_ref().0, at.span()))).unwrap_or(rule.at),
            window: self.within(window, rule.window, SECOND, DAY, up_to_day).unwrap_or(rule.window),
            factor: self.number(table.factor.as_ref(), 1, 1000).unwrap_or(rule.factor),
            share: self.number(table.share.as_ref(), 0, 100).unwrap_or(rule.share),
            learn: learn.unwrap_or(rule.learn),
            hold: self.within(hold, rule.hold, SECOND, DAY, up_to_day).unwrap_or(rule.hold),
        }
    }

    /// What means nothing to a detection is most often meant for another.
    fn has_what_it_takes(&mut self, detection: Detection, table: &DetectTable) {
        let written = [
            (Parameter::At, "at", table.at.as_ref().map(|one| one.span())),
            (Parameter::Window, "window", table.window.as_ref().map(|one| one.span())),
            (Parameter::Factor, "factor", table.factor.as_ref().map(|one| one.span())),
            (Parameter::Share, "share", table.share.as_ref().map(|one| one.span())),
            (Parameter::Learn, "learn", table.learn.as_ref().map(|one| one.span())),
        ];
        for (parameter, key, span) in written {
            if let Some(span) = span.filter(|_| !detection.spec().takes(parameter)) {
                let cure = "docs/monitoring.md tells what each detection has";
                self.report.add(span, format!("`{}` has no `{key}`", detection.name()), cure);
            }
        }
    }

    fn action(&mut self, detection: Detection, table: &DetectTable, ends: &Ends<'_>) -> Action {
        let done = self.choice(table.action.as_ref(), &ACTIONS).unwrap_or(Done::Nothing);
        if let Some(text) = &table.action {
            self.can_act(detection, done, text, ends.has_store);
        }
        match done {
            Done::Nothing => self.needs_hold(table, Action::None),
            Done::Session => self.needs_hold(table, Action::FreezeSession),
            Done::Principal => self.needs_hold(table, Action::FreezePrincipal),
            Done::Hold => self.hold(table, ends).unwrap_or(Action::None),
        }
    }

    fn can_act(&mut self, detection: Detection, done: Done, text: &Text, has_store: bool) {
        match done {
            Done::Nothing => {}
            Done::Session | Done::Principal | Done::Hold if !detection.spec().names_principal => {
                let cure = "write `none`: nobody's name is known there whose access could be ended";
                self.report.add(text.span(), format!("`{}` is not about principals", detection.name()), cure);
            }
            Done::Session if detection == Detection::StuffingSucceeded => {
                let cure = "write `freeze_principal`: a guess that was right has no session yet";
                self.report.add(text.span(), format!("`{}` is not about sessions", detection.name()), cure);
            }
            Done::Session | Done::Principal | Done::Hold if !has_store => {
                let cure = "add `[store]` with `path`";
                self.report.add(text.span(), "ended access is kept in the store, and there is none", cure);
            }
            Done::Session | Done::Principal | Done::Hold => {}
        }
    }

    /// Tells of what means something to a hold alone.
    fn needs_hold(&mut self, table: &DetectTable, action: Action) -> Action {
        let written = [table.approval.as_ref().map(|one| one.span()), table.lapse.as_ref().map(|one| one.span())];
        for span in written.into_iter().flatten() {
            let cure = "write `action = \"require_approval\"`, or leave it out";
            self.report.add(span, "nobody waits for an approval here", cure);
        }
        action
    }

    fn hold(&mut self, table: &DetectTable, ends: &Ends<'_>) -> Option<Action> {
        let rule = "a hold lapses after 1m to 30 days, or never";
        let lapse = table.lapse.as_ref().map(|_| self.within(table.lapse.as_ref(), DAY, 60 * SECOND, LONGEST, rule));
        let (action, approval) = (table.action.as_ref()?, table.approval.as_ref());
        let Some(approval) = approval else {
            let cure = "add `approval = \"NAME\"` of an `[approval.NAME]`";
            self.report.add(action.span(), "it does not say who approves", cure);
            return None;
        };
        if !ends.is_asked {
            let cure = "add `[access]` with `url` and `authn`";
            self.report.add(approval.span(), "nobody could approve this", cure);
        }
        self.find(ends.approvals, approval)?;
        let approval = Name::parse(approval.get_ref()).ok()?;
        Some(Action::RequireApproval { approval, lapse: lapse.flatten() })
    }

    fn number(&mut self, written: Option<&Spanned<u32>>, least: u32, most: u32) -> Option<u32> {
        let written = written?;
        let number = *written.get_ref();
        let is_within = (least..=most).contains(&number);
        self.report.take(
            written.span(),
            is_within.then_some(number).ok_or("out of bounds"),
            format!("write {least} to {most}"),
        )
    }

    fn threshold(&mut self, written: Option<(u64, std::ops::Range<usize>)>) -> Option<u64> {
        let (number, span) = written?;
        self.report.take(span, (number > 0).then_some(number).ok_or("everything would be told"), "write 1 or more")
    }
}
