//! `[role.NAME]`.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::{Compiled, Compiler};
use crate::authn::{ANONYMOUS, Authenticator};
use crate::authz::{Hours, RoleConditions, RoleTimes, Roles};
use crate::config::file::{HoursTable, RoleTable, Text};
use crate::config::read::Entries;
use crate::config::values::Spanned;
use crate::domain::Name;

impl Compiler<'_, '_> {
    pub(super) fn roles(&mut self, tables: Entries<RoleTable>, authenticators: &Compiled<Authenticator>) -> Arc<Roles> {
        let mut roles = Roles::default();
        for (name, entry) in tables {
            let role: Arc<str> = name.as_str().into();
            for member in &entry.table.members {
                if self.member(member, authenticators).is_some() {
                    roles.add_member(&role, member.get_ref());
                }
            }
            for claim in &entry.table.claims {
                roles.add_claim(&role, claim);
            }
            let idle = entry.table.idle.as_ref().and_then(|idle| self.idle(idle));
            roles.add_times(&role, RoleTimes { max: entry.table.max.map(|max| max.0), idle });
            let conditions = self.conditions(&entry.table, authenticators);
            if conditions.are_any() {
                roles.add_conditions(&role, conditions);
            }
        }
        Arc::new(roles)
    }

    fn conditions(&mut self, table: &RoleTable, authenticators: &Compiled<Authenticator>) -> RoleConditions {
        let known = table.requires.iter().filter(|text| self.find(authenticators, text).is_some());
        let requires = known.filter_map(|text| Name::parse(text.get_ref()).ok()).collect();
        let hours = table.hours.as_ref().and_then(|hours| self.hours(hours));
        RoleConditions { requires, networks: table.networks.0.clone(), hours }
    }

    fn hours(&mut self, table: &Spanned<HoursTable>) -> Option<Hours> {
        let (span, written) = (table.span(), table.get_ref());
        let cure =
            "write such as `{ days = [\"mon\", \"fri\"], from = \"08:00\", to = \"18:00\", zone = \"Europe/Berlin\" }`";
        let zone = match &written.zone {
            Some(name) => TimeZone::get(name).map_err(|_| "this system knows no such time zone"),
            None => Ok(TimeZone::UTC),
        };
        let zone = self.report.take(span.clone(), zone, cure);
        let time = |text: &String| text.parse().map_err(|_| "hours begin and end at times of a day");
        let from = self.report.take(span.clone(), time(&written.from), cure);
        let to = self.report.take(span.clone(), time(&written.to), cure);
        let day = |text: &String| Hours::DAYS.iter().find(|(name, _)| name == text).map(|(_, day)| *day);
        let days: Option<Vec<_>> = written.days.iter().map(day).collect();
        let days = self.report.take(span, days.ok_or("there is no such day"), cure)?;
        let days = if days.is_empty() { Hours::DAYS.map(|(_, day)| day).to_vec() } else { days };
        Some(Hours { days, from: from?, to: to?, zone: zone? })
    }

    /// Checks `AUTHENTICATOR:ID`.
    pub(super) fn member(&mut self, text: &Text, authenticators: &Compiled<Authenticator>) -> Option<()> {
        let known = |(authenticator, id): (&str, &str)| match authenticator {
            ANONYMOUS => id == ANONYMOUS,
            _ => !id.is_empty() && authenticators.by_name.contains_key(authenticator),
        };
        if !text.get_ref().split_once(':').is_some_and(known) {
            let cure =
                "write `AUTHENTICATOR:ID`, where `[authn.AUTHENTICATOR]` is there: an id alone could be anybody's";
            self.report.add(text.span(), "this names no principal", cure);
            return None;
        }
        Some(())
    }
}
