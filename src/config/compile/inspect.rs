//! `[inspect.NAME]`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::{Compiled, Compiler};
use crate::config::file::{InspectLimitsTable, InspectTable, Text};
use crate::config::values::{Size, Spanned};
use crate::domain::Name;
use crate::inspect::{
    Class, Contract, FieldKind, FieldRule, Limits, Mode, Part, Profile, Rule, RuleFile, Settings, Tuning, Unknown,
};
use crate::state::{Beyond, Inspecting};

impl Compiler<'_, '_> {
    pub(super) fn inspecting(
        &mut self,
        name: &Name,
        (span, table): (Range<usize>, InspectTable),
    ) -> Option<Arc<Inspecting>> {
        let mode = self.one_of(table.mode.as_ref(), &MODES);
        let beyond = self.one_of(table.beyond.as_ref(), &BEYOND);
        let threshold = self.in_range(table.threshold.as_ref(), 5, 1..=1000, "write a score of 1 to 1000");
        let paranoia = self.in_range(table.paranoia.as_ref(), 1, 1..=4, "write a level of 1 to 4");
        let body = self.inspected_body(table.body.as_ref());
        let (rules, fields) = (self.rule_files(&table.rules), self.fields(&table.fields));
        let (tuning, types) = (self.tuning(&table.tune), self.types(&table.types));
        let contract = self.contract(&table);
        let rules = rules?;
        let engine = match self.engines.rules.get(&rules) {
            Ok(engine) => engine,
            Err(errors) => {
                let place = table.rules.first().map_or(span, |file| file.span());
                for error in errors {
                    self.report.add(place.clone(), error.to_string(), "see docs/inspection.md for the form of rules");
                }
                return None;
            }
        };
        let settings = Settings {
            mode: mode?,
            threshold: threshold?,
            paranoia: paranoia?,
            tuning: tuning?,
            fields: fields?,
            types: types?,
            limits: limits(&table.limits, body?),
        };
        let profile = Profile::new(engine, settings).map_err(|unknown| {
            let place = table.tune.keys().find(|key| *key.get_ref() == unknown).map_or(0..0, |key| key.span());
            self.report.add(place, format!("there is no rule or class `{unknown}`"), "see `claviger inspect --rules`");
        });
        self.engines.metrics.classes(&Class::ALL.map(Class::as_str));
        let streams_grpc = table.grpc_streams;
        let memory = table.memory.map_or(256 << 10, |size| usize::try_from(size.0).unwrap_or(usize::MAX));
        let (name, profile) = (name.clone(), Arc::new(profile.ok()?.with_contract(contract?)));
        Some(Arc::new(Inspecting { name, profile, body: body?, memory, beyond: beyond?, streams_grpc }))
    }

    /// How the requests of a route are looked through. The outer `None` stands for an error.
    #[expect(clippy::option_option, reason = "wrong and absent are two things")]
    pub(super) fn route_inspecting(
        &mut self,
        text: Option<&Text>,
        known: &Compiled<Arc<Inspecting>>,
    ) -> Option<Option<Arc<Inspecting>>> {
        let Some(text) = text else { return Some(None) };
        let found = Arc::clone(self.find(known, text)?);
        Some(Some(found).filter(|found| found.profile.settings().mode != Mode::Off))
    }

    fn in_range<T: PartialOrd + Copy>(
        &mut self,
        written: Option<&Spanned<T>>,
        default: T,
        range: std::ops::RangeInclusive<T>,
        cure: &str,
    ) -> Option<T> {
        let Some(written) = written else { return Some(default) };
        let value = Some(*written.get_ref()).filter(|value| range.contains(value)).ok_or("out of range");
        self.report.take(written.span(), value, cure)
    }

    fn inspected_body(&mut self, written: Option<&Spanned<Size>>) -> Option<usize> {
        let Some(written) = written else { return Some(1 << 20) };
        let size = usize::try_from(written.get_ref().0).ok();
        let size = size.filter(|size| (1024..=64 << 20).contains(size)).ok_or("out of range");
        self.report.take(written.span(), size, "write a size of 1KiB to 64MiB")
    }

    /// The ready-made rules, and those of these files.
    fn rule_files(&mut self, files: &[Text]) -> Option<Vec<Rule>> {
        let mut rules = RuleFile::ready_made().ok()?;
        let mut is_right = true;
        for file in files {
            let Some(content) = self.file(file) else {
                is_right = false;
                continue;
            };
            let read = String::from_utf8(content).map_err(|_| "not UTF-8".to_owned());
            let read =
                read.and_then(|text| RuleFile::parse(&text).map_err(|error| format!("in {}: {error}", file.get_ref())));
            match self.report.take(file.span(), read, "see docs/inspection.md for the form of rules") {
                Some(mut read) => rules.append(&mut read.rule),
                None => is_right = false,
            }
        }
        is_right.then_some(rules)
    }

    /// What requests are held to.
    fn contract(&mut self, table: &InspectTable) -> Option<Contract> {
        let unknown = self.one_of(table.unknown.as_ref(), &UNKNOWN);
        let (mut contract, mut is_right) = (Contract::default(), true);
        if let Some(file) = &table.openapi {
            let text = self.file_of(file, MAX_DOCUMENT);
            is_right = text.is_some();
            let read = text.map(|text| contract.openapi(&text, unknown.unwrap_or(Unknown::Reject)));
            for error in read.and_then(Result::err).into_iter().flatten() {
                is_right = false;
                let cure = "correct the document there; docs/inspection.md tells what is supported";
                self.report.add(file.span(), error.to_string(), cure);
            }
        }
        for (place, file) in &table.schemas {
            let Some(text) = self.file(file) else {
                is_right = false;
                continue;
            };
            if let Err(error) = contract.schema(place.get_ref(), &text) {
                is_right = false;
                let (span, cure) = match error.at == *place.get_ref() {
                    true => (place.span(), "write one such as `POST /v1/charges/*`, where `*` stands for one segment"),
                    false => (file.span(), "correct the schema there; what it refers to is in the same file"),
                };
                self.report.add(span, error.to_string(), cure);
            }
        }
        unknown.filter(|_| is_right).map(|_| contract)
    }

    fn tuning(&mut self, table: &BTreeMap<Spanned<String>, Text>) -> Option<Vec<(String, Tuning)>> {
        let all = table.iter().map(|(key, text)| {
            let tuning = self.one_of(Some(text), &TUNINGS)?;
            Some((key.get_ref().clone(), tuning))
        });
        // All of them, so that each that is wrong is told.
        all.collect::<Vec<_>>().into_iter().collect()
    }

    fn types(&mut self, written: &[Text]) -> Option<Vec<String>> {
        let all = written.iter().map(|text| {
            let is_token = |text: &str| {
                !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
            };
            let is_type = |(kind, sub): (&str, &str)| is_token(kind) && (sub == "*" || is_token(sub));
            let kind = text.get_ref().split_once('/').filter(|pair| is_type(*pair)).ok_or("not a media type");
            let kind = self.report.take(
                text.span(),
                kind,
                "write one such as `application/json`, without parameters, or `image/*`",
            );
            kind.map(|_| text.get_ref().to_ascii_lowercase())
        });
        all.collect::<Vec<_>>().into_iter().collect()
    }

    fn fields(&mut self, table: &BTreeMap<Spanned<String>, Text>) -> Option<Vec<FieldRule>> {
        let all = table.iter().map(|(key, text)| {
            let kind = self.one_of(Some(text), &KINDS);
            // As it is told here, and as records tell it.
            let place = key.get_ref().find([':', '.', '[']).map(|at| key.get_ref().split_at(at));
            let place = place.and_then(|(part, trail)| {
                let part = part_of(part)?;
                // A body may be a list.
                let own = trail.strip_prefix([':', '.']).or_else(|| (part == Part::Body).then_some(trail))?;
                Some((part, own.to_owned()))
            });
            let place = place.ok_or("not the way to a field");
            let cure = "write one such as `body:items[*].note`, `query:q`, `header:x-note` or `cookie:theme`";
            let (part, trail) = self.report.take(key.span(), place, cure)?;
            Some(FieldRule { part, trail, kind: kind? })
        });
        all.collect::<Vec<_>>().into_iter().collect()
    }
}

const MODES: [(&str, Mode); 3] = [("enforce", Mode::Enforce), ("shadow", Mode::Shadow), ("off", Mode::Off)];
const BEYOND: [(&str, Beyond); 2] = [("reject", Beyond::Reject), ("stream", Beyond::Stream)];
const TUNINGS: [(&str, Tuning); 3] = [("off", Tuning::Off), ("shadow", Tuning::Shadow), ("on", Tuning::On)];
const UNKNOWN: [(&str, Unknown); 3] =
    [("reject", Unknown::Reject), ("allow", Unknown::Allow), ("closed", Unknown::Closed)];
/// The largest document of an API, in bytes.
const MAX_DOCUMENT: u64 = 16 << 20;
const KINDS: [(&str, FieldKind); 4] =
    [("text", FieldKind::Text), ("code", FieldKind::Code), ("query", FieldKind::Query), ("opaque", FieldKind::Opaque)];

fn part_of(word: &str) -> Option<Part> {
    [Part::Query, Part::Header, Part::Cookie, Part::Body].into_iter().find(|part| part.as_str() == word)
}

fn limits(table: &InspectLimitsTable, body: usize) -> Limits {
    let default = Limits::default();
    let size = |size: Option<Size>, default| size.map_or(default, |size| usize::try_from(size.0).unwrap_or(usize::MAX));
    Limits {
        // What may come without a coding is not too large for being without one.
        decoded: size(table.decoded, default.decoded).max(body),
        ratio: table.ratio.unwrap_or(default.ratio),
        codings: table.codings.unwrap_or(default.codings),
        depth: table.depth.unwrap_or(default.depth),
        keys: table.keys.unwrap_or(default.keys),
        array: table.array.unwrap_or(default.array),
        string: size(table.string, default.string),
        digits: table.digits.unwrap_or(default.digits),
        parameters: table.parameters.unwrap_or(default.parameters),
        parts: table.parts.unwrap_or(default.parts),
        files: table.files.unwrap_or(default.files),
        batch: table.batch.unwrap_or(default.batch),
        aliases: table.aliases.unwrap_or(default.aliases),
        cookies: size(table.cookies, default.cookies),
    }
}
