//! `[limit.NAME]`, and where it applies.

use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Range;

use super::Compiler;
use super::listen::or;
use super::route::Parts;
use crate::config::file::{LimitTable, Text};
use crate::config::values::Spanned;
use crate::domain::Name;
use crate::limit::{ErrorRatio, RateFields, RateSettings, Volume, VolumeSettings};
use crate::state::{LimitBy, RouteLimit};

/// A compiled `[limit.NAME]`.
pub(super) struct Limit {
    name: Name,
    by: LimitBy,
    rate: Option<RateSettings>,
    concurrent: Option<NonZeroU32>,
    volume: Option<VolumeSettings>,
}

/// Before so many requests a share of errors says little.
const ERRORS_FROM: NonZeroU32 = NonZeroU32::new(20).unwrap();

impl Compiler<'_, '_> {
    pub(super) fn limit(&mut self, name: &Name, (span, table): (Range<usize>, LimitTable)) -> Option<Limit> {
        let by = match table.by.get_ref().as_str() {
            "client" => Ok(LimitBy::Client),
            "principal" => Ok(LimitBy::Principal),
            "route" => Ok(LimitBy::Route),
            _ => Err("no such thing to count by"),
        };
        let by = self.report.take(table.by.span(), by, "choose `client`, `principal` or `route`");
        let requests = self.positive(table.requests.as_ref());
        let burst = self.positive(table.burst.as_ref());
        let concurrent = self.positive(table.concurrent.as_ref());
        let per = or(table.per, 1);
        let has_volume = table.bytes.is_some() || table.objects.is_some() || table.errors.is_some();
        let volume = has_volume.then(|| VolumeSettings {
            per,
            bytes: self.bytes(&table),
            objects: self.objects(&table),
            errors: self.errors(&table),
        });
        if table.requests.is_none() && table.concurrent.is_none() && !has_volume {
            let cure = "write `requests`, `concurrent`, `bytes`, `objects` or `errors`, or several";
            self.report.add(span, "this limits nothing", cure);
        }
        let rate = requests.map(|requests| RateSettings { requests, per, burst: burst.unwrap_or(requests) });
        Some(Limit { name: name.clone(), by: by?, rate, concurrent, volume })
    }

    fn bytes(&mut self, table: &LimitTable) -> Option<NonZeroU64> {
        let size = table.bytes.as_ref()?;
        let bytes = NonZeroU64::new(size.get_ref().0);
        self.at_least_one(size.span(), bytes)
    }

    fn objects(&mut self, table: &LimitTable) -> Option<NonZeroU32> {
        let objects = self.positive(table.objects.as_ref())?;
        if objects.get() > Volume::MAX_OBJECTS {
            let cure = format!("write {} or less", Volume::MAX_OBJECTS);
            self.report.add(table.objects.as_ref()?.span(), "so many objects cannot be told apart", cure);
        }
        Some(objects)
    }

    fn errors(&mut self, table: &LimitTable) -> Option<ErrorRatio> {
        let percent = table.errors.as_ref()?;
        if !(1..100).contains(percent.get_ref()) {
            self.report.add(percent.span(), "not a share of requests", "write a number from 1 to 99, of a hundred");
        }
        Some(ErrorRatio { percent: *percent.get_ref(), from: ERRORS_FROM })
    }

    pub(super) fn positive(&mut self, value: Option<&Spanned<u32>>) -> Option<NonZeroU32> {
        let value = value?;
        self.at_least_one(value.span(), NonZeroU32::new(*value.get_ref()))
    }

    fn at_least_one<T>(&mut self, span: Range<usize>, value: Option<T>) -> Option<T> {
        if value.is_none() {
            let cure = "write 1 or more, or take the route out";
            self.report.add(span, "a limit of 0 would refuse everything", cure);
        }
        value
    }

    /// The limits of a route.
    pub(super) fn route_limits(&mut self, route: &Name, texts: &[Text], parts: &Parts) -> Vec<RouteLimit> {
        let mut limits = Vec::new();
        for text in texts {
            let Some(limit) = self.find(&parts.limits, text) else { continue };
            let scope = match limit.by {
                LimitBy::Client | LimitBy::Principal => limit.name.to_string(),
                LimitBy::Route => format!("{}@{route}", limit.name),
            };
            let registry = &self.engines.limits;
            let told = |rate: RateSettings| (registry.rate(&scope, rate), RateFields::new(&limit.name, &rate));
            limits.push(RouteLimit {
                name: limit.name.clone(),
                by: limit.by,
                rate: limit.rate.map(told),
                concurrency: limit.concurrent.map(|max| registry.concurrency(&scope, max)),
                volume: limit.volume.map(|settings| registry.volume(&scope, settings)),
            });
        }
        limits
    }

    /// The limits of what the gateway itself answers, through which no volumes go.
    pub(super) fn own_limits(&mut self, realm: &Name, texts: &[Text], parts: &Parts) -> Vec<RouteLimit> {
        let limits = self.route_limits(realm, texts, parts);
        for text in texts {
            if limits.iter().any(|limit| limit.volume.is_some() && limit.name.as_str() == text.get_ref()) {
                let cure = "name a limit of `requests` or `concurrent` here";
                self.report.add(text.span(), "volumes are counted on routes alone", cure);
            }
        }
        limits
    }
}
