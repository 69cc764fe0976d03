//! `[leak.NAME]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Spanned, Text};

/// `[leak.NAME]`: what must not leave in answers, and what is done about each kind: `off`, it is not looked for; `count`, the record tells of
/// it; `redact`, each character of it becomes `*`; `block`, the answer is refused with 502, or broken off where its beginning has gone on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct LeakTable {
    /// Secrets in the formats of their issuers: AWS, GitHub, GitLab, Slack, OpenAI, Anthropic, Stripe, Google and some 40 others. Default
    /// `redact`.
    pub(in crate::config) token: Option<Text>,
    /// JSON web tokens. Default `off`.
    pub(in crate::config) jwt: Option<Text>,
    /// Private keys in PEM, of OpenSSH, PGP and PuTTY. Default `redact`.
    pub(in crate::config) private_key: Option<Text>,
    /// Numbers of payment cards. A number of JSON becomes one of nines. Default `redact`.
    pub(in crate::config) card: Option<Text>,
    /// Bank accounts (IBAN). Default `off`.
    pub(in crate::config) iban: Option<Text>,
    /// US social security numbers, with hyphens. Default `off`.
    pub(in crate::config) us_ssn: Option<Text>,
    /// UK national insurance numbers. Default `off`.
    pub(in crate::config) uk_nino: Option<Text>,
    /// Spanish DNI and NIE. Default `off`.
    pub(in crate::config) es_dni: Option<Text>,
    /// French social security numbers (NIR). Default `off`.
    pub(in crate::config) fr_nir: Option<Text>,
    /// Italian tax codes (codice fiscale). Default `off`.
    pub(in crate::config) it_cf: Option<Text>,
    /// Brazilian CPF, with dots and a hyphen. Default `off`.
    pub(in crate::config) br_cpf: Option<Text>,
    /// E-mail addresses, where an answer has more than `emails_max` different ones: `off`, `count` or `block`. Default `count`.
    pub(in crate::config) emails: Option<Text>,
    /// How many different addresses an answer may have, 1 to 10000. Default `50`.
    pub(in crate::config) emails_max: Option<Spanned<u32>>,
    /// Stack traces, messages of databases, paths and source in answers of status 400 or more: `off`, `count`; `mask`, such an answer of
    /// status 500 or more is replaced by a problem document of the same status; `mask-html`, and so is every HTML page of such a status. Default
    /// `count`.
    pub(in crate::config) error_details: Option<Text>,
    /// `nosniff`, answers say `X-Content-Type-Options: nosniff`; `refuse`, and one that is declared as JSON and begins with `<` is refused
    /// with 502; or `off`. Default `nosniff`.
    pub(in crate::config) content_type: Option<Text>,
}
