//! `[leak.NAME]`.

use std::ops::Range;
use std::sync::Arc;

use super::Compiler;
use crate::config::file::{LeakTable, Text};
use crate::domain::Name;
use crate::inspect::{ErrorDetails, LeakAction, LeakKind, LeakProfile, LeakSettings, Sniff};

const ACTIONS: [(&str, LeakAction); 4] = [
    ("off", LeakAction::Off),
    ("count", LeakAction::Count),
    ("redact", LeakAction::Redact),
    ("block", LeakAction::Block),
];
/// Of what is a leak by its number alone, no single one can be masked.
const FOR_EMAILS: [(&str, LeakAction); 3] =
    [("off", LeakAction::Off), ("count", LeakAction::Count), ("block", LeakAction::Block)];
const FOR_ERRORS: [(&str, ErrorDetails); 4] = [
    ("off", ErrorDetails::Off),
    ("count", ErrorDetails::Count),
    ("mask", ErrorDetails::Mask),
    ("mask-html", ErrorDetails::MaskHtml),
];
const FOR_TYPES: [(&str, Sniff); 3] = [("off", Sniff::Off), ("nosniff", Sniff::Nosniff), ("refuse", Sniff::Refuse)];
/// The most addresses that are told apart.
const MOST_EMAILS: u32 = 10_000;

impl Compiler<'_, '_> {
    pub(super) fn leak(&mut self, _name: &Name, (_, table): (Range<usize>, LeakTable)) -> Option<Arc<LeakProfile>> {
        let mut settings = LeakSettings::default();
        for (kind, text) in [
            (LeakKind::Token, &table.token),
            (LeakKind::Jwt, &table.jwt),
            (LeakKind::PrivateKey, &table.private_key),
            (LeakKind::Card, &table.card),
            (LeakKind::Iban, &table.iban),
            (LeakKind::UsSsn, &table.us_ssn),
            (LeakKind::UkNino, &table.uk_nino),
            (LeakKind::EsDni, &table.es_dni),
            (LeakKind::FrNir, &table.fr_nir),
            (LeakKind::ItCf, &table.it_cf),
            (LeakKind::BrCpf, &table.br_cpf),
        ] {
            settings.actions.extend(self.choice(text.as_ref(), &ACTIONS).map(|action| (kind, action)));
        }
        let emails = self.choice(table.emails.as_ref(), &FOR_EMAILS);
        settings.actions.extend(emails.map(|action| (LeakKind::Emails, action)));
        if let Some(most) = &table.emails_max {
            settings.emails_max = *most.get_ref();
            if !(1..=MOST_EMAILS).contains(&settings.emails_max) {
                self.report.add(most.span(), "out of bounds", format!("write 1 to {MOST_EMAILS}"));
            }
        }
        settings.errors = self.choice(table.error_details.as_ref(), &FOR_ERRORS).unwrap_or(settings.errors);
        settings.sniff = self.choice(table.content_type.as_ref(), &FOR_TYPES).unwrap_or(settings.sniff);
        let profile = LeakProfile::new(&settings);
        for kind in LeakKind::ALL.into_iter().filter(|kind| profile.action(*kind) != LeakAction::Off) {
            // There from the start, so that the first one is seen as a rise from zero.
            self.engines.metrics.leaked(kind.as_str(), profile.action(kind).as_str(), 0);
        }
        Some(Arc::new(profile))
    }

    /// The one of several words that is written, if one is.
    pub(super) fn choice<T: Copy>(&mut self, text: Option<&Text>, words: &[(&str, T)]) -> Option<T> {
        let text = text?;
        let found = words.iter().find(|(word, _)| word == text.get_ref()).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.report.add(text.span(), "no such thing to do", format!("choose from {}", known.join(", ")));
        }
        found
    }
}
